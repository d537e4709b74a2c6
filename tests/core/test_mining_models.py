"""What the models say of small pasts whose answers can be worked out by hand."""

from collections import Counter
from collections.abc import Iterable
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import BadInput
from engine.core.events import Event, Mark
from engine.core.ids import DAY
from engine.core.state import Held
from engine.mining import affinity, churn, offers, purchases, rfm
from engine.mining.purchases import MOST_KEPT, Purchases
from engine.mining.quality import judge
from engine.mining.reading import names_of, number_of, slug
from engine.mining.verdicts import Mined, Terms, Verdict, marks, version_of


def paid(customer: str, at: int, **properties: Any) -> tuple[str, Event]:
    return customer, Event(f"{customer}{at}", "order_paid", at, at, properties=properties)


def bought(**customers: list[tuple[int, float]]) -> dict[str, Purchases]:
    told = [paid(name, at, total=total) for name, deeds in customers.items() for at, total in deeds]
    return purchases.gather(told, "order_paid", "total")


# --- what is read out of events


@pytest.mark.parametrize(
    ("properties", "number"),
    [
        ({"total": 12}, 12.0),
        ({"total": True}, 0.0),
        ({"total": "12"}, 0.0),
        ({"total": float("nan")}, 0.0),
        ({"total": None}, 0.0),
        ({"total": {"value": 3}}, 0.0),
        ({}, 0.0),
        ({"total": -5.5}, -5.5),
    ],
)
def test_only_numbers_are_worth_something(properties: dict[str, Any], number: float) -> None:
    assert number_of(properties, "total") == number


def test_names_are_found_through_lists_and_each_counts_once() -> None:
    told = {"products": [{"brand": "Tea"}, {"brand": 7}, {"brand": " Tea "}, {"other": 1}, "?", {"brand": ""}]}
    assert names_of(told, "products.brand") == ["Tea", "7"]
    assert names_of({"brand": "x\x07y"}, "brand") == []
    assert names_of({"brand": True}, "brand") == []
    assert len(names_of({"brand": "b" * 999}, "brand")[0]) == 100


@pytest.mark.parametrize(
    ("name", "tag"), [("Green Tea", "green-tea"), ("茶 / 具", "茶-具"), ("--", ""), ("A" * 99, "a" * 40)]
)
def test_a_name_becomes_a_part_of_a_tag(name: str, tag: str) -> None:
    assert slug(name) == tag


# --- purchases in bounded space


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 100)), min_size=1, max_size=60), st.integers(0, 10_001)
)
def test_sums_up_to_an_instant_are_those_of_the_deeds_by_then(deeds: list[tuple[int, int]], end: int) -> None:
    held = bought(mei=[(at, float(total)) for at, total in deeds])["mei"]
    known = [(at, total) for at, total in deeds if at <= end]
    sums = held.up_to(end)
    if not known:
        assert sums is None
        return
    times = [at for at, _ in known]
    assert sums is not None
    assert tuple(sums) == (len(known), sum(total for _, total in known), min(at for at, _ in deeds), max(times))
    assert held.has_between(end, end + 50) == any(end < at <= end + 50 for at, _ in deeds)


def test_a_customer_with_more_purchases_than_are_kept_is_summed_up_exactly() -> None:
    many = 5 * MOST_KEPT + 7
    held = bought(mei=[(many - place, 2.0) for place in range(many)])["mei"]
    assert held.up_to(many) == (many, 2.0 * many, 1, many)
    for at in range(10_000):
        held.act(at)
    assert len(held.acts) < 2 * MOST_KEPT
    assert max(held.acts) == 9_999


# --- RFM


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_scores_follow_the_values_and_equal_values_have_equal_scores(values: list[int]) -> None:
    scores = rfm.scores(values)
    for value, score in zip(values, scores, strict=True):
        below = sum(other < value for other in values)
        assert (score - 1) * len(values) <= 5 * below < score * len(values)


def test_every_mixture_of_scores_has_a_name_that_has_words() -> None:
    names = {rfm.segment(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)}
    assert names == set(rfm.SEGMENTS)


def test_five_customers_stand_where_the_hand_puts_them() -> None:
    past = bought(
        a=[(100, 10.0)],
        b=[(200, 10.0), (210, 10.0)],
        c=[(300, 10.0), (310, 30.0)],
        d=[(400, 10.0)] * 4,
        e=[(500, 99.0)] * 5,
    )
    found = rfm.rfm(past, 500)
    assert {name: int(verdict.score) for name, verdict in found.items()} == {"a": 111, "b": 222, "c": 323, "d": 443,
                                                                            "e": 555}  # fmt: skip
    assert found["e"].tag == "rfm-champions"
    assert found["a"].tag == "rfm-hibernating"
    assert found["e"].why == {
        "segment": "champions",
        "recency": 5,
        "frequency": 5,
        "monetary": 5,
        "purchases": 5,
        "spent": 495.0,
    }


def test_deeds_after_the_end_do_not_count_and_nobody_is_an_error() -> None:
    assert list(rfm.rfm(bought(a=[(1, 1.0)], b=[(9, 1.0)]), 5)) == ["a"]
    with pytest.raises(BadInput, match="no purchase"):
        rfm.rfm({}, 5)


# --- churn


def population() -> dict[str, Purchases]:
    """Half of them buy every five days, the others bought a few times in the beginning and never again."""
    days = range(0, 120)
    regular = {f"r{n}": [(day * DAY + n + 1, 10.0) for day in days if day % 5 == n % 5] for n in range(80)}
    gone = {f"g{n}": [(day * DAY + n + 1, 10.0) for day in range(n % 20 + 1)] for n in range(80)}
    return bought(**regular, **gone)


def by_idleness(told: Any, _lost: Any) -> churn.Guess:
    """Learn nothing: guess by the first feature."""
    most = max(one[0] for one in told) + 1e-9
    return lambda asked: [min(1.0, one[0] / most) for one in asked]


def test_who_stopped_long_ago_is_told_from_who_goes_on() -> None:
    verdicts, judgement = churn.churn(population(), 120 * DAY, 30 * DAY, by_idleness, churn.Bands())
    assert judgement.auc == 1.0
    assert judgement.is_better
    assert {verdict.tag for name, verdict in verdicts.items() if name.startswith("g")} == {"churn-high"}
    assert {verdict.tag for name, verdict in verdicts.items() if name.startswith("r")} == {"churn-low"}


def test_what_comes_after_a_cut_is_not_known_at_it() -> None:
    early = bought(a=[(DAY, 5.0), (9 * DAY, 7.0)])["a"]
    late = bought(a=[(DAY, 5.0), (9 * DAY, 7.0), (11 * DAY, 99.0)])["a"]
    late.act(12 * DAY)
    assert churn.features(early, 10 * DAY, 5 * DAY) == churn.features(late, 10 * DAY, 5 * DAY)
    assert churn.features(early, 0, 5 * DAY) is None
    assert churn.lesson({"a": late}, 10 * DAY, 5 * DAY).lost == [False]
    assert churn.lesson({"a": early}, 10 * DAY, 5 * DAY).lost == [True]


def test_a_model_that_guesses_the_same_of_everybody_is_not_better_than_the_base_rate() -> None:
    _, judgement = churn.churn(
        population(), 120 * DAY, 30 * DAY, lambda _told, _lost: lambda asked: [0.5] * len(asked), churn.Bands()
    )
    assert judgement.auc == 0.5
    assert not judgement.is_better


def test_sure_but_wrong_guesses_are_not_better_although_their_order_is_right() -> None:
    truths = [True] * 5 + [False] * 95
    told = judge([1.0] * 5 + [0.9] * 95, truths, 0.05)
    assert told.auc == 1.0
    assert told.brier > told.base_brier
    assert not told.is_better


def test_a_past_in_which_everybody_goes_on_teaches_nothing() -> None:
    with pytest.raises(BadInput, match="of 100 customers 0 bought nothing within 30 days"):
        churn.churn(
            bought(**{f"c{n}": [(day * DAY, 1.0) for day in range(1, 120)] for n in range(100)}),
            119 * DAY,
            30 * DAY,
            by_idleness,
            churn.Bands(),
        )


# --- affinity


def test_a_preference_is_the_smoothed_share_by_hand() -> None:
    """Everybody: tea 6 of 10, cups 4 of 10."""
    told = [
        *(paid("mei", at, category="tea") for at in range(1, 6)),
        paid("li", 1, category="tea"),
        *(paid("li", at, category="cups") for at in range(2, 5)),
        paid("wang", 1, category="cups"),
    ]
    found = affinity.affinity(affinity.gather(told, "order_paid", "category"), affinity.Liking())
    assert {name: (verdict.tag, verdict.score) for name, verdict in found.items()} == {
        "mei": ("likes-tea", round((5 + 3 * 0.6) / 8, 4)),
        "li": ("likes-cups", round((3 + 3 * 0.4) / 7, 4)),
    }, "one event of wang's is too few"
    assert found["li"].why == {"category": "cups", "share": 0.6, "usual": 0.4, "events": 3}


def test_a_taste_that_everybody_has_as_much_is_no_preference() -> None:
    tastes = {name: Counter(tea=2, cups=2) for name in ("mei", "li")}
    assert affinity.affinity(tastes, affinity.Liking()) == {}
    assert affinity.affinity({"mei": Counter(tea=4), "li": Counter(cups=4)}, affinity.Liking(share=0.9)) == {}


def test_a_tie_goes_to_the_first_by_name_and_tastes_are_bounded() -> None:
    tastes = {"mei": Counter(b=3, a=3), "li": Counter(c=6)}
    assert affinity.affinity(tastes, affinity.Liking())["mei"].tag == "likes-a"
    many = [paid("mei", at, category=f"c{at}") for at in range(1, 500)]
    assert len(affinity.gather(many, "order_paid", "category")["mei"]) == affinity.MOST_TASTES


# --- next best


def baskets(**customers: str) -> dict[str, dict[str, int]]:
    return {name: {item: place + 1 for place, item in enumerate(items.split())} for name, items in customers.items()}


def test_the_item_offered_is_the_nearest_by_hand() -> None:
    """Tea is had by 3, cups by 3, milk by 2; tea and cups together by 2, tea and milk by 1, cups and milk by 1."""
    past = baskets(a="tea cups", b="tea cups milk", c="tea", d="milk", e="cups")
    found = offers.next_best(past, offers.Shelf(fewest=1))
    tea_cups, with_milk = 2 / 3, 1 / sqrt(6)
    assert {name: (verdict.traits["next_best"], verdict.score) for name, verdict in found.items()} == {
        "a": ("milk", round(with_milk, 4)),
        "c": ("cups", round(tea_cups, 4)),
        "d": ("cups", round(with_milk, 4)),
        "e": ("tea", round(tea_cups, 4)),
    }, "b has everything; of d's two equally near ones the first by name"
    assert {verdict.tag for verdict in found.values()} == {"next-best"}


def test_items_that_few_have_are_not_offered_and_what_is_had_never_is() -> None:
    past = baskets(a="tea rare", b="tea cups", c="tea cups")
    found = offers.next_best(past, offers.Shelf(fewest=2))
    assert {name: verdict.traits["next_best"] for name, verdict in found.items()} == {"a": "cups"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("123456"), min_size=1), min_size=2))
def test_an_offer_does_not_hang_on_the_order_of_customers_or_items(past: dict[str, set[str]]) -> None:
    def told(names: Iterable[str]) -> dict[str, dict[str, int]]:
        return {name: dict.fromkeys(sorted(past[name], reverse=name > "d"), 1) for name in names}

    shelf = offers.Shelf(fewest=1)
    one, other = offers.next_best(told(sorted(past)), shelf), offers.next_best(told(sorted(past, reverse=True)), shelf)
    assert one == other
    assert all(verdict.traits["next_best"] not in past[name] for name, verdict in one.items())


def test_of_a_customer_with_very_many_items_the_latest_count() -> None:
    told = [paid("mei", at, item=f"i{at}") for at in range(1, 400)]
    held = offers.gather(told, "order_paid", "item")["mei"]
    assert sorted(held.values()) == list(range(350, 400))


# --- tags


TERMS = Terms("rfm", "rfm-1", 99, frozenset({"rfm-new", "rfm-loyal"}))


def test_a_tag_that_is_no_longer_deserved_goes_and_others_tags_stay() -> None:
    held = {
        "rfm-new": Held(1, by="mined:rfm"),
        "churn-high": Held(1, by="mined:churn"),
        "vip": Held(1, by="rule"),
        "rfm-old": Held(1, by="import:fair.csv"),
    }
    assert marks(held, None, TERMS) == {"rfm-new": None}
    assert marks(held, Verdict("rfm-new", 511.0), TERMS) == {"rfm-new": Mark("mined:rfm", 99, 511.0, "rfm-1")}
    assert marks(held, Verdict("rfm-champions", 555.0), TERMS) == {"rfm-new": None}, "nobody declared champions"
    assert marks({}, None, TERMS) == {}


def test_a_version_follows_from_the_settings_and_the_day() -> None:
    one = version_of("rfm", {"event": "order_paid", "value": "total"}, "2026-03-01")
    assert one == version_of("rfm", {"value": "total", "event": "order_paid"}, "2026-03-01")
    assert len({one, version_of("rfm", {"event": "paid"}, "2026-03-01"), version_of("rfm", {}, "2026-03-02")}) == 3


def test_tags_are_counted_most_first() -> None:
    told = {"a": Verdict("x", 1.0), "b": Verdict("y", 1.0), "c": Verdict("y", 2.0)}
    assert Mined("m", "1", told).counts() == [("y", 2), ("x", 1)]

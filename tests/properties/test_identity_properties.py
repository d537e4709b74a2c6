"""Merging commutes with what happens, adds each count once, and parting gives back exactly what the log recorded."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.audience import identity, merging, parting, profile
from engine.core.audience.identity import RULES
from engine.core.audience.parting import Meeting
from engine.core.events import Event, Mark
from engine.core.expression import Measure
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.state import Customer, Held, Tally

BOOK = Playbook(
    [],
    Audience(
        measures=(
            Measure("paid", "order_paid", "total", window=50),
            Measure("bought", "order_paid", "product", kind="values", window=80),
        )
    ),
)


@st.composite
def happenings(draw: st.DrawFn, kind: str) -> list[Event]:
    """A few things that one person did, each at an instant of its own."""
    events = []
    for at in draw(st.lists(st.integers(1, 200), max_size=6, unique=True)):
        said: dict[str, Any] = {
            "properties": {"total": draw(st.integers(0, 9)), "product": draw(st.sampled_from("abc"))},
            "traits": draw(st.dictionaries(st.sampled_from(["city", "age"]), st.integers(0, 5), max_size=2)),
            "tags": draw(st.dictionaries(st.sampled_from(["vip", "new"]), st.just(Mark("import:x")), max_size=1)),
            "identifiers": {draw(st.sampled_from([kind, "phone", "email"])): draw(st.sampled_from(["1", "2", "3"]))},
        }
        # Instants of two people never meet: of two words said at once nobody can say which was the later.
        events.append(Event(f"{kind}{at}", "order_paid", 2 * at + (kind == "openid"), 2 * at + 400, **said))
    return events


def lived(name: str, events: list[Event]) -> Customer:
    customer = Customer(name, 1)
    for event in events:
        customer = profile.fold(BOOK, customer, event)
    return customer


def profile_of(customer: Customer) -> tuple[Any, ...]:
    """What is known of somebody, without the order in which identifiers came."""
    held = {kind: frozenset(values) for kind, values in customer.identifiers.items()}
    return (
        held,
        customer.traits,
        customer.traits_at,
        {key: sums(tally) for key, tally in customer.behaviour.items()},
        customer.seen,
        set(customer.tags),
    )


def sums(tally: Tally) -> tuple[Any, ...]:
    """A statistic without the pairs that were forgotten at another moment."""
    return (tally.count, tally.total, tally.first, tally.last, tally.least, tally.most)


@given(happenings("user_id"), happenings("openid"), happenings("openid"))
def test_merging_and_then_hearing_is_hearing_and_then_merging(
    ours: list[Event], theirs: list[Event], later: list[Event]
) -> None:
    one, other = lived("c1", ours), lived("c2", theirs)
    fresh = [msgspec.structs.replace(event, id="x" + event.id, at=event.at + 1_000) for event in later]
    before = merging.merge(one, lived_on(other, fresh), 5_000).customer
    after = lived_on(merging.merge(one, other, 5_000).customer, fresh)
    assert profile_of(before) == profile_of(after)


def lived_on(customer: Customer, events: list[Event]) -> Customer:
    for event in events:
        customer = profile.fold(BOOK, customer, event)
    return customer


@given(happenings("user_id"), happenings("openid"))
def test_who_wins_changes_nothing_of_what_is_known(ours: list[Event], theirs: list[Event]) -> None:
    one, other = lived("c1", ours), lived("c2", theirs)
    assert profile_of(merging.merge(one, other, 9).customer) == profile_of(merging.merge(other, one, 9).customer)


@given(happenings("user_id"), happenings("openid"))
def test_parting_at_once_gives_back_exactly_the_two(ours: list[Event], theirs: list[Event]) -> None:
    one, other = lived("c1", ours), lived("c2", theirs)
    united = merging.merge(one, other, 900).customer
    parted = parting.part(united, Meeting(one, other, united))
    assert msgspec.structs.replace(parted.rest, apart=()) == one
    assert msgspec.structs.replace(parted.back, apart=()) == other


@settings(max_examples=200)
@given(
    happenings("user_id"),
    st.lists(happenings("openid"), min_size=1, max_size=4),
    st.lists(happenings("email"), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_they_part_each_purchase_counts_once(
    ours: list[Event], others: list[list[Event]], between: list[list[Event]], order: Any
) -> None:
    winner, log = lived("c0", ours), {}
    total = sum(map(len, (ours, *others)))
    for number, theirs in enumerate(others):
        loser = lived(f"c{number + 1}", theirs)
        united = merging.merge(winner, loser, 1_000 + number).customer
        log[loser.id] = Meeting(winner, loser, united)
        fresh = [
            msgspec.structs.replace(e, at=e.at + 2_000 * (number + 1), received=e.at + 9_000) for e in between[number]
        ]
        total += len(fresh)
        winner = lived_on(united, fresh)
    back = []
    for name in order.sample(sorted(log), len(log)):
        meeting = log.pop(name)
        parted = parting.part(winner, meeting)
        winner = parted.rest
        back.append(parted.back)
        assert parted.back.behaviour == meeting.theirs.behaviour
        for other, line in log.items():
            if other > name:
                log[other] = Meeting(
                    parting.remainder(line.ours, meeting), line.theirs, parting.remainder(line.united, meeting)
                )
    assert sum(one.behaviour["paid"].count for one in (winner, *back) if "paid" in one.behaviour) == total
    mine = winner.behaviour.get("paid", Tally())
    own = len(ours) + sum(len(events) for events in between[: len(others)])
    assert mine.count == own


@given(st.lists(st.tuples(st.sampled_from(["phone", "email", "device_id"]), st.integers(0, 40)), max_size=60))
def test_nobody_holds_more_of_a_kind_than_its_limit_and_what_goes_is_told(said: list[tuple[str, int]]) -> None:
    held = Customer("c1", 1)
    led: set[str] = set()
    for kind, number in said:
        before, held = held, identity.link(held, {kind: str(number)})
        led |= {f"{kind}:{number}"}
        led -= set(identity.let_go(before.identifiers, held.identifiers))
    assert led == {f"{kind}:{value}" for kind, values in held.identifiers.items() for value in values}
    assert all(len(values) <= RULES.limit(kind) for kind, values in held.identifiers.items())


def test_a_tag_of_both_is_carried_as_long_as_the_longer() -> None:
    one, other = Customer("c1", 1, tags={"vip": Held(5, 90, "rule")}), Customer("c2", 1, tags={"vip": Held(9, 20, "x")})
    assert merging.merge(one, other, 9).customer.tags == {"vip": Held(5, 90, "x")}

"""Folding events into statistics: totals for ever, windows exact and bounded."""

from typing import Any

from engine.core.audience.behaviour import MOST_RECENT, MOST_VALUES, CompiledMeasure, fold, merge, refill
from engine.core.audience.readings import next_change, reader
from engine.core.events import Event
from engine.core.expression import FOREVER, Function, Measure
from engine.core.ids import DAY, HOUR
from engine.core.state import Tally


def order(at: int, received: int | None = None, **properties: object) -> Event:
    when = at if received is None else received
    return Event(id=f"{at}", name="order_paid", at=at, received=when, properties=dict(properties))


def read(tally: Tally | None, function: Function, now: int, since: int | None, chain: tuple[int, ...] = ()) -> Any:
    return reader(function, chain)(tally, now, since)


MONTHLY = CompiledMeasure(Measure("k", "order_paid", "order.total", window=30 * DAY))
TOTALS = CompiledMeasure(Measure("t", "order_paid"))


ONE = {"total": 1}


def folded(*events: Event, measure: CompiledMeasure = MONTHLY) -> Tally:
    behaviour: dict[str, Tally] = {}
    for event in events:
        behaviour = fold(behaviour, [measure], event)
    return behaviour[measure.key]


def test_sums_read_the_field_by_its_path() -> None:
    tally = folded(order(DAY, order={"total": 20}), order(2 * DAY, order={"total": 5.5}))
    assert (tally.count, tally.total, tally.first, tally.last) == (2, 25.5, DAY, 2 * DAY)
    assert tally.recent == ((DAY, 20.0), (2 * DAY, 5.5))


def test_a_field_that_is_no_number_is_passed_over() -> None:
    for total in ("20", True, None, [1], float("nan"), float("inf"), 10**400, -1e300):
        assert fold({}, [MONTHLY], order(DAY, order={"total": total})) == {}
    assert fold({}, [MONTHLY], order(DAY, order="20")) == {}


def test_extremes_and_averages_know_only_the_numbers_that_were_said() -> None:
    tally = folded(order(DAY, order={"total": 30}), order(2 * DAY, order={}), order(3 * DAY, order={"total": 10}))
    assert [read(tally, name, 3 * DAY, None) for name in ("max", "min", "avg", "sum")] == [30, 10, 20, 40]
    assert [read(tally, name, 3 * DAY, DAY) for name in ("max", "min", "avg", "sum")] == [10, 10, 10, 10]
    assert [read(tally, name, 3 * DAY, 3 * DAY) for name in ("max", "min", "avg", "sum")] == [None, None, None, 0]
    assert [read(None, name, 3 * DAY, since) for name in ("max", "min", "avg") for since in (None, DAY)] == [None] * 6


def test_extremes_for_ever_outlive_the_window() -> None:
    tally = folded(order(DAY, order={"total": 99}), order(50 * DAY, order={"total": 10}))
    assert (tally.most, tally.least) == (99, 10)
    assert read(tally, "max", 50 * DAY, 20 * DAY) == 10


def test_the_largest_changes_only_when_it_leaves_itself() -> None:
    tally = Tally(3, 12.0, 100, 300, ((100, 1.0), (200, 9.0), (300, 2.0)), 1.0, 9.0)
    assert next_change(tally, "max", now=300, within=250) == 450
    assert next_change(tally, "min", now=300, within=250) == 350
    assert next_change(tally, "avg", now=300, within=250) == 350
    assert next_change(tally, "max", now=600, within=250) == 0


BRANDS = CompiledMeasure(Measure("b", "order_paid", "brand", window=30 * DAY, kind="values"))


def test_distinct_values_are_counted_by_kind_and_worth() -> None:
    said: list[Any] = ["1", 1, 1.0, True, "1", 1.5, "\ud800", 10**5000, None, ["1"], {"a": 1}]
    tally = folded(*(order(DAY + n, brand=one) for n, one in enumerate(said)), measure=BRANDS)
    assert read(tally, "distinct", 2 * DAY, None) == 6
    assert read(None, "distinct", 2 * DAY, None) == read(None, "distinct", 2 * DAY, DAY) == 0


def test_a_value_leaves_the_window_with_its_last_time() -> None:
    tally = folded(order(DAY, brand="a"), order(2 * DAY, brand="b"), order(3 * DAY, brand="a"), measure=BRANDS)
    assert read(tally, "distinct", 3 * DAY, 2 * DAY) == 1
    assert next_change(tally, "distinct", 3 * DAY, 5 * DAY) == 7 * DAY
    late = fold({"b": tally}, [BRANDS], order(DAY + 1, 3 * DAY, brand="a"))["b"]
    assert late.values == tally.values


def test_distinct_values_are_bounded_and_the_latest_stay() -> None:
    everything = CompiledMeasure(Measure("b", "order_paid", "brand", window=FOREVER, kind="values"))
    events = [order(DAY + n, brand=n) for n in range(MOST_VALUES + 5)]
    tally = folded(*events, measure=everything)
    assert read(tally, "distinct", 2 * DAY, None) == MOST_VALUES
    assert min(tally.values.values()) == DAY + 5
    late = fold({"b": tally}, [everything], order(DAY + 2, 2 * DAY, brand="late"))["b"]
    assert late.values == tally.values


RESCUE = CompiledMeasure(Measure("s", "viewed", window=HOUR, kind="sequence", others=("carted",)))


def step(name: str, at: int, received: int | None = None) -> Event:
    return Event(id=f"{name}{at}", name=name, at=at, received=at if received is None else received)


def test_a_sequence_happens_in_its_order_inside_the_window() -> None:
    there = folded(step("viewed", HOUR), step("carted", HOUR + 5), measure=RESCUE)
    assert read(there, "sequence", HOUR + 10, 10, (0, 1)) is True
    assert read(there, "sequence", 2 * HOUR, HOUR, (0, 1)) is False
    assert next_change(there, "sequence", HOUR + 10, HOUR, (0, 1)) == 2 * HOUR
    back = folded(step("carted", HOUR), step("viewed", HOUR + 5), measure=RESCUE)
    assert read(back, "sequence", HOUR + 10, 10, (0, 1)) is False
    assert next_change(back, "sequence", HOUR + 10, HOUR, (0, 1)) == 0
    assert read(None, "sequence", HOUR, None, (0, 1)) is False


def test_a_late_event_completes_a_sequence_where_it_belongs() -> None:
    tally = folded(step("viewed", HOUR), step("viewed", HOUR + 9), step("carted", HOUR + 4, HOUR + 9), measure=RESCUE)
    assert read(tally, "sequence", HOUR + 10, HOUR - 1, (0, 1)) is True
    assert read(tally, "sequence", HOUR + 10, HOUR, (0, 1)) is False


def test_what_happens_at_the_same_instant_has_no_order() -> None:
    tally = folded(step("viewed", HOUR), step("carted", HOUR), measure=RESCUE)
    assert read(tally, "sequence", HOUR, None, (0, 1)) is False
    twice = folded(step("viewed", HOUR), step("viewed", HOUR), step("viewed", HOUR + 1), measure=RESCUE)
    assert read(twice, "sequence", HOUR + 1, None, (0, 0)) is True
    assert read(twice, "sequence", HOUR + 1, None, (0, 0, 0)) is False


def test_a_wider_window_is_refilled_and_totals_stay() -> None:
    events = [order(day * DAY, order={"total": day}) for day in (1, 20, 40)]
    wide = CompiledMeasure(Measure("k", "order_paid", "order.total", window=50 * DAY))
    known = {"k": Tally(3, 61.0, DAY, 40 * DAY, (), 1.0, 40.0)}
    for event in events:
        known = refill(known, [wide], event)
    assert known["k"] == folded(*events, measure=wide)
    assert refill({}, [wide], events[0]) == {}
    assert refill(known, [TOTALS], events[0]) is known


def test_a_late_event_is_inserted_where_it_belongs() -> None:
    tally = folded(
        order(5 * DAY, order=ONE),
        order(3 * DAY, received=6 * DAY, order=ONE),
        order(4 * DAY, received=6 * DAY, order=ONE),
    )
    assert [at for at, _ in tally.recent] == [3 * DAY, 4 * DAY, 5 * DAY]
    assert (tally.first, tally.last) == (3 * DAY, 5 * DAY)


def test_an_event_older_than_the_window_counts_in_the_totals_only() -> None:
    tally = folded(order(DAY, received=100 * DAY, order=ONE))
    assert (tally.count, tally.recent) == (1, ())


def test_pairs_leave_once_the_logs_time_has_passed_them() -> None:
    tally = folded(order(DAY, order=ONE), order(40 * DAY, order=ONE))
    assert [at for at, _ in tally.recent] == [40 * DAY]
    assert tally.count == 2


def test_an_event_dated_in_the_future_pushes_nothing_out() -> None:
    tally = folded(order(DAY, order=ONE), order(1000 * DAY, received=2 * DAY, order=ONE))
    assert [at for at, _ in tally.recent] == [DAY, 1000 * DAY]


def test_totals_alone_keep_no_pairs() -> None:
    assert folded(order(DAY), order(2 * DAY), measure=TOTALS) == Tally(2, 0.0, DAY, 2 * DAY)


def test_what_is_kept_is_bounded_and_totals_stay_exact() -> None:
    tally = folded(*(order(DAY + n, order={"total": 1}) for n in range(MOST_RECENT + 10)))
    assert len(tally.recent) == MOST_RECENT
    assert tally.recent[0][0] == DAY + 10
    assert tally.count == MOST_RECENT + 10


def test_an_event_nobody_counts_gives_the_same_dict_back() -> None:
    picky = CompiledMeasure(Measure("k", "order_paid"), lambda event: False)
    before = {"k": Tally(1, 0.0, 1, 1)}
    assert fold(before, [picky], order(DAY)) is before
    assert fold(before, [], order(DAY)) is before


def test_the_given_dict_is_never_changed() -> None:
    before: dict[str, Tally] = {}
    assert fold(before, [MONTHLY, TOTALS], order(DAY, order=ONE)).keys() == {"k", "t"}
    assert before == {}


def test_a_window_is_open_at_its_far_end() -> None:
    tally = Tally(1, 5.0, 100, 100, ((100, 5.0),))
    assert read(tally, "count", now=399, since=99) == 1
    assert read(tally, "count", now=400, since=100) == 0
    assert read(tally, "ever", now=400, since=100) is False
    assert read(tally, "never", now=400, since=100) is True
    assert next_change(tally, "count", now=150, within=300) == 400
    assert next_change(tally, "count", now=400, within=300) == 0


def test_last_ever_and_never_need_no_pairs() -> None:
    tally = Tally(3, 0.0, 100, 300)
    assert read(tally, "ever", now=500, since=200) is True
    assert read(tally, "last", now=500, since=200) == 200
    assert read(tally, "last", now=500, since=300) is None
    assert read(tally, "first", now=500, since=200) == 200
    assert next_change(tally, "never", now=350, within=100) == 400


def test_an_age_is_never_negative() -> None:
    tally = Tally(1, 0.0, 900, 900)
    assert read(tally, "last", now=500, since=None) == 0
    assert read(tally, "first", now=500, since=None) == 0


def test_two_customers_found_to_be_one_add_up_once() -> None:
    mine = {"k": Tally(1, 5.0, 10, 10, ((10, 5.0),), 5.0, 5.0, {1: 10, 2: 4}), "only": Tally(1, 0.0, 1, 1)}
    theirs = {
        "k": Tally(2, 3.0, 4, 12, ((4, 1.0), (12, 2.0)), 1.0, 2.0, {1: 4, 3: 12}),
        "other": Tally(1, 0.0, 2, 2),
        "none": Tally(),
    }
    merged = merge(mine, theirs)
    pairs = ((4, 1.0), (10, 5.0), (12, 2.0))
    assert merged["k"] == Tally(3, 8.0, 4, 12, pairs, 1.0, 5.0, {1: 10, 2: 4, 3: 12})
    assert merged["only"].count == merged["other"].count == 1
    assert merge({"k": Tally(1, 5.0, 10, 10)}, {"k": Tally()})["k"].count == 1

"""Folding events into statistics: totals for ever, windows exact and bounded."""

from engine.core.audience.behaviour import MOST_RECENT, CompiledMeasure, fold, merge, next_change, read
from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.ids import DAY
from engine.core.state import Tally


def order(at: int, received: int | None = None, **properties: object) -> Event:
    when = at if received is None else received
    return Event(id=f"{at}", name="order_paid", at=at, received=when, properties=dict(properties))


MONTHLY = CompiledMeasure(Measure("k", "order_paid", "order.total", window=30 * DAY))
TOTALS = CompiledMeasure(Measure("t", "order_paid"))


def folded(*events: Event, measure: CompiledMeasure = MONTHLY) -> Tally:
    behaviour: dict[str, Tally] = {}
    for event in events:
        behaviour = fold(behaviour, [measure], event)
    return behaviour[measure.key]


def test_sums_read_the_field_by_its_path() -> None:
    tally = folded(order(DAY, order={"total": 20}), order(2 * DAY, order={"total": 5.5}))
    assert (tally.count, tally.total, tally.first, tally.last) == (2, 25.5, DAY, 2 * DAY)
    assert tally.recent == ((DAY, 20.0), (2 * DAY, 5.5))


def test_a_field_that_is_no_number_counts_but_adds_nothing() -> None:
    for total in ("20", True, None, [1], float("nan"), float("inf"), 10**400):
        tally = folded(order(DAY, order={"total": total}))
        assert (tally.count, tally.total) == (1, 0.0)
    assert folded(order(DAY, order="20")).total == 0.0


def test_a_late_event_is_inserted_where_it_belongs() -> None:
    tally = folded(order(5 * DAY), order(3 * DAY, received=6 * DAY), order(4 * DAY, received=6 * DAY))
    assert [at for at, _ in tally.recent] == [3 * DAY, 4 * DAY, 5 * DAY]
    assert (tally.first, tally.last) == (3 * DAY, 5 * DAY)


def test_an_event_older_than_the_window_counts_in_the_totals_only() -> None:
    tally = folded(order(DAY, received=100 * DAY))
    assert (tally.count, tally.recent) == (1, ())


def test_pairs_leave_once_the_logs_time_has_passed_them() -> None:
    tally = folded(order(DAY), order(40 * DAY))
    assert [at for at, _ in tally.recent] == [40 * DAY]
    assert tally.count == 2


def test_an_event_dated_in_the_future_pushes_nothing_out() -> None:
    tally = folded(order(DAY), order(1000 * DAY, received=2 * DAY))
    assert [at for at, _ in tally.recent] == [DAY, 1000 * DAY]


def test_totals_alone_keep_no_pairs() -> None:
    assert folded(order(DAY), order(2 * DAY), measure=TOTALS) == Tally(2, 0.0, DAY, 2 * DAY)


def test_what_is_kept_is_bounded_and_totals_stay_exact() -> None:
    tally = folded(*(order(DAY + n) for n in range(MOST_RECENT + 10)))
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
    fold(before, [MONTHLY, TOTALS], order(DAY))
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
    mine = {"k": Tally(1, 5.0, 10, 10, ((10, 5.0),)), "only": Tally(1, 0.0, 1, 1)}
    theirs = {"k": Tally(2, 3.0, 4, 12, ((4, 1.0), (12, 2.0))), "other": Tally(1, 0.0, 2, 2), "none": Tally()}
    merged = merge(mine, theirs)
    assert merged["k"] == Tally(3, 8.0, 4, 12, ((4, 1.0), (10, 5.0), (12, 2.0)))
    assert merged["only"].count == merged["other"].count == 1
    assert merge({"k": Tally(1, 5.0, 10, 10)}, {"k": Tally()})["k"].count == 1

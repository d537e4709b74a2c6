"""The funnel against recounts written another way, and how customers are split into groups."""

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median as middle
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.effects.funnel import (
    MOST_VALUES,
    OTHERS,
    Funnel,
    Split,
    cohort_of,
    median,
    p90,
    value_of,
)
from engine.core.ids import DAY, HOUR, share
from engine.core.plan import STAGES
from engine.core.state import Customer

UTC_ZONE = ZoneInfo("UTC")
START = 1_767_225_600_000_000  # 2026-01-01T00:00Z


def person(number: int, **stages: int) -> Customer:
    """Return a customer who reached stages at so many hours after the start and stands in the last one of them."""
    reached = {stage: START + hours * HOUR for stage, hours in stages.items()}
    furthest = next((stage for stage in reversed(STAGES) if stage in reached), "")
    return Customer(f"c{number:06d}", START, stages=reached, stage=furthest)


def funnel_of(customers: list[Customer], split: Split | None = None) -> Funnel:
    counting = Funnel(STAGES, split or Split(UTC_ZONE))
    for customer in customers:
        counting.add(customer)
    return counting


@st.composite
def people(draw: st.DrawFn) -> list[Customer]:
    found = []
    for number in range(draw(st.integers(0, 25))):
        stages = draw(st.dictionaries(st.sampled_from(STAGES), st.integers(0, 2_000), max_size=5))
        customer = person(number, **stages)
        stands = draw(st.sampled_from(["", customer.stage, *stages]))
        found.append(Customer(customer.id, START, stages=customer.stages, stage=stands))
    return found


@given(people())
def test_every_figure_is_that_of_a_recount(customers: list[Customer]) -> None:
    figures = funnel_of(customers).figures()
    assert figures.customers == len(customers)
    for row, stage in zip(figures.stages, STAGES, strict=True):
        assert row.reached == sum(stage in one.stages for one in customers)
        assert row.now == sum(one.stage == stage for one in customers)
        fallen = [
            one for one in customers
            if one.stages and one.stage != stage and stage in one.stages
            and not set(STAGES[STAGES.index(stage) + 1:]) & set(one.stages)
        ]  # fmt: skip
        assert row.fell_back == len(fallen)
    for step, (start, end) in zip(figures.steps, pairwise(STAGES), strict=True):
        took = sorted(one.stages[end] - one.stages[start] for one in customers if {start, end} <= set(one.stages))
        forward = [time for time in took if time >= 0]
        assert (step.started, step.converted) == (sum(start in one.stages for one in customers), len(took))
        assert step.before == len(took) - len(forward)
        assert step.median == (int(middle(forward)) if forward else None)
        if forward:
            assert step.p90 is not None
            assert sum(time <= step.p90 for time in forward) >= 0.9 * len(forward)
            assert sum(time < step.p90 for time in forward) < 0.9 * len(forward)


@given(people(), st.sampled_from(["day", "week", "month"]))
def test_cohorts_add_up_to_everybody(customers: list[Customer], cohort: str) -> None:
    counting = funnel_of(customers, Split(UTC_ZONE, cohort))  # type: ignore[arg-type]
    groups = counting.groups(10)
    everybody = counting.figures()
    assert sum(group.figures.customers for group in groups) == everybody.customers
    assert [group.cohort for group in groups] == sorted({group.cohort for group in groups})
    for place in range(len(STAGES)):
        assert sum(group.figures.stages[place].reached for group in groups) == everybody.stages[place].reached


def test_a_shop_of_thousands_is_recounted_from_its_raw_deeds() -> None:
    """Stages out of a table of first orders, as the purchases of a real shop would give them."""
    customers = []
    table: list[dict[str, int]] = []
    for number in range(3_000):
        hours = {"acquire": int(share("came", number) * 4_000)}
        for start, end in pairwise(STAGES):
            if start in hours and share("goes on", end, number) < 0.6:
                hours[end] = hours[start] + int(1_000 * share("takes", end, number) ** 2)
        table.append(hours)
        customers.append(person(number, **hours))
    by_month: defaultdict[str, list[dict[str, int]]] = defaultdict(list)
    for hours in table:
        came = datetime.fromtimestamp(START / 1e6 + hours["acquire"] * 3_600, UTC)
        by_month[came.strftime("%Y-%m")].append(hours)
    groups = funnel_of(customers, Split(UTC_ZONE, "month")).groups(10)
    assert [group.cohort for group in groups] == sorted(by_month)
    for group in groups:
        rows = by_month[group.cohort]
        for step, (start, end) in zip(group.figures.steps, pairwise(STAGES), strict=True):
            times = [(row[end] - row[start]) * HOUR for row in rows if end in row]
            assert (step.started, step.converted) == (sum(start in row for row in rows), len(times))
            assert step.median == (int(middle(times)) if times else None)


def test_who_skips_a_stage_is_counted_where_they_were_and_nowhere_else() -> None:
    figures = funnel_of([person(1, acquire=0, monetize=5), person(2, acquire=0, activate=3)]).figures()
    assert [row.reached for row in figures.stages] == [2, 1, 0, 1, 0]
    assert [(step.started, step.converted) for step in figures.steps] == [(2, 1), (1, 0), (0, 0), (1, 0)]
    assert figures.steps[2].share == 0


def test_a_later_stage_reached_first_converts_and_has_no_time() -> None:
    (step, *_) = funnel_of([person(1, acquire=9, activate=3), person(2, acquire=0, activate=4)]).figures().steps
    assert (step.converted, step.before, step.median, step.p90) == (2, 1, 4 * HOUR, 4 * HOUR)


def test_who_stands_behind_the_furthest_stage_has_fallen_back() -> None:
    one = person(1, acquire=0, activate=1, retain=2)
    fallen = Customer("c9", START, stages=one.stages, stage="acquire")
    lost = Customer("c8", START, stages=one.stages, stage="")
    figures = funnel_of([one, fallen, lost]).figures()
    assert [row.fell_back for row in figures.stages] == [0, 0, 2, 0, 0]
    assert [row.now for row in figures.stages] == [1, 0, 1, 0, 0]


# --- groups


def test_customers_come_with_their_first_stage_or_else_when_first_heard_of() -> None:
    split = Split(UTC_ZONE, since=START + DAY, until=START + 3 * DAY)
    early, mid, late = person(1, activate=0), person(2, acquire=40, activate=30), person(3, acquire=72)
    nameless = Customer("c4", START + 2 * DAY)
    assert funnel_of([early, mid, late, nameless], split).figures().customers == 2


def test_a_cohort_is_of_the_zone_in_which_it_is_asked_for() -> None:
    late = START + 23 * HOUR
    assert cohort_of(late, "day", ZoneInfo("Asia/Shanghai")) == "2026-01-02"
    assert cohort_of(late, "week", UTC_ZONE) == "2026-W01"
    assert cohort_of(START + 31 * DAY - HOUR, "month", ZoneInfo("Asia/Shanghai")) == "2026-02"


def test_the_largest_sources_are_named_and_the_rest_are_others() -> None:
    customers = [
        Customer(f"c{number}-{turn}", START, source=f"s{number:02d}", stages={"acquire": START})
        for number in range(15)
        for turn in range(number + 1)
    ]
    groups = funnel_of(customers, Split(UTC_ZONE, by="source")).groups(10)
    assert [group.value for group in groups] == [*(f"s{number:02d}" for number in range(14, 4, -1)), OTHERS]
    assert [group.figures.customers for group in groups] == [*range(15, 5, -1), 15]


def test_more_values_than_are_told_apart_are_others_and_nobody_is_lost() -> None:
    customers = [Customer(f"c{n}", START, source=f"s{n}") for n in range(MOST_VALUES + 5)]
    groups = funnel_of(customers, Split(UTC_ZONE, by="source")).groups(10)
    assert sum(group.figures.customers for group in groups) == MOST_VALUES + 5
    assert groups[-1].value == OTHERS


@pytest.mark.parametrize(
    ("by", "value"),
    [("source", "web"), ("customer.city", "西安"), ("customer.age", "30"), ("customer.home.zip", "7"),
     ("customer.home", ""), ("customer.tall", "False"), ("customer.none", ""), ("customer.city.x", "")],
)  # fmt: skip
def test_customers_are_split_by_source_or_any_trait(by: str, value: str) -> None:
    traits = {"city": "西安", "age": 30, "home": {"zip": "7"}, "tall": False, "none": None}
    assert value_of(Customer("c", 1, traits=traits, source="web"), by) == value


@given(st.lists(st.integers(0, 1_000), min_size=1))
def test_middle_and_ninth_tenth_of_any_times(times: list[int]) -> None:
    ordered = sorted(times)
    assert median(ordered) == int(middle(ordered))
    ninth = p90(ordered)
    assert ninth in ordered

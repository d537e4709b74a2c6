"""The funnel of the stages: how many reached each, how many of them the next, and how long that took.

Fed customer by customer; keeps counts and one number per customer and pair of stages, so medians are exact. Called by
`journeyd funnel`. What reaching a stage means is `audience/lifecycle.py`'s.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from engine.core.ids import SECOND, Micros
from engine.core.state import Customer

Cohort: TypeAlias = Literal["", "day", "week", "month"]

MOST_VALUES: Final = 10_000
"""Different values that are told apart while counting; customers of further ones are counted as others."""

OTHERS: Final = "\x00others"
"""The group of those whose value is not among the largest; no value of a customer is spelt like this."""


class StageFigures(msgspec.Struct, frozen=True):
    """A stage: how many reached it, stand in it now, and had it as their furthest but have fallen back from it."""

    stage: str
    reached: int
    now: int
    fell_back: int


class StepFigures(msgspec.Struct, frozen=True):
    """From a stage to the next: of those who reached `start`, how many reached `end` too, and in what time.

    `before`: those of them who reached `end` first; the times (microseconds, None for nobody) are of the others.
    """

    start: str
    end: str
    started: int
    converted: int
    before: int
    median: Micros | None
    p90: Micros | None

    @property
    def share(self) -> float:
        """The share that converted, 0 when nobody started."""
        return self.converted / self.started if self.started else 0.0


class Figures(msgspec.Struct, frozen=True):
    """The funnel of some customers: a row for each stage, and one for each pair of neighbours."""

    customers: int
    stages: tuple[StageFigures, ...]
    steps: tuple[StepFigures, ...]


class Tally:
    """The funnel of some customers while they are counted. `order`: the stages, first to last."""

    __slots__ = ("_before", "_fallen", "_now", "_order", "_reached", "_times", "customers")

    def __init__(self, order: Sequence[str]) -> None:
        self._order = tuple(order)
        self.customers = 0
        self._reached: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._fallen: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._times = {end: array("q") for end in self._order[1:]}

    def add(self, customer: Customer) -> None:
        """Count a customer."""
        self.customers += 1
        stages = customer.stages
        reached = [stage for stage in self._order if stage in stages]
        self._reached.update(reached)
        if customer.stage in self._order:
            self._now[customer.stage] += 1
        if reached and _rank(self._order, customer.stage) < _rank(self._order, reached[-1]):
            self._fallen[reached[-1]] += 1
        for start, end in pairwise(self._order):
            if start in stages and end in stages:
                took = stages[end] - stages[start]
                if took < 0:
                    self._before[end] += 1
                else:
                    self._times[end].append(took)

    def take_in(self, other: "Tally") -> None:
        """Count the other's customers too."""
        self.customers += other.customers
        for mine, theirs in (
            (self._reached, other._reached),
            (self._now, other._now),
            (self._fallen, other._fallen),
            (self._before, other._before),
        ):
            mine.update(theirs)
        for end, times in other._times.items():
            self._times[end].extend(times)

    def figures(self) -> Figures:
        """Return what the count says."""
        stages = tuple(
            StageFigures(stage, self._reached[stage], self._now[stage], self._fallen[stage]) for stage in self._order
        )
        return Figures(self.customers, stages, tuple(self._step(start, end) for start, end in pairwise(self._order)))

    def _step(self, start: str, end: str) -> StepFigures:
        times = sorted(self._times[end])
        before = self._before[end]
        converted = len(times) + before
        return StepFigures(start, end, self._reached[start], converted, before, median(times), p90(times))


class Group(msgspec.Struct, frozen=True):
    """The customers of a cohort ("2026-03", "" without cohorts) and a value ("" for those without one)."""

    cohort: str
    value: str
    figures: Figures


class Split(msgspec.Struct, frozen=True):
    """How customers are told apart: by when they came (in a zone), by `source` or a trait (`customer.city`), or not.

    Only those who came from `since` on and before `until` count (0 = no bound).
    """

    zone: ZoneInfo
    cohort: Cohort = ""
    by: str = ""
    since: Micros = 0
    until: Micros = 0


class Funnel:
    """The funnel of everybody, and of the groups that customers are split into."""

    def __init__(self, order: Sequence[str], split: Split) -> None:
        self._order, self._split = tuple(order), split
        self._all = Tally(order)
        self._groups: dict[tuple[str, str], Tally] = {}
        self._sizes: Counter[str] = Counter()

    def add(self, customer: Customer) -> None:
        """Count a customer, if they came in the time asked for."""
        split = self._split
        came = arrival(customer, self._order)
        if came < split.since or (split.until and came >= split.until):
            return
        self._all.add(customer)
        if not (split.cohort or split.by):
            return
        value = value_of(customer, split.by) if split.by else ""
        if value not in self._sizes and len(self._sizes) >= MOST_VALUES:
            value = OTHERS
        self._sizes[value] += 1
        key = (cohort_of(came, split.cohort, split.zone), value)
        tally = self._groups.get(key)
        if tally is None:
            tally = self._groups[key] = Tally(self._order)
        tally.add(customer)

    def figures(self) -> Figures:
        """Return the funnel of everybody."""
        return self._all.figures()

    def groups(self, largest: int) -> list[Group]:
        """Return the groups: cohorts in the order of time, in each the `largest` values by size, then the others."""
        named = sorted((value for value in self._sizes if value != OTHERS), key=lambda one: (-self._sizes[one], one))
        ranks = {value: place for place, value in enumerate(named[:largest])}
        merged: dict[tuple[str, str], Tally] = {}
        for (cohort, value), tally in self._groups.items():
            key = (cohort, value if value in ranks else OTHERS)
            if key not in merged:
                merged[key] = Tally(self._order)
            merged[key].take_in(tally)
        ordered = sorted(merged.items(), key=lambda pair: (pair[0][0], ranks.get(pair[0][1], largest)))
        return [Group(cohort, value, tally.figures()) for (cohort, value), tally in ordered]


def arrival(customer: Customer, order: Iterable[str]) -> Micros:
    """Return when a customer came: the first of the stages, else when they were first heard of.

    >>> arrival(Customer("c", 5, stages={"retain": 9, "acquire": 7}), ("acquire", "retain"))
    7
    """
    return min((customer.stages[stage] for stage in order if stage in customer.stages), default=customer.created)


def cohort_of(at: Micros, cohort: Cohort, zone: ZoneInfo) -> str:
    """Return the day, week (ISO 8601) or month of an instant there.

    >>> [cohort_of(1_772_366_400_000_000, one, ZoneInfo("UTC")) for one in ("day", "week", "month", "")]
    ['2026-03-01', '2026-W09', '2026-03', '']
    """
    there = datetime.fromtimestamp(at // SECOND, zone)
    match cohort:
        case "day":
            return there.date().isoformat()
        case "week":
            year, week, _ = there.isocalendar()
            return f"{year}-W{week:02d}"
        case "month":
            return there.strftime("%Y-%m")
        case "":
            return ""


def value_of(customer: Customer, by: str) -> str:
    """Return the customer's `source`, or a trait written like `customer.city`; "" when there is none.

    >>> value_of(Customer("c", 1, traits={"home": {"city": "Xi'an"}}), "customer.home.city")
    "Xi'an"
    """
    if by == "source":
        return customer.source
    value: object = customer.traits
    for name in by.removeprefix("customer.").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None or isinstance(value, dict | list) else str(value)[:64]


def median(times: Sequence[Micros]) -> Micros | None:
    """Return the middle of sorted times, of an even number the mean of the two in the middle.

    >>> median([1, 2, 9]), median([1, 2, 4, 9]), median([])
    (2, 3, None)
    """
    half = len(times) // 2
    if not times:
        return None
    return times[half] if len(times) % 2 else (times[half - 1] + times[half]) // 2


def p90(times: Sequence[Micros]) -> Micros | None:
    """Return the time in which nine of ten did it: of sorted times the nearest rank.

    >>> p90(range(1, 11)), p90([7]), p90([])
    (9, 7, None)
    """
    return times[-(-len(times) * 9 // 10) - 1] if times else None


def _rank(order: Sequence[str], stage: str) -> int:
    return order.index(stage) if stage in order else -1

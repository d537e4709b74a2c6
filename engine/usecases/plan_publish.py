"""What publishing a release would change: journeys, where runs in flight go, who would enter, what would be sent.

Reads only. `journeyd plan` and `journeyd publish` show it. The forecast lets every timer and schedule of the next day
happen on a copy, by the same decision that will make them happen; nothing of it is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from engine.core.commands import Decision, PlanTouch
from engine.core.decide import Called, Happening, Settle, Wake, decide
from engine.core.expression import Measure
from engine.core.ids import DAY, Micros
from engine.core.moves import PARKING, align, next_move
from engine.core.plan import Every, InFlight, Once, Plan
from engine.core.playbook import Playbook
from engine.core.release import Difference, Release, compare, in_flight_of
from engine.core.state import Account, Customer
from engine.core.world import ArmResult
from engine.ports import Reader
from engine.usecases.backfill import needs
from engine.usecases.launch import NEVER, next_launch
from engine.usecases.publish import in_force, must_settle, newest, would_be

LOOKED_AT: Final = 50_000
"""Customers that a forecast looks at, at most; a larger number would keep its reader waiting."""


class Underway(msgspec.Struct, frozen=True):
    """Runs at one step of an older version; `goes` is their step in the new one, "" when they finish where they are."""

    journey: str
    version: str
    step: str
    runs: int
    goes: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """The next 24 hours by what is due: messages by (journey, channel), and entrances by journey.

    `waiting`: messages planned already that come due by then. `looked_at` of `customers` were lived through.
    """

    sends: dict[tuple[str, str], int] = {}
    waiting: dict[tuple[str, str], int] = {}
    entering: dict[str, int] = {}
    looked_at: int = 0
    customers: int = 0


class Preview(msgspec.Struct, frozen=True):
    """What a publish would do. `refusals`: (journey, version, step, runs) without a counterpart under `migrate`.

    `measures` are the statistics that must be filled from the log first.
    """

    before: Release | None
    after: Release
    difference: Difference
    policies: dict[str, InFlight]
    underway: tuple[Underway, ...]
    refusals: tuple[Underway, ...]
    measures: tuple[Measure, ...]
    settles: bool
    forecast: Forecast = Forecast()

    @property
    def is_empty(self) -> bool:
        """Would nothing be published?"""
        return not self.difference


def preview(store: Reader, release: Release, now: Micros, *, progress: Callable[[int], None] | None = None) -> Preview:
    """Return what publishing `release` at `now` would do; `progress` gets the number of customers looked at so far."""
    release = msgspec.structs.replace(release, at=now)
    before = newest(store)
    underway = tuple(_underway(store, release))
    has_customers = bool(store.scan("", 1))
    policies = {plan.journey: in_flight_of(release, plan) for plan in release.plans}
    return Preview(
        before=before,
        after=release,
        difference=compare(before, release),
        policies=policies,
        underway=underway,
        refusals=tuple(row for row in underway if _is_refused(row, policies.get(row.journey))),
        measures=_new_measures(store, release) if has_customers else (),
        settles=has_customers and must_settle(before, release),
        forecast=_forecast(store, (before, release), progress),
    )


def has_step(store: Reader, journey: str, step: str) -> bool:
    """Does a version of the journey that is current or travelled have the step?"""
    return any(step in plan.steps for plan in store.plans() if plan.journey == journey)


# --- runs in flight -----------------------------------------------------------------------------------


def _underway(store: Reader, release: Release) -> Iterator[Underway]:
    """Yield the runs in versions that would not be current, step by step."""
    plans = {plan.journey: plan for plan in release.plans}
    ways: dict[tuple[str, str], dict[str, str]] = {}
    for (journey, version, place), runs in sorted(store.counts().runs.items()):
        new = plans.get(journey)
        old = store.plan(journey, version)
        if runs <= 0 or old is None or not isinstance(old.steps.get(place), PARKING):
            continue
        if new is not None and new.version == version:
            continue
        if (journey, version) not in ways:
            ways[journey, version] = _way(old, new, release)
        yield Underway(journey, version, place, runs, ways[journey, version].get(place, ""))


def _way(old: Plan, new: Plan | None, release: Release) -> dict[str, str]:
    if new is None:
        return {}
    policy = in_flight_of(release, new)
    return align(old, new, policy.steps) if policy.policy == "migrate" else {}


def _is_refused(row: Underway, policy: InFlight | None) -> bool:
    return policy is not None and policy.policy == "migrate" and not row.goes and policy.steps.get(row.step) != ""


def _new_measures(store: Reader, release: Release) -> tuple[Measure, ...]:
    asked = needs(in_force(store), would_be(store, release))
    return (*asked.fresh, *asked.wider)


# --- the next day -------------------------------------------------------------------------------------


class _Copy:
    """The world as the store knows it; what a forecast's decision takes is there for the next one still."""

    def __init__(self, store: Reader) -> None:
        self._store = store

    def codes(self, pool: str, count: int) -> Sequence[str]:
        return self._store.codes(pool, count)

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        return self._store.arms(journey, split)

    def account(self, account_id: str) -> Account | None:
        return self._store.accounts([account_id]).get(account_id)

    def contact(self, customer_id: str) -> Customer | None:
        return self._store.customers([customer_id]).get(customer_id)

    def underway(self, journey: str, version: str) -> int:
        return self._store.underway(journey, version)


class _Day:
    """Lives through a day for one customer after another and counts."""

    def __init__(self, store: Reader, playbook: Playbook, now: Micros, *, settles: bool) -> None:
        self.playbook, self.now, self.until = playbook, now, now + DAY
        self._world = _Copy(store)
        self._launches = sorted(_launches(playbook, now, self.until))
        self._settles = settles
        self.sends: dict[tuple[str, str], int] = {}
        self.entering: dict[str, int] = {}

    @property
    def concerns_all(self) -> bool:
        """May customers move of whom nothing is due?"""
        return bool(self._launches) or (self._settles and bool(self.playbook.openings.existing))

    def live(self, customer: Customer) -> None:
        """Let everything of the customer happen that is due by the end of the day."""
        if self._settles:
            customer = self._happen(customer, Settle(), self.now)
        for instant, journey in self._launches:
            customer = self._wake(customer, instant)
            customer = self._happen(customer, Called(journey, f"launch:{instant}"), instant)
        self._wake(customer, self.until)

    def _wake(self, customer: Customer, until: Micros) -> Customer:
        for _ in range(1_000):  # a day has no more in store for anybody
            due = [instant for instant in (customer.wake, next_move(self.playbook, customer)) if instant]
            if not due or min(due) > until:
                break
            customer = self._happen(customer, Wake(), min(due))
        return customer

    def _happen(self, customer: Customer, happening: Happening, at: Micros) -> Customer:
        decision = decide(self.playbook, customer, happening, at, self._world)
        self._count(decision)
        return decision.customer

    def _count(self, decision: Decision) -> None:
        for command in decision.commands:
            if isinstance(command, PlanTouch) and command.touch.due <= self.until:
                key = (command.touch.journey, command.touch.channel)
                self.sends[key] = self.sends.get(key, 0) + 1
        for note in decision.trace:
            if note.code == "entered":
                self.entering[note.journey] = self.entering.get(note.journey, 0) + 1


def _launches(playbook: Playbook, now: Micros, until: Micros) -> Iterator[tuple[Micros, str]]:
    for compiled in playbook.plans():
        plan = compiled.plan
        if playbook.live(plan.journey) is compiled and isinstance(plan.enter, Once | Every):
            instant = next_launch(plan, now)
            while instant < NEVER and instant <= until:
                yield instant, plan.journey
                instant = next_launch(plan, instant)


def _forecast(store: Reader, pair: tuple[Release | None, Release], progress: Callable[[int], None] | None) -> Forecast:
    before, release = pair
    day = _Day(store, would_be(store, release), release.at, settles=must_settle(before, release))
    looked_at, waiting = 0, dict[tuple[str, str], int]()
    for customer in _concerned(store, day):
        day.live(customer)
        looked_at += 1
        if progress is not None and looked_at % 500 == 0:
            progress(looked_at)
    for row in store.sendable(day.until, LOOKED_AT):
        key = (row.touch.journey, row.touch.channel)
        waiting[key] = waiting.get(key, 0) + 1
    customers = store.counts().customers if day.concerns_all else max(looked_at, len(store.due(day.until, 1_000_000)))
    return Forecast(day.sends, waiting, day.entering, looked_at, customers)


def _concerned(store: Reader, day: _Day) -> Iterator[Customer]:
    if day.concerns_all:
        after, left = "", LOOKED_AT
        while left > 0 and (found := store.scan(after, min(500, left))):
            yield from found
            after, left = found[-1].id, left - len(found)
        return
    moved = {journey for journey, _ in day.playbook.doors.moves}
    ids = dict.fromkeys(id_ for id_, _ in store.due(day.until, LOOKED_AT))
    for journey in moved:
        ids |= dict.fromkeys(store.travellers(journey, day.playbook.current[journey], "", LOOKED_AT))
    asked = list(ids)[:LOOKED_AT]
    for start in range(0, len(asked), 500):
        yield from store.customers(asked[start : start + 500]).values()

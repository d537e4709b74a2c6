"""Applying `Changes` to the memory tables: what can be refused is drafted first, so an error leaves no trace."""

import msgspec

from engine.core.delivery import STOPPABLE, TouchState, is_allowed
from engine.core.errors import IllegalMove
from engine.core.ids import Micros
from engine.ports import Attempt, Changes, DeadLetter, ScheduleRow, TouchRow
from engine.store.conventions import oldest_kept, slice_of
from engine.store.memory.issue import check_coupons, publish_world
from engine.store.memory.people_writes import drop_touches, erase, publish_people, unite
from engine.store.memory.tables import Draft, Tables


def apply(tables: Tables, changes: Changes, window: Micros) -> None:
    """Write `changes` into `tables`; raises `IllegalMove` and writes nothing for a move the contract lacks.

    Raises `CouponTaken` likewise.
    """
    touches = _touches(tables, changes)
    check_coupons(tables, changes)
    # Nothing below can fail: from here on everything is written down.
    unite(tables, changes)
    _publish_customers(tables, changes)
    _publish_runs(tables, changes)
    _publish_touches(tables, touches)
    _publish_facts(tables, changes)
    _publish_rest(tables, changes)
    _publish_plans(tables, changes)
    publish_world(tables, changes)
    for customer_id, note in changes.notes:
        tables.noted += 1
        tables.notes.setdefault(customer_id, []).append((tables.noted, note))
    publish_people(tables, changes)
    _publish_seen(tables, changes, window)
    erase(tables, changes)
    drop_touches(tables, set(changes.addressed))
    if changes.offset:
        tables.offset = changes.offset
        tables.now = max(tables.now, changes.now)


def _touches(tables: Tables, changes: Changes) -> Draft[str, TouchRow]:
    draft = Draft(tables.touches)
    by_run: dict[str, list[str]] = {}
    for touch in changes.touches:
        if touch.id not in draft:
            draft[touch.id] = TouchRow(touch, TouchState.PLANNED, touch.due, touch.planned)
            by_run.setdefault(touch.run, []).append(touch.id)
    for row in changes.rows:
        before = draft.get(row.touch.id)
        if before is None:
            raise IllegalMove(f"touch {row.touch.id} was never planned, so it cannot become {row.state}")
        if not is_allowed(before.state, row.state):
            raise IllegalMove(f"touch {row.touch.id} cannot move from {before.state} to {row.state}")
        draft[row.touch.id] = msgspec.structs.replace(row, touch=before.touch)
    stopped = [
        (touch_id, why)
        for run_id, why in changes.cancelled
        for touch_id in [*tables.runs_touches.get(run_id, ()), *by_run.get(run_id, ())]
    ]
    for touch_id, why in [*stopped, *changes.withdrawn]:
        before = draft.get(touch_id)
        if before is not None and before.state in STOPPABLE:
            cancelled = msgspec.structs.replace(before, state=TouchState.CANCELLED, reason=why, updated=changes.now)
            draft[touch_id] = cancelled
    return draft


def _publish_facts(tables: Tables, changes: Changes) -> None:
    for fact in changes.facts:
        before = tables.facts.get(fact.id)
        if before is None or not before.touch:
            tables.facts[fact.id] = fact


def _publish_customers(tables: Tables, changes: Changes) -> None:
    for customer_id, customer in changes.customers.items():
        if customer_id in tables.redirects:
            continue  # merged away: its value lives on in the winner's
        before = tables.customers.get(customer_id)
        tables.set_wake(customer_id, before.wake if before else 0, customer.wake)
        tables.customers[customer_id] = customer
    for name, owner in changes.identifiers.items():
        if owner:
            tables.identifiers[name] = owner
        else:
            tables.identifiers.pop(name, None)


def _publish_runs(tables: Tables, changes: Changes) -> None:
    for run_id, (owner, run) in changes.runs.items():
        _, before = tables.runs.get(run_id, ("", None))
        if before is not None and before.is_active:
            tables.underway[before.journey, before.version] -= 1
        if run.is_active:
            tables.underway[run.journey, run.version] += 1
        tables.runs[run_id] = (owner, run)


def _publish_touches(tables: Tables, draft: Draft[str, TouchRow]) -> None:
    for touch_id, row in draft.new():
        if touch_id not in tables.touches:
            tables.runs_touches.setdefault(row.touch.run, []).append(touch_id)
        tables.queued.pop(touch_id, None)
        tables.flying.pop(touch_id, None)
        if row.state in STOPPABLE:
            tables.queued[touch_id] = row
        elif row.state is TouchState.IN_FLIGHT:
            tables.flying[touch_id] = row
    draft.publish()


def _publish_rest(tables: Tables, changes: Changes) -> None:
    attempts: list[Attempt] = changes.attempts
    for attempt in attempts:
        tables.attempts.setdefault(attempt.touch, {})[attempt.token] = attempt
    for effect in changes.effects:
        tables.effects.setdefault(effect.key, effect)
    letters: list[DeadLetter] = changes.dead
    for letter in letters:
        tables.dead.setdefault(letter.offset, letter)
    schedules: list[ScheduleRow] = changes.schedules
    for schedule in schedules:
        tables.schedules[schedule.journey] = schedule
    for flag, value in changes.flags.items():
        if value:
            tables.flags[flag] = value
        else:
            tables.flags.pop(flag, None)


def _publish_plans(tables: Tables, changes: Changes) -> None:
    for plan in changes.plans:
        tables.plans[plan.journey, plan.version] = plan
        tables.current[plan.journey] = plan.version
    for journey in changes.gone:
        tables.current.pop(journey, None)
        tables.schedules.pop(journey, None)
    if changes.release is not None:
        tables.releases.append(changes.release)
    for job in changes.jobs:
        if job.phase:
            tables.jobs[job.name] = job
        else:
            tables.jobs.pop(job.name, None)


def _publish_seen(tables: Tables, changes: Changes, window: Micros) -> None:
    if not changes.seen:
        return
    newest = max([slice_of(changes.now, window), *tables.seen])
    tables.seen.setdefault(newest, {}).update(changes.seen)
    for old in [number for number in tables.seen if number < oldest_kept(newest)]:
        del tables.seen[old]

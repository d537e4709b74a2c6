"""What a publish leaves to do, worked off in chunks, one transaction each: back-filling, settling, taking runs along.

Called by the engine. A job's row moves with the customers it did, in one commit, so a crash neither skips nor repeats
anybody. Back-filling and settling come before the next entry of the log, so that nothing is decided on half of what the
new rules ask for; a sweep goes on beside it: whoever acts or wakes before his turn is taken along first (`catch_up`).
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from engine.core.decide import Settle
from engine.core.ids import Micros, key64
from engine.core.moves import next_move
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import DeadLetter, History, JobRow, Store
from engine.usecases import backfill
from engine.usecases.apply import catch_up, happen
from engine.usecases.backfill import is_backfill
from engine.usecases.heard import Heard
from engine.usecases.labels import labels
from engine.usecases.publish import is_sweep, moves_of
from engine.usecases.purge import is_purge
from engine.usecases.work import Work

ENTRIES: Final = 5_000
"""Entries of the log (or customers) in one chunk of a back-fill: it reads more than it writes."""

LABEL: Final = "label"
"""Phase of a settling that also writes down every label anew: who was there before labels were kept."""

_BETWEEN: Final = "/"
"""Between journey and customer in a sweep's cursor."""


def is_blocking(job: JobRow) -> bool:
    """Must the job be done before the next entry is applied?"""
    return not (is_sweep(job) or is_purge(job))


def proceed(store: Store, log: History, playbook: Playbook, *, limit: int, heard: Heard) -> JobRow | None:
    """Do the next chunk of the first job, those that block first; return its row after it, None when there is none.

    A row whose `phase` is "" is done. `heard` is handed from chunk to chunk of a back-fill. Purges are `purge.py`'s.
    """
    job = next_job([job for job in store.jobs() if not is_purge(job)])
    if job is None:
        return None
    if is_sweep(job):
        return _sweep(store, playbook, job, limit)
    if is_backfill(job):
        return backfill.proceed(store, log, job, ENTRIES, heard)
    return _settle(store, playbook, job, limit)


def next_job(jobs: Sequence[JobRow]) -> JobRow | None:
    """Return the job that is to be worked at: the first that blocks, else the first."""
    return next((job for job in jobs if is_blocking(job)), jobs[0] if jobs else None)


def _settle(store: Store, playbook: Playbook, job: JobRow, limit: int) -> JobRow:
    """Bring the standing of a chunk of customers up to date with the new rules."""
    instant = int(job.body)
    with store.unit() as unit:
        work = Work(unit, instant)
        found = unit.scan(job.cursor, limit)
        work.meet(found)
        for known in found:
            _each(work, known, instant, lambda customer: _look_anew(work, playbook, customer, instant))
        if job.phase == LABEL:
            for known in found:
                work.changes.labels += labels(None, work.customer(known.id) or known)
        if len(found) < limit:
            job = replace(job, phase="", done=job.done + len(found))
        else:
            job = replace(job, cursor=found[-1].id, done=job.done + len(found))
        work.changes.jobs.append(job)
        unit.commit(work.flush())
    return job


def _look_anew(work: Work, playbook: Playbook, customer: Customer, instant: Micros) -> None:
    happen(work, playbook, catch_up(work, playbook, customer, instant), Settle(), instant)


def _sweep(store: Store, playbook: Playbook, job: JobRow, limit: int) -> JobRow:
    """Take a chunk of customers' runs into the new version."""
    journeys = sorted({one.journey for one in moves_of(job)})
    journey, _, after = job.cursor.partition(_BETWEEN) if job.cursor else (journeys[0], "", "")
    with store.unit() as unit:
        found = unit.travellers(journey, playbook.current.get(journey, ""), after, limit)
        work = Work(unit, 0)
        work.gather(found)
        for id_ in found:
            customer = work.customer(id_)
            if customer is not None and (instant := next_move(playbook, customer)):
                work.now = max(work.now, instant)
                _each(work, customer, instant, lambda one: _take_along(work, playbook, one))
        job = replace(job, done=job.done + len(found), **_onward(journeys, journey, found, limit))
        work.changes.jobs.append(job)
        unit.commit(work.flush())
    return job


def _onward(journeys: Sequence[str], journey: str, found: Sequence[str], limit: int) -> dict[str, str]:
    if len(found) == limit:
        return {"cursor": journey + _BETWEEN + found[-1]}
    left = [name for name in journeys if name > journey]
    return {"cursor": left[0] + _BETWEEN} if left else {"phase": ""}


def _take_along(work: Work, playbook: Playbook, customer: Customer) -> None:
    """Let the customer's runs follow every publish they have missed, each at its own instant."""
    while instant := next_move(playbook, customer):
        customer = catch_up(work, playbook, customer, instant)


def _each(work: Work, customer: Customer, at: Micros, do: Callable[[Customer], object]) -> None:
    """Do it for one customer; one for whom it fails becomes a dead letter and stops nobody."""
    try:
        do(work.customer(customer.id) or customer)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:
        reason = f"publish, customer {customer.id}: {type(problem).__name__}: {problem}"[:500]
        letter = DeadLetter(-key64("publish", f"{customer.id}:{at}"), at, reason, customer.id.encode())
        work.changes.dead.append(letter)

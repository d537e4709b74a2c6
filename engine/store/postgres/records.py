"""Writes what is kept beside customers and touches: runs, traces, effects, dead letters, schedules, flags, releases."""

from typing import Any, Final

import msgspec

from engine.core import plan, release
from engine.core.commands import Note
from engine.core.ids import Micros
from engine.ports import Changes
from engine.store.conventions import place_of
from engine.store.postgres.entries_months import Months, clamped
from engine.store.postgres.roster import Roster
from engine.store.postgres.session import Session, columns
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


def write_runs(session: Session, changes: Changes, roster: Roster, tallies: Tallies) -> None:
    """Insert new runs and move known ones."""
    if not changes.runs:
        return
    found: list[Any] = session.send("runs_by_id", list(changes.runs)).fetchall()
    known: dict[str, tuple[Any, ...]] = {run_id: row for run_id, *row in found}
    added, moved, refiled, before_of = [], [], [], []
    opened: dict[tuple[str, str], Micros] = {}
    for run_id, (owner, run) in changes.runs.items():
        place = place_of(run)
        now = (run.version, place, run.is_active, run.goal_until, _encode(run))
        num = roster.number(owner)
        if run_id in known:
            seq, journey, version, before, was_active, *filed = known[run_id]
            tallies.add("run", (journey, version, before), -1)
            tallies.add("underway", (journey, version), -int(was_active))
            moved.append((seq, *now))
            if [journey, *filed] != [run.journey, num, run.entered]:
                refiled.append((seq, num, run.journey, run.entered))
                before_of += [(run_id, filed[0])] if filed[0] != num else []
        else:
            added.append((run_id, num, run.journey, run.entered, *now))
        if run.goal_until:
            version_of = (run.journey, run.version)
            opened[version_of] = max(run.goal_until, opened.get(version_of, 0))
        tallies.add("run", (run.journey, run.version, place), 1)
        tallies.add("underway", (run.journey, run.version), int(run.is_active))
    rows: dict[str, list[Any]] = {
        "add_runs": added,
        "move_runs": moved,
        "refile_runs": refiled,
        "add_refiled": before_of,
    }
    for name, values in rows.items():
        if values:
            session.send(name, *columns(values))
    if opened:
        session.send("raise_tallies", session.stripe, *columns((*of, until) for of, until in opened.items()))


def write_notes(session: Session, changes: Changes, roster: Roster, months: Months) -> None:
    """Append each customer's trace lines as one row."""
    lines: dict[int, list[Note]] = {}
    for customer, note in changes.notes:
        lines.setdefault(roster.number(customer), []).append(note)
    if lines:
        rows = [(clamped(max(note.at for note in notes)), num, _encode(notes)) for num, notes in lines.items()]
        months.ensure(session.connection, [at for at, _, _ in rows])
        session.send("add_notes", *columns(rows))


def write_effects(session: Session, changes: Changes, roster: Roster, tallies: Tallies) -> None:
    """Insert effects whose key is new, and count conversions."""
    if not changes.effects:
        return
    rows = [
        (one.key, one.journey, one.kind, _encode(one), roster.number(one.customer) if one.customer else None)
        for one in changes.effects
    ]
    new = {key for (key,) in session.send("add_effects", *columns(rows)).fetchall()}
    for effect in changes.effects:
        if effect.key in new:
            new.discard(effect.key)
            if effect.kind == "converted":
                tallies.add("converted", (effect.journey,), 1, effect.value)


def write_rest(session: Session, changes: Changes, homes: list[int]) -> bool:
    """Write dead letters, schedules (of these partitions), flags and what is published; return whether rules moved."""
    if changes.dead:
        session.send("add_dead", *columns((one.offset, one.at, one.reason, one.body) for one in changes.dead))
    for row in changes.schedules:
        session.send("put_schedule", row.journey, homes, row.due, _encode(row))
    for name, value in changes.flags.items():
        if value:
            session.send("put_flag", name, value)
        else:
            session.send("drop_flag", name)
    is_news = _write_jobs(session, changes)
    if changes.plans or changes.gone or changes.release is not None:
        _write_plans(session, changes)
        is_news = True
    return is_news or bool(changes.flags)


def _write_plans(session: Session, changes: Changes) -> None:
    for published in changes.plans:
        session.send("retire_plans", published.journey)
        session.send("put_plan", published.journey, published.version, plan.encode(published))
    for journey in changes.gone:
        session.send("retire_plans", journey)
        session.send("drop_schedule", journey)
    if changes.release is not None:
        session.send("add_release", changes.release.id, release.encode(changes.release))


def _write_jobs(session: Session, changes: Changes) -> bool:
    """Write how far jobs got; return whether one appeared or ended."""
    answers = [
        session.send("put_job", job.name, _encode(job)) if job.phase else session.send("drop_job", job.name)
        for job in changes.jobs
    ]
    said = [is_news for answer in answers for (is_news,) in answer.fetchall()]  # every answer is asked for
    return any(said)

"""Writes what is kept beside customers and touches: runs, traces, effects, dead letters, schedules, flags, releases."""

from typing import Any, Final

import apsw
import msgspec

from engine.core import plan, release
from engine.core.commands import Note
from engine.core.ids import Micros
from engine.ports import Changes
from engine.store.conventions import place_of
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.roster import Roster
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


def write_runs(connection: apsw.Connection, changes: Changes, roster: Roster, tallies: Tallies) -> None:
    """Insert new runs and move known ones."""
    if not changes.runs:
        return
    known: dict[str, tuple[Any, ...]] = {
        run_id: row for run_id, *row in connection.execute(SQL["runs_by_id"], (apsw.carray(tuple(changes.runs)),))
    }
    added, moved, refiled, before_of = [], [], [], []
    opened: dict[tuple[str, str], Micros] = {}
    for run_id, (owner, run) in changes.runs.items():
        place = place_of(run)
        now = (run.version, place, int(run.is_active), run.goal_until, _encode(run))
        num = roster.number(owner)
        if run_id in known:
            seq, journey, version, before, was_active, *filed = known[run_id]
            tallies.add("run", (journey, version, before), -1)
            tallies.add("underway", (journey, version), -was_active)
            moved.append((*now, seq))
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
    connection.executemany(SQL["add_run"], added)
    connection.executemany(SQL["move_run"], moved)
    connection.executemany(SQL["refile_run"], refiled)
    connection.executemany(SQL["add_refiled"], before_of)
    connection.executemany(SQL["raise_tally"], [("open", *version_of, until) for version_of, until in opened.items()])


def write_notes(connection: apsw.Connection, changes: Changes, roster: Roster) -> None:
    """Append each customer's trace lines as one row."""
    lines: dict[int, list[Note]] = {}
    for customer, note in changes.notes:
        lines.setdefault(roster.number(customer), []).append(note)
    connection.executemany(SQL["add_notes"], [(num, _encode(notes)) for num, notes in lines.items()])


def write_effects(connection: apsw.Connection, changes: Changes, roster: Roster, tallies: Tallies) -> None:
    """Insert effects whose key is new, and count conversions."""
    for effect in changes.effects:
        num = roster.number(effect.customer) if effect.customer else None
        row = (effect.key, effect.journey, effect.kind, _encode(effect), num)
        is_new = connection.execute(SQL["add_effect"], row).fetchall()
        if is_new and effect.kind == "converted":
            tallies.add("converted", (effect.journey,), 1, effect.value)


def write_rest(connection: apsw.Connection, changes: Changes) -> None:
    """Write dead letters, schedules, flags and what is published."""
    dead = [(letter.offset, letter.at, letter.reason, letter.body) for letter in changes.dead]
    connection.executemany(SQL["add_dead"], dead)
    schedules = [(row.journey, row.due, _encode(row)) for row in changes.schedules]
    connection.executemany(SQL["put_schedule"], schedules)
    for name, value in changes.flags.items():
        if value:
            connection.execute(SQL["put_flag"], (name, value))
        else:
            connection.execute(SQL["drop_flag"], (name,))
    _write_plans(connection, changes)


def _write_plans(connection: apsw.Connection, changes: Changes) -> None:
    for published in changes.plans:
        connection.execute(SQL["retire_plans"], (published.journey,))
        row = (published.journey, published.version, plan.encode(published))
        connection.execute(SQL["put_plan"], row)
    for journey in changes.gone:
        connection.execute(SQL["retire_plans"], (journey,))
        connection.execute(SQL["drop_schedule"], (journey,))
    if changes.release is not None:
        connection.execute(SQL["add_release"], (changes.release.id, release.encode(changes.release)))
    for job in changes.jobs:
        if job.phase:
            connection.execute(SQL["put_job"], (job.name, _encode(job)))
        else:
            connection.execute(SQL["drop_job"], (job.name,))

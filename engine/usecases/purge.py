"""The purge that follows an erasure: every entry of the log and every dead letter that names the person is unmade.

A job worked off in chunks by the engine, beside everything else. It goes backwards through the log, and once more when
entries taught it identifiers that the person held once and lost. Every chunk may be done twice: a crash between its
rewrite and its commit harms nothing. What it knows of the person lives in its own row.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.core.audience.identity import Rules
from engine.core.errors import StoreBusy, StoreFull
from engine.core.events import Directive, encode
from engine.core.ids import MINUTE, SECOND, Micros
from engine.ports import Changes, History, JobRow, Logged, Reader, Store, SuppressionRow
from engine.ports.partitions import TOPIC, unpack
from engine.ports.partitions import pack as place_of
from engine.usecases.fingerprints import fingerprints
from engine.usecases.mentions import Known, Search, addresses, blotted, read, values_of

PREFIX: Final = "erase:"
_SCRUB: Final = PREFIX + "late"
ENTRIES: Final = 2_000
"""Entries of the log in one chunk."""

ERASED: Final = "erased"
"""Why an address of the suppression list is shut whose owner was erased."""

POINTS: Final = ("erase.rewritten", "erase.scrubbed")
"""Where `trip` is called: a chunk is rewritten but not committed; the files are clean but the ledger does not know."""

REST: Final = 15 * SECOND
"""How long the scrub waits for another process that reads the files."""

REST_FULL: Final = 5 * MINUTE
"""How long it waits where there is no room for a copy of the files: each try writes until the disk is full."""

NOTICED: Final = SECOND
"""A scrub that held the engine up for longer is followed by a pause."""

SHARE: Final = 20
"""That pause is so many times as long: the engine does other things for most of the time, however many are erased."""

_EVERY: Final = 1_000_000

_body: msgspec.msgpack.Decoder[Known] = msgspec.msgpack.Decoder(Known)


def known_of(directive: Directive) -> Known:
    """Return what an erasure's directive itself says of the person: fingerprints."""
    return Known(directive.subject, directive.id, keys=_texts(directive, "keys"), shut=_texts(directive, "shut"))


def done_of(directive: Directive) -> Micros:
    """Return when the purge of this erasure was done, 0 while it is not: a replay need not do it again."""
    done = directive.properties.get("done", 0)
    return done if isinstance(done, int) else 0


def _texts(directive: Directive, name: str) -> tuple[str, ...]:
    said = directive.properties.get(name)
    return tuple(sorted(str(one) for one in said)) if isinstance(said, list | tuple) else ()


def begin(known: Known, jobs: Iterable[JobRow]) -> JobRow:
    """Return the job that purges the log of the person; one that is under way begins anew and knows more."""
    name = PREFIX + known.customer
    for job in jobs:
        if job.name == name:
            known = _body.decode(job.body).joined(known)
    known = replace(known, before=len(known.names))
    return JobRow(name, "log", body=msgspec.msgpack.encode(known))


def scrub_only() -> JobRow:
    """Return the job that leaves nothing of late entries in the files of the log."""
    return JobRow(_SCRUB, "scrub")


def is_purge(job: JobRow) -> bool:
    """Is the job one of these?"""
    return job.name.startswith(PREFIX)


def is_erasure(job: JobRow) -> bool:
    """Is the job about a person whose last traces are not gone, and not about late entries alone?"""
    return is_purge(job) and job.name != _SCRUB


def is_scrub(job: JobRow) -> bool:
    """Is the job about to write the files anew? It is better done for several at once."""
    return is_purge(job) and job.phase == "scrub"


def is_long(job: JobRow) -> bool:
    """Does the job write the store's file anew, which holds the engine up, and not the log's alone?"""
    return is_scrub(job) and bool(job.body)


def rests_until(job: JobRow) -> Micros:
    """Return when the job is to be taken up again, 0 for at once."""
    return int(job.cursor) if is_scrub(job) and job.cursor else 0


def proceed(
    store: Store, log: History, job: JobRow, rules: Rules, *, now: Micros, trip: Callable[[str], None]
) -> JobRow:
    """Do the next chunk and return the job's row after it; a row whose phase is "" is done and gone.

    "log": entries are rewritten, from the newest to the oldest. "letters": dead letters that name the person go.
    "scrub": the files are cleaned of what was deleted, and the ledger line is `done` at `now`.
    """
    match job.phase:
        case "log":
            return _purge_log(store, log, job, rules, trip)
        case "letters":
            return _purge_letters(store, log, job, rules, now)
        case _:
            return _scrub(store, log, job, now, trip)


# --- one chunk --------------------------------------------------------------------------------------


def _purge_log(store: Store, log: History, job: JobRow, rules: Rules, trip: Callable[[str], None]) -> JobRow:
    with store.unit() as unit:
        before = _body.decode(job.body)
        top = int(job.cursor) if job.cursor else log.end(unit.position())
        found = _of_one_partition(log.back(top, ENTRIES))
        search = Search(unit, _across(unit, before) if top >= TOPIC else before, rules)
        rewritten = search.unmade(found)
        known = search.known()
        # What was learned is kept before the entries that taught it are gone.
        learned = replace(before, names=known.names)
        unit.commit(Changes(jobs=[replace(job, cursor=str(top), body=msgspec.msgpack.encode(learned))]))
    log.rewrite(rewritten)
    trip("erase.rewritten")
    total = job.total if job.cursor else job.done + log.size(top)
    left = _left_below(found, search)
    if not left and len(known.names) > known.before:
        # Entries that were looked at already may know the person by a name that was learned since: once more.
        known = replace(known, before=len(known.names), is_met=False, later=0)
        job = replace(job, cursor="", done=total, total=total)
    elif not left:
        job = replace(job, phase="letters", cursor="", done=total, total=total)
    else:
        job = replace(job, cursor=str(left), done=min(job.done + len(found), total), total=total)
    job = replace(job, body=msgspec.msgpack.encode(known))
    with store.unit() as unit:
        unit.commit(Changes(jobs=[job]))
    return job


def _of_one_partition(found: list[Logged]) -> list[Logged]:
    """Return those of the last one's partition: from when on a person is known is seen in each by itself."""
    first = _first_of(found[-1]) if found else 0
    return [place for place in found if place.offset >= first]


def _first_of(place: Logged) -> int:
    return place_of(unpack(place.offset).partition, 0, 0)


def _left_below(found: list[Logged], search: Search) -> int:
    """Return up to where the log is still to be looked at, 0 for nowhere."""
    if not found:
        return 0
    return max((_first_of(found[0]) if search.is_before else found[0].offset) - 1, 0)


def _across(unit: Reader, known: Known) -> Known:
    """Return who is to be forgotten in several partitions, where no entry says: what stands after me is `shut_out`'s.

    All of them is looked at. Only of somebody who was readmitted what came after the erasure is left alone.
    """
    is_back = bool(known.keys) and not unit.erased(known.keys)
    lines = [row.at for row in unit.erasures() if row.customer == known.customer] if is_back else [0]
    return replace(known, is_met=True, until=max(lines, default=0))


def _purge_letters(store: Store, log: History, job: JobRow, rules: Rules, now: Micros) -> JobRow:
    """Forget dead letters, complete the ledger line and the directive, and let go of everything known of the person."""
    known = _body.decode(job.body)
    with store.unit() as unit:
        search = Search(unit, replace(known, is_met=True), rules)
        letters = unit.dead_letters(_EVERY)
        changes = Changes(forgotten=[one.offset for one in letters if search.is_named(one.body, one.reason)])
        pepper = unit.pepper()
        keys = sorted({*known.keys, *fingerprints(pepper, known.names).values()})
        shut = sorted({*known.shut, *fingerprints(pepper, addresses(known.names, known.kinds)).values()})
        line = next((row for row in unit.erasures() if row.customer == known.customer), None)
        if line is not None:
            whole = replace(line, keys=tuple(sorted({*line.keys, *keys})), shut=tuple(sorted({*line.shut, *shut})))
            changes.erasures.append(whole)
            fresh = set(shut) - unit.suppressed(shut).keys()
            changes.suppressions += [SuppressionRow(key, "", ERASED, line.at) for key in sorted(fresh)]
            _complete(log, unit.position(), known, {"keys": keys, "shut": shut, "done": max(now, line.at)})
        job = replace(job, phase="scrub", cursor="", body=msgspec.msgpack.encode(Known(known.customer, "")))
        changes.jobs.append(job)
        unit.commit(changes)
    return job


def _complete(log: History, position: int, known: Known, said: dict[str, Any]) -> None:
    """Let the directive say all that the ledger knows: a replay finds nobody whose identifiers it could add."""
    top = position
    while found := log.back(top, ENTRIES):
        for place in reversed(found):
            entry = read(place.body)
            if isinstance(entry, Directive) and entry.id == known.directive and entry.verb == "erase":
                whole = blotted(replace(entry, properties=said), values_of(known.names))
                log.rewrite({place.offset: encode(whole)})
                return
        top = found[0].offset - 1


def _scrub(store: Store, log: History, job: JobRow, now: Micros, trip: Callable[[str], None]) -> JobRow:
    """Write the files anew, once for everybody whose last traces are only there any more."""
    over = [one for one in store.jobs() if is_scrub(one)] if is_long(job) else [job]
    try:
        if is_long(job):
            store.scrub()
        log.scrub()
    except StoreBusy:  # another process reads what was there before: a look at the data may take a while
        return rest(store, job, now + REST)
    except StoreFull:
        return rest(store, job, now + REST_FULL)
    trip("erase.scrubbed")
    gone = {_body.decode(one.body).customer for one in over if one.body}
    with store.unit() as unit:
        done = [replace(row, done=max(now, row.at)) for row in unit.erasures() if row.customer in gone]
        unit.commit(Changes(jobs=[replace(one, phase="") for one in over], erasures=done))
    return replace(job, phase="")


def rest(store: Store, job: JobRow, until: Micros) -> JobRow:
    """Put a scrub off; return the job's row after it."""
    job = replace(job, cursor=str(until))
    with store.unit() as unit:
        unit.commit(Changes(jobs=[job]))
    return job

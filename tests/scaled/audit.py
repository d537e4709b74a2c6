"""The audit of the scaled runtime: the broker, the database and the providers' record against what clients were told.

Everybody is stopped. The claims of `tests/crash/claims.py` and `people.py` hold here as well; these come with the
topic: B1 nothing is missing in the topic, and what was acknowledged is in it. B2 each partition is applied up to its
last entry. B3 each entry of the topic was applied, once: the history has it, or the one it repeats, once. B4 the steps
of a walker were applied once each and in their order. B5 nothing became a dead letter.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from functools import partial

import msgspec
import psycopg

from channels.sandbox.record import read_record
from engine.core.events import Erased, Event, decode
from engine.ports import Reader, RunQuery, SharedStore, TouchQuery
from engine.ports.partitions import DESK, pack, unpack
from tests.crash.audit import Promised
from tests.crash.claims import ALL, Findings, Toll, doubts, fates, given_codes, kept_promises, miscounts, releases
from tests.crash.people import Evidence, judge, recipients_of
from tests.scaled.ground import PARTITIONS, WALK, Field
from tests.scaled.topic import Topic, read_topic
from tests.scaled.walkers import Walked


def audit(field: Field, store: SharedStore, promised: Promised, walked: Walked, toll: Toll) -> Findings:
    """Hold everything against everything."""
    found = Findings()
    rows = store.find_touches(TouchQuery(limit=ALL))
    record = read_record(field.ground.record)
    erased = recipients_of(promised.said.gone, promised.seed)
    fates(found, rows, [line for line in record if line.recipient not in erased])
    # Whom a slow machine answers too late has a cause for doubt.
    toll.left_in_flight |= {row.touch.id for row in rows if row.detail.startswith("no answer within")}
    doubts(found, rows, toll)
    kept_promises(found, store, promised.sign_ups, rows)
    topic = read_topic(field)
    if len(topic.gaps) > toll.broker_deaths * PARTITIONS:
        found.charge("B1", topic.gaps)
    _in_the_topic(found, topic, promised.sign_ups, walked)
    found.charge("B2", _unapplied(store, topic))
    found.charge("B3", _not_once(field, topic))
    found.charge("B4", _steps(store, walked))
    found.charge("B5", (f"dead letter: {dead.reason}" for dead in store.dead_letters(ALL)))
    gone = sum(len(one.numbers) for one in promised.said.gone)
    found.charge("A8", given_codes(found, store, promised.codes, gone))
    found.charge("A9", releases(found, store, promised.release))
    found.charge("A7", miscounts(store.counts(), rows, store))
    kept = {row.customer for row in store.erasures()}
    evidence = Evidence(promised.seed, store, rows, record, kept, partial(_traces, field))
    for claim, problem in judge(evidence, promised.said):
        found.charge(claim, [problem])
    return found


def _in_the_topic(found: Findings, topic: Topic, sign_ups: Sequence[int], walked: Walked) -> None:
    said = Counter(held.entry.id for held in topic.entries if isinstance(held.entry, Event))
    found.journal, found.repeated = len(topic.entries), sum(n - 1 for n in said.values())
    found.charge("B1", (f"refused: {reason}" for reason in topic.refused))
    names = [f"{kind}{number}" for number in sign_ups for kind in "is"]
    names += [f"{name}/{n}" for name, last in walked.steps.items() for n in range(1, last + 1)]
    found.charge("B1", (f"message {name} was acknowledged and is not in the topic" for name in names if not said[name]))


def _unapplied(store: SharedStore, topic: Topic) -> Iterator[str]:
    for row in store.partitions():
        if row.partition != DESK and row.position != topic.last[row.partition]:
            last = unpack(topic.last[row.partition])
            yield f"partition {row.partition} ends at {last}, applied up to {unpack(row.position)}"


def _not_once(field: Field, topic: Topic) -> Iterator[str]:
    """The history has every entry of the topic but repeats of what it has; of whom was erased it has the places."""
    with psycopg.connect(field.database) as connection:
        rows = connection.execute("SELECT place, body FROM entries ORDER BY place").fetchall()
    words = [place for place, _ in rows if place < pack(1, 0, 0)]
    if words != list(range(1, len(words) + 1)):
        yield f"the desk's log has gaps: {words}"
    kept = Counter(place for place, _ in rows if place >= pack(1, 0, 0))
    yield from (f"{unpack(place)} is in the history {n} times" for place, n in kept.items() if n > 1)
    names = Counter((entry.source, entry.id) for _, body in rows if isinstance(entry := decode(bytes(body)), Event))
    yield from (f"event {name} is in the history {n} times" for name, n in names.items() if n > 1)
    erased = sum(isinstance(decode(bytes(body)), Erased) for _, body in rows)
    strangers = 0
    for held in topic.entries:
        if held.place in kept:
            continue
        if not isinstance(held.entry, Event):
            yield f"{unpack(held.place)} is in the topic and not in the history: {held.entry}"
        elif (held.entry.source, held.entry.id) not in names:
            strangers += 1  # a repeat of what named somebody erased, at most
    if strangers > erased:
        yield f"{strangers} events are in the topic and not in the history, of whom was erased are {erased}"
    places = {held.place for held in topic.entries}
    yield from (f"{unpack(place)} is in the history and not in the topic" for place in sorted(kept.keys() - places))


def _steps(store: Reader, walked: Walked) -> Iterator[str]:
    """Compare what each walker was told with the runs that their steps began, in the order of their reasons."""
    ids = store.resolve([f"user_id:{name}" for name in walked.steps])
    keys = {run.id: run.key for _, run in store.runs(RunQuery(journey=WALK, limit=ALL))}
    for name, last in walked.steps.items():
        customer = ids.get(f"user_id:{name}", "")
        notes = [note for note in store.notes(customer, WALK, limit=ALL) if note.code == "entered"]
        took = [keys.get(note.run, note.run) for note in notes]
        # Of one that was never acknowledged nobody knows whether it is there.
        if took and f"{name}/{last + 1}" in walked.tried and took[-1] == str(last + 1):
            took.pop()
        if took != [str(n) for n in range(1, last + 1)]:
            yield f"{name} made {last} steps, {_unlike(took)}"
        tally = {one.count for one in (store.customers([customer])[customer].behaviour.values() if customer else ())}
        if not {last, last + 1} & tally:
            yield f"{name} made {last} steps, {tally} are counted"


def _unlike(took: Sequence[str]) -> str:
    """Say how the steps differ from 1, 2, 3 and so on."""
    for place, key in enumerate(took, start=1):
        if key != str(place):
            return f"{len(took)} were applied and the {place}th was {key}: {took[max(place - 3, 0) : place + 3]}"
    return f"{len(took)} were applied"


def _traces(field: Field, marks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the tables that hold one of the marks, as text or in bytes."""
    with psycopg.connect(field.database) as connection:
        for table in _tables(connection):
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT (FORMAT binary)') as copy:
                body = b"".join(bytes(part) for part in copy)
            found = [mark for mark in marks if mark.encode() in body]
            yield from ((_where(connection, table, mark), mark) for mark in found)


def _where(connection: psycopg.Connection, table: str, mark: str) -> str:
    """Return the table, and of one whose rows have a body what the first of those says that hold the mark."""
    if not table.startswith(("entries", "touches", "attempts", "facts", "notes", "runs", "states")):
        return table
    query = f"SELECT body FROM {table} WHERE position(%s::bytea IN body) > 0 LIMIT 1"
    row = connection.execute(query.encode(), [mark.encode()]).fetchone()
    return f"{table} {msgspec.msgpack.decode(bytes(row[0])) if row else ''}"


def _tables(connection: psycopg.Connection) -> Set[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return {str(name) for (name,) in rows.fetchall()}

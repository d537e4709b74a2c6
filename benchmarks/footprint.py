"""What customers and events leave behind when the state is in PostgreSQL: bytes and rows, not rates.

`python -m benchmarks.footprint` loads customers and the traffic of `workload.py` through the engine of a worker, by
itself, into a PostgreSQL of its own, and asks the database what that cost: bytes by table, rows written, WAL with and
without the pages that follow a checkpoint. No broker is needed: a topic's bytes are the messages'. docs/scale.md
carries the figures on.
"""

import argparse
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import msgspec

from benchmarks.journeys import plans
from benchmarks.scaled_traffic import PARTITIONS, events_of, partition_of
from benchmarks.workload import Shape, accepted_at, messages, population
from config.settings import Settings
from engine.bootstrap.database import opened
from engine.core.events import Event, encode
from engine.core.ids import HOUR, SECOND, Micros
from engine.core.plan import Audience
from engine.runtime.stream.engine import Dials, StreamEngine
from engine.runtime.stream.envelope import pack
from engine.runtime.stream.messages import Message
from engine.usecases.publish import playbook_of, publish

JOURNEYS: Final = 10
FED: Final = 2_000
"""Entries that are handed to the engine before it steps."""

_SIZES: Final[LiteralString] = """
SELECT r.relname, sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
FROM pg_class AS c JOIN pg_class AS r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace GROUP BY 1
"""
_WRITTEN: Final[LiteralString] = """
SELECT r.relname, sum(s.n_tup_ins)::bigint, sum(s.n_tup_upd)::bigint, sum(s.n_tup_hot_upd)::bigint,
  sum(s.n_tup_del)::bigint
FROM pg_stat_user_tables AS s JOIN pg_class AS r ON r.oid = coalesce(pg_partition_root(s.relid), s.relid) GROUP BY 1
"""
_WAL: Final[LiteralString] = "SELECT wal_records, wal_fpi, wal_bytes::bigint FROM pg_stat_wal"
_COMMITS: Final[LiteralString] = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


class Table(msgspec.Struct, frozen=True):
    """A table with its parts: bytes of the heap and of the indexes, rows inserted, updated (of them in place), gone."""

    heap: int = 0
    indexes: int = 0
    inserted: int = 0
    updated: int = 0
    in_place: int = 0
    deleted: int = 0

    def since(self, before: "Table") -> "Table":
        """Return what came on top."""
        return Table(*(now - then for now, then in zip(self.numbers(), before.numbers(), strict=True)))

    def numbers(self) -> tuple[int, ...]:
        """Return the fields in their order."""
        return msgspec.structs.astuple(self)


class Look(msgspec.Struct, frozen=True):
    """What the database says at one instant."""

    tables: dict[str, Table]
    records: int
    pages: int
    wal: int
    commits: int


class Cost(msgspec.Struct, frozen=True):
    """What a phase took: `count` customers or events, batches of the engine, bytes of messages, and the difference."""

    phase: str
    count: int
    steps: int
    topic: int
    tables: dict[str, Table]
    records: int
    pages: int
    wal: int
    commits: int


class Standing:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.time: Micros = 0

    def now(self) -> Micros:
        """Return where it stands."""
        return self.time


class Bench:
    """One database, looked at from outside and filled by the engine of one worker that owns every partition."""

    def __init__(self, url: str, batch: int) -> None:
        self._url, self._batch = url, batch
        self._settings = Settings.model_validate({"store": {"url": url}})
        self._offsets = [0] * PARTITIONS
        self._clock = Standing()
        with closing(opened(self._settings).store) as store:
            store.arrange(PARTITIONS)
            publish(store, plans(JOURNEYS), 0)

    def apply(self, phase: str, events: Sequence[Event], envelope: int, *, until: Micros) -> Cost:
        """Apply the events in envelopes of so many, then live on until then; return what that cost."""
        before, steps, topic = self.look(), 0, 0
        opening = opened(self._settings)
        with closing(opening.store) as store:
            engine = StreamEngine(
                store,
                opening.logs,
                lambda: playbook_of(store, Audience()),
                self._clock,
                "footprint",
                Dials(slack=0, batch=self._batch),
            )
            engine.take(range(1, PARTITIONS + 1))
            for fed in _together(self._laid_out(events, envelope), FED // envelope or 1):
                self._clock.time = max(message.at for message in fed)
                topic += sum(len(message.value) for message in fed)
                engine.feed(fed)
                steps += _drain(engine)
            self._clock.time = until
            engine.drained(range(PARTITIONS), until)
            steps += _drain(engine)
            engine.beat()
        return _difference(phase, before, self.look(), (len(events), steps, topic))

    def _laid_out(self, events: Sequence[Event], envelope: int) -> Iterator[Message]:
        """Yield the events as messages at home in their partitions, as producers would have packed them."""
        waiting: list[list[Event]] = [[] for _ in range(PARTITIONS)]
        for event in events:
            home = partition_of(event.identifiers["user_id"])
            waiting[home].append(event)
            if len(waiting[home]) == envelope:
                yield self._message(home, waiting[home])
                waiting[home] = []
        yield from (self._message(home, left) for home, left in enumerate(waiting) if left)

    def _message(self, home: int, events: Sequence[Event]) -> Message:
        (packed,) = pack([encode(event) for event in events])
        offset, self._offsets[home] = self._offsets[home], self._offsets[home] + 1
        return Message(home, offset, b"", packed.value, events[-1].received)

    def look(self) -> Look:
        """Return what the database says now; the engine's connections are closed, so it has been told everything."""
        with _connected(self._url) as connection:
            written = {name: numbers for name, *numbers in connection.execute(_WRITTEN).fetchall()}
            tables = {
                name: Table(heap, indexes, *written.get(name, ()))
                for name, heap, indexes in connection.execute(_SIZES).fetchall()
            }
            records, pages, wal = connection.execute(_WAL).fetchone()
            (commits,) = connection.execute(_COMMITS).fetchone()
        return Look(tables, records, pages, wal, commits)

    def say(self, statement: LiteralString) -> None:
        """Tell the database something outside of a transaction."""
        with _connected(self._url) as connection:
            connection.execute(statement)

    def asked(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """Return what the database answers."""
        with _connected(self._url) as connection:
            found: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return found


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _drain(engine: StreamEngine) -> int:
    steps = 0
    while engine.step():
        steps += 1
    return steps


def _together(found: Iterator[Message], size: int) -> Iterator[list[Message]]:
    taken: list[Message] = []
    for message in found:
        taken.append(message)
        if len(taken) == size:
            yield taken
            taken = []
    if taken:
        yield taken


def _difference(phase: str, before: Look, after: Look, done: tuple[int, int, int]) -> Cost:
    count, steps, topic = done
    tables = {name: now.since(before.tables.get(name, Table())) for name, now in after.tables.items()}
    return Cost(
        phase=phase,
        count=count,
        steps=steps,
        topic=topic,
        tables={name: table for name, table in sorted(tables.items()) if any(table.numbers())},
        records=after.records - before.records,
        pages=after.pages - before.pages,
        wal=after.wal - before.wal,
        commits=after.commits - before.commits,
    )


def measure(url: str, shape: Shape, *, batch: int, envelope: int) -> list[Cost]:
    """Load the customers, then the traffic in two halves: after a checkpoint, and with no whole pages in the WAL."""
    bench = Bench(url, batch)
    people = bench.apply("customers", list(population(shape)), envelope, until=accepted_at(0) - SECOND)
    events = list(events_of(messages(shape)))
    half = len(events) // 2
    bench.say("CHECKPOINT")
    first = bench.apply("events, after a checkpoint", events[:half], envelope, until=accepted_at(half))
    bench.say("ALTER SYSTEM SET full_page_writes = off")
    bench.say("SELECT pg_reload_conf()")
    bench.say("CHECKPOINT")
    end = accepted_at(len(events)) + 2 * HOUR
    second = bench.apply("events, no whole pages", events[half:], envelope, until=end)
    return [people, first, second]


# --- commits that tell others --------------------------------------------------------------------------

CONNECTIONS: Final = (1, 4, 8, 16)
NOTICES: Final = ("none", "inside", "afterwards")
SECONDS: Final = 3.0
_NOTIFY: Final[LiteralString] = "SELECT pg_notify('counters', 'moved')"


def commits(url: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield connections, and commits a second of one small update: alone, with a notice inside, with one afterwards.

    PostgreSQL lets commits that notify pass one after the other, their fsync included; others share one.
    """
    with _connected(url) as connection:
        connection.execute("CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL) WITH (fillfactor = 10)")
        connection.execute("INSERT INTO counters SELECT generate_series(0, %s), 0", (max(CONNECTIONS),))
    for count in CONNECTIONS:
        yield count, {notice: _committed(url, count, notice) for notice in NOTICES}


def _committed(url: str, count: int, notice: str) -> float:
    done = [0] * count
    end = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        with _connected(url) as connection:
            while time.perf_counter() < end:
                with connection.transaction():
                    connection.execute("UPDATE counters SET n = n + 1 WHERE id = %s", (number,))
                    connection.execute(_NOTIFY if notice == "inside" else "SELECT 1")
                if notice == "afterwards":
                    connection.execute(_NOTIFY)
                done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / SECONDS


# --- telling -----------------------------------------------------------------------------------------


def in_words(cost: Cost) -> str:
    """Return a phase as a table: everything per customer or event."""
    each = cost.count
    heap, indexes = (sum(getattr(table, kind) for table in cost.tables.values()) for kind in ("heap", "indexes"))
    lines = [
        f"## {cost.phase}: {each:,}",
        "",
        f"{cost.steps:,} batches, {cost.commits:,} commits, {each / max(cost.commits, 1):.0f} a commit",
        f"topic {cost.topic / each:,.0f} B, tables {heap / each:,.0f} B, indexes {indexes / each:,.0f} B each",
        f"WAL {cost.wal / each:,.0f} B each, {cost.records / each:.1f} records, {cost.pages:,} whole pages in it",
        "",
        "| table | heap B | index B | inserted | updated | of them in place | deleted |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, table in cost.tables.items():
        sizes, rows = table.numbers()[:2], table.numbers()[2:]
        said = [f"{number / each:,.1f}" for number in sizes] + [f"{number / each:.3f}" for number in rows]
        lines.append(f"| {name} | " + " | ".join(said) + " |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure and print; `--json` for machines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=500, help="entries that one transaction applies at most")
    parser.add_argument("--envelope", type=int, default=100, help="entries in one message")
    parser.add_argument("--commits", action="store_true", help="measure commits with and without notices instead")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    from deploy.local import PostgresServer

    shape = Shape(given.customers, given.events, JOURNEYS)
    with tempfile.TemporaryDirectory(prefix="journeyd-footprint-") as made:
        Path(made).chmod(0o711)  # root starts PostgreSQL as somebody else, who has to pass here
        with PostgresServer(Path(made) / "postgres", settings={"max_wal_size": "8GB"}) as server:
            if given.commits:
                print(f"commits a second by connections; notices: {', '.join(NOTICES)}")
                for count, found in commits(server.url()):
                    print(f"{count:3}: " + ", ".join(f"{rate:,.0f}" for rate in found.values()))
                return 0
            costs = measure(server.url(), shape, batch=given.batch, envelope=given.envelope)
            with _connected(server.url()) as connection:
                version = connection.execute("SHOW server_version").fetchone()[0]
    if given.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(costs)).decode() + "\n")
        return 0
    print(f"PostgreSQL {version}, Python {platform.python_version()}, {platform.machine()}; batches of {given.batch}, ")
    print(f"envelopes of {given.envelope}, {JOURNEYS} journeys, {PARTITIONS} partitions\n")
    print("\n".join(in_words(cost) for cost in costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The product's workers: the stream's reader, engine and store as `journeyd worker` puts them together, and their gate.

Virtual time stands still until all of the traffic is applied, then comes to the end of every wait, so that what must
follow is known: touches equal the oracle's, and the history holds every event once.
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import structlog
import uvloop

from benchmarks.oracle import Expected, compare, expect
from benchmarks.scaled_herd import Herd, Orders
from benchmarks.scaled_rounds import System
from benchmarks.scaled_stages import Stopwatch, TimedStore, time_stages
from benchmarks.scaled_store import applied_count, logs_of, opened, planned, rules_of
from benchmarks.scaled_traffic import PARTITIONS, End
from benchmarks.workload import Shape, accepted_at, messages
from engine.core.ids import HOUR, Micros
from engine.ports import SharedStore
from engine.ports.partitions import DESK, pack
from engine.runtime.clock import SystemClock
from engine.runtime.collector import calm
from engine.runtime.kafka import KafkaReader
from engine.runtime.meters import Meters
from engine.runtime.stream.backlog import Backlog
from engine.runtime.stream.engine import StreamEngine
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.share import Share
from engine.runtime.stream.worker import StreamWorker
from engine.store.postgres.unit import PostgresView
from engine.telemetry import Telemetry

SESSION: Final = 10.0
"""Seconds until a worker that says nothing is taken for dead: the product's own."""

_SHORT: Final = 6.0
"""The same where nobody falls silent: the broker lets half of it pass before a group begins."""

_SETTLED: Final = 1.0
"""Seconds for which the partitions must have stayed with their owners before the traffic begins."""


class Wish(NamedTuple):
    """What a worker is asked for besides: to keep the time of its stages; when it is to be taken for dead."""

    profiled: bool = False
    session: float = _SHORT


# --- a worker's process -------------------------------------------------------------------------------


def work(orders: Orders) -> None:
    """Run one worker until told to stop; say what its stages took, if asked to keep the time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        orders.line.send(runner.run(_work(orders)))


async def _work(orders: Orders) -> Any:
    watch = Stopwatch() if orders.wish.profiled else None
    with opened(orders.database) as store:
        shared: Any = store if watch is None else _timed(store, watch)
        clock, telemetry = SystemClock(), Telemetry()
        owner = f"bench-{orders.number}-{os.getpid()}"
        engine = StreamEngine(shared, logs_of(store), lambda: rules_of(store), clock, owner)
        worker = StreamWorker(engine, clock)
        worker.stepped = Meters(telemetry).stepped
        await worker.start()
        settings = StreamSettings(
            (orders.brokers,), topic=orders.topic, group=orders.topic, session_timeout=orders.wish.session
        )
        reader = KafkaReader(settings, worker, clock, telemetry)
        await reader.start()
        calm()
        begun = time.thread_time()
        orders.ready()
        told = asyncio.create_task(asyncio.to_thread(orders.wait))
        failed = [asyncio.create_task(one.wait()) for one in (worker.failed, reader.failed)]
        await asyncio.wait([told, *failed], return_when=asyncio.FIRST_COMPLETED)
        said = None if watch is None else (watch.spent, time.thread_time() - begun)
        if not told.done():
            os._exit(1)  # it has said why; whoever measures sees that nobody is there
        await reader.stop()
        await worker.stop()
        return said


def _timed(store: Any, watch: Stopwatch) -> TimedStore:
    time_stages(Backlog, {"add": "unpack"}, watch)
    time_stages(Share, {"apply": "decide", "live_on": "decide"}, watch)
    time_stages(PostgresView, {"_finish": "commit"}, watch)
    return TimedStore(store, watch)


# --- from outside -------------------------------------------------------------------------------------


def system(template: str, shape: Shape, *, profiled: bool = False) -> System:
    """Return the product as a system under test, beginning with a database of `scaled_store.prepare`."""
    bodies = messages(shape)
    expected = expect(bodies)
    until = accepted_at(len(bodies)) + 2 * HOUR

    def watch(herd: Herd, database: str, goal: Sequence[End]) -> Round:
        return Round(herd, database, goal, (shape, expected, until))

    return System("product", work, template, watch, Wish(profiled))


class Round:
    """One round of the product, seen over the database."""

    def __init__(self, herd: Herd, database: str, goal: Sequence[End], terms: tuple[Shape, Expected, Micros]) -> None:
        self._open = opened(database)
        self._store = self._open.__enter__()
        self._settling = Settling(self._store, len(herd.pids))
        self._goal = {
            number: pack(number, end.messages - 1, end.entries) for number, end in enumerate(goal, 1) if end.messages
        }
        self._shape, self._expected, self._until = terms
        self._is_applied = False

    def is_ready(self) -> bool:
        """Say whether every worker has its share of the partitions, and has had it for a while."""
        return self._settling.is_over()

    def is_done(self) -> bool:
        """Let virtual time go on once all is applied; say whether everything has happened then."""
        if not self._is_applied:
            at = {row.partition: row.position for row in self._store.partitions()}
            if any(at[partition] < end for partition, end in self._goal.items()):
                return False
            self._store.tide(self._until)
            self._is_applied = True
        return not 0 < self._store.next_due() <= self._until

    def judge(self) -> tuple[bool, str]:
        """Compare the touches with the oracle's, and count what was applied."""
        verdict = compare(self._expected.touches, planned(self._store, self._shape))
        applied = applied_count(self._store)
        once = applied == self._expected.distinct
        return verdict.holds and once, f"{verdict}; {applied} of {self._expected.distinct} events applied"

    def close(self) -> None:
        """Let go of the database."""
        self._open.__exit__(None, None, None)


class Settling:
    """Waits until so many workers own all partitions, and nothing moves any more."""

    def __init__(self, store: SharedStore, workers: int) -> None:
        self._store, self._workers = store, workers
        self._owners: dict[int, str] = {}
        self._since = 0.0

    def is_over(self) -> bool:
        """Look; say whether it is so."""
        owners = {row.partition: row.owner for row in self._store.partitions() if row.partition != DESK}
        now = time.perf_counter()
        if owners != self._owners:
            self._owners, self._since = owners, now
        everybody = len(owners) == PARTITIONS and all(owners.values())
        return everybody and len(set(owners.values())) == self._workers and now - self._since > _SETTLED


def everybody_reads(herd: Herd, store: SharedStore, workers: int) -> None:
    """Wait until the workers own the partitions; raises RuntimeError when they do not come to it."""
    if not herd.until(Settling(store, workers).is_over, every=0.1):
        raise RuntimeError("the workers did not share the partitions out")

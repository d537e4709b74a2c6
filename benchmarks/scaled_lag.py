"""Lag: every worker stands still for a minute under a steady stream, then goes on. How soon is nothing behind?

Open loop: a thousand events a second arrive whatever the workers do, one message each. They are stopped as a machine
that freezes stops them (SIGSTOP), so that the broker deals their partitions out anew when they are back. An event
counts as applied when another connection can see it in PostgreSQL; that is looked at every hundredth of a second.
"""

import asyncio
import os
import signal
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.measure import Sample
from benchmarks.scaled_herd import Herd, between, herded
from benchmarks.scaled_services import Services
from benchmarks.scaled_store import opened, planned_count
from benchmarks.scaled_traffic import PARTITIONS, partition_of
from benchmarks.scaled_workers import SESSION, Wish, everybody_reads, work
from benchmarks.workload import user_of
from deploy.local import create_topic
from engine.core.events import Event
from engine.ports import SharedStore
from engine.ports.partitions import pack

PER_SECOND: Final = 1_000
WORKERS: Final = 2

_TICK: Final = 0.01
_GREETS: Final = 20
"""One event in so many is a sign-up, which plans a touch: by these it is seen that each was applied once."""
_CAUGHT_UP: Final = 1.0
"""Nothing is behind once the oldest event not applied yet is younger than this (seconds)."""


class _Sent(NamedTuple):
    at: float
    place: int


class Stream:
    """A producer in a thread of its own: events at a steady pace until `end`. `sent` has each partition's, in order."""

    def __init__(self, brokers: str, topic: str, customers: int) -> None:
        self._brokers, self._topic = brokers, topic
        self._users = [user_of(number) for number in range(customers)]
        self._homes = [partition_of(user) for user in self._users]
        self.sent: list[list[_Sent]] = [[] for _ in range(PARTITIONS)]
        self.greeted = 0
        self.is_whole = False
        """Was everything produced that was to be?"""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="stream")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Send what is due and stop."""
        self._ends.set()
        self._thread.join()

    async def _run(self) -> None:
        from aiokafka import AIOKafkaProducer

        producer: Any = AIOKafkaProducer(bootstrap_servers=self._brokers, acks="all", linger_ms=5)
        await producer.start()
        begun, number = time.perf_counter(), 0
        while not self._ends.is_set():
            due = int((time.perf_counter() - begun) * PER_SECOND)
            await asyncio.gather(*(self._send(producer, one) for one in range(number, due)))
            number = max(number, due)
            await asyncio.sleep(_TICK)
        await producer.stop()
        self.is_whole = True

    async def _send(self, producer: Any, number: int) -> None:
        who = number % len(self._users)
        greets = number % _GREETS == 0
        self.greeted += greets
        now = time.time_ns() // 1_000
        name = "signed_up" if greets else "product_viewed"
        event = Event(f"m-{number}", name, now, now, "shop", {"user_id": self._users[who]}, {"slot": 0, "total": 1})
        at, partition = time.perf_counter(), self._homes[who]
        found = await producer.send_and_wait(self._topic, msgspec.json.encode(event), partition=partition)
        self.sent[partition].append(_Sent(at, pack(partition + 1, found.offset, 1)))


class Watch:
    """What was seen of the partitions' positions, and when."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        self._seen: list[list[tuple[int, float]]] = [[] for _ in range(PARTITIONS)]

    def look(self) -> float:
        """Note where the partitions are; return when that was."""
        rows = self._store.partitions()
        now = time.perf_counter()
        for row in rows:
            seen = self._seen[row.partition - 1] if row.partition else None
            if seen is not None and (not seen or seen[-1][0] < row.position):
                seen.append((row.position, now))
        return now

    def behind(self, sent: Sequence[Sequence[_Sent]], now: float) -> float:
        """Return the age of the oldest event that is not applied, 0 when all are."""
        oldest = now
        for seen, places in zip(self._seen, sent, strict=True):
            position = seen[-1][0] if seen else 0
            following = bisect_left(places, position + 1, key=lambda one: one.place)
            oldest = min(oldest, places[following].at if following < len(places) else now)
        return now - oldest

    def waits(self, sent: Sequence[Sequence[_Sent]], since: float, until: float) -> list[float]:
        """Return how long each event sent in this time waited to be applied, in milliseconds, sorted."""
        found = []
        for seen, places in zip(self._seen, sent, strict=True):
            for one in places:
                if since <= one.at < until:
                    first = bisect_left(seen, one.place, key=lambda entry: entry[0])
                    found.append((seen[first][1] - one.at) * 1_000 if first < len(seen) else float("inf"))
        return sorted(found)


def run(services: Services, template: str, customers: int, spans: tuple[float, float]) -> Sample:
    """Stop everybody between two quiet stretches; `extra` has the seconds and the latencies.

    `spans`: seconds of the standstill, and of each quiet stretch.
    """
    topic = f"bench-lag-{os.getpid()}-{time.monotonic_ns()}"
    create_topic(services.brokers, topic, PARTITIONS)
    database = services.create("round", template)
    services.checkpoint()
    url = services.database(database)
    with opened(url) as store:
        store.tide(None)
        with herded(services, work, topic, WORKERS, database=url, wish=Wish(session=SESSION)) as herd:
            everybody_reads(herd, store, WORKERS)
            stream, watch = Stream(services.brokers, topic, customers), Watch(store)
            stream.start()
            sample = _played(herd, stream, watch, spans)
            herd.stop()
        planned = planned_count(store)
    services.drop(database)
    verdict = f"{stream.greeted - planned} missing of {stream.greeted} touches"
    holds = sample.holds and planned == stream.greeted
    return msgspec.structs.replace(sample, holds=holds, verdict=verdict if sample.holds else "never caught up")


def _played(herd: Herd, stream: Stream, watch: Watch, spans: tuple[float, float]) -> Sample:
    pause, calm = spans
    _look_for(watch, calm / 2)  # caches fill, the first rebalance settles
    before = herd.spent()
    quiet = watch.look()
    _look_for(watch, calm)
    stopped = watch.look()
    _signal(herd, signal.SIGSTOP)
    time.sleep(pause)
    _signal(herd, signal.SIGCONT)
    resumed = time.perf_counter()
    in_time = _look_until(watch, lambda now: watch.behind(stream.sent, now) < _CAUGHT_UP)
    caught = watch.look()
    _look_for(watch, calm)
    after = watch.look()
    stream.end()
    spent = between(before, herd.spent())
    in_time = in_time and stream.is_whole and _look_until(watch, lambda now: watch.behind(stream.sent, now) == 0)
    extra = {"pause": pause, "recovered": caught - resumed, "workers_cpu": spent.workers}
    for name, (since, until) in {
        "before": (quiet, stopped - 2 * _CAUGHT_UP),
        "after": (caught, after - _CAUGHT_UP),
    }.items():
        waits = watch.waits(stream.sent, since, until) or [float("inf")]
        extra |= {f"{name}_p50": waits[len(waits) // 2], f"{name}_p99": waits[len(waits) * 99 // 100]}
    return Sample(sum(map(len, stream.sent)), spent.wall, spent.cpu, in_time, "", extra)


def _signal(herd: Herd, what: signal.Signals) -> None:
    for pid in herd.pids:
        os.kill(pid, what)


def _look_for(watch: Watch, seconds: float) -> None:
    until = time.perf_counter() + seconds
    _look_until(watch, lambda now: now >= until)


def _look_until(watch: Watch, is_so: Callable[[float], bool], patience: float = 180.0) -> bool:
    deadline = time.perf_counter() + patience
    while not is_so(now := watch.look()):
        if now > deadline:
            return False
        time.sleep(_TICK)
    return True

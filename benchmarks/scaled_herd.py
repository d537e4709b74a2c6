"""Worker processes of a system under test: started, ready, measured from outside, stopped. What they do is theirs.

Each runs `work(orders)` in a fresh interpreter, says that it is ready, and goes on until it is told to stop. CPU is
read from /proc for the workers, PostgreSQL and the broker apart, while one piece of traffic goes through.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.scaled_services import Services
from benchmarks.scaled_traffic import PARTITIONS

PATIENCE: Final = 300.0
"""Seconds after which a system that makes no progress has failed."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Orders(NamedTuple):
    """What a worker is told: where everything is, which one of how many it is, and the lines it talks over.

    `applied` counts the messages of each partition that are applied durably (systems that have no better place);
    `wish` is whatever the system's own part of the benchmark wants to tell its workers.
    """

    database: str
    brokers: str
    topic: str
    number: int
    workers: int
    line: Connection
    applied: "SynchronizedArray[int]"
    wish: Any = None

    def ready(self) -> None:
        """Say that messages may come."""
        self.line.send("ready")

    def wait(self) -> None:
        """Wait for the next word: that the measurement begins, or is over."""
        self.line.recv()

    def told_to_stop(self) -> bool:
        """Say whether the measurement is over."""
        return self.line.poll()

    def mine(self) -> list[int]:
        """Return this worker's share of the partitions, for systems that assign them by hand."""
        return list(range(self.number, PARTITIONS, self.workers))


class Spent(NamedTuple):
    """CPU-seconds by who spent them, and the wall clock's."""

    wall: float
    workers: float
    postgres: float
    broker: float

    @property
    def cpu(self) -> float:
        """CPU-seconds of all of them."""
        return self.workers + self.postgres + self.broker


class Herd:
    """The workers of one system, alive between `herded`'s bounds."""

    def __init__(self, services: Services, members: Sequence[tuple[BaseProcess, Connection]], applied: Any) -> None:
        self.services = services
        self._members = members
        self.applied: Sequence[int] = applied
        self.heard: list[Any] = []
        """What each worker sent when it was stopped."""

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [process.pid or 0 for process, _ in self._members]

    def spent(self) -> Spent:
        """Return what was spent so far, by everybody."""
        workers = sum(map(cpu_of, self.pids))
        services = self.services
        return Spent(time.perf_counter(), workers, *map(cpu_of, (services.postgres_pid, services.broker_pid)))

    def until(self, is_done: Callable[[], bool], every: float = 0.01) -> bool:
        """Wait until `is_done`; False when a worker died or patience ended first."""
        deadline = time.perf_counter() + PATIENCE
        while not is_done():
            if time.perf_counter() > deadline or not all(process.is_alive() for process, _ in self._members):
                return False
            time.sleep(every)
        return True

    def go(self) -> None:
        """Tell those who wait for it that the measurement begins."""
        for _, line in self._members:
            line.send("go")

    def stop(self) -> None:
        """Tell everybody to stop, and hear what each has to say."""
        for _, line in self._members:
            line.send("stop")
        for process, line in self._members:
            if line.poll(30):
                self.heard.append(line.recv())
            process.join(10)
            if process.is_alive():
                process.kill()


@contextmanager
def herded(
    services: Services, work: Callable[[Orders], None], topic: str, workers: int, *, database: str, wish: Any = None
) -> Iterator[Herd]:
    """Start the workers and wait until all are ready."""
    context = multiprocessing.get_context("spawn")
    applied = context.Array("q", PARTITIONS)
    members: list[tuple[BaseProcess, Connection]] = []
    for number in range(workers):
        ours, theirs = context.Pipe()
        orders = Orders(database, services.brokers, topic, number, workers, theirs, applied, wish)
        process: BaseProcess = context.Process(target=work, args=(orders,), daemon=True)
        process.start()
        members.append((process, ours))
    try:
        for process, line in members:
            if not line.poll(PATIENCE) or line.recv() != "ready":
                raise RuntimeError(f"worker {process.pid} of {work.__module__} did not become ready")
        yield Herd(services, members, applied.get_obj())
    finally:
        for process, _ in members:  # whatever happened, nobody is left behind
            if process.is_alive():
                process.kill()
            process.join()


def between(before: Spent, after: Spent) -> Spent:
    """Return what was spent from one reading to the other."""
    return Spent(*(late - early for late, early in zip(after, before, strict=True)))


def cpu_of(pid: int) -> float:
    """Return the CPU-seconds of a process, of its living descendants, and of those it has waited for; 0 for nobody."""
    if not pid:
        return 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS + sum(cpu_of(int(child)) for child in children)

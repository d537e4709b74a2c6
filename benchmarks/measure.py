"""How a figure is taken: in a process of its own, wall clock and CPU of all its threads and children, memory.

Rounds of the systems are interleaved, because the machine's speed drifts; ratios are taken within a round.
"""

import gc
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
T = TypeVar("T")


class Cost(msgspec.Struct):
    """What some work took: seconds of wall clock, seconds of CPU (all threads, ended children)."""

    wall: float = 0.0
    cpu: float = 0.0


class Sample(msgspec.Struct, frozen=True):
    """One measurement: `n` pieces of work, what they cost, and how the gate judged. `extra` are further figures."""

    n: int
    wall: float
    cpu: float
    holds: bool
    verdict: str
    extra: dict[str, float] = {}

    @property
    def rate(self) -> float:
        """Pieces per second of wall clock."""
        return self.n / self.wall

    @property
    def per_cpu(self) -> float:
        """Pieces per CPU-second."""
        return self.n / self.cpu


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure the block."""
    cost = Cost()
    gc.collect()
    cpu, wall = _cpu(), time.perf_counter()
    try:
        yield cost
    finally:
        cost.wall, cost.cpu = time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def memory() -> int:
    """Return the resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def in_child(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a fresh process: no cache, heap or thread of another measurement is in the way."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *args, **kwargs).result()


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return (median, least, most)."""
    return statistics.median(values), min(values), max(values)


def ratios(
    over: Sequence[Sample], under: Sequence[Sample], pick: Callable[[Sample], Any]
) -> tuple[float, float, float]:
    """Return the spread of one system's figure as a share of another's, round by round."""
    return spread([pick(a) / pick(b) for a, b in zip(over, under, strict=True)])

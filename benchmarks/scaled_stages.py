"""What one worker spends on each stage: read, unpack, lock, resolve, load, decide, persist, commit. Told from outside.

The worker's store is wrapped in one that keeps the time, and so are the two ends of a batch: the product knows nothing
of it. A stage counts without the stages inside it, by the wall clock and by the CPU of the engine's thread; what is
between the two is waiting for PostgreSQL.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from benchmarks.measure import Sample
from benchmarks.scaled_rounds import System, contest
from benchmarks.scaled_services import Services
from benchmarks.scaled_traffic import Packet
from engine.ports import Changes, Turn

T = TypeVar("T")

STAGES: Final = ("unpack", "lock", "resolve", "load", "decide", "persist", "commit")
"""The stages of the engine's thread, in the order in which a batch passes them."""

BETWEEN: Final = "between (waiting for messages)"
READ: Final = "read (the reader's thread, beside it)"

_RESOLVES: Final = frozenset({"resolve", "seen", "suppressed", "erased", "position"})


class Spent(msgspec.Struct):
    """What a stage took: wall clock, CPU of the thread (seconds), calls."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0


class Stopwatch:
    """Keeps the time of one thread: what is inside a stage is not counted for the stage around it."""

    def __init__(self) -> None:
        self.spent = {stage: Spent() for stage in STAGES}
        self._stages: list[str] = []
        self._wall = self._cpu = 0.0

    def begin(self, stage: str) -> None:
        """Enter a stage."""
        self._charge()
        self._stages.append(stage)
        self.spent[stage].calls += 1

    def end(self) -> None:
        """Leave it."""
        self._charge()
        self._stages.pop()

    def during(self, stage: str, do: Callable[..., T]) -> Callable[..., T]:
        """Return `do`, timed as a stage."""

        def timed(*args: Any, **kwargs: Any) -> T:
            self.begin(stage)
            try:
                return do(*args, **kwargs)
            finally:
                self.end()

        return timed

    def _charge(self) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        if self._stages:
            spent = self.spent[self._stages[-1]]
            spent.wall += wall - self._wall
            spent.cpu += cpu - self._cpu
        self._wall, self._cpu = wall, cpu


class TimedStore:
    """A store of which turns and units are timed; everything else is the store's own."""

    def __init__(self, inner: Any, watch: Stopwatch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def turn(self, terms: Turn) -> Iterator[Any]:
        """Open a turn: entering locks, leaving commits."""
        with _timed(self._watch, self._inner.turn(terms)) as store:
            yield None if store is None else TimedTurn(store, self._watch)


class TimedTurn:
    """A turn's store, its reads and its unit timed."""

    def __init__(self, inner: Any, watch: Stopwatch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "keep" or not callable(found):
            return found
        return self._watch.during("resolve" if name in _RESOLVES else "load", found)

    @contextmanager
    def unit(self) -> Iterator[Any]:
        """Open the turn's unit."""
        with _timed(self._watch, self._inner.unit()) as unit:
            yield TimedUnit(unit, self._watch)


class TimedUnit(TimedTurn):
    """A unit, its commit timed as well."""

    def commit(self, changes: Changes) -> None:
        """Write."""
        self._watch.during("persist", self._inner.commit)(changes)


@contextmanager
def _timed(watch: Stopwatch, inner: Any) -> Iterator[Any]:
    entered = watch.during("lock", inner.__enter__)()
    try:
        yield entered
    except BaseException as problem:
        if not inner.__exit__(type(problem), problem, problem.__traceback__):
            raise
    else:
        watch.during("commit", inner.__exit__)(None, None, None)


def time_stages(owner: Any, stages: dict[str, str], watch: Stopwatch) -> None:
    """Time methods of a class: name of the method -> stage."""
    for name, stage in stages.items():
        setattr(owner, name, watch.during(stage, getattr(owner, name)))


def run(services: Services, system: System, packets: Sequence[Packet]) -> tuple[Sample, dict[str, Spent]]:
    """Let the traffic through one worker that keeps the time; return the sample and what each stage took."""
    sample, heard = contest(services, system, 1, packets)
    stages, reading = heard[0]
    inside = sum(spent.wall for spent in stages.values())
    stages[BETWEEN] = Spent(max(sample.wall - inside, 0.0), 0.0, 0)
    return sample, {**stages, READ: Spent(0.0, reading, 0)}

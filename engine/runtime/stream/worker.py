"""A worker: the stream's engine in a thread, fed by the topic's reader, woken by the store, the clock and its beat.

It is the `Applying` of `messages.py`. A database that is away stops nothing for good: the same step is tried again
until it is back. Started by `bootstrap`.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from engine.core.errors import Conflict, Fenced, StoreAway, StoreFull
from engine.core.ids import SECOND
from engine.ports import Clock
from engine.ports.partitions import unpack
from engine.runtime.stream.engine import StreamEngine
from engine.runtime.stream.messages import Message

T = TypeVar("T")

BEAT: Final = 0.5
"""Seconds between two heartbeats: how late another learns how far a quiet partition is lived through."""

AWAY: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds until a database that is away is tried again; the last one goes on."""

STALL: Final = 180.0
"""Seconds that entries may wait without a step that did something: then the process ends, to be started anew."""

CONFLICTS: Final = 0.005
"""Seconds until what met another worker is tried again; as many more as it was tried in vain."""


class StreamWorker:
    """`start` it in a running loop before the reader; `failed` is set when it cannot go on and the process should end.

    `stepped` is called, in the engine's thread, with the engine and the seconds of each step that did something.
    """

    def __init__(self, engine: StreamEngine, clock: Clock) -> None:
        self.engine, self._clock = engine, clock
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self.stepped: Callable[[StreamEngine, float], None] = _unheard
        self.trip: Callable[[str], None] = _pass
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._woken, self._progressed = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = _end
        self._is_away = False
        self._moved = 0.0
        """When a step did something, or the database was away, last."""

    async def start(self) -> None:
        """Begin to step."""
        loop = asyncio.get_running_loop()

        def hear(what: str) -> None:
            loop.call_soon_threadsafe(self._hear, what)

        self._stop_listening = await asyncio.to_thread(self.engine.store.listen, hear)
        self._tasks = [
            asyncio.create_task(self._run(), name="engine"),
            asyncio.create_task(self._beat(), name="engine-heartbeat"),
        ]

    async def stop(self) -> None:
        """Finish the step at hand. What was read and not applied stays in the topic."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._stop_listening)
        await asyncio.to_thread(self._thread.shutdown)

    def is_away(self) -> bool:
        """Is the database away at the moment?"""
        return self._is_away

    # --- what the reader says

    async def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Take these over and return the offset to read each from: of a message applied in part, its own."""
        numbers = [partition + 1 for partition in partitions]
        positions = await self._insist(lambda: self.engine.take(numbers))
        self._woken.set()
        return {number - 1: unpack(position).offset for number, position in positions.items()}

    async def revoked(self, partitions: Collection[int]) -> None:
        """Let go of these."""
        await self._call(lambda: self.engine.let_go([partition + 1 for partition in partitions]))
        self._progressed.set()

    async def apply(self, messages: Sequence[Message]) -> None:
        """Return when all of them are applied durably, are no longer ours to apply, or wait for an operator's word."""
        await self._call(lambda: self.engine.feed(messages))
        self._woken.set()
        self._moved = time.perf_counter()
        while not self.failed.is_set():
            self._progressed.clear()
            if not await self._call(self.engine.is_fed):
                return
            await self._progressed.wait()
            if time.perf_counter() - self._moved > STALL:
                self._fail(RuntimeError(f"entries wait, and none was applied for {STALL:.0f} s"))
        raise RuntimeError("the engine has stopped") from self.failure

    async def drained(self, partitions: Collection[int], at: int) -> None:
        """Hear that everything the topic held of these at the instant `at` was given to `apply`."""
        self.engine.drained([partition + 1 for partition in partitions], at)
        self._woken.set()

    # --- stepping

    async def _run(self) -> None:
        tried = 0
        while True:
            self._woken.clear()
            try:
                begun = time.perf_counter()
                did = await self._call(self.engine.step)
                tried, self._is_away = 0, False
                if did:
                    self._note(time.perf_counter() - begun)
                    continue
                if self.engine.is_at_tide():
                    await self._call(self.engine.tell)
            except Conflict:
                tried += 1
                self._progressed.set()  # who waits looks whether it takes too long
                await asyncio.sleep(min(CONFLICTS * tried, 1.0))
                continue
            except (StoreAway, StoreFull) as problem:
                await self._wait_for_store(problem, tried)
                tried += 1
                continue
            except Exception as failure:  # a half-dead engine helps nobody: the process ends itself
                self._fail(failure)
                return
            self._progressed.set()
            await self._rest()

    def _note(self, seconds: float) -> None:
        self._moved = time.perf_counter()
        self.trip("step.after")
        self.stepped(self.engine, seconds)
        self._progressed.set()

    async def _rest(self) -> None:
        """Sleep until woken, or until something is due by itself."""
        instant = self.engine.next_instant()
        # Never sooner than a moment: what is due may have to wait for the topic to be read up to then.
        seconds = max((instant - self._clock.now()) / SECOND, 0.02) if instant else BEAT
        try:
            async with asyncio.timeout(min(seconds, BEAT)):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _beat(self) -> None:
        while True:
            try:
                await self._call(self.engine.beat)
            except (StoreAway, StoreFull, Conflict, Fenced):
                pass  # stepping finds out, too, and says it
            except Exception as failure:
                self._fail(failure)
                return
            self._woken.set()
            await asyncio.sleep(BEAT)

    async def _wait_for_store(self, problem: Exception, tried: int) -> None:
        if not self._is_away:
            structlog.get_logger("engine").warning("store_away", error=str(problem))
        self._is_away, self._moved = True, time.perf_counter()
        await asyncio.sleep(AWAY[min(tried, len(AWAY) - 1)])

    def _fail(self, failure: Exception) -> None:
        structlog.get_logger("engine").error("engine_failed", exc_info=failure)
        self.failure = failure
        self.failed.set()
        self._progressed.set()

    async def _insist(self, do: Callable[[], T]) -> T:
        """Do it, however long the database is away."""
        tried = 0
        while True:
            try:
                return await self._call(do)
            except (StoreAway, StoreFull, Conflict) as problem:
                await self._wait_for_store(problem, tried)
                tried += 1

    async def _call(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    def _hear(self, what: str) -> None:
        if what != "touches":
            self._hearing = asyncio.create_task(self._heed(what), name="engine-hearing")

    async def _heed(self, what: str) -> None:
        with suppress(StoreAway, StoreFull, Conflict):  # the next beat looks anyway
            await self._call(lambda: self.engine.hear(what))
        self._woken.set()


def _unheard(_engine: StreamEngine, _seconds: float) -> None:
    """Nobody counts steps."""


def _end() -> None:
    """Nobody listens."""


def _pass(_point: str) -> None:
    """Failpoints are off."""

"""Group commit for asyncio callers: whatever arrived while the last round was under way goes into the next one.

Knows no log and no broker; `inbox.py` and `stream/producer.py` say what a round does.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from engine.core.errors import Overloaded
from engine.core.events import Entry
from engine.core.ids import Micros
from engine.ports import Clock

Make: TypeAlias = Callable[[Micros], Sequence[Entry]]
"""Makes a caller's entries with the `received` instant of their round."""

Waiting: TypeAlias = "tuple[Make, asyncio.Future[int]]"

WAITING_LIMIT: Final = 2_000
"""Requests that may wait at once; further ones are asked to come back (429)."""


class Rounds:
    """`start` in the loop, `close` when nothing more will come. Stamps never go back, from `last` on.

    `appended` is for those who do a round to call: after it is durable, before anybody is answered.
    """

    def __init__(self, clock: Clock, last: Micros = 0) -> None:
        self._clock, self._last = clock, last
        self._waiting: list[Waiting] = []
        self._arrived = asyncio.Event()
        self._writing: Micros = 0
        self._task: asyncio.Task[None] | None = None
        self.appended: Callable[[], None] = _go_on

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._write(), name=type(self).__name__.lower())

    async def close(self) -> None:
        """Do what waits, then stop."""
        while self._waiting or self._writing:
            await asyncio.gather(*(future for _, future in self._waiting), return_exceptions=True)
            await asyncio.sleep(0)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def accept(self, make: Make) -> int:
        """Wait for a round and return its answer to this caller; `Overloaded` when too many wait."""
        if len(self._waiting) >= WAITING_LIMIT:
            raise Overloaded
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((make, future))
        self._arrived.set()
        return await future

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                taken, self._waiting = self._waiting, []
                self._writing = self._last = max(self._last, self._clock.now())
                try:
                    await self._round(taken, self._writing)
                except Exception as problem:
                    for _, future in taken:
                        answer(future, problem)
                finally:
                    self._writing = 0

    async def _round(self, taken: Sequence[Waiting], stamp: Micros) -> None:
        """Make what is taken durable and answer everybody; who is not answered hears what this raises."""
        raise NotImplementedError


def answer(future: asyncio.Future[int], said: int | Exception) -> None:
    """Answer a caller, unless they are gone or were answered before."""
    if future.done():
        return
    if isinstance(said, Exception):
        future.set_exception(said)
    else:
        future.set_result(said)


def _go_on() -> None:
    """Nobody waits for the instant between a round and its answers."""

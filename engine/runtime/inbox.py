"""The door of the log: stamps what comes in with its `received` instant, in order, and answers once it is durable.

Callers wait for one commit together (group commit): whatever arrived while the last one was being written goes into
the next. Stamps never go back, over restarts either. Every face of the daemon appends through it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from engine.core.errors import Overloaded
from engine.core.events import Entry, decode, encode
from engine.core.ids import Micros
from engine.ports import Clock, EventLog

Make: TypeAlias = Callable[[Micros], Sequence[Entry]]

WAITING_LIMIT: Final = 2_000
"""Requests that may wait for the log at once; further ones are asked to come back (429)."""


class Inbox:
    """Appends for asyncio callers. `start` in the loop, `close` when nothing more will come.

    `appended` is called after each commit, before anybody is answered.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log, self._clock = log, clock
        self._waiting: list[tuple[Make, asyncio.Future[int]]] = []
        self._arrived = asyncio.Event()
        self._writing: Micros = 0
        self._last = last_received(log)
        self._task: asyncio.Task[None] | None = None
        self.appended: Callable[[], None] = _go_on

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write(), name="inbox")

    async def close(self) -> None:
        """Write what waits, then stop."""
        while self._waiting or self._writing:
            await asyncio.gather(*(future for _, future in self._waiting), return_exceptions=True)
            await asyncio.sleep(0)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def accept(self, make: Make) -> int:
        """Stamp, append durably, and return the last offset; `StoreFull` or `Overloaded` when nothing was written."""
        if len(self._waiting) >= WAITING_LIMIT:
            raise Overloaded
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((make, future))
        self._arrived.set()
        return await future

    def watermark(self) -> Micros:
        """Return an instant below which nothing more will be stamped: timers up to it may fire once the log is drained.

        Read it before looking at the log's tail.
        """
        writing = self._writing
        return writing - 1 if writing else max(self._last, self._clock.now())

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                taken, self._waiting = self._waiting, []
                self._writing = self._last = max(self._last, self._clock.now())
                try:
                    await self._commit(taken, self._writing)
                finally:
                    self._writing = 0

    async def _commit(self, taken: list[tuple[Make, asyncio.Future[int]]], stamp: Micros) -> None:
        bodies: list[bytes] = []
        written: list[asyncio.Future[int]] = []
        for make, future in taken:
            try:
                bodies += [encode(entry) for entry in make(stamp)]
                written.append(future)
            except Exception as problem:
                _answer(future, problem)
        try:
            offset = await asyncio.to_thread(self._log.append, bodies) if bodies else 0
        except Exception as problem:
            for future in written:
                _answer(future, problem)
            return
        self.appended()
        for future in written:
            _answer(future, offset)


def _go_on() -> None:
    """Nobody waits for the instant between the commit and its answers."""


def _answer(future: asyncio.Future[int], answer: int | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def last_received(log: EventLog) -> Micros:
    """Return the stamp of the log's last readable entry, 0 when it is empty."""
    tail = log.tail()
    found = log.read(tail - 1, 1) if tail else []
    try:
        return decode(found[0].body).received if found else 0
    except ValueError:
        return 0

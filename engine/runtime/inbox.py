"""The door of the log: stamps what comes in with its `received` instant, in order, and answers once it is durable.

Callers wait for one commit together. Stamps never go back, over restarts either. Every face of the daemon appends
through it.
"""

import asyncio
from collections.abc import Sequence

from engine.core.events import decode, encode
from engine.core.ids import Micros
from engine.ports import Clock, EventLog
from engine.runtime.rounds import WAITING_LIMIT, Make, Rounds, Waiting, answer

__all__ = ["WAITING_LIMIT", "Inbox", "Make", "last_received"]


class Inbox(Rounds):
    """`accept` returns the offset of the commit; `StoreFull` or `Overloaded` when nothing was written."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        super().__init__(clock, last_received(log))
        self._log = log

    def watermark(self) -> Micros:
        """Return an instant below which nothing more will be stamped: timers up to it may fire once the log is drained.

        Read it before looking at the log's tail.
        """
        writing = self._writing
        return writing - 1 if writing else max(self._last, self._clock.now())

    async def _round(self, taken: Sequence[Waiting], stamp: Micros) -> None:
        bodies: list[bytes] = []
        written: list[asyncio.Future[int]] = []
        for make, future in taken:
            try:
                bodies += [encode(entry) for entry in make(stamp)]
                written.append(future)
            except Exception as problem:
                answer(future, problem)
        offset = await asyncio.to_thread(self._log.append, bodies) if bodies else 0
        self.appended()
        for future in written:
            answer(future, offset)


def last_received(log: EventLog) -> Micros:
    """Return the stamp of the log's last readable entry, 0 when it is empty."""
    tail = log.tail()
    found = log.read(tail - 1, 1) if tail else []
    try:
        return decode(found[0].body).received if found else 0
    except ValueError:
        return 0

"""The door of the stream: what comes in is stamped, put into envelopes by partition, answered once brokers have it.

Callers wait together, as at `Inbox`, whose face this has. Operators' words do not travel here: they go to the desk.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import TypeAlias

import msgspec

from engine.core.errors import LogAway
from engine.core.events import Directive, Entry, encode
from engine.core.ids import Micros
from engine.ports import Clock
from engine.ports.partitions import pack as place_of
from engine.runtime.rounds import Make, Rounds, Waiting, answer
from engine.runtime.stream.envelope import fits, pack, too_large
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.outgoing import Outgoing
from engine.runtime.stream.settings import StreamSettings
from engine.telemetry import Telemetry

Desk: TypeAlias = Callable[[Make], Awaitable[int]]
"""Appends to the desk's log: `Inbox.accept` of it."""


class _Request(msgspec.Struct):
    """What one caller brought: `entries` for the topic, `words` for the desk; `last` is where its last entry stands."""

    future: asyncio.Future[int]
    entries: list[tuple[Entry, bytes]]
    words: list[Directive]
    last: int = 0
    problem: Exception | None = None


class StreamInbox(Rounds):
    """`accept` returns the place of the caller's last entry once brokers confirmed all of it.

    It raises `LogAway` when they did not (some of it may have been taken: the same again counts once), `Overloaded`
    and `BadInput` when nothing was sent. `start` in the loop, `close` when nothing more will come.
    """

    def __init__(self, settings: StreamSettings, clock: Clock, keys: Keys, *, desk: Desk, telemetry: Telemetry) -> None:
        super().__init__(clock)
        self._settings, self._keys = settings, keys
        self._desk, self._telemetry = desk, telemetry
        self._outgoing = Outgoing(settings)
        self._words: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Send what waits, then disconnect."""
        await super().close()
        await asyncio.gather(*self._words, return_exceptions=True)
        await self._outgoing.close()

    async def _round(self, taken: Sequence[Waiting], stamp: Micros) -> None:
        requests = [request for make, future in taken if (request := self._made(make, future, stamp)) is not None]
        sending = [(request, entry, body) for request in requests for entry, body in request.entries]
        if sending:
            began = perf_counter()
            homes = await asyncio.to_thread(self._keys.partitions_of, [entry for _, entry, _ in sending], stamp)
            piles: dict[int, list[tuple[_Request, bytes]]] = defaultdict(list)
            for (request, _, body), partition in zip(sending, homes, strict=True):
                piles[partition].append((request, body))
            await asyncio.gather(*(self._send(partition, pile) for partition, pile in piles.items()))
            self._telemetry.observe("journeyd_stream_send_seconds", perf_counter() - began)
            self.appended()
        for request in requests:
            if request.problem is None and request.words:
                self._say(request, stamp)
            else:
                answer(request.future, request.problem or request.last)

    def _made(self, make: Make, future: asyncio.Future[int], stamp: Micros) -> _Request | None:
        """Return what the caller brings; what cannot be made, or sent, is answered at once."""
        limit = self._settings.max_message
        request = _Request(future, [], [])
        try:
            for entry in make(stamp):
                if isinstance(entry, Directive):
                    request.words.append(entry)
                    continue
                body = encode(entry)
                if not fits(body, limit):
                    raise too_large(len(body), limit)
                request.entries.append((entry, body))
        except Exception as problem:
            answer(future, problem)
            return None
        return request

    async def _send(self, partition: int, pile: list[tuple[_Request, bytes]]) -> None:
        """Send one partition's entries, envelope after envelope; what comes after a failure is not sent."""
        begun = 0
        problem: LogAway | None = None
        for envelope in pack([body for _, body in pile], self._settings.max_message):
            inside = pile[begun : begun + envelope.entries]
            begun += envelope.entries
            if problem is None:
                try:
                    offset = await self._outgoing.send(self._settings.topic, partition, envelope.value)
                except LogAway as raised:
                    problem = raised
            for number, (request, _) in enumerate(inside, 1):
                if problem is not None:
                    request.problem = problem
                else:
                    request.last = place_of(partition + 1, offset, number)
            if problem is None:
                self._telemetry.count("journeyd_stream_sent_total", envelope.entries)

    def _say(self, request: _Request, stamp: Micros) -> None:
        """Append the words at the desk, and answer then; the next round does not wait for that."""

        def again(received: Micros) -> Sequence[Entry]:
            return [msgspec.structs.replace(word, received=max(received, stamp)) for word in request.words]

        async def say() -> None:
            try:
                said: int | Exception = await self._desk(again)
            except Exception as problem:
                said = problem
            answer(request.future, said)

        task = asyncio.create_task(say(), name="stream-desk")
        self._words.add(task)
        task.add_done_callback(self._words.discard)

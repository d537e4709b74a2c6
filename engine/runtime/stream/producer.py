"""The door of the stream: what comes in is stamped, put into envelopes by partition, answered once brokers have it.

Callers wait together (group commit), as at `Inbox`, whose face this has: whatever arrived while the last round was
under way goes into the next. Operators' words do not travel here: they go to the desk.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Final, TypeAlias

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from engine.core.errors import LogAway, Overloaded
from engine.core.events import Directive, Entry, encode
from engine.core.ids import Micros
from engine.ports import Clock
from engine.ports.partitions import pack as place_of
from engine.runtime.inbox import WAITING_LIMIT, Make
from engine.runtime.stream.envelope import fits, pack, too_large
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.topic import connection, said_of
from engine.telemetry import Telemetry

Desk: TypeAlias = Callable[[Make], Awaitable[int]]
"""Appends to the desk's log: `Inbox.accept` of it."""

_HEADROOM: Final = 100_000
"""What Kafka puts round a message, generously."""


class Outgoing:
    """A producer of the client library, connected when it is first needed; one record makes a batch of the brokers'.

    Duplicates that its retries make are harmless (ids collapse them), so idempotent sequences are not asked for: one
    batch of a partition is under way at a time, and order stays.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False

    async def send(self, topic: str, partition: int | None, value: bytes) -> int:
        """Return the message's offset once every replica that counts has it; raises `LogAway`."""
        try:
            async with asyncio.timeout(self._settings.confirm_timeout + 1):
                producer = self._producer or await self._connect()
                sent = await producer.send_and_wait(topic, value=value, partition=partition)
        except MessageSizeTooLargeError as problem:
            raise LogAway(f"a broker refuses {len(value):,} bytes: lower stream.max_message") from problem
        except (KafkaError, OSError, TimeoutError, AssertionError) as problem:  # asserted: is it a partition's number?
            raise LogAway(f"the brokers do not confirm: {said_of(problem)}") from problem
        return int(sent.offset)

    async def close(self) -> None:
        """Disconnect for good: whoever is just connecting is waited for, and who sends later is refused."""
        self._is_closed = True
        async with self._connecting:
            producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _connect(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._is_closed:
                raise LogAway("the way to the brokers is closed: the process is stopping")
            if self._producer is None:
                producer = self._new()
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    def _new(self) -> AIOKafkaProducer:
        said = self._settings
        return AIOKafkaProducer(
            **connection(said),
            acks="all",
            compression_type=None if said.compression == "none" else said.compression,
            max_batch_size=1,
            max_request_size=said.max_message + _HEADROOM,
        )


class _Request(msgspec.Struct):
    """What one caller brought: `entries` for the topic, `words` for the desk; `last` is where its last entry stands."""

    future: asyncio.Future[int]
    entries: list[tuple[Entry, bytes]]
    words: list[Directive]
    last: int = 0
    problem: Exception | None = None


class StreamInbox:
    """Takes entries for asyncio callers. `start` in the loop, `close` when nothing more will come.

    `appended` is called after each round that brokers confirmed, before anybody is answered.
    """

    def __init__(self, settings: StreamSettings, clock: Clock, keys: Keys, *, desk: Desk, telemetry: Telemetry) -> None:
        self._settings, self._clock, self._keys = settings, clock, keys
        self._desk, self._telemetry = desk, telemetry
        self._outgoing = Outgoing(settings)
        self._waiting: list[tuple[Make, asyncio.Future[int]]] = []
        self._arrived = asyncio.Event()
        self._is_writing = False
        self._last: Micros = 0
        self._task: asyncio.Task[None] | None = None
        self._words: set[asyncio.Task[None]] = set()
        self.appended: Callable[[], None] = _go_on

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._write(), name="stream-inbox")

    async def close(self) -> None:
        """Send what waits, then disconnect."""
        while self._waiting or self._is_writing:
            await asyncio.gather(*(future for _, future in self._waiting), return_exceptions=True)
            await asyncio.sleep(0)
        await asyncio.gather(*self._words, return_exceptions=True)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._outgoing.close()

    async def accept(self, make: Make) -> int:
        """Stamp, send, and return the place of the last entry once brokers confirmed all of it.

        Raises `LogAway` when they did not (some of it may have been taken: the same again counts once), `Overloaded`
        and `BadInput` when nothing was sent.
        """
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
                self._is_writing = True
                self._last = max(self._last, self._clock.now())
                try:
                    await self._round(taken, self._last)
                except Exception as problem:
                    for _, future in taken:
                        _answer(future, problem)
                finally:
                    self._is_writing = False

    async def _round(self, taken: list[tuple[Make, asyncio.Future[int]]], stamp: Micros) -> None:
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
                _answer(request.future, request.problem or request.last)

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
            _answer(future, problem)
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
                answer: int | Exception = await self._desk(again)
            except Exception as problem:
                answer = problem
            _answer(request.future, answer)

        task = asyncio.create_task(say(), name="stream-desk")
        self._words.add(task)
        task.add_done_callback(self._words.discard)


def _go_on() -> None:
    """Nobody waits for the instant between the commit and its answers."""


def _answer(future: asyncio.Future[int], answer: int | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)

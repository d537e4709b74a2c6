"""Between a topic's client and the engine: messages pass in order, none twice, none left out, while there is room.

Knows no broker: `runtime/kafka.py` brings the messages, the topic's ends and what fills a gap. Whatever the client
library delivers, offsets are what is believed. Nothing leaves `run`: a surprise is kept in `problem`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Set
from typing import Final, TypeAlias

import structlog

from engine.core.ids import Micros
from engine.runtime.stream.messages import Applying, Message
from engine.runtime.stream.settings import StreamSettings
from engine.telemetry import Telemetry

Refill: TypeAlias = Callable[[int, int, int], AsyncIterator[Message]]
"""(partition, first offset, the one after the last) -> what the topic holds there, read anew."""

_QUIET: Final = 5.0
"""Seconds without a message after which what the client has passed over is believed to be nothing of ours."""

_log = structlog.get_logger()


class Reading:
    """What this worker reads. Of one event loop. `ack` is called for each message once it is applied, in order."""

    def __init__(self, settings: StreamSettings, applying: Applying, refill: Refill, *, telemetry: Telemetry) -> None:
        self._settings, self._applying, self._refill, self._telemetry = settings, applying, refill, telemetry
        self._deal = self._taken = 0
        self._over = 0
        self._expected: dict[int, int] = {}
        self._applied: dict[int, int] = {}
        self._marks: dict[int, tuple[int, Micros]] = {}
        self._ends: dict[int, int] = {}
        self._batch: list[tuple[Message, Callable[[], object]]] = []
        self._size = 0
        self._arrived, self._room, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._is_applying = self._is_ending = False
        self._moved = 0.0
        self._came: dict[int, float] = {}
        self.failed = asyncio.Event()
        self.problem: Exception | None = None

    # --- whose partitions

    def dealt(self) -> None:
        """Hear that the group has dealt out its partitions: `assigned` comes next, perhaps more than once."""
        self._deal += 1

    async def assigned(self, partitions: Collection[int]) -> dict[int, int]:
        """Return the offset to read each of these partitions from; the engine is asked once a deal.

        Empty when they were revoked since: whom the group gives them next may have taken them already.
        """
        if self._deal == self._over:
            return {}
        if self._deal != self._taken or set(partitions) != set(self._expected):
            async with self._turn:
                starts = dict(await self._applying.assigned(partitions))
                self._put_back(set(self._expected))
                for gone in self._expected.keys() - starts.keys():
                    self._telemetry.drop("journeyd_stream_lag", partition=str(gone))
                self._taken = self._deal
                self._marks.clear()
                self._expected, self._applied, self._ends = dict(starts), dict(starts), dict(starts)
                self._moved = _now()
            self._telemetry.count("journeyd_stream_assignments_total")
            _log.info("stream_assigned", count=len(starts))
        return dict(self._expected)

    async def revoked(self, partitions: Collection[int]) -> None:
        """Let go of these partitions, after what is under way."""
        async with self._turn:
            self._over = self._deal
            mine = [partition for partition in partitions if partition in self._expected]
            self._put_back(set(mine))
            for partition in mine:
                for kept in (self._expected, self._applied, self._marks, self._ends, self._came):
                    kept.pop(partition, None)
                self._telemetry.drop("journeyd_stream_lag", partition=str(partition))
            if mine:
                await self._applying.revoked(mine)

    def _put_back(self, partitions: Set[int]) -> None:
        """Let go of what waits to be handed over: whoever has these next reads it again, from the store's place."""
        gone = [(message, ack) for message, ack in self._batch if message.partition in partitions]
        self._batch = [(message, ack) for message, ack in self._batch if message.partition not in partitions]
        self._size -= sum(len(message.value) for message, _ in gone)
        for _, ack in gone:
            ack()
        self._room.set()

    # --- the way of a message

    async def take(self, message: Message, ack: Callable[[], object]) -> None:
        """Take a message in once there is room for it; what was taken before, or is nobody's, is acknowledged."""
        deal, expected = self._deal, self._expected.get(message.partition)
        if expected is None or message.offset < expected:
            ack()
            return
        if message.offset > expected:
            await self._fill(message.partition, expected, message.offset)
        await self._add(message, ack, deal)

    async def _fill(self, partition: int, first: int, until: int) -> None:
        """Read what was left out; what is not in the topic any more is passed over, loudly."""
        deal = self._deal
        async for message in self._refill(partition, first, until):
            await self._add(message, _nobody, deal)
        expected = self._expected.get(partition, until)
        if expected < until:
            _log.error("stream_gap", partition=partition, expected=expected, offset=until, count=until - expected)
            self._telemetry.count("journeyd_stream_gaps_total")

    async def _add(self, message: Message, ack: Callable[[], object], deal: int) -> None:
        while not self._is_ending and self._is_full():
            self._room.clear()
            await self._room.wait()
        if self._is_ending or deal != self._deal or message.partition not in self._expected:
            ack()
            return
        self._expected[message.partition] = message.offset + 1
        self._came[message.partition] = _now()
        self._batch.append((message, ack))
        self._size += len(message.value)
        self._arrived.set()

    def _is_full(self) -> bool:
        return len(self._batch) >= self._settings.batch or self._size >= self._settings.batch_bytes

    async def run(self) -> None:
        """Hand over what was taken, batch after batch, until `end`; whatever goes wrong ends it for good."""
        try:
            while not self._is_ending or self._batch:
                await self._arrived.wait()
                self._arrived.clear()
                if self._batch:
                    await self._hand_over()
        except Exception as problem:
            self.fail(problem)

    async def _hand_over(self) -> None:
        async with self._turn:
            # Not before: whose turn it was may have put back what waited.
            batch, self._batch, self._size = self._batch, [], 0
            self._room.set()
            self._is_applying = True
            try:
                await self._applying.apply([message for message, _ in batch])
            finally:
                self._is_applying = False
                for _, ack in batch:  # whatever came of it: the store knows, and Faust waits for acks before it stops
                    ack()
            for message, _ in batch:
                if message.partition in self._applied:
                    self._applied[message.partition] = message.offset + 1
            self._moved = _now()
            self._telemetry.count("journeyd_stream_messages_total", len(batch))
            self._telemetry.count("journeyd_stream_batches_total")
            await self._tell_drained()

    def fail(self, problem: Exception) -> None:
        """Give up: the process is to end, and another begins at what the store holds."""
        if self.problem is None:
            self.problem = problem
            _log.error("stream_failed", exc_info=problem)
        self.failed.set()
        self.end()

    def end(self) -> None:
        """Let `run` return after what was taken; what comes now is acknowledged and left to who reads it next."""
        self._is_ending = True
        self._arrived.set()
        self._room.set()

    def let_go(self) -> None:
        """Acknowledge what was taken and is not applied: the client waits for that before it leaves the group."""
        batch, self._batch = self._batch, []
        for _, ack in batch:
            ack()

    # --- how far it is

    async def look(self, at: Micros, ends: Mapping[int, int], passed: Mapping[int, int]) -> None:
        """Hear where the topic ended at the instant `at`, and up to where the client has `passed` what is silent.

        Tells the engine what is drained; gives up when there is something to read and nothing has come for too long.
        """
        now = _now()
        for partition in self._applied.keys() & ends.keys():
            end = ends[partition]
            if passed.get(partition, -1) >= end and self._is_quiet(partition, now):
                end = min(end, self._applied[partition])  # what stands there are a transaction's marks, no messages
            self._ends[partition] = end
            self._marks.setdefault(partition, (end, at))
        # Not in turn: what is under way may be waiting for a partition to be lived through in which nothing came.
        await self._tell_drained()
        lag = self.lags()
        for partition, count in lag.items():
            self._telemetry.gauge("journeyd_stream_lag", count, partition=str(partition))
        if self._is_applying or not any(lag.values()):
            self._moved = now
        elif now - self._moved > self._settings.stall_timeout:
            self.fail(
                TimeoutError(f"{sum(lag.values())} messages wait and none has come for {now - self._moved:.0f} s")
            )

    def lags(self) -> dict[int, int]:
        """Return how many messages of each of our partitions wait, as far as is known."""
        return {partition: max(0, end - self._applied[partition]) for partition, end in self._ends.items()}

    def silent(self) -> list[int]:
        """Return the partitions of which messages wait, as it seems, and none has come for a while."""
        now = _now()
        return [partition for partition, lag in self.lags().items() if lag and self._is_quiet(partition, now)]

    def _is_quiet(self, partition: int, now: float) -> bool:
        return not self._batch and not self._is_applying and now - self._came.get(partition, self._moved) > _QUIET

    async def _tell_drained(self) -> None:
        reached: dict[Micros, list[int]] = defaultdict(list)
        for partition, (end, at) in list(self._marks.items()):
            if self._applied.get(partition, -1) >= end or self._ends.get(partition, end) < end:
                reached[at].append(partition)
                del self._marks[partition]
        for at, partitions in reached.items():
            await self._applying.drained(partitions, at)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _nobody() -> None:
    """What was read anew is acknowledged with the message that showed the gap."""

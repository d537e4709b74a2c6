"""Offsets are what is believed: whatever a client leaves out, repeats or brings too early, the engine gets all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.ids import Micros
from engine.runtime.stream.messages import Message
from engine.runtime.stream.reading import Reading
from engine.runtime.stream.settings import StreamSettings
from engine.telemetry import Telemetry

SETTINGS = StreamSettings(("nowhere:1",), batch=5, stall_timeout=0.05)


class Topic:
    """One partition's messages; some are gone, as by retention or compaction."""

    def __init__(self, length: int, gone: Collection[int] = ()) -> None:
        self.kept = [offset for offset in range(length) if offset not in gone]
        self.refilled: list[int] = []

    async def refill(self, partition: int, first: int, until: int) -> AsyncIterator[Message]:
        for offset in self.kept:
            if first <= offset < until:
                self.refilled.append(offset)
                yield at(offset, partition)


class Engine:
    """Keeps what it applied, and how far."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.offsets: list[int] = []
        self.drains: list[Micros] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        begin = self.offsets[-1] + 1 if self.offsets else self.start
        return dict.fromkeys(partitions, begin)

    async def revoked(self, partitions: Collection[int]) -> None:
        pass

    async def apply(self, messages: Sequence[Message]) -> None:
        await self.go_on.wait()
        self.offsets += [one.offset for one in messages]

    async def drained(self, partitions: Collection[int], at: Micros) -> None:
        self.drains.append(at)


def at(offset: int, partition: int = 0) -> Message:
    return Message(partition, offset, b"", b"%d" % offset)


def nothing() -> None:
    pass


@asynccontextmanager
async def reading(topic: Topic, engine: Engine) -> AsyncIterator[Reading]:
    one = Reading(SETTINGS, engine, topic.refill, telemetry=Telemetry())
    running = asyncio.create_task(one.run())
    one.dealt()
    await one.assigned([0])
    yield one
    one.end()
    await running


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is no event's business
            await asyncio.sleep(0)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 29)), st.lists(st.integers(0, 29), max_size=60))
def test_whatever_is_brought_everything_up_to_the_last_is_applied_once(gone: set[int], brought: list[int]) -> None:
    async def scene() -> None:
        topic, engine = Topic(30, gone), Engine()
        async with reading(topic, engine) as one:
            for offset in brought:
                if offset not in gone:
                    await one.take(at(offset), nothing)
        last = max((offset for offset in brought if offset not in gone), default=-1)
        assert engine.offsets == [offset for offset in topic.kept if offset <= last]

    asyncio.run(scene())


async def test_what_was_left_out_is_read_from_the_topic_itself() -> None:
    topic, engine = Topic(10), Engine()
    async with reading(topic, engine) as one:
        await one.take(at(0), nothing)
        await one.take(at(7), nothing)
    assert engine.offsets == list(range(8))
    assert topic.refilled == [1, 2, 3, 4, 5, 6]


async def test_it_begins_where_the_engine_stands() -> None:
    topic, engine = Topic(10), Engine(start=4)
    async with reading(topic, engine) as one:
        for offset in (3, 4, 5):
            await one.take(at(offset), nothing)
    assert engine.offsets == [4, 5]


async def test_partitions_of_nobody_and_of_former_days_are_passed_over() -> None:
    topic, engine, acks = Topic(10), Engine(), list[int]()
    async with reading(topic, engine) as one:
        await one.take(at(0, partition=3), lambda: acks.append(3))
        await one.revoked([0])
        assert await one.assigned([0]) == {}  # a client that asks again although nothing was dealt since
        await one.take(at(0), lambda: acks.append(0))
    assert (engine.offsets, acks) == ([], [3, 0])


async def test_an_acknowledgement_comes_after_the_engine_has_it() -> None:
    topic, engine, acks = Topic(10), Engine(), list[int]()
    engine.go_on.clear()
    async with reading(topic, engine) as one:
        for offset in range(3):
            await one.take(at(offset), lambda offset=offset: acks.append(offset))  # type: ignore[misc]
        await until(lambda: not one._batch or len(one._batch) == 2)
        assert acks == []
        engine.go_on.set()
    assert acks == [0, 1, 2]


async def test_it_holds_no_more_than_a_batch_beside_what_is_applied() -> None:
    topic, engine = Topic(40), Engine()
    engine.go_on.clear()
    async with reading(topic, engine) as one:
        taking = asyncio.create_task(_take_all(one, 40))
        await until(lambda: len(one._batch) == SETTINGS.batch)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(one._batch) == SETTINGS.batch
        engine.go_on.set()
        await taking
    assert engine.offsets == list(range(40))


async def _take_all(one: Reading, count: int) -> None:
    for offset in range(count):
        await one.take(at(offset), nothing)


async def test_drained_is_told_once_everything_of_that_instant_is_applied() -> None:
    topic, engine = Topic(10), Engine()
    async with reading(topic, engine) as one:
        await one.look(1_000, {0: 2}, {})
        assert engine.drains == []
        await one.take(at(0), nothing)
        await one.look(2_000, {0: 5}, {})
        await one.take(at(1), nothing)
        await until(lambda: engine.drains == [1_000])
        await one.look(3_000, {0: 2}, {})
        assert engine.drains == [1_000, 3_000]


async def test_something_to_read_that_never_comes_ends_the_process() -> None:
    topic, engine = Topic(10), Engine()
    async with reading(topic, engine) as one:
        async with asyncio.timeout(10):
            while not one.failed.is_set():
                await one.look(1_000, {0: 3}, {0: 0})
                await asyncio.sleep(0)
        assert isinstance(one.problem, TimeoutError)
        assert one.lags() == {0: 3}


async def test_nothing_to_read_is_no_reason_to_end_however_long_it_lasts() -> None:
    topic, engine = Topic(10), Engine()
    async with reading(topic, engine) as one:
        end = asyncio.get_running_loop().time() + 3 * SETTINGS.stall_timeout
        while asyncio.get_running_loop().time() < end:
            await one.look(1_000, {0: 0}, {})
            await asyncio.sleep(0)
        assert not one.failed.is_set()


async def test_marks_of_a_transaction_at_the_end_are_not_waited_for() -> None:
    topic, engine = Topic(10), Engine()
    async with reading(topic, engine) as one:
        await one.take(at(0), nothing)
        await until(lambda: engine.offsets == [0])
        one._came[0] -= 60  # the last message came a minute ago
        await one.look(1_000, {0: 3}, {})
        assert (engine.drains, one.silent()) == ([], [0])
        await one.look(2_000, {0: 3}, {0: 3})  # the client has passed over what stands at 1 and 2
        assert engine.drains == [1_000]
        await one.look(3_000, {0: 3}, {0: 3})
        assert engine.drains == [1_000, 3_000]
        assert one.lags() == {0: 0}

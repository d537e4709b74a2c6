"""The reader on a broker: everything once and in order, whoever dies, and an end where it cannot go on."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from deploy.local import Broker
from engine.core.errors import BadSetting, LogAway
from engine.runtime.clock import SystemClock
from engine.runtime.kafka import KafkaReader
from engine.runtime.stream.messages import Message
from engine.runtime.stream.outgoing import Outgoing
from engine.runtime.stream.refill import stretch
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.topic import ensure_topic
from engine.telemetry import Telemetry
from tests.stream.ledger import Ledger

PATIENCE = 60


def told(broker: str, topic: str, partitions: int, **more: object) -> StreamSettings:
    return msgspec.structs.replace(
        StreamSettings((broker,), topic, partitions, f"group-{topic}", session_timeout=2.0, look_every=0.1), **more
    )


@pytest.fixture
def settings(kafka: str, new_topic: Callable[[int], str]) -> StreamSettings:
    return told(kafka, new_topic(4), 4)


async def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            with suppress(TimeoutError):  # other processes, and tasks of this one, go on meanwhile
                async with asyncio.timeout(0.02):
                    await asyncio.Event().wait()


async def send(settings: StreamSettings, values: Sequence[bytes], begin: int = 0) -> None:
    out = Outgoing(settings)
    for number, value in enumerate(values, begin):
        await out.send(settings.topic, number % settings.partitions, value)
    await out.close()


@asynccontextmanager
async def reading(settings: StreamSettings, ledger: Ledger) -> AsyncIterator[KafkaReader]:
    reader = KafkaReader(settings, ledger, SystemClock(), Telemetry())
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def test_whatever_stands_in_the_topic_arrives_as_it_is(settings: StreamSettings, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", "w1")
    values = [b"", b"\xc1\x01", b"{not json", b"\0" * 10, b"x" * 800_000, "早".encode(), b"last", b"one"]
    await send(settings, values)
    async with reading(settings, ledger) as reader:
        await until(lambda: ledger.count() == len(values))
        assert not reader.failed.is_set()
    found = {(partition, offset): value for partition, offset, value in ledger.applied()}
    assert found == {(number % 4, number // 4): value for number, value in enumerate(values)}


async def test_it_begins_where_the_store_stands_whatever_the_group_remembers(
    settings: StreamSettings, tmp_path: Path
) -> None:
    await send(settings, [b"%d" % number for number in range(40)])
    first, second = Ledger(tmp_path / "first", "w1"), Ledger(tmp_path / "second", "w1")
    async with reading(settings, first):
        await until(lambda: first.count() == 40)
    async with reading(settings, second):  # another store: it has nothing yet
        await until(lambda: second.count() == 40)
    await send(settings, [b"more"] * 4)
    async with reading(settings, first):
        await until(lambda: first.count() == 44)
    assert first.applied()[:10] == second.applied()[:10]


async def test_what_is_drained_is_told_for_an_instant_before_it_was_looked(
    settings: StreamSettings, tmp_path: Path
) -> None:
    ledger, clock = Ledger(tmp_path / "ledger", "w1"), SystemClock()
    await send(settings, [b"."] * 8)
    async with reading(settings, ledger) as reader:
        await until(lambda: len(ledger.drains) == 4)
        assert ledger.count() == 8
        before = clock.now()
        await until(lambda: min(ledger.drains.values()) > before)  # nothing comes, and time passes all the same
        assert set(reader.lags().values()) == {0}


async def test_partitions_are_drained_now_and_then_although_messages_never_cease(
    settings: StreamSettings, tmp_path: Path
) -> None:
    ledger, clock = Ledger(tmp_path / "ledger", "w1"), SystemClock()
    async with reading(settings, ledger):
        await until(lambda: len(ledger.drains) == 4)
        before, is_over = clock.now(), asyncio.Event()

        async def pour() -> None:
            out = Outgoing(settings)
            while not is_over.is_set():
                await out.send(settings.topic, 1, b"x" * 1000)
            await out.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(pour())
            try:
                await until(lambda: ledger.drains[1] > before and ledger.count() > 20)
            finally:
                is_over.set()


async def test_an_engine_that_cannot_go_on_ends_the_process_and_loses_nothing(
    settings: StreamSettings, tmp_path: Path
) -> None:
    class Broken(Ledger):
        async def apply(self, messages: Sequence[Message]) -> None:
            raise ZeroDivisionError("a bug")

    await send(settings, [b"%d" % number for number in range(12)])
    broken = Broken(tmp_path / "ledger", "w1")
    async with reading(settings, broken) as reader:
        async with asyncio.timeout(PATIENCE):
            await reader.failed.wait()
        assert isinstance(reader.problem, ZeroDivisionError)
    ledger = Ledger(tmp_path / "ledger", "w2")
    async with reading(settings, ledger):
        await until(lambda: ledger.count() == 12)


async def test_no_more_is_read_than_there_is_room_for(settings: StreamSettings, tmp_path: Path) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Ledger):
        async def apply(self, messages: Sequence[Message]) -> None:
            entered.set()
            await go_on.wait()
            await super().apply(messages)

    ledger = Slow(tmp_path / "ledger", "w1")
    await send(settings, [b"."] * 80)
    async with reading(msgspec.structs.replace(settings, batch=10), ledger):
        async with asyncio.timeout(PATIENCE):
            await entered.wait()
        go_on.set()
        await until(lambda: ledger.count() == 80)
    assert max(ledger.batches) <= 10


async def test_a_topic_made_anew_under_a_store_that_is_further_is_refused(
    settings: StreamSettings, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger", "w1")
    await send(settings, [b"."] * 8)
    async with reading(settings, ledger):
        await until(lambda: ledger.count() == 8)
    ledger._db.execute("update partition set next = 700")
    async with reading(settings, ledger) as reader:
        async with asyncio.timeout(PATIENCE):
            await reader.failed.wait()
        assert isinstance(reader.problem, BadSetting)
        assert "made anew" in str(reader.problem)


async def test_a_reader_without_a_broker_says_so() -> None:
    reader = KafkaReader(told("127.0.0.1:1", "nowhere", 1), Ledger(Path(":memory:"), "w1"), SystemClock(), Telemetry())
    with pytest.raises(LogAway):
        await reader.start()
    await reader.stop()


async def test_a_stretch_is_read_without_the_group(settings: StreamSettings) -> None:
    await send(settings, [b"%d" % number for number in range(40)])
    found = [one async for one in stretch(settings, 2, 3, 7)]
    assert [(one.partition, one.offset, one.value) for one in found] == [
        (2, n, b"%d" % (4 * n + 2)) for n in range(3, 7)
    ]


async def test_the_topic_is_made_once_and_held_to_its_number_of_partitions(own_tansu: Broker) -> None:
    settings = told(own_tansu.address, "events", 5)
    await ensure_topic(settings)
    await ensure_topic(settings)
    with pytest.raises(BadSetting, match="has 5 partitions"):
        await ensure_topic(msgspec.structs.replace(settings, partitions=6))


# --- processes


class Process:
    """A reader in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, ledger: Path, owner: str, settings: StreamSettings) -> "Process":
        said = msgspec.json.encode(settings).decode()
        words = ["-m", "tests.stream.reading_process", str(ledger), owner, said]
        log = ledger.with_suffix(f".{owner}.log").open("wb")
        return cls(await asyncio.create_subprocess_exec(sys.executable, *words, stdout=log, stderr=log))

    async def end(self, how: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(how)
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()


def check_all(ledger: Ledger, sent: int, partitions: int) -> None:
    assert [value for _, _, value in sorted(ledger.applied(), key=lambda row: (row[1], row[0]))] == [
        b"%d" % number for number in range(sent)
    ]
    assert sum(ledger.positions().values()) == sent


async def test_readers_share_the_partitions_and_take_over_from_who_is_killed(
    kafka: str, new_topic: Callable[[int], str], tmp_path: Path
) -> None:
    settings, file = told(kafka, new_topic(12), 12), tmp_path / "ledger"
    ledger = Ledger(file, "watcher")
    first = await Process.start(file, "w1", settings)
    await until(lambda: list(ledger.owners().values()) == ["w1"] * 12)
    second = await Process.start(file, "w2", settings)
    await until(lambda: sorted(ledger.owners().values()) == ["w1"] * 6 + ["w2"] * 6)
    sending = asyncio.create_task(send(settings, [b"%d" % number for number in range(1200)]))
    await until(lambda: ledger.count() > 300)
    assert await second.end(signal.SIGKILL) == -signal.SIGKILL
    third = await Process.start(file, "w3", settings)
    await sending
    await until(lambda: ledger.count() == 1200 and "w3" in ledger.owners().values())
    assert await third.end(signal.SIGTERM) == 0
    await send(settings, [b"%d" % number for number in range(1200, 1224)], 1200)
    await until(lambda: ledger.count() == 1224)
    assert await first.end(signal.SIGTERM) == 0
    check_all(ledger, 1224, 12)


async def test_a_broker_may_be_restarted_meanwhile(own_broker: Broker, tmp_path: Path) -> None:
    settings = told(own_broker.address, "journeyd.events", 4, session_timeout=6.0)
    own_broker.create_topic(settings.topic, 4)
    file = tmp_path / "ledger"
    ledger = Ledger(file, "watcher")
    worker = await Process.start(file, "w1", settings)
    await send(settings, [b"%d" % number for number in range(100)])
    await until(lambda: ledger.count() == 100)
    await asyncio.to_thread(own_broker.restart)
    await send(settings, [b"%d" % number for number in range(100, 200)], 100)
    await until(lambda: ledger.count() == 200)
    assert await worker.end(signal.SIGTERM) == 0
    check_all(ledger, 200, 4)

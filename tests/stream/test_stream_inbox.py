"""The door of the stream against a broker: what is answered is there, in the right partition, once and in order."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import Broker
from engine.core.audience.identity import RULES, begin
from engine.core.errors import BadInput, LogAway
from engine.core.events import Directive, Entry, Event, decode
from engine.core.ids import Micros
from engine.ports.partitions import home_of
from engine.ports.partitions import unpack as place
from engine.runtime.clock import ManualClock
from engine.runtime.inbox import Make
from engine.runtime.stream.envelope import unpack
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.outgoing import Outgoing
from engine.runtime.stream.producer import StreamInbox
from engine.runtime.stream.settings import StreamSettings
from engine.store.memory.store import MemoryStore
from engine.telemetry import Telemetry

PARTITIONS = 6


def event(user: int, number: int = 0, size: int = 10) -> Event:
    return Event(f"m{user}.{number}", "seen", 5, 0, identifiers={"user_id": f"u{user}"}, properties={"x": "." * size})


def stamped(*entries: Entry) -> Make:
    def make(received: Micros) -> Sequence[Entry]:
        return [msgspec.structs.replace(entry, received=received) for entry in entries]

    return make


async def no_desk(make: Make) -> int:
    raise AssertionError("nothing is for the desk here")


def inbox(settings: StreamSettings, desk: Any = no_desk) -> StreamInbox:
    keys = Keys(MemoryStore(), lambda: RULES, settings.partitions)
    return StreamInbox(settings, ManualClock(1_000_000), keys, desk=desk, telemetry=Telemetry())


async def read(settings: StreamSettings, count: int) -> dict[int, list[list[Event]]]:
    """Return the entries of the topic, message by message, once there are so many."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers[0], auto_offset_reset="earliest")
    await consumer.start()
    found: dict[int, list[list[Event]]] = {}
    try:
        consumer.assign([TopicPartition(settings.topic, number) for number in range(settings.partitions)])
        async with asyncio.timeout(20):
            while sum(len(entries) for messages in found.values() for entries in messages) < count:
                for where, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        entries = [decode(body) for body in unpack(record.value, 0).entries]
                        found.setdefault(where.partition, []).append([e for e in entries if isinstance(e, Event)])
    finally:
        await consumer.stop()
    return found


@pytest.fixture
def settings(kafka: str, new_topic: Callable[[int], str]) -> StreamSettings:
    return StreamSettings((kafka,), new_topic(PARTITIONS), PARTITIONS, confirm_timeout=5)


async def test_what_is_answered_stands_in_the_partition_its_customer_lives_in(settings: StreamSettings) -> None:
    door = inbox(settings)
    door.start()
    places = await asyncio.gather(*(door.accept(stamped(event(user))) for user in range(200)))
    await door.close()
    found = await read(settings, 200)
    for partition, messages in found.items():
        for one in (entry for entries in messages for entry in entries):
            assert home_of(begin(one.identifiers, 0).id, PARTITIONS) - 1 == partition
            assert one.received == 1_000_000
    assert {place(number).partition - 1 for number in places} == set(found)
    assert len(set(places)) == 200
    assert sum(map(len, found.values())) <= 2 * PARTITIONS  # they went together


async def test_many_who_send_at_once_share_one_connection(settings: StreamSettings) -> None:
    out = Outgoing(settings)
    await asyncio.gather(*(out.send(settings.topic, number % PARTITIONS, b"x") for number in range(20)))
    await out.close()
    gc.collect()  # a connection left behind would complain now, and a complaint fails the test


async def test_who_is_just_connecting_when_it_is_closed_leaves_no_connection_behind(settings: StreamSettings) -> None:
    out = Outgoing(settings)
    sending = asyncio.create_task(out.send(settings.topic, 0, b"x"))
    await asyncio.sleep(0)
    await out.close()
    await asyncio.gather(sending, return_exceptions=True)
    with pytest.raises(LogAway, match="closed"):
        await out.send(settings.topic, 0, b"x")
    del out, sending
    gc.collect()


async def test_the_place_answered_is_the_one_where_the_entry_stands(settings: StreamSettings) -> None:
    door = inbox(settings)
    door.start()
    places = await asyncio.gather(*(door.accept(stamped(event(1, number))) for number in range(20)))
    await door.close()
    (messages,) = (await read(settings, 20)).values()
    for number, at in enumerate(places):
        assert messages[place(at).offset][place(at).entry - 1].id == f"m1.{number}"


async def test_a_round_too_large_for_one_message_is_split_and_stays_in_order(settings: StreamSettings) -> None:
    door = inbox(msgspec.structs.replace(settings, max_message=20_000))
    door.start()
    await asyncio.gather(*(door.accept(stamped(event(1, number, size=900))) for number in range(100)))
    await door.close()
    (messages,) = (await read(settings, 100)).values()
    assert len(messages) > 4
    assert [one.id for entries in messages for one in entries] == [f"m1.{number}" for number in range(100)]


async def test_an_entry_that_no_message_can_hold_hurts_nobody_else(settings: StreamSettings) -> None:
    door = inbox(msgspec.structs.replace(settings, max_message=10_000))
    door.start()
    giant, good = await asyncio.gather(
        door.accept(stamped(event(1, 0), event(1, 1, size=20_000))),
        door.accept(stamped(event(2))),
        return_exceptions=True,
    )
    await door.close()
    assert isinstance(giant, BadInput)
    assert isinstance(good, int)
    (messages,) = (await read(settings, 1)).values()
    assert [one.id for one in messages[0]] == ["m2.0"]


async def test_an_operators_word_goes_to_the_desk_and_nowhere_else(settings: StreamSettings) -> None:
    heard: list[Entry] = []

    async def desk(make: Make) -> int:
        heard.extend(make(7_000_000))
        return 41

    door = inbox(settings, desk)
    door.start()
    answer = await door.accept(stamped(event(1), Directive("d1", "stop", 5, 0, subject="*")))
    await door.close()
    assert answer == 41
    assert heard == [Directive("d1", "stop", 5, 7_000_000, subject="*")]
    assert sum(map(len, (await read(settings, 1)).values())) == 1


async def test_a_maker_that_fails_answers_its_own_caller_alone(settings: StreamSettings) -> None:
    def broken(received: Micros) -> Sequence[Entry]:
        raise BadInput("no")

    door = inbox(settings)
    door.start()
    bad, empty, good = await asyncio.gather(
        door.accept(broken), door.accept(lambda _: []), door.accept(stamped(event(3))), return_exceptions=True
    )
    await door.close()
    assert isinstance(bad, BadInput)
    assert empty == 0
    assert isinstance(good, int)


async def test_without_a_broker_nothing_is_answered_as_taken() -> None:
    door = inbox(StreamSettings(("127.0.0.1:1",), "nowhere", PARTITIONS, confirm_timeout=1))
    door.start()
    with pytest.raises(LogAway):
        await door.accept(stamped(event(1)))
    await door.close()


async def test_a_broker_that_comes_back_takes_the_same_again(own_broker: Broker) -> None:
    settings = StreamSettings((own_broker.address,), "journeyd.events", 2, confirm_timeout=3)
    own_broker.create_topic(settings.topic, 2)
    door = inbox(settings)
    door.start()
    await door.accept(stamped(event(1, 1)))
    await asyncio.to_thread(own_broker.stop)
    with pytest.raises(LogAway):
        await door.accept(stamped(event(1, 2)))
    await asyncio.to_thread(own_broker.start)
    async with asyncio.timeout(30):
        while True:
            try:
                await door.accept(stamped(event(1, 2)))
                break
            except LogAway:
                continue
    await door.close()
    found = [one.id for messages in (await read(settings, 2)).values() for entries in messages for one in entries]
    assert list(dict.fromkeys(found)) == ["m1.1", "m1.2"]

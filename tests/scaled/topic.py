"""The topic read back from its first message to a mark set behind its last: what the broker has, entry by entry."""

import asyncio
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from engine.core.events import Entry, decode
from engine.ports.partitions import pack
from engine.runtime.clock import SystemClock
from engine.runtime.stream.envelope import unpack
from tests.scaled.ground import PARTITIONS, Field

_MARK: Final = b"the end, as the audit has it"
_PATIENCE: Final = 60.0


class Held(msgspec.Struct, frozen=True):
    """An entry as the topic has it, at its place; `entry` is None for one that cannot be decoded."""

    place: int
    key: bytes
    entry: Entry | None


class Topic(msgspec.Struct, frozen=True):
    """Everything in the topic. `gaps` in words; `last`: partition (from 1) -> place of its last entry, 0 for none."""

    entries: list[Held]
    messages: int
    refused: list[str]
    gaps: list[str]
    last: dict[int, int]


def read_topic(field: Field) -> Topic:
    """Set a mark behind everything and read up to it; nobody may write or apply meanwhile."""
    return asyncio.run(_read(field))


def set_marks(field: Field) -> dict[int, int]:
    """Put an event of nobody's into every partition; return partition (from 1) -> its place."""
    event = {"type": "event", "name": "page_viewed", "at": SystemClock().now(), "source": "audit"}
    body = msgspec.json.encode(event | {"identifiers": {"user_id": "audit"}})
    offsets = asyncio.run(_put(field, body))
    return {partition + 1: pack(partition + 1, offset, 1) for partition, offset in offsets.items()}


async def _put(field: Field, value: bytes) -> dict[int, int]:
    """Put a message into every partition; return their offsets."""
    producer = AIOKafkaProducer(bootstrap_servers=field.broker, acks="all")
    await producer.start()
    try:
        sent = [await producer.send_and_wait(field.topic, value, partition=number) for number in range(PARTITIONS)]
    finally:
        await producer.stop()
    return {one.partition: one.offset for one in sent}


async def _read(field: Field) -> Topic:
    await _put(field, _MARK)
    topic = Topic([], 0, [], [], dict.fromkeys(range(1, PARTITIONS + 1), 0))
    consumer = AIOKafkaConsumer(bootstrap_servers=field.broker, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _to_the_mark(consumer, field.topic, topic)
    finally:
        await consumer.stop()


async def _to_the_mark(consumer: AIOKafkaConsumer, name: str, topic: Topic) -> Topic:
    places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    left, following, messages = set(range(PARTITIONS)), dict.fromkeys(range(PARTITIONS), 0), 0
    while left:
        for _, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                number = record.partition
                if record.offset != following[number]:
                    topic.gaps.append(f"partition {number}: offset {record.offset} follows {following[number] - 1}")
                following[number] = record.offset + 1
                if record.value == _MARK:
                    left.discard(number)
                elif number in left:
                    messages += 1
                    _take(topic, number + 1, record.offset, record.key or b"", record.value, record.timestamp)
    return msgspec.structs.replace(topic, messages=messages)


def _take(topic: Topic, partition: int, offset: int, key: bytes, value: bytes, at: int) -> None:
    unpacked = unpack(value, at * 1_000)
    topic.refused.extend(unpacked.refused)
    for number, body in enumerate(unpacked.entries, start=1):
        place = pack(partition, offset, number)
        try:
            topic.entries.append(Held(place, key, decode(body)))
        except msgspec.MsgspecError as problem:
            topic.refused.append(str(problem))
    count = len(unpacked.entries) + len(unpacked.refused)
    topic.last[partition] = pack(partition, offset, count)

"""Copies of dead letters: JSON in a topic of their own; brokers that do not take them hurt nobody."""

import asyncio
import base64
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from engine.ports import DeadLetter
from engine.ports.partitions import pack
from engine.runtime.stream.dead import DeadTopic
from engine.runtime.stream.settings import StreamSettings


async def test_dead_letters_are_copied_with_their_place_and_reason(kafka: str, new_topic: Callable[[int], str]) -> None:
    settings = StreamSettings((kafka,), dead_topic=new_topic(1))
    dead = DeadTopic(settings)
    dead.tell([DeadLetter(pack(3, 70, 2), 5, "names nobody", b"\0\1"), DeadLetter(pack(1, 7, 1), 6, "late", b"x")])
    dead.tell([])
    await dead.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(settings.dead_topic, 0)])
    async with asyncio.timeout(20):
        first, second = [msgspec.json.decode((await consumer.getone()).value) for _ in range(2)]
    await consumer.stop()
    assert (first["partition"], first["offset"], first["entry"]) == (2, 70, 2)
    assert (first["reason"], base64.b64decode(first["body"])) == ("names nobody", b"\0\1")
    assert second["at"] == 6


async def test_brokers_that_are_away_cost_the_copies_alone() -> None:
    dead = DeadTopic(StreamSettings(("127.0.0.1:1",), confirm_timeout=0.5))
    dead.tell([DeadLetter(pack(1, 1, 1), 5, "why", b"")])
    await dead.close()


async def test_without_a_topic_for_them_nothing_is_sent() -> None:
    dead = DeadTopic(StreamSettings(("127.0.0.1:1",), dead_topic=""))
    dead.tell([DeadLetter(pack(1, 1, 1), 5, "why", b"")])
    await dead.close()

"""A stretch of one partition, read outside the group: what the group's client left out, or a look whether it is there.

A client of its own for each stretch, which is rare. Called by `runtime/kafka.py`.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from engine.core.errors import LogAway
from engine.core.ids import MILLISECOND
from engine.runtime.stream.messages import Message
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.topic import connection, said_of


async def stretch(settings: StreamSettings, partition: int, first: int, until: int) -> AsyncGenerator[Message, None]:
    """Yield what the topic holds from offset `first` to before `until`, which must exist (or a later one).

    Raises `LogAway` when nothing comes within `stall_timeout`.
    """
    place = TopicPartition(settings.topic, partition)
    client = AIOKafkaConsumer(**connection(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        async with asyncio.timeout(settings.confirm_timeout):
            await client.start()
        client.assign([place])
        client.seek(place, first)
        while True:
            async with asyncio.timeout(settings.stall_timeout):
                record = await client.getone(place)
            if record.offset >= until:
                return
            if record.offset >= first:
                yield message_of(record, record.timestamp)
    except (KafkaError, OSError, TimeoutError) as problem:
        raise LogAway(f"offsets {first} to {until} of partition {partition}: {said_of(problem)}") from problem
    finally:
        await client.stop()


def message_of(record: Any, milliseconds: int | None) -> Message:
    """Return a record of the client's, or of Faust's, as the engine takes it."""
    return Message(
        record.partition,
        record.offset,
        record.key or b"",
        record.value or b"",
        (milliseconds or 0) * MILLISECOND,
    )

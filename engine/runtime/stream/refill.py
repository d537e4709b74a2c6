"""What is asked of the topic outside the group: where it ends, and a stretch of it that the group's client left out.

By clients of its own, since Faust's answers only between two fetches. Called by `runtime/kafka.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
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


class Ends:
    """Asks where partitions end; connected when first asked, anew after a failure."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaConsumer | None = None

    async def of(self, partitions: Collection[int]) -> dict[int, int]:
        """Return the offset after the last message of each; raises `LogAway`."""
        places = [TopicPartition(self._settings.topic, partition) for partition in partitions]
        try:
            async with asyncio.timeout(self._settings.confirm_timeout):
                if self._client is None:
                    client = AIOKafkaConsumer(**connection(self._settings), enable_auto_commit=False)
                    try:
                        await client.start()
                    except BaseException:
                        await client.stop()
                        raise
                    self._client = client
                found = await self._client.end_offsets(places) if places else {}
        except (KafkaError, OSError, TimeoutError) as problem:
            await self.close()
            raise LogAway(f"the topic's ends: {said_of(problem)}") from problem
        return {place.partition: end for place, end in found.items()}

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
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

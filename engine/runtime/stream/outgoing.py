"""The way out to the brokers: a producer of the client library that is there when it is needed."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from engine.core.errors import LogAway
from engine.runtime.stream.settings import StreamSettings
from engine.runtime.stream.topic import connection, said_of

_HEADROOM: Final = 100_000
"""What Kafka puts round a message, generously."""


class Outgoing:
    """A producer, connected when it is first needed; one record makes a batch of the brokers'.

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

"""What was read before the group dealt anew is not handed over after: it is read again from where the store stands."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from engine.runtime.stream.messages import Message
from engine.runtime.stream.reading import Reading
from engine.runtime.stream.settings import StreamSettings
from engine.telemetry import Telemetry


class Engine:
    """An `Applying` that writes down what it is given and takes its time: `go` lets a batch end."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.starts: dict[int, int] = {0: 0}
        self.go, self.began = asyncio.Event(), asyncio.Event()

    async def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        return {partition: self.starts[partition] for partition in partitions}

    async def revoked(self, partitions: Collection[int]) -> None:
        """Nothing to let go of."""

    async def apply(self, messages: Sequence[Message]) -> None:
        self.began.set()
        await self.go.wait()
        self.given += [message.offset for message in messages]

    async def drained(self, partitions: Collection[int], at: int) -> None:
        """Of no interest."""


async def no_gaps(partition: int, first: int, until: int) -> AsyncIterator[Message]:
    for offset in range(first, until):
        yield Message(partition, offset, b"", b"was never left out")


def ack() -> None:
    """Nobody counts."""


async def test_messages_that_wait_while_the_group_deals_are_handed_over_once() -> None:
    engine = Engine()
    settings = StreamSettings(brokers=("nowhere:1",), topic="t", partitions=1, group="g")
    reading = Reading(settings, engine, no_gaps, telemetry=Telemetry())
    running = asyncio.create_task(reading.run())
    reading.dealt()
    assert await reading.assigned([0]) == {0: 0}
    await reading.take(Message(0, 0, b"", b"first"), ack)
    await engine.began.wait()
    for offset in (1, 2):  # they wait while the first is applied
        await reading.take(Message(0, offset, b"", b"more"), ack)
    leaving = asyncio.create_task(reading.revoked([0]))
    await asyncio.sleep(0)
    engine.go.set()
    await leaving
    # Somebody else had it meanwhile and applied one of them; the group gives it back.
    engine.starts[0] = 2
    reading.dealt()
    assert await reading.assigned([0]) == {0: 2}
    for offset in (2, 3):
        await reading.take(Message(0, offset, b"", b"again"), ack)
    reading.end()
    await running
    assert engine.given == [0, 2, 3]

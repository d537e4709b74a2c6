"""What a topic's reader and the engine say to each other. Values and one Protocol; no broker is named here.

The reader (`runtime/kafka.py`) calls the engine (`runtime/stream/worker.py`), from its event loop.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.core.ids import Micros


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of the topic: `partition` is the topic's own number (from 0), `at` when the broker got it (µs)."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    at: Micros = 0


class Applying(Protocol):
    """The engine, as the reader of a topic sees it. Calls do not overlap."""

    async def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Take these partitions over (all that are ours now) and return the offset to read each from."""
        ...

    async def revoked(self, partitions: Collection[int]) -> None:
        """Let go of these: nothing more of them is applied."""
        ...

    async def apply(self, messages: Sequence[Message]) -> None:
        """Return when all of them are applied durably, however long the database is away; order within a partition.

        What was applied before, and what belongs to a partition that is no longer ours, is passed over; what an
        operator's word holds back is kept and not waited for. Raises only what should end the process.
        """
        ...

    async def drained(self, partitions: Collection[int], at: Micros) -> None:
        """Hear that everything the topic held of these partitions at the instant `at` has been given to `apply`."""
        ...

"""How a log in several partitions is counted: one number says partition, message and entry; every customer has a home.

Partition 0 is the store's own log: the operators' words, and everything where there is no other. The topic's partition
k is number k + 1. Values only; the stores, the stream's runtime and the producers agree on them here.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Final, Protocol

import msgspec

from engine.core.ids import SECOND, Micros
from engine.ports.store import Store

DESK: Final = 0
"""The partition of the operators' words: a log in the store itself."""

ENTRIES: Final = 1 << 12
"""Entries that one message of a topic may hold."""

_SHIFT: Final = 48
_ENTRY_BITS: Final = 12


TOPIC: Final = 1 << _SHIFT
"""Places from here on are the topic's; those below are offsets of partition 0."""

SILENCE: Final = 15 * SECOND
"""After so long without a heartbeat a partition is nobody's: a name in its row outlives its bearer."""


class Place(msgspec.Struct, frozen=True):
    """Where an entry stands: number of the partition (from 1 on the topic's), offset of the message, entry within it.

    The first entry of a message is 1, so that 0 means: nothing of it was applied yet.
    """

    partition: int
    offset: int
    entry: int


def pack(partition: int, offset: int, entry: int) -> int:
    """Return the place as the one number that stores keep: places of one partition follow each other in its order.

    >>> unpack(pack(3, 70_000_000_000 // 1_024, 4_000))
    Place(partition=3, offset=68359375, entry=4000)
    """
    return partition << _SHIFT | offset << _ENTRY_BITS | entry


def unpack(place: int) -> Place:
    """Return what `pack` packed; places of partition 0 are plain offsets and are not to be asked."""
    return Place(place >> _SHIFT, place >> _ENTRY_BITS & (1 << _SHIFT - _ENTRY_BITS) - 1, place & ENTRIES - 1)


def home_of(customer: str, partitions: int) -> int:
    """Return the number of the partition that a customer (OneID) lives in, when the topic has so many.

    Its owner fires the customer's timers. The first four bytes of the SHA-256 decide, which SQL can reckon as well.

    >>> home_of("c1", 12), home_of("c1", 0)
    (7, 0)
    """
    if not partitions:
        return DESK
    return 1 + int.from_bytes(sha256(customer.encode()).digest()[:4]) % partitions


class PartitionRow(msgspec.Struct, frozen=True):
    """A partition as ops see it: `position` the last place applied, `time` up to when it is lived through (µs).

    `owner` is who took it last ("" nobody ever did), `beat` when the owner last said that it lives. Those of partition
    0 are of whoever turns the tide.
    """

    partition: int
    position: int
    time: Micros
    owner: str
    beat: Micros

    def keeper(self, now: Micros) -> str:
        """Return who applies it at the instant `now`, "" when nobody has lately.

        >>> PartitionRow(1, 0, 0, "w", 5).keeper(6), PartitionRow(1, 0, 0, "w", 5).keeper(6 + SILENCE)
        ('w', '')
        """
        return self.owner if now - self.beat < SILENCE else ""


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """On what terms a piece of work is done. `partition`: whose log and customers (None: nobody's in particular).

    `owner` must still hold the partition, `epoch` still be the rules' (None: whatever it is). `alone`: nobody else
    works meanwhile. `duty`: nobody else does this kind of work meanwhile ("jobs"); the turn is empty if somebody does.
    """

    partition: int | None = None
    owner: str = ""
    epoch: int | None = None
    alone: bool = False
    duty: str = ""


class TurnStore(Store, Protocol):
    """A turn's one transaction, as a store. Its `unit()` may be opened once."""

    def keep(self, applied: Callable[[int], Sequence[tuple[int, Micros, bytes]]]) -> None:
        """Let the commit also write the entries that it applies into the history.

        `applied` gets the position that is committed and returns (place, received, body) of each entry up to there.
        """
        ...


class SharedStore(Store, Protocol):
    """A store that several processes work on at once. Its plain `unit()` works for partition 0, and alone.

    Work raises `Conflict` (somebody else was there first: do it again), `Fenced` (the partition is another's now),
    `RulesMoved` (load the rules anew, then again), `StoreAway` (wait, then again); nothing was written then.
    """

    def turn(self, terms: Turn) -> AbstractContextManager[TurnStore | None]:
        """Open one transaction as a store: reads and the one `unit()` inside are the same transaction.

        Of a partition, `position`, `due`, `next_due`, `schedules` and `scan` answer for it alone, and commits write its
        position and its schedules. The customers, touches and accounts read are locked, in the order of their keys.
        None: the duty is somebody else's for now. Leaving without a commit rolls back.
        """
        ...

    def arrange(self, partitions: int) -> None:
        """Give every customer a home among so many partitions, once. Raises `BadSetting` for another number later."""
        ...

    def take(self, partition: int, owner: str, now: Micros) -> int:
        """Make `owner` the partition's only owner, whoever it was before; return its position."""
        ...

    def beat(self, owner: str, times: dict[int, Micros], now: Micros) -> None:
        """Say that these partitions of the owner's are lived through up to these instants; never goes back."""
        ...

    def partitions(self) -> list[PartitionRow]:
        """Return every partition, by number; `owner` and `beat` of partition 0 are of whoever turns the tide."""
        ...

    def lived(self) -> Micros:
        """Return up to when every partition is lived through; 0 before each was."""
        ...

    def epoch(self) -> int:
        """Return the number of the rules in force: each directive that changes any makes it one more."""
        ...

    def tide(self, until: Micros | None) -> None:
        """Let virtual time stand at `until`: nothing later happens by itself. None: the clock's time counts again.

        Whoever turns it has taken partition 0 and beats for it; one who does not is taken for dead.
        """
        ...

    def tide_at(self) -> Micros | None:
        """Return where virtual time stands, None when the clock's time counts."""
        ...

    def claiming(self, owner: str, hold: Micros, now: Callable[[], Micros]) -> Store:
        """Return the store for one of several dispatchers: what `sendable` returns nobody else gets for `hold`."""
        ...

    def listen(self, hear: Callable[[str], None]) -> Callable[[], None]:
        """Call `hear` (from any thread) with "rules", "desk", "touches" or "tide" when that moved; return what ends it.

        A lost connection is made anew, and then everything is said to have moved.
        """
        ...

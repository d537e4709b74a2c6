"""What the roles of one process have in common: the store, the desk, the way into the topic, the rules, clock, metrics.

Put together by `bootstrap`; `serving.py` and `calls.py` take it.
"""

from typing import Protocol

import msgspec

from engine.ports import Clock, History, SharedStore
from engine.runtime.inbox import Make
from engine.runtime.stream.following import Following
from engine.telemetry import Telemetry


class Door(Protocol):
    """The way into a log: `StreamInbox` into the topic, `Inbox` to the desk."""

    async def accept(self, make: Make) -> int:
        """Stamp, append, and return once that is durable; raises `LogAway`, `StoreAway` or `Overloaded`."""
        ...


class Site(msgspec.Struct, frozen=True):
    """`desk` is the log of the operators' words, `words` the door to it."""

    store: SharedStore
    desk: History
    words: Door
    door: Door
    following: Following
    clock: Clock
    telemetry: Telemetry

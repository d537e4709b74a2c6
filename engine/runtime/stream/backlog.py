"""What was read of one partition and is not applied yet, as the log that `advance` reads. In memory; the topic has it.

It gives each entry its place, lets time stand rather than go back, and refuses what a topic may not say: an operator's
words. Behind it stands the history: what was applied before.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from engine.core.events import REFUSED, Directive, Erased, Event, decode, encode
from engine.core.ids import MINUTE, Micros
from engine.ports import Logged, PartitionRow
from engine.ports.partitions import pack
from engine.runtime.stream.envelope import Foreign, unpack
from engine.runtime.stream.messages import Message

AHEAD: Final = MINUTE
"""How far a producer's clock may run ahead of ours; what is received later still is received then."""

KEPT: Final = 60_000
"""Bytes of a refused message that its dead letter keeps."""


class Backlog:
    """The `EventLog` of one partition, from the entries read of the topic. Used by one thread.

    `find` returns the body applied at a place, None when it is not kept any more; `foreign` reads others' messages.
    """

    def __init__(self, row: PartitionRow, find: Callable[[int], bytes | None], foreign: Foreign | None = None) -> None:
        self.partition, self.time = row.partition, row.time
        self._position, self._find, self._foreign = row.position, find, foreign
        self._waiting: deque[tuple[Logged, Micros]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Message, now: Micros | None) -> None:
        """Take a message in; what was applied before is passed over. `now`: the clock's, None in virtual time."""
        number = 0
        unpacked = unpack(message.value, message.at, self._foreign)
        for body in unpacked.entries:
            number += 1
            self._take(message, number, body, now)
        for reason in unpacked.refused:
            number += 1
            self._take(message, number, _refused(message, number, reason), now)

    def _take(self, message: Message, number: int, body: bytes, now: Micros | None) -> None:
        place = pack(self.partition, message.offset, number)
        if place <= self._position:
            return
        try:
            entry = decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            self._waiting.append((Logged(place, body), self.time))  # `advance` buries it
            return
        if isinstance(entry, Directive | Erased):
            reason = "an operator's word is taken at the desk, not from the topic"
            body = _refused(message, number, reason)
            entry = decode(body)
        received = max(entry.received, self.time)
        if now is not None:
            received = max(min(received, now + AHEAD), self.time)
        if received != entry.received:
            body = encode(msgspec.structs.replace(entry, received=received))
        self.time = received
        self._waiting.append((Logged(place, body), received))

    def first_received(self) -> Micros:
        """Return when the first waiting entry was received, 0 when none waits."""
        return self._waiting[0][1] if self._waiting else 0

    def applied(self, position: int) -> list[tuple[int, Micros, bytes]]:
        """Return (place, received, body) of what waits up to `position`: what a commit there applies."""
        found = []
        for logged, received in self._waiting:
            if logged.offset > position:
                break
            found.append((logged.offset, received, logged.body))
        return found

    def forget(self, position: int) -> None:
        """Let go of what is applied."""
        self._position = max(self._position, position)
        while self._waiting and self._waiting[0][0].offset <= position:
            self._waiting.popleft()

    def bury(self, reason: str) -> None:
        """Make the first waiting entry one that becomes a dead letter: as it is, the store does not take it."""
        logged, received = self._waiting.popleft()
        event = _letter(str(logged.offset), received, reason, logged.body)
        self._waiting.appendleft((Logged(logged.offset, encode(event)), received))

    # --- what `advance` asks of a log

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` waiting entries above `after`; of what was applied before, the one entry asked for."""
        if after + 1 <= self._position and limit == 1:
            body = self._find(after + 1)
            return [] if body is None else [Logged(after + 1, body)]
        found: list[Logged] = []
        for logged, _ in self._waiting:
            if logged.offset > after:
                found.append(logged)
                if len(found) == limit:
                    break
        return found

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies where these wait: what goes into the history names nobody who was erased."""
        if bodies:
            self._waiting = deque(
                (Logged(logged.offset, bodies.get(logged.offset, logged.body)), received)
                for logged, received in self._waiting
            )

    def tail(self) -> int:
        """Return the last place that waits, or the position."""
        return self._waiting[-1][0].offset if self._waiting else self._position

    def append(self, bodies: Sequence[bytes]) -> int:
        """Nobody appends here: what is to be applied comes by the topic."""
        raise NotImplementedError

    def scrub(self) -> None:
        """There is nothing on disk."""

    def trim(self, below: int) -> None:
        """The topic has its own retention."""

    def on_append(self, wake: Callable[[], None]) -> None:
        """Whoever adds knows it."""

    def close(self) -> None:
        """There is nothing to release."""


def _refused(message: Message, number: int, reason: str) -> bytes:
    id_ = f"{message.partition}/{message.offset}/{number}"
    return encode(_letter(id_, message.at, reason, message.value))


def _letter(id_: str, received: Micros, reason: str, body: bytes) -> Event:
    kept = body[:KEPT].decode("utf-8", "backslashreplace").replace("\0", "\\0")
    properties = {"reason": reason, "message": kept}
    return Event(id_, REFUSED, received, received, source="stream", properties=properties)

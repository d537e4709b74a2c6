"""What must come of the traffic, told by a second, simpler program that shares nothing with the engine but the bytes.

Every figure passes this gate first: a touch too few, too many or twice, and the system has failed.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from benchmarks.workload import BIG_CART, WAIT, accepted_at, read
from engine.core.ids import HOUR, Micros

Planned: TypeAlias = tuple[str, str, Micros]
"""(user id, journey, planned at)."""


class Verdict(NamedTuple):
    """How the touches that a system planned compare with those it should have planned."""

    expected: int
    missing: int
    unexpected: int
    duplicates: int

    @property
    def holds(self) -> bool:
        """Is nothing missing, wrong or there twice?"""
        return not (self.missing or self.unexpected or self.duplicates)

    def __str__(self) -> str:
        return f"{self.missing} missing, {self.unexpected} wrong, {self.duplicates} twice of {self.expected}"


class Expected(NamedTuple):
    """The touches, and how the waits ended."""

    touches: Counter[Planned]
    waits: int
    cancelled: int
    distinct: int


def expect(bodies: Sequence[bytes]) -> Expected:
    """Play the ten journeys by hand: welcome at once on sign-up; a reminder an hour after a big cart, unless bought."""
    touches: Counter[Planned] = Counter()
    waiting: dict[str, dict[str, Micros]] = {}
    timers: list[tuple[Micros, str, str]] = []
    waits = cancelled = 0
    seen: set[str] = set()
    for number, body in enumerate(bodies):
        message, now = read(body), accepted_at(number)
        _fire(timers, waiting, touches, now)
        if message.messageId in seen:
            continue
        seen.add(message.messageId)
        user = message.userId
        if message.event == "order_paid":
            cancelled += len(waiting.pop(user, {}))
        if now - message.at > HOUR:
            continue
        if message.event == "signed_up":
            touches[user, f"welcome-{message.properties.slot}", now] += 1
        if message.event == "cart_updated" and message.properties.total >= BIG_CART:
            journey, due = f"rescue-{message.properties.slot}", now + WAIT
            if journey not in waiting.get(user, {}):
                waiting.setdefault(user, {})[journey] = due
                heapq.heappush(timers, (due, user, journey))
                waits += 1
    _fire(timers, waiting, touches, 1 << 62)
    return Expected(touches, waits, cancelled, len(seen))


def _fire(
    timers: list[tuple[Micros, str, str]],
    waiting: dict[str, dict[str, Micros]],
    touches: Counter[Planned],
    until: Micros,
) -> None:
    while timers and timers[0][0] <= until:
        due, user, journey = heapq.heappop(timers)
        if waiting.get(user, {}).get(journey) == due:
            del waiting[user][journey]
            touches[user, journey, due] += 1


def compare(expected: Counter[Planned], planned: Iterable[Planned]) -> Verdict:
    """Return what is missing, wrong and there twice."""
    found = Counter(planned)
    missing = sum(1 for touch in expected if touch not in found)
    unexpected = sum(1 for touch in found if touch not in expected)
    duplicates = sum(n - expected[touch] for touch, n in found.items() if touch in expected and n > expected[touch])
    return Verdict(sum(expected.values()), missing, unexpected, duplicates)

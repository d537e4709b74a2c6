"""How fast a channel may go: concurrency, token bucket, breaker and a pause the provider asked for, in one lane each.

Keeps the values of `core/backoff.py`; reads no clock and never sleeps. The dispatcher is the only caller.
"""

from typing import Literal

import msgspec

from engine.core.backoff import Breaker, Bucket
from engine.core.delivery import Retry
from engine.core.ids import MINUTE, SECOND, Micros
from engine.ports import NotSent, Result, Sent, Unclear


class Pace(msgspec.Struct, frozen=True):
    """A channel's dials: hand-overs at once; hand-overs per second on average (0 = no limit) and at once.

    `ends` "many": each message goes to another system (webhooks), so what one of them answers holds nobody else up.
    """

    concurrency: int = 8
    per_second: float = 0.0
    burst: float = 1.0
    ends: Literal["one", "many"] = "one"


class Lane:
    """One channel's way out: ask `room`, call `start` per hand-over and `finish` when its outcome is durable."""

    def __init__(self, pace: Pace, breaker: Breaker | None = None) -> None:
        self.pace = pace
        self.breaker = breaker or Breaker()
        self.in_flight = 0
        self.paused_until: Micros = 0
        self._bucket = Bucket(rate=pace.per_second, burst=pace.burst)

    def room(self, now: Micros) -> int:
        """Return how many hand-overs may start at `now`."""
        if now < max(self.paused_until, self.breaker.next_probe):
            return 0
        free = max(self.breaker.width(self.pace.concurrency) - self.in_flight, 0)
        bucket, granted = self._bucket, 0
        while granted < free:
            bucket, wait = bucket.take(now)
            if wait:
                break
            granted += 1
        return granted

    def opens_at(self, now: Micros) -> Micros:
        """Return when time alone may make room, 0 when only a finished hand-over can (or there is room already)."""
        blocked_until = max(self.paused_until, self.breaker.next_probe)
        if now < blocked_until:
            return blocked_until
        if self.in_flight >= self.breaker.width(self.pace.concurrency):
            return 0
        wait = self._bucket.take(now)[1]
        return now + wait if wait else 0

    def start(self, now: Micros) -> None:
        """Count a hand-over in."""
        self.in_flight += 1
        self._bucket = self._bucket.take(now)[0]
        self.breaker = self.breaker.may_pass(now)[0]

    def finish(self, result: Result, now: Micros) -> None:
        """Count a hand-over out, and learn how the provider fares. A refusal of one recipient is no failure of it."""
        self.in_flight -= 1
        if self.pace.ends == "many":
            return
        match result:
            case NotSent(retry=Retry.RATE_LIMITED, retry_after=retry_after):
                self.paused_until = max(self.paused_until, now + min(retry_after or SECOND, MINUTE))
            case Unclear() | NotSent(retry=Retry.TRANSIENT | Retry.CONFIGURATION | Retry.UNKNOWN):
                self.breaker = self.breaker.on_failure(now)
            case Sent() | NotSent():
                self.breaker = self.breaker.on_success(now)

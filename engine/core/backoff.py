"""When to try again, and how fast: retry times, a circuit breaker and a token bucket, all as plain values.

Nothing here sleeps or reads a clock: the dispatcher keeps the values and passes `now`. Jitter comes from the touch
id, so that a rerun waits exactly as long.
"""

from math import ceil
from typing import Final

import msgspec

from engine.core.delivery import Retry
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros, share


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """How retries are spaced: `first` grows by `factor` up to `cap`, at most `attempts` hand-offs in all.

    `floor` is the least pause; `slow` the pause of a rate limit that names none; `fault` the pause while the
    configuration is wrong, at most `fault_attempts` times (a week by default): ops are told meanwhile.
    """

    first: Micros = 30 * SECOND
    factor: float = 2.0
    cap: Micros = HOUR
    attempts: int = 8
    floor: Micros = SECOND
    slow: Micros = MINUTE
    fault: Micros = 30 * MINUTE
    fault_attempts: int = 336


def next_retry(  # six of them: a pure function of everything that matters
    retry: Retry, attempt: int, touch_id: str, now: Micros, retry_after: Micros = 0, settings: Backoff | None = None
) -> Micros | None:
    """Return the instant of the next attempt, or None to give up. `attempt` counts the hand-offs made so far.

    transient: full jitter over an exponential pause; rate_limited: not before `retry_after`, which is a length in
    microseconds and believed up to a day; configuration: a long pause. Everything else is final, and `unknown` too:
    a doubtful hand-off is never repeated.

    >>> next_retry(Retry.PERMANENT, 1, "t1", now=0) is None
    True
    >>> 0 < (next_retry(Retry.TRANSIENT, 1, "t1", now=0) or 0) <= 30 * SECOND
    True
    """
    rules = settings or Backoff()
    dice = share("backoff", touch_id, attempt)
    asked = min(max(retry_after, 0), DAY)
    match retry:
        case Retry.TRANSIENT:
            if attempt >= rules.attempts:
                return None
            pause = max(int(dice * _ceiling(rules, attempt)), asked)
        case Retry.RATE_LIMITED:
            if attempt >= rules.attempts:
                return None
            base = asked or rules.slow
            pause = base + int(dice * base / 4)
        case Retry.CONFIGURATION:
            if attempt >= rules.fault_attempts:
                return None
            pause = max(rules.fault + int(dice * rules.fault / 4), asked)
        case Retry.PERMANENT | Retry.CONTENT | Retry.OPTED_OUT | Retry.UNREACHABLE | Retry.UNKNOWN:
            return None
    return now + max(pause, rules.floor, 1)


def _ceiling(rules: Backoff, attempt: int) -> Micros:
    growth = rules.factor ** min(max(attempt - 1, 0), 60)
    return int(min(rules.first * growth, rules.cap))


_RECOVERED: Final = 62
"""Good hand-offs after a probe (2 + 4 + 8 + 16 + 32) until a provider is trusted as before."""


class Breaker(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's circuit breaker: closed, open (`opened_at` set) or half open (one probe out).

    `threshold` failures in a row open it for `rest`, doubled at each failed probe up to `longest`. After a good
    probe the door opens slowly: see `width`. Only failures of the provider count, never those of a recipient.
    """

    failures: int = 0
    opened_at: Micros = 0
    probed_at: Micros = 0
    trips: int = 0
    recovered: int = -1  # good hand-offs since a probe succeeded; -1 = not recovering
    threshold: int = 5
    rest: Micros = 5 * SECOND
    longest: Micros = 5 * MINUTE

    @property
    def is_open(self) -> bool:
        """Is the provider being left alone?"""
        return self.opened_at > 0

    @property
    def pause(self) -> Micros:
        """How long it stays open before the next probe, in microseconds."""
        return min(self.rest << min(max(self.trips - 1, 0), 30), self.longest)

    @property
    def next_probe(self) -> Micros:
        """The instant from which one probe may pass; 0 when closed."""
        return max(self.opened_at, self.probed_at) + self.pause if self.is_open else 0

    def may_pass(self, now: Micros) -> "tuple[Breaker, bool]":
        """Return the breaker after asking, and whether a hand-off may start; while open, one probe per pause.

        >>> breaker = Breaker(threshold=1).on_failure(SECOND)
        >>> breaker.may_pass(2 * SECOND)[1]
        False
        >>> breaker, may = breaker.may_pass(6 * SECOND)
        >>> may, breaker.may_pass(6 * SECOND)[1]
        (True, False)
        """
        if not self.is_open:
            return self, True
        if now < self.next_probe:
            return self, False
        return msgspec.structs.replace(self, probed_at=now), True

    def on_success(self, now: Micros) -> "Breaker":
        """Return the breaker after the provider took a message."""
        if self.is_open:
            # A hand-off that began before the door shut proves nothing about now: only a probe's success opens it.
            if not self.probed_at or now < self.probed_at:
                return self
            return msgspec.structs.replace(self, failures=0, opened_at=0, probed_at=0, recovered=0)
        if self.recovered >= 0:
            recovered = self.recovered + 1
            if recovered >= _RECOVERED:
                return msgspec.structs.replace(self, failures=0, trips=0, recovered=-1)
            return msgspec.structs.replace(self, failures=0, recovered=recovered)
        return msgspec.structs.replace(self, failures=0) if self.failures else self

    def on_failure(self, now: Micros) -> "Breaker":
        """Return the breaker after the provider failed (transient, configuration or no word)."""
        failures = self.failures + 1
        if self.is_open:
            if not self.probed_at:
                return msgspec.structs.replace(self, failures=failures)
            return msgspec.structs.replace(
                self, failures=failures, opened_at=max(now, 1), probed_at=0, trips=self.trips + 1
            )
        if failures < self.threshold and self.recovered < 0:
            return msgspec.structs.replace(self, failures=failures)
        return msgspec.structs.replace(
            self, failures=failures, opened_at=max(now, 1), probed_at=0, trips=self.trips + 1, recovered=-1
        )

    def width(self, limit: int) -> int:
        """Return how many hand-offs may be in flight at once: 1 while open, then 2, 4, 8 ... up to `limit`.

        Each doubling wants as many successes as the width it leaves.

        >>> Breaker(recovered=0).width(16), Breaker(recovered=2).width(16), Breaker().width(16)
        (2, 4, 16)
        """
        if self.is_open:
            return min(1, limit)
        if self.recovered < 0:
            return limit
        width = 2
        while self.recovered >= 2 * width - 2:
            width *= 2
        return min(width, limit)


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token bucket: `rate` hand-offs a second on average, `burst` at once. A rate of 0 means no limit."""

    rate: float
    burst: float = 1.0
    tokens: float = -1.0  # -1 = full, not used yet
    at: Micros = 0

    def take(self, now: Micros) -> "tuple[Bucket, Micros]":
        """Return the bucket and 0 when a token was taken, or the microseconds to wait before asking again.

        A clock that goes back adds nothing and takes nothing away.

        >>> bucket, wait = Bucket(rate=2.0, tokens=0.0, at=SECOND).take(SECOND)
        >>> wait
        500000
        >>> bucket.take(SECOND + wait)[1]
        0
        """
        if self.rate <= 0:
            return self, 0
        burst = max(self.burst, 1.0)
        gained = max(now - self.at, 0) * self.rate / SECOND
        tokens = burst if self.tokens < 0 else min(burst, self.tokens + gained)
        at = max(now, self.at)
        if tokens >= 1 - _DUST:
            return msgspec.structs.replace(self, tokens=max(tokens - 1, 0.0), at=at), 0
        wait = ceil((1 - tokens) * SECOND / self.rate)
        return msgspec.structs.replace(self, tokens=tokens, at=at), max(wait, 1)


_DUST: Final = 1e-9  # float rounding must not cost a whole extra wait

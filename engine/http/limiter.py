"""Token buckets by key and by address: who asks too fast is told so before its body is read.

State is bounded: the buckets longest unused are forgotten, which only ever forgives.
"""

from collections import OrderedDict
from typing import Final

from starlette.requests import Request

from engine.core.ids import SECOND, Micros
from engine.http.problems import ask_later
from engine.http.settings import Reader, Source

_BUCKETS: Final = 10_000


class Buckets:
    """One token bucket a key; times are the caller's."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, Micros]] = OrderedDict()

    def take(self, key: str, now: Micros, *, rate: float, burst: float) -> float:
        """Take one token: return 0, or the seconds until there is one.

        >>> buckets = Buckets()
        >>> buckets.take("a", 0, rate=2, burst=1), buckets.take("a", 0, rate=2, burst=1)
        (0.0, 0.5)
        >>> buckets.take("a", 500_000, rate=2, burst=1)
        0.0
        """
        level, then = self._levels.pop(key, (burst, now))
        level = min(burst, level + rate * max(0, now - then) / SECOND)
        wait = 0.0 if level >= 1 else (1 - level) / rate
        self._levels[key] = (level - 1 if not wait else level, now)
        if len(self._levels) > _BUCKETS:
            self._levels.popitem(last=False)
        return wait


class Turnstile:
    """Lets requests in at the rate that the holder of their key has, and strangers at one rate an address.

    `whose` is said to those who are too fast ("source"); `rate` (a second) and `burst` are a stranger's.
    """

    def __init__(self, whose: str, *, rate: float, burst: float) -> None:
        self._whose, self._rate, self._burst = whose, rate, burst
        self._buckets = Buckets()

    def admit(self, request: Request, holder: Source | Reader | None, now: Micros) -> None:
        """Take a token of the holder, or of the address while nobody is known to hold the key; raises `Problem` 429."""
        if holder is None:
            name, rate, burst = f"from {request.client.host if request.client else '?'}", self._rate, self._burst
        else:
            name, rate, burst = f"{self._whose} {holder.name}", holder.rate, holder.burst
        if wait := self._buckets.take(name, now, rate=rate, burst=burst):
            detail = f"Too many requests of this {self._whose}"
            raise ask_later(429, "too_fast", detail, seconds=wait, seed=f"{name} {now}")

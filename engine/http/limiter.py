"""Token buckets by source and by address: who sends too fast is told so before its body is read.

State is bounded: the buckets longest unused are forgotten, which only ever forgives.
"""

from collections import OrderedDict
from typing import Final

from engine.core.ids import SECOND, Micros

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

"""A bounded cache of two generations: what was used lately stays, at the cost of a dict look-up."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Warm(Generic[K, V]):
    """Keeps at least the last `bound` keys used and at most twice as many.

    >>> warm: Warm[str, int] = Warm(2)
    >>> for n, key in enumerate("abcde"): warm.put(key, n)
    >>> warm.get("a"), warm.get("c"), warm.get("e")
    (None, 2, 4)
    """

    def __init__(self, bound: int) -> None:
        self._bound = max(bound, 1)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the value, or None when it is not (or no longer) here."""
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember the value."""
        if len(self._young) >= self._bound and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def drop(self, key: K) -> None:
        """Forget the key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old = {}, {}

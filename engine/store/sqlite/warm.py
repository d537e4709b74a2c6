"""A bounded cache of two generations: what was used lately stays, at the cost of a dict look-up."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Warm(Generic[K, V]):
    """Keeps at least the last `bound // 2` keys used and at most `bound`.

    >>> warm: Warm[str, int] = Warm(4)
    >>> for n, key in enumerate("abcde"): warm.put(key, n)
    >>> warm.get("a"), warm.get("e"), len(warm)
    (None, 4, 3)
    """

    def __init__(self, bound: int) -> None:
        self._half = max(bound // 2, 1)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the value, or None when it is not (or no longer) here."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember the value."""
        young = self._young
        if len(young) >= self._half and key not in young:
            self._old, self._young = young, {}
            young = self._young
        young[key] = value

    def drop(self, key: K) -> None:
        """Forget the key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len(self._young) + sum(key not in self._young for key in self._old)

"""A value that must not be printed: its repr, str and format show asterisks. Adapters call `reveal` at the last moment.

It does not encrypt and does not resolve references such as `env:NAME`: config/ does that before.
"""

from typing import Final

_MASK: Final = "Secret(***)"


class Secret:
    """A secret string, already resolved. Empty means "not set" and is false."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself: never log, store or raise it."""
        return self._value

    def encode(self) -> bytes:
        """Return the value's UTF-8 bytes, for keys of HMACs."""
        return self._value.encode()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _MASK

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialised: keep its reference (env:NAME) instead")

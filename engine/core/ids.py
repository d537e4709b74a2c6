"""Keys, not luck: every id is derived from what it names, so a rerun gives the same one.

No clock and no dice are read here. The edges that must mint a fresh id (a message without one) do so
in `runtime/clock.py`.
"""

from base64 import b32encode
from hashlib import blake2b
from typing import Final, TypeAlias

Micros: TypeAlias = int
"""An instant: microseconds since 1970-01-01T00:00Z. Also a length of time in microseconds."""

MILLISECOND: Final = 1_000
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

_SHARES: Final = float(1 << 53)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS: Final = tuple(range(120, -1, -10))


def derive(*parts: str | int) -> str:
    """Return the 26-character id of `parts`: lower-case base32 of a 128-bit hash.

    Parts are length-prefixed, so `("ab", "c")` and `("a", "bc")` differ. 26 characters fit every
    provider's correlation field (WeChat client_msg_id, Aliyun OutId, an e-mail local part).

    >>> derive("touch", "r1", "3", 1)
    'selld2kaqytwf6tljvalb5snci'
    >>> derive("ab", "c") == derive("a", "bc")
    False
    """
    # 128 bits and two of padding: 13 pairs of 5-bit letters. The library's b32encode takes twice as long.
    number = int.from_bytes(_digest(parts, 16), "big") << 2
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def short(*parts: str | int) -> str:
    """Return a 16-character id (80 bits) for names that people read and type, such as a OneID.

    >>> short("customer", "user_id:u1")
    'vlshpn2ol3zefg6t'
    """
    return b32encode(_digest(parts, 10)).decode("ascii").lower()


def key64(source: str, name: str) -> int:
    """Return the 63-bit integer key of a name within its source; who cannot bear a collision compares the names.

    >>> key64("ab", "c") == key64("a", "bc")
    False
    """
    text = f"{len(source)}:{source}\x1f{len(name)}:{name}"  # as `_digest` joins them: one is made for every event
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def share(*parts: str | int) -> float:
    """Return a number in [0, 1) that depends on `parts` alone: the dice of splits, holdouts and jitter.

    >>> 0 <= share("split", "welcome", "c1") < 1
    True
    >>> share("split", "welcome", "c1") == share("split", "welcome", "c1")
    True
    """
    return (int.from_bytes(_digest(parts, 8), "big") >> 11) / _SHARES


def _digest(parts: tuple[str | int, ...], size: int) -> bytes:
    if len(parts) == 1 and isinstance(parts[0], str):
        return blake2b(parts[0].encode(), digest_size=size).digest()
    text = "\x1f".join([f"{len(part)}:{part}" if isinstance(part, str) else f"#{part}" for part in parts])
    return blake2b(text.encode(), digest_size=size).digest()

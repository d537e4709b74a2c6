"""What the error codes of an official account mean for a message. A table, so that it can be read and grown."""

from typing import Final

from engine.core.delivery import Retry
from engine.core.ids import HOUR, MINUTE, Micros

TOKEN: Final = frozenset({40001, 40014, 41001, 42001})
"""The access token is stale: fetch another and try once more."""

DUPLICATE: Final = frozenset({40241})
"""The same message was sent a moment ago: on a keyed resend this proves that the first one arrived."""

_CLASSES: Final[dict[Retry, frozenset[int]]] = {
    Retry.TRANSIENT: frozenset({-1, 43108, 9001002}),
    Retry.RATE_LIMITED: frozenset({45009, 45011}),
    Retry.PERMANENT: frozenset({40003, 46004, 65302}),
    # Not a follower, refused, blacklisted, window closed or credit used: this may change, another channel may.
    Retry.UNREACHABLE: frozenset({43004, 43019, 50005, 48002, 43101, 45015, 45047, 43117}),
    Retry.CONFIGURATION: frozenset(
        {40013, 40125, 40164, 48001, 48004, 48008, 50002, 50004, 50007, 43116, 43107, *TOKEN}
    ),
}
_RETRY: Final = {code: retry for retry, codes in _CLASSES.items() for code in codes}
_WAIT: Final[dict[int, Micros]] = {45009: HOUR, 45011: MINUTE}


def retry_of(code: int) -> tuple[Retry, Micros]:
    """Return the class of a refused call and how long to wait (0 = not said); an unknown code fails this message.

    >>> retry_of(45009), retry_of(47003)
    ((<Retry.RATE_LIMITED: 'rate_limited'>, 3600000000), (<Retry.CONTENT: 'content'>, 0))
    """
    return _RETRY.get(code, Retry.CONTENT), _WAIT.get(code, 0)

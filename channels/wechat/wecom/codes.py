"""What WeCom's error codes mean for a message. A table, so that it can be read and grown."""

from typing import Final

from engine.core.delivery import Retry
from engine.core.ids import MINUTE, SECOND, Micros

TOKEN: Final = frozenset({40014, 41001, 42001})
"""The access token is stale: fetch another and try once more."""

_CLASSES: Final[dict[Retry, frozenset[int]]] = {
    Retry.TRANSIENT: frozenset({-1}),
    Retry.RATE_LIMITED: frozenset({45009, 45033}),
    # The member or customer is not one of ours, or may not see the app.
    Retry.PERMANENT: frozenset({40003, 40096, 81013}),
    Retry.UNREACHABLE: frozenset({84061}),  # not connected with this member: another channel may reach them
    Retry.CONFIGURATION: frozenset({40001, 40013, 40056, 48002, 60020, 301002, *TOKEN}),
}
_RETRY: Final = {code: retry for retry, codes in _CLASSES.items() for code in codes}
_WAIT: Final[dict[int, Micros]] = {45009: MINUTE, 45033: 5 * SECOND}


def retry_of(code: int) -> tuple[Retry, Micros]:
    """Return the class of a refused call and how long to wait (0 = not said); an unknown code fails this message.

    >>> retry_of(45009), retry_of(45002)
    ((<Retry.RATE_LIMITED: 'rate_limited'>, 60000000), (<Retry.CONTENT: 'content'>, 0))
    """
    return _RETRY.get(code, Retry.CONTENT), _WAIT.get(code, 0)

"""The HTTP client of a provider, and what a call that ended without an answer means.

Opened by the adapters that speak through httpx; the webhook channel, which must not trust names, has its own network.
"""

from typing import Final, Protocol

import httpx

from engine.core.delivery import Retry
from engine.ports import NotSent, Unclear

CLOSED: Final = NotSent(Retry.TRANSIENT, "the channel is closed", "closed")
"""What an adapter answers that is not open."""

_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_IDLE: Final = 10.0  # seconds that an unused connection is kept


class Dials(Protocol):
    """What an adapter's settings say of its connections. Times are seconds."""

    @property
    def base_url(self) -> str:
        """Where the provider is."""

    @property
    def connections(self) -> int:
        """How many calls at once."""

    @property
    def connect_timeout(self) -> float:
        """How long until a connection stands."""

    @property
    def timeout(self) -> float:
        """How long each part of an answer may take."""


def connect(dials: Dials) -> httpx.AsyncClient:
    """Return a client that must be closed; proxies of the environment are ignored."""
    return httpx.AsyncClient(
        trust_env=False,
        timeout=httpx.Timeout(dials.timeout, connect=dials.connect_timeout),
        limits=httpx.Limits(max_connections=dials.connections, keepalive_expiry=_IDLE),
    )


def unanswered(failed: httpx.HTTPError) -> NotSent | Unclear:
    """Return what is known of a call that failed: not sent when no byte of it was written.

    >>> unanswered(httpx.ReadTimeout("late"))
    Unclear(detail='ReadTimeout')
    >>> unanswered(httpx.ConnectError("refused")).code
    'connect'
    """
    if isinstance(failed, _NEVER_LEFT):
        return NotSent(Retry.TRANSIENT, f"{type(failed).__name__}: {failed}"[:300], "connect")
    return Unclear(type(failed).__name__)

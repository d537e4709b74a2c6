"""What a receiver's HTTP answer means for the webhook: a pure table of status codes, and Retry-After.

No answer is a matter of the whole channel: each endpoint answers for itself alone.
"""

from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from engine.core.delivery import Retry
from engine.core.ids import DAY, SECOND, Micros
from engine.ports import NotSent, Result, Sent, Unclear

ANSWER_LIMIT: Final = 1_024
"""Bytes of an answer that are read; they are shown to operators."""

_LATER: Final = {429: Retry.RATE_LIMITED, 503: Retry.RATE_LIMITED, 502: Retry.TRANSIENT, 504: Retry.TRANSIENT}


def read(status: int, headers: Iterable[tuple[bytes, bytes]], said: bytes, now: Micros) -> Result:
    """Return what became of the webhook.

    2xx is delivered. 410 wants no more of this customer's; other 4xx refuse this message; redirects are not followed.
    429, 502, 503 and 504 ask to come later. Any other 5xx may have come after the receiver had done its work.
    """
    detail = f"HTTP {status} {_words(said)}".strip()
    if 200 <= status < 300:
        return Sent(detail=f"HTTP {status}", delivered=True)
    if status in _LATER:
        return NotSent(_LATER[status], detail, str(status), _retry_after(headers, now))
    if status in {408, 425}:
        return NotSent(Retry.TRANSIENT, detail, str(status), _retry_after(headers, now))
    if status == 410:
        return NotSent(Retry.PERMANENT, detail, "410")
    if 300 <= status < 400:
        return NotSent(Retry.CONTENT, f"HTTP {status}: redirects are not followed", str(status))
    if 400 <= status < 500:
        return NotSent(Retry.CONTENT, detail, str(status))
    return Unclear(detail)


def _words(said: bytes) -> str:
    text = said.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:250]


def _retry_after(headers: Iterable[tuple[bytes, bytes]], now: Micros) -> Micros:
    """Return how long the receiver asks to wait: seconds or a date; 0 when it does not say, or not sensibly."""
    value = next((value.decode("latin-1").strip() for name, value in headers if name.lower() == b"retry-after"), "")
    if value.isascii() and value.isdigit():
        return min(int(value[:9]) * SECOND, DAY)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0
    wait = int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) * SECOND - now
    return min(max(wait, 0), DAY)

"""The fields of a Segment message, read strictly: texts, flags, instants. Pure. Identifiers: `naming.py`.

A field that cannot be what it says raises `BadInput` with its path.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.core.errors import BadInput
from engine.core.ids import MINUTE, SECOND, Micros

ID_LIMIT: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_FUTURE: Final = 5 * MINUTE
_LATENCY: Final = 10 * SECOND


def read_object(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object field, {} when absent or null."""
    value = message.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"{name} is not an object", 'Write it like {"name": "value"}', name)
    return value


def read_text(message: Mapping[str, Any], name: str, *, limit: int = ID_LIMIT) -> str:
    """Return a one-line text field, "" when absent, null or blank; whole numbers are taken as text."""
    value = message.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{name} is not a text", "Write it in quotes", name)
    value = value.strip()
    if len(value) > limit:
        raise BadInput(f"{name} is over {limit} characters", "Shorten it", name)
    if value and not value.isprintable():
        raise BadInput(f"{name} holds control characters", "Remove them", name)
    return value


def read_flag(message: Mapping[str, Any], name: str) -> bool:
    """Return a true/false field, false when absent."""
    value = message.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadInput(f"{name} is neither true nor false", "Write true or false", name)
    return bool(value)


def read_choices(values: Any, field: str) -> dict[str, bool]:
    """Return consents: purpose or channel -> yes or no."""
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BadInput(f"{field} is not an object", 'Write it like {"marketing": true}', field)
    for name, value in values.items():
        if not isinstance(value, bool):
            raise BadInput(
                f"{field}.{name[:64]} is neither true nor false", "Write true or false", f"{field}.{name[:64]}"
            )
        if not name or len(name) > 64 or not name.isprintable():
            raise BadInput(f"A name in {field} is not one", "Use short names such as marketing", field)
    return dict(values)


def read_instant(message: Mapping[str, Any], name: str) -> Micros:
    """Return an ISO 8601 field as microseconds, 0 when absent. No zone means UTC.

    >>> read_instant({"timestamp": "1970-01-01T00:00:01Z"}, "timestamp")
    1000000
    """
    value = message.get(name)
    if value is None or value == "":
        return 0
    remedy = "Write ISO 8601, like 2026-05-01T09:30:00Z"
    if not isinstance(value, str) or len(value) > 64:
        raise BadInput(f"{name} is not a date", remedy, name)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise BadInput(f"{name} is not a date: {value[:64]!a}", remedy, name) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    at = (moment - _EPOCH) // _TICK
    if not 0 < at < 4_102_444_800 * SECOND:
        raise BadInput(f"{name} is not between 1970 and 2100", remedy, name)
    return at


def happened(message: Mapping[str, Any], received: Micros) -> Micros:
    """Return when the message happened, the sender's wrong clock corrected as Segment does.

    `received - (sentAt - timestamp)`; a difference under ten seconds is the network, not the clock, and the sender's
    own timestamp stands to the microsecond. Over five minutes into the future is now.

    >>> happened({"timestamp": "1970-01-01T00:00:10Z", "sentAt": "1970-01-01T00:00:12Z"}, 3_600 * SECOND)
    3598000000
    """
    original = read_instant(message, "originalTimestamp") or read_instant(message, "timestamp")
    return clock_corrected(original, read_instant(message, "sentAt"), received)


def clock_corrected(said: Micros, sent: Micros, received: Micros) -> Micros:
    """Return when something happened that a sender dates `said` (0: not at all) and sent at `sent` by its own clock.

    >>> clock_corrected(10 * SECOND, 12 * SECOND, 3_600 * SECOND), clock_corrected(0, 0, 7)
    (3598000000, 7)
    """
    if not said:
        return received
    at = said + (received - sent) if sent and abs(received - sent) > _LATENCY else said
    return received if at > received + _FUTURE else max(1, at)

"""Instants as operators write and read them: `--since`, and the zone in which tables show times."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from config.units import parse_duration
from engine.core.errors import BadInput
from engine.core.ids import Micros
from engine.http.fields import read_instant
from engine.runtime.clock import SystemClock

if TYPE_CHECKING:
    from config.settings import Settings


def parse_since(said: str) -> Micros:
    """Return the instant meant by "2h", "7d" (ago) or an ISO 8601 time; 0 for ""."""
    if not said:
        return 0
    if (at := _ago(said)) is not None:
        return at
    try:
        return read_instant({"--since": said}, "--since")
    except BadInput:
        raise BadInput(
            f"--since {said} is neither a length of time nor a date", "Write 2h, 7d, or 2026-05-01T09:30:00Z"
        ) from None


def parse_moment(said: str, option: str, zone: ZoneInfo) -> Micros:
    """Return the instant meant by "7d" (ago) or a date, which is the zone's unless it names one; 0 for ""."""
    if not said:
        return 0
    if (at := _ago(said)) is not None:
        return at
    try:
        moment = datetime.fromisoformat(said)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return read_instant({option: aware.isoformat()}, option)
    except (BadInput, ValueError, OverflowError):
        raise BadInput(
            f"{option} {said[:64]} is neither a length of time nor a date", "Write 7d, or 2026-05-01"
        ) from None


def shown_zone(settings: "Settings") -> ZoneInfo:
    """Return the zone of the workspace."""
    return ZoneInfo(settings.default_zone)


def _ago(said: str) -> Micros | None:
    try:
        return SystemClock().now() - parse_duration(said)
    except ValueError:
        return None

"""How times are written in the language: durations, clock times, weekdays, quiet hours, instants, zones and schedules.

Each reader takes the plain YAML value and returns a value of the plan, or raises `BadValue` with a complaint code.
Used by the forms, by stories and, for durations, by conditions.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.core.ids import DAY, HOUR, MINUTE, SECOND, WEEK, Micros
from engine.core.plan import Again, Quiet, Span
from journeys.scalars import BadValue

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST: Final = 10 * 366 * DAY

_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_PIECE: Final = re.compile(r"([0-9]{1,9})(mo|[smhdw])")
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")


def span(value: Any) -> Span:
    """Read a duration: 90s 15m 1h 3d 2w, calendar months 1mo, or several together ("1d12h").

    >>> span("1h"), span("1mo")
    (Span(micros=3600000000, months=0), Span(micros=0, months=1))
    """
    text = value.strip() if isinstance(value, str) else ""
    pieces = _PIECE.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise BadValue("J020", value=value)
    months = sum(int(number) for number, unit in pieces if unit == "mo")
    micros = sum(int(number) * _UNITS[unit] for number, unit in pieces if unit != "mo")
    if not micros and not months:
        raise BadValue("J020", value=value)
    if micros > LONGEST or months > 120:
        raise BadValue("J021", value=value)
    return Span(micros, months)


def length(value: Any) -> Micros:
    """Read a duration that must be exact: no calendar months.

    >>> length("7d") // DAY
    7
    """
    read = span(value)
    if read.months:
        raise BadValue("J022", value=value)
    return read.micros


def lookback(value: Any) -> Micros:
    """Read how far a `wait for` looks back: at most a week, because every such event is kept that long."""
    micros = length(value)
    if micros > WEEK:
        raise BadValue("J021", value=value)
    return micros


def days(value: Any) -> int:
    """Read a signed offset in whole days: -1d, 3d, 1w.

    >>> days("-3d")
    -3
    """
    text = value.strip() if isinstance(value, str) else ""
    micros = length(text.lstrip("+-")) if text not in {"0d", "0"} else 0
    if micros % DAY:
        raise BadValue("J023", value=value)
    return -(micros // DAY) if text.startswith("-") else micros // DAY


def clock(value: Any) -> tuple[int, int]:
    """Read a time of day as (hour, minute).

    >>> clock("09:30")
    (9, 30)
    """
    found = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise BadValue("J024", value=value)
    return int(found[1]), int(found[2])


def weekday(value: Any) -> int:
    """Read a weekday: mon is 0, sun is 6."""
    if value not in WEEKDAYS:
        raise BadValue("J014", value=value, choices=", ".join(WEEKDAYS))
    return WEEKDAYS.index(value)


def quiet(value: Any) -> Quiet:
    """Read quiet hours: "21:00-09:00" or {hours: "21:00-09:00", late: drop}."""
    late: Any = "wait"
    hours = value
    if isinstance(value, dict):
        for key in value:
            if key not in {"hours", "late"}:
                raise BadValue("J011", key=key, known="hours, late")
        hours, late = value.get("hours"), value.get("late", "wait")
    if late not in {"wait", "drop"}:
        raise BadValue("J014", value=late, choices="wait, drop")
    first, dash, second = hours.partition("-") if isinstance(hours, str) else ("", "", "")
    try:
        (start, start_minute), (end, end_minute) = clock(first), clock(second)
    except BadValue:
        raise BadValue("J025", value=hours) from None
    if not dash or (start, start_minute) == (end, end_minute):
        raise BadValue("J025", value=hours)
    return Quiet(start * 60 + start_minute, end * 60 + end_minute, "drop" if late == "drop" else "wait")


def again(value: Any) -> Again:
    """Read `never`, `always` or `after <duration>`."""
    if value == "never":
        return Again("never")
    if value == "always":
        return Again("always")
    word, _, rest = value.strip().partition(" ") if isinstance(value, str) else ("", "", "")
    if word != "after":
        raise BadValue("J026", value=value)
    return Again("after", span(rest))


def instant(value: Any) -> datetime:
    """Read an ISO 8601 date and time, with or without an offset."""
    try:
        return datetime.fromisoformat(value.strip()) if isinstance(value, str) and "T" in value else _refuse(value)
    except ValueError:
        raise BadValue("J029", value=value) from None


def zone(value: Any) -> str:
    """Read the name of a time zone of the tz database."""
    try:
        if not isinstance(value, str) or len(value) > 64:
            raise ValueError
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise BadValue("J030", value=value) from None
    return value


def cron(value: Any) -> str:
    """Read a five-field cron line that comes due at least once."""
    text = " ".join(value.split()) if isinstance(value, str) and len(value) <= 200 else ""
    try:
        if len(text.split()) != 5:
            raise BadValue("J031", value=value)
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration, ValueError):
        raise BadValue("J031", value=value) from None
    return text


def _refuse(value: Any) -> datetime:
    raise BadValue("J029", value=value)

"""Wall-clock arithmetic in the customer's zone: the only place that knows daylight saving.

A wall time that does not exist (a gap) means the first instant after it; one that exists twice (an overlap) means
the first. Every "next" is strictly later than what it was asked for, so no timer can loop. Called by steps, gates
and predicates.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Daily, OnAnniversary, OnDate, Policy, Quiet, Span
from engine.core.state import Customer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)

EARLIEST: Final[Micros] = (datetime(1, 1, 3, tzinfo=UTC) - _EPOCH) // _TICK
LATEST: Final[Micros] = (datetime(9999, 12, 1, tzinfo=UTC) - _EPOCH) // _TICK
"""Instants outside these bounds are read as the bound: a wild time never raises."""

_ZONE_TRAITS: Final = ("timezone", "zone")


def zone_of(customer: Customer, policy: Policy) -> ZoneInfo:
    """Return the zone of the traits "timezone" or "zone"; the policy's default when absent or unknown.

    >>> zone_of(Customer(id="c", created=0, traits={"timezone": "Asia/Shanghai"}), Policy()).key
    'Asia/Shanghai'
    >>> zone_of(Customer(id="c", created=0, traits={"timezone": "Mars/Base"}), Policy()).key
    'UTC'
    """
    traits = customer.traits
    for trait in _ZONE_TRAITS:
        name = traits.get(trait)
        if isinstance(name, str) and name:
            zone = named_zone(name)
            if zone is not None:
                return zone
    return named_zone(policy.default_zone) or ZoneInfo("UTC")


@lru_cache(maxsize=2048)
def named_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name, None when there is none; never raises, whatever the name holds.

    >>> named_zone("../etc/passwd") is None
    True
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def local(at: Micros, zone: ZoneInfo) -> datetime:
    """Return the instant as an aware wall-clock time in `zone`.

    >>> local(0, ZoneInfo("Asia/Shanghai")).isoformat()
    '1970-01-01T08:00:00+08:00'
    """
    return (_EPOCH + timedelta(microseconds=min(max(at, EARLIEST), LATEST))).astimezone(zone)


def instant(wall: datetime, zone: ZoneInfo) -> Micros:
    """Return the instant of a naive wall time: gap -> first instant after, overlap -> first occurrence.

    >>> gap = datetime.fromisoformat("2026-03-08T02:30")
    >>> local(instant(gap, ZoneInfo("America/New_York")), ZoneInfo("America/New_York")).isoformat()
    '2026-03-08T03:00:00-04:00'
    """
    first = _since_epoch(wall.replace(tzinfo=zone, fold=0))
    if _wall(first, zone) == wall:
        return first
    # In a gap fold 0 reads the offset from before it and lands late; fold 1 lands early: the edge is between.
    early = _since_epoch(wall.replace(tzinfo=zone, fold=1)) // SECOND
    late = first // SECOND + 1
    while late - early > 1:
        middle = (early + late) // 2
        if _wall(middle * SECOND, zone) >= wall:
            late = middle
        else:
            early = middle
    return late * SECOND


def add_span(at: Micros, span: Span, zone: ZoneInfo) -> Micros:
    """Return `at` moved by the span: months on the customer's calendar, clipped to the month's end, then micros.

    >>> january = instant(datetime.fromisoformat("2026-01-31T10:00"), ZoneInfo("Asia/Shanghai"))
    >>> local(add_span(january, Span(months=1), ZoneInfo("Asia/Shanghai")), ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-02-28T10:00:00+08:00'
    """
    if span.months:
        wall = _wall(at, zone)
        months = wall.year * 12 + wall.month - 1 + span.months
        year, month = divmod(months, 12)
        if not 1 < year < 9999:
            return LATEST if span.months > 0 else EARLIEST
        day = min(wall.day, _days_in(year, month + 1))
        at = instant(wall.replace(year=year, month=month + 1, day=day), zone)
    return min(max(at + span.micros, EARLIEST), LATEST)


def next_daily(after: Micros, daily: Daily, zone: ZoneInfo) -> Micros:
    """Return the next instant strictly after `after` with this wall time (and weekday) in `zone`.

    A date that the zone skipped altogether (Apia, 2011-12-30) has no such time: the next date has.

    >>> nine = next_daily(0, Daily(9, weekday=0), ZoneInfo("Asia/Shanghai"))
    >>> local(nine, ZoneInfo("Asia/Shanghai")).strftime("%a %Y-%m-%d %H:%M")
    'Mon 1970-01-05 09:00'
    """
    today = _wall(after, zone).date()
    at_time = time(daily.hour, daily.minute)
    for ahead in range(16):
        day = today + timedelta(days=ahead)
        if daily.weekday is not None and day.weekday() != daily.weekday:
            continue
        candidate = instant(datetime.combine(day, at_time), zone)
        if candidate > after and _exists(day, candidate, zone):
            return candidate
    return after + DAY  # only beyond LATEST, where walls stand still


def _exists(day: date, candidate: Micros, zone: ZoneInfo) -> bool:
    if local(candidate, zone).date() == day:
        return True
    # Pushed over midnight by a gap: an hour before midnight (Nuuk), or the whole date?
    return local(instant(datetime.combine(day, time()), zone), zone).date() == day


def next_hour(after: Micros, zone: ZoneInfo) -> Micros:
    """Return the next instant strictly after `after` at which the wall clock's hour may change in `zone`.

    >>> next_hour(0, ZoneInfo("Asia/Kathmandu")) // MINUTE  # +05:30 in 1970
    30
    """
    now = local(after, zone)
    into = now.minute * MINUTE + now.second * SECOND + now.microsecond
    following = after + HOUR - into
    if local(following, zone).utcoffset() == now.utcoffset():
        return following
    early, late = after // SECOND, -(-following // SECOND)
    while late - early > 1:
        middle = (early + late) // 2
        if local(middle * SECOND, zone).utcoffset() == now.utcoffset():
            early = middle
        else:
            late = middle
    return max(min(late * SECOND, following), after + 1)


def on_date(value: Any, rule: OnDate, zone: ZoneInfo) -> Micros | None:
    """Return the instant of the rule's wall time on the date `value`, None when it is not a date.

    `value`: an ISO date or date-time string (one with an offset is read in `zone`), or an instant in microseconds.

    >>> from engine.core.expression import Constant
    >>> eve = OnDate(Constant("2026-03-01"), 18, offset_days=-1)
    >>> local(on_date("2026-03-01", eve, ZoneInfo("Asia/Shanghai")) or 0, ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-02-28T18:00:00+08:00'
    >>> on_date("soon", eve, ZoneInfo("Asia/Shanghai")) is None
    True
    """
    day = _date_of(value, zone)
    if day is None:
        return None
    try:
        day += timedelta(days=rule.offset_days)
    except OverflowError:
        return None
    if not 1 < day.year < 9999:
        return None
    return instant(datetime.combine(day, time(rule.hour, rule.minute)), zone)


def next_anniversary(after: Micros, value: Any, rule: OnAnniversary, zone: ZoneInfo) -> Micros:
    """Return the next instant strictly after `after` of the rule's yearly day, 0 when the value is not a date.

    Years begin with the date's own; the 29th of February falls on the 28th in years that lack it.

    >>> from engine.core.expression import Constant
    >>> eve = OnAnniversary(Constant("2024-02-29"), 10, offset_days=-3)
    >>> shanghai = ZoneInfo("Asia/Shanghai")
    >>> local(next_anniversary(0, "2024-02-29", eve, shanghai), shanghai).isoformat()
    '2024-02-26T10:00:00+08:00'
    """
    day = _date_of(value, zone)
    if day is None:
        return 0
    this_year = local(after, zone).year
    for year in range(max(day.year, this_year - 2), max(day.year, this_year) + 3):
        if not 1 < year < 9998:
            continue
        on = day.replace(year=year, day=min(day.day, _days_in(year, day.month)))
        on += timedelta(days=rule.offset_days)
        candidate = instant(datetime.combine(on, time(rule.hour, rule.minute)), zone)
        if candidate > after:
            return candidate
    return 0


def quiet_until(at: Micros, quiet: Quiet, zone: ZoneInfo) -> Micros:
    """Return when the quiet hours that hold at `at` end; 0 when it is not quiet.

    Hours may pass midnight; a start equal to the end means no quiet hours. The answer itself is never quiet.

    >>> shanghai = ZoneInfo("Asia/Shanghai")
    >>> late = instant(datetime.fromisoformat("2026-03-01T21:10"), shanghai)
    >>> local(quiet_until(late, Quiet(21 * 60, 9 * 60), shanghai), shanghai).isoformat()
    '2026-03-02T09:00:00+08:00'
    >>> quiet_until(late, Quiet(22 * 60, 9 * 60), shanghai)
    0
    """
    until = at
    for _ in range(4):  # once; again only where a gap carries the end past the next start
        if not _is_quiet(local(until, zone), quiet):
            break
        until = _end_of_quiet(until, quiet, zone)
    return 0 if until == at else until


def _is_quiet(wall: datetime, quiet: Quiet) -> bool:
    start, end = quiet.start % 1440, quiet.end % 1440
    minute = wall.hour * 60 + wall.minute
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def _end_of_quiet(at: Micros, quiet: Quiet, zone: ZoneInfo) -> Micros:
    hour, minute = divmod(quiet.end % 1440, 60)
    # In the second pass through a repeated hour the end has been once already, and comes once more.
    again = local(at, zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=1)
    second = _since_epoch(again)
    following = next_daily(at, Daily(hour, minute), zone)
    return (
        second if at < second < following and _wall(second, zone) == again.replace(tzinfo=None, fold=0) else following
    )


def _date_of(value: Any, zone: ZoneInfo) -> date | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return local(value, zone).date()
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return when.date() if when.tzinfo is None else when.astimezone(zone).date()
    except (ValueError, OverflowError):
        return None


def _wall(at: Micros, zone: ZoneInfo) -> datetime:
    return local(at, zone).replace(tzinfo=None, fold=0)


def _since_epoch(aware: datetime) -> Micros:
    return (aware - _EPOCH) // _TICK


def _days_in(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day

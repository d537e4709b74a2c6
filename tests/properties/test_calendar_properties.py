"""Wall-clock arithmetic in zones that skip days, change by half an hour, or count summer as the normal time."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from engine.core import calendar
from engine.core.expression import Constant
from engine.core.ids import DAY, HOUR, SECOND
from engine.core.plan import Daily, OnDate, Policy, Quiet, Span
from engine.core.state import Customer

NAMES = (
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Dublin",
    "Asia/Shanghai",
)

START, END = (calendar.instant(datetime.fromisoformat(f"{year}-01-01"), ZoneInfo("UTC")) for year in (1985, 2040))


def _changes(zone: ZoneInfo) -> list[int]:
    """Instants at which the zone's offset changes, so that the tests stand at the edges often."""
    edges = []
    for day in range(START, END, DAY):
        if calendar.local(day, zone).utcoffset() != calendar.local(day + DAY, zone).utcoffset():
            low, high = day, day + DAY
            while high - low > 1:
                middle = (low + high) // 2
                same = calendar.local(middle, zone).utcoffset() == calendar.local(day, zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            edges.append(high)
    return edges


ZONES = {name: ZoneInfo(name) for name in NAMES}
EDGES = {name: _changes(zone) or [START] for name, zone in ZONES.items()}


@st.composite
def places(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone and an instant, half of them within a day of a change of the clock."""
    name = draw(st.sampled_from(NAMES))
    anywhere = st.integers(START, END)
    near = st.builds(lambda edge, off: edge + off, st.sampled_from(EDGES[name]), st.integers(-DAY, DAY))
    minutes = st.builds(
        lambda edge, off: edge + off * 60 * SECOND, st.sampled_from(EDGES[name]), st.integers(-180, 180)
    )
    return ZONES[name], draw(st.one_of(anywhere, near, minutes))


APIA = ZONES["Pacific/Apia"]
EVE = calendar.instant(datetime.fromisoformat("2011-12-29T22:00"), APIA)  # the next day never came

dailies = st.builds(Daily, st.integers(0, 23), st.integers(0, 59), st.none() | st.integers(0, 6))
quiets = st.builds(Quiet, st.integers(0, 1440), st.integers(0, 1440))


def test_the_zones_change_their_clocks_often_enough_to_mean_something() -> None:
    assert sum(len(edges) for edges in EDGES.values()) > 500


@given(places())
def test_an_instant_comes_back_from_its_wall_time_or_is_the_second_of_two(place: tuple[ZoneInfo, int]) -> None:
    zone, at = place
    wall = calendar.local(at, zone)
    back = calendar.instant(wall.replace(tzinfo=None, fold=0), zone)
    assert back == at if wall.fold == 0 else back < at


@given(places(), st.integers(-400 * 24 * 60, 400 * 24 * 60))
def test_every_wall_time_is_an_instant_not_before_it_and_the_first_such(
    place: tuple[ZoneInfo, int], minutes: int
) -> None:
    zone, at = place
    wall = calendar.local(at, zone).replace(tzinfo=None, fold=0) + timedelta(minutes=minutes)
    found = calendar.instant(wall, zone)
    shown = calendar.local(found, zone)
    assert shown.replace(tzinfo=None) >= wall
    assert shown.fold == 0
    if shown.replace(tzinfo=None) > wall:  # a gap: the microsecond before is still on the near side
        assert calendar.local(found - 1, zone).replace(tzinfo=None) < wall


@given(places(), dailies)
@example((APIA, EVE), Daily(10, 0, 4))
def test_the_next_daily_time_is_later_and_soon_and_says_the_time(place: tuple[ZoneInfo, int], daily: Daily) -> None:
    zone, after = place
    found = calendar.next_daily(after, daily, zone)
    days = 1 if daily.weekday is None else 7
    skipped = days * DAY if zone is APIA else 0  # one date is missing there
    assert after < found <= after + (days + 1) * DAY + skipped + 2 * HOUR
    shown = calendar.local(found, zone)
    if (shown.hour, shown.minute) != (daily.hour, daily.minute):
        jump = calendar.local(found, zone).utcoffset(), calendar.local(found - 1, zone).utcoffset()
        assert jump[0] != jump[1], "only the edge of a gap may say another time"
    elif daily.weekday is not None and calendar.local(found - DAY, zone).utcoffset() == shown.utcoffset():
        assert shown.weekday() == daily.weekday


@given(places(), dailies)
@example((APIA, EVE), Daily(0, 1))
@example((APIA, EVE), Daily(10, 0, 4))
def test_a_daily_timer_never_fires_twice_on_one_date(place: tuple[ZoneInfo, int], daily: Daily) -> None:
    zone, after = place
    first = calendar.next_daily(after, daily, zone)
    second = calendar.next_daily(first, daily, zone)
    assert calendar.local(first, zone).date() < calendar.local(second, zone).date()


@given(places(), st.integers(0, 60), st.integers(0, 90 * DAY))
def test_a_span_moves_forward_and_months_keep_their_place(
    place: tuple[ZoneInfo, int], months: int, micros: int
) -> None:
    zone, at = place
    found = calendar.add_span(at, Span(micros, months), zone)
    assert found == at if not (months or micros) else found > at
    assert calendar.add_span(at, Span(micros), zone) == at + micros
    if months:
        then, now = calendar.local(calendar.add_span(at, Span(0, months), zone), zone), calendar.local(at, zone)
        moved = (then.year - now.year) * 12 + then.month - now.month
        assert moved == months or (then - timedelta(seconds=1)).month != then.month
        assert then.day == now.day or then.date() + timedelta(days=1) == _month_after(then) or _skipped(then, zone)


def _month_after(when: datetime) -> date:
    return date(when.year + when.month // 12, when.month % 12 + 1, 1)


def _skipped(when: datetime, zone: ZoneInfo) -> bool:
    at = calendar.instant(when.replace(tzinfo=None, fold=0), zone)
    return calendar.local(at - 1, zone).utcoffset() != when.utcoffset()


@given(places(), quiets)
@example((APIA, EVE), Quiet(1260, 540))
def test_quiet_hours_end_later_loudly_and_at_their_end(place: tuple[ZoneInfo, int], quiet: Quiet) -> None:
    zone, at = place
    until = calendar.quiet_until(at, quiet, zone)
    wall = calendar.local(at, zone)
    minute, start, end = wall.hour * 60 + wall.minute, quiet.start % 1440, quiet.end % 1440
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    assert bool(until) is inside
    if until:
        assert at < until <= at + 2 * DAY + 2 * HOUR
        assert calendar.quiet_until(until, quiet, zone) == 0
        assert calendar.quiet_until(until - 1, quiet, zone) == until, "not a moment longer than it must"


@given(places())
def test_the_hour_does_not_change_before_the_next_hour(place: tuple[ZoneInfo, int]) -> None:
    zone, at = place
    following = calendar.next_hour(at, zone)
    assert at < following <= at + 2 * HOUR
    assert calendar.local(following - 1, zone).hour == calendar.local(at, zone).hour


@given(st.text(max_size=40))
def test_no_text_breaks_the_zone_or_the_date(text: str) -> None:
    calendar.zone_of(Customer(id="c", created=0, traits={"timezone": text}), Policy())
    calendar.on_date(text, OnDate(Constant(None), 9), ZONES["Asia/Shanghai"])

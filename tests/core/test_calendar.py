"""Wall-clock times in the customer's zone, where the clock is changed twice a year and days are skipped."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from engine.core import calendar
from engine.core.expression import Constant
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import Daily, OnDate, Policy, Quiet, Span
from engine.core.state import Customer

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return calendar.instant(datetime.fromisoformat(text), zone)


def shown(instant: int | None, zone: ZoneInfo = SHANGHAI) -> str:
    assert instant is not None
    return calendar.local(instant, zone).isoformat()


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"timezone": "Asia/Kathmandu"}, "Asia/Kathmandu"),
        ({"zone": "Europe/Dublin"}, "Europe/Dublin"),
        ({"timezone": "nonsense", "zone": "Europe/Dublin"}, "Europe/Dublin"),
        ({}, "Asia/Shanghai"),
    ],
)
def test_the_zone_is_the_customers_trait_or_the_policys_default(traits: dict[str, object], expected: str) -> None:
    mei = Customer(id="c", created=0, traits=traits)
    assert calendar.zone_of(mei, Policy(default_zone="Asia/Shanghai")).key == expected


@pytest.mark.parametrize(
    "name",
    ["", "nonsense", "../../etc/passwd", "/etc/passwd", "Asia", "a\x00b", "\ud800", "x" * 5000, 8, None, ["UTC"]],
)
def test_a_bad_zone_name_means_the_default(name: object) -> None:
    mei = Customer(id="c", created=0, traits={"timezone": name})
    assert calendar.zone_of(mei, Policy(default_zone="Asia/Shanghai")).key == "Asia/Shanghai"
    assert calendar.zone_of(mei, Policy(default_zone="nowhere")).key == "UTC"


def test_a_time_in_a_gap_means_the_first_instant_after_it() -> None:
    assert shown(at("2026-03-08T02:00", NEW_YORK), NEW_YORK) == "2026-03-08T03:00:00-04:00"
    assert shown(at("2026-03-08T02:59:59.5", NEW_YORK), NEW_YORK) == "2026-03-08T03:00:00-04:00"
    assert shown(at("2026-10-04T02:15", LORD_HOWE), LORD_HOWE) == "2026-10-04T02:30:00+11:00"


def test_a_time_in_an_overlap_means_its_first_occurrence() -> None:
    assert shown(at("2026-11-01T01:30", NEW_YORK), NEW_YORK) == "2026-11-01T01:30:00-04:00"
    assert shown(at("2026-04-05T01:45", LORD_HOWE), LORD_HOWE) == "2026-04-05T01:45:00+11:00"


def test_a_skipped_day_means_the_start_of_the_next() -> None:
    assert shown(at("2011-12-30T10:00", APIA), APIA) == "2011-12-31T00:00:00+14:00"


def test_a_daily_time_leaves_a_skipped_day_out() -> None:
    eve = at("2011-12-29T22:00", APIA)
    assert shown(calendar.next_daily(eve, Daily(10), APIA), APIA) == "2011-12-31T10:00:00+14:00"
    assert shown(calendar.next_daily(eve, Daily(10, weekday=4), APIA), APIA) == "2012-01-06T10:00:00+14:00"


def test_a_daily_time_in_a_gap_before_midnight_moves_to_midnight() -> None:
    nuuk = ZoneInfo("America/Nuuk")
    eve = at("2026-03-28T20:00", nuuk)
    assert shown(calendar.next_daily(eve, Daily(23, 30), nuuk), nuuk) == "2026-03-29T00:00:00-01:00"


def test_quiet_hours_whose_end_a_gap_carries_past_their_start_go_on() -> None:
    nearly_always = Quiet(2 * 60 + 45, 2 * 60 + 15)
    found = calendar.quiet_until(at("2026-03-08T01:00", NEW_YORK), nearly_always, NEW_YORK)
    assert shown(found, NEW_YORK) == "2026-03-09T02:15:00-04:00"


def test_months_are_the_calendars_and_clipped_to_the_months_end() -> None:
    assert shown(calendar.add_span(at("2026-01-31T10:00"), Span(months=1), SHANGHAI)).startswith("2026-02-28T10:00")
    assert shown(calendar.add_span(at("2024-01-31T10:00"), Span(months=1), SHANGHAI)).startswith("2024-02-29T10:00")
    assert shown(calendar.add_span(at("2026-11-30T10:00"), Span(months=3), SHANGHAI)).startswith("2027-02-28T10:00")
    assert shown(calendar.add_span(at("2026-12-31T10:00"), Span(months=12), SHANGHAI)).startswith("2027-12-31T10:00")


def test_months_keep_the_wall_time_and_days_keep_the_hours() -> None:
    before = at("2026-02-20T09:00", NEW_YORK)
    assert shown(calendar.add_span(before, Span(months=1), NEW_YORK), NEW_YORK) == "2026-03-20T09:00:00-04:00"
    assert calendar.add_span(before, Span(micros=30 * DAY), NEW_YORK) == before + 30 * DAY
    assert shown(calendar.add_span(at("2026-01-31T10:00"), Span(micros=HOUR, months=1), SHANGHAI)).startswith(
        "2026-02-28T11:00"
    )


def test_a_span_beyond_the_calendar_stops_at_its_end() -> None:
    assert calendar.add_span(0, Span(months=12 * 9000), SHANGHAI) == calendar.LATEST
    assert calendar.add_span(0, Span(micros=10**30), SHANGHAI) == calendar.LATEST
    assert calendar.add_span(0, Span(months=-12 * 9000), SHANGHAI) == calendar.EARLIEST


def test_the_next_daily_time_is_strictly_later() -> None:
    nine = at("2026-03-01T09:00")
    assert calendar.next_daily(nine - 1, Daily(9), SHANGHAI) == nine
    assert calendar.next_daily(nine, Daily(9), SHANGHAI) == nine + DAY
    assert shown(calendar.next_daily(nine, Daily(9, 30, weekday=6), SHANGHAI)).startswith("2026-03-01T09:30")
    assert shown(calendar.next_daily(nine, Daily(9, weekday=6), SHANGHAI)).startswith("2026-03-08T09:00")


def test_the_next_daily_time_over_both_clock_changes() -> None:
    spring = calendar.next_daily(at("2026-03-08T01:30", NEW_YORK), Daily(2, 30), NEW_YORK)
    assert shown(spring, NEW_YORK) == "2026-03-08T03:00:00-04:00"
    assert shown(calendar.next_daily(spring, Daily(2, 30), NEW_YORK), NEW_YORK) == "2026-03-09T02:30:00-04:00"
    autumn = calendar.next_daily(at("2026-11-01T00:30", NEW_YORK), Daily(1, 30), NEW_YORK)
    assert shown(autumn, NEW_YORK) == "2026-11-01T01:30:00-04:00"
    assert shown(calendar.next_daily(autumn, Daily(1, 30), NEW_YORK), NEW_YORK) == "2026-11-02T01:30:00-05:00"


def test_the_next_hour_in_a_zone_of_half_hours() -> None:
    kathmandu = ZoneInfo("Asia/Kathmandu")
    assert shown(calendar.next_hour(at("2026-03-01T10:20", kathmandu), kathmandu), kathmandu).startswith(
        "2026-03-01T11:00"
    )
    # At 02:00 the clock of Lord Howe goes back to 01:30: the hour that follows 01:40 comes in twenty minutes.
    assert calendar.next_hour(at("2026-04-05T01:40", LORD_HOWE), LORD_HOWE) == at("2026-04-05T01:40", LORD_HOWE) + (
        20 * MINUTE
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01", "2026-02-27T10:00:00+08:00"),
        ("2026-03-01T23:30:00Z", "2026-02-28T10:00:00+08:00"),
        ("2026-03-01T23:30:00", "2026-02-27T10:00:00+08:00"),
        (" 2026-03-01 ", "2026-02-27T10:00:00+08:00"),
        (0, "1969-12-30T10:00:00+08:00"),
    ],
)
def test_a_date_is_moved_by_its_offset_and_given_its_time(value: object, expected: str) -> None:
    rule = OnDate(Constant(None), 10, offset_days=-2)
    assert shown(calendar.on_date(value, rule, SHANGHAI)) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, "", "soon", "2026-13-01", "9999-12-31", "0001-01-01", "0001-01-01T00:00Z", 1.5, ["2026-01-01"]],
)
def test_what_is_no_date_gives_nothing(value: object) -> None:
    assert calendar.on_date(value, OnDate(Constant(None), 10, offset_days=2), SHANGHAI) is None


def test_a_wild_offset_gives_nothing() -> None:
    assert calendar.on_date("2026-03-01", OnDate(Constant(None), 10, offset_days=10**12), SHANGHAI) is None
    assert calendar.on_date("2026-03-01", OnDate(Constant(None), 10, offset_days=-800_000), SHANGHAI) is None


NIGHT = Quiet(21 * 60, 9 * 60)


def test_quiet_hours_pass_midnight() -> None:
    assert calendar.quiet_until(at("2026-03-01T20:59:59.999999"), NIGHT, SHANGHAI) == 0
    assert shown(calendar.quiet_until(at("2026-03-01T21:00"), NIGHT, SHANGHAI)).startswith("2026-03-02T09:00")
    assert shown(calendar.quiet_until(at("2026-03-02T03:00"), NIGHT, SHANGHAI)).startswith("2026-03-02T09:00")
    assert calendar.quiet_until(at("2026-03-02T09:00"), NIGHT, SHANGHAI) == 0


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    nap = Quiet(13 * 60, 14 * 60 + 30)
    assert shown(calendar.quiet_until(at("2026-03-01T13:10"), nap, SHANGHAI)).startswith("2026-03-01T14:30")
    assert calendar.quiet_until(at("2026-03-01T14:30"), nap, SHANGHAI) == 0
    for nothing in (Quiet(600, 600), Quiet(0, 1440)):
        assert calendar.quiet_until(at("2026-03-01T10:00"), nothing, SHANGHAI) == 0


def test_quiet_hours_that_end_at_midnight() -> None:
    evening = Quiet(22 * 60, 1440)
    assert shown(calendar.quiet_until(at("2026-03-01T23:10"), evening, SHANGHAI)).startswith("2026-03-02T00:00")


def test_quiet_hours_that_end_in_a_repeated_hour_end_in_the_pass_we_stand_in() -> None:
    night = Quiet(21 * 60, 90)
    first = at("2026-11-01T01:10", NEW_YORK)
    assert shown(calendar.quiet_until(first, night, NEW_YORK), NEW_YORK) == "2026-11-01T01:30:00-04:00"
    assert shown(calendar.quiet_until(first + HOUR, night, NEW_YORK), NEW_YORK) == "2026-11-01T01:30:00-05:00"


def test_quiet_hours_over_a_skipped_day_last_to_the_morning_after() -> None:
    evening = at("2011-12-29T22:00", APIA)
    assert shown(calendar.quiet_until(evening, NIGHT, APIA), APIA) == "2011-12-31T09:00:00+14:00"


def test_wild_instants_are_read_as_the_calendars_ends() -> None:
    for wild in (10**30, -(10**30)):
        assert calendar.local(wild, SHANGHAI).year in {1, 9999}
        assert calendar.next_daily(wild, Daily(9), SHANGHAI) > wild
        assert calendar.next_hour(wild, SHANGHAI) > wild

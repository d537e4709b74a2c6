"""Lengths of time and times of the day, as marketers write them: values of a plan.

`core/calendar.py` reckons with them.
"""

from typing import Literal

import msgspec

from engine.core.expression import Expr
from engine.core.ids import Micros


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """A length of time as the marketer wrote it: fixed microseconds plus calendar months."""

    micros: Micros = 0
    months: int = 0


class Daily(msgspec.Struct, frozen=True, omit_defaults=True, tag="daily"):
    """The next wall-clock time in the customer's zone; `weekday` 0 = Monday."""

    hour: int
    minute: int = 0
    weekday: int | None = None


class OnDate(msgspec.Struct, frozen=True, omit_defaults=True, tag="on_date"):
    """A wall-clock time on a date read from the run or the customer, moved by `offset_days`."""

    date: Expr
    hour: int
    minute: int = 0
    offset_days: int = 0


class Quiet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Quiet hours in minutes of the customer's day; may pass midnight. `late`: wait (default) or drop."""

    start: int
    end: int
    late: Literal["wait", "drop"] = "wait"

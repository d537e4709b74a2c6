"""The times of a story, and the one shorthand that YAML itself cannot hold. Called by `stories/syntax.py`.

`- +30m: order_paid {total: 260}` reads well and is no YAML (a plain value may not hold ": "), so `quoted` puts the
quotes in before the file is parsed. Lines and the columns of keys stay where they are.
"""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from engine.core import calendar
from engine.core.ids import Micros
from journeys import scalars, times

_SHORT: Final = re.compile(r"(\s*-\s+[+0-9][^{}#'\"]*?:\s+)([^\W\d]\S*\s*)(\{.*)")
_WALL: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")


def quoted(text: str) -> str:
    """Return the story file with every `- time: event {...}` value in single quotes.

    >>> quoted("- +1h: order_paid {total: 1}  # paid")
    "- +1h: 'order_paid {total: 1}'  # paid"
    """
    return "\n".join(_quoted_line(line) if "{" in line else line for line in text.split("\n"))


def _quoted_line(line: str) -> str:
    found = _SHORT.fullmatch(line.rstrip("\r"))
    if found is None:
        return line
    end = _end_of_braces(found[3])
    if end == 0 or found[3][end:].split("#", 1)[0].strip():
        return line
    value = (found[2] + found[3][:end]).replace("'", "''")
    return f"{found[1]}'{value}'{found[3][end:]}"


def _end_of_braces(text: str) -> int:
    """Return the index after the brace that closes the first one, 0 when none does; quotes are passed over."""
    depth, quote = 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and text[:place].rstrip()[-1:] in {"{", "[", ",", ":"}:  # not the one of "it's"
            quote = character
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return place + 1
    return 0


def wall(text: str, zone: ZoneInfo) -> Micros | None:
    """Return the instant of a wall-clock time in `zone`, None when the text is none.

    >>> wall("2026-03-01 20:10", ZoneInfo("UTC"))
    1772395800000000
    """
    if not _WALL.fullmatch(text):
        return None
    day, _, clock = text.replace("T", " ").partition(" ")
    hour, _, rest = clock.partition(":")
    try:
        return calendar.instant(datetime.fromisoformat(f"{day}T{hour.zfill(2)}:{rest}" if clock else day), zone)
    except ValueError:
        return None


def after(text: str, start: Micros, zone: ZoneInfo) -> Micros | None:
    """Return the instant of `+30m` after `start`, None when the text is no such thing."""
    if not text.startswith("+"):
        return None
    try:
        return calendar.add_span(start, times.span(text[1:]), zone)
    except scalars.BadValue:
        return None

"""The lines of a story's `expect`: which words there are, and how one is read. Called by `stories/syntax.py`.

Whether an expectation held is judged in `stories/judge.py`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core.errors import Place
from engine.core.ids import Micros
from journeys.stories.times import after, wall

BARE: Final = (
    *("no touches", "entered", "not entered", "held out", "still in", "exited", "completed"),
    *("converted", "not converted"),
)
"""Words that may stand alone."""
KEYED: Final = (
    *("touches", "sent", "not sent", "entered", "not entered", "held out", "still in", "exited", "completed"),
    *("converted", "not converted", "arm", "tagged", "not tagged", "tag", "customer", "set", "stage"),
    *("in segment", "not in segment", "at step", "coupon", "task", "webhook", "starts", "leaves"),
)
"""Words that take a value after a colon."""
WORDS: Final = tuple(dict.fromkeys((*BARE, *KEYED)))
KNOWN: Final = ", ".join(
    (
        *(*BARE, "touches: 2", "tagged: x", "set: {city: Beijing}", "stage: retain", "in segment: x"),
        *("at step: 3.then.1", "coupon SPRING10", 'task "Call Mei"', "webhook https://...", "starts x"),
        "2026-03-02 09:00: send welcome by email",
    )
)
TIMED: Final = ("send", "coupon", "task", "webhook", "starts", "leaves", "entered", "exited", "completed", "converted")
"""What may be expected at a time: `2026-03-02 09:00: send welcome by email`."""

_SEND: Final = re.compile(r"send\s+(\S+)(?:\s+by\s+(\S+))?")
_DONE: Final = re.compile(r"(coupon|task|webhook|starts|leaves)\s+(\S.*)")


@dataclass(frozen=True)
class Expects:
    """One line of `expect`: `what` is one of the known words, `value` what it says, `text` as it was written.

    `at` is 0 when it may hold at any time.
    """

    place: Place
    what: str
    value: Any
    text: str
    at: Micros = 0


def read_expectation(line: Any, place: Place, start: Micros, zone: ZoneInfo) -> Expects | None:
    """Return what the line expects, None when it cannot be read; `+1h` counts from `start`, the story's beginning."""
    if isinstance(line, str):
        return _said(line.strip(), place, line, 0)
    if not isinstance(line, dict) or len(line) != 1:
        return None
    key, value = next(iter(line.items()))
    text = f"{key}: {written(value)}"
    if key in KEYED:
        return Expects(place, key, value, text)
    at = wall(str(key), zone) or after(str(key), start, zone)
    return _said(value.strip(), place, text, at) if at and isinstance(value, str) else None


def _said(words: str, place: Place, text: str, at: Micros) -> Expects | None:
    sends, done = _SEND.fullmatch(words), _DONE.fullmatch(words)
    if sends is not None:
        return Expects(place, "send", (sends[1], sends[2]), text, at)
    if done is not None:
        return Expects(place, done[1], done[2].strip("\"'“” "), text, at)
    if words in BARE and (not at or words in TIMED):
        return Expects(place, words, None, text, at)
    return None


def written(value: Any) -> str:
    """Return a value as the story's file shows it.

    >>> written({"by": ["a", "b"]})
    '{by: a, b}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(inner)}" for key, inner in value.items()) + "}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

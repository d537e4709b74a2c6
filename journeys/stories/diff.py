"""What was expected beside what happened, as two columns whose lines meet where they match.

Called by `stories/report.py` through `story.py`. `=` as expected, `~` the nearest to what was expected, `-` did not
happen, `+` happened besides.
"""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from journeys.stories.expectations import TIMED, Expects
from journeys.stories.timeline import Happened, fits, nearest
from journeys.widths import pad, width
from journeys.words.phrases import instant

MOST: Final = 60
"""Columns of the left side; longer lines are given room and push the right side."""

ROWS: Final = 40
"""Lines shown; the rest is counted."""


def side_by_side(
    expects: Sequence[Expects], happened: Sequence[Happened], zone: ZoneInfo, lang: str = "en"
) -> list[str]:
    """Return the rows of the comparison; empty when the story expects nothing that has a place in time."""
    asked = [expected for expected in expects if expected.what in TIMED and not isinstance(expected.value, int)]
    if not asked or not any(expected.at or expected.what == "send" for expected in asked):
        return []
    pairs, near, alone = _paired(asked, happened)
    rows = [(one.at, _row(one, pairs.get(place), near.get(place), zone)) for place, one in enumerate(happened)]
    rows += [(expected.at, ("-", _wanted(expected), "")) for expected in alone]
    shown = [row for _, row in sorted(rows, key=lambda row: row[0]) if row is not None]
    if not shown:
        return []
    heads = ("期望", "实际") if lang == "zh" else ("expected", "happened")
    left = min(max(width(text) for _, text, _ in [("", heads[0], ""), *shown]), MOST)
    lines = [f"  {pad(heads[0], left)}  {heads[1]}"]
    lines += [f"{mark} {pad(text, left)}  {said}".rstrip() for mark, text, said in shown[:ROWS]]
    if len(shown) > ROWS:
        lines.append(f"… {len(shown) - ROWS}")
    return lines


_Row = tuple[str, str, str]


def _paired(
    asked: Sequence[Expects], happened: Sequence[Happened]
) -> tuple[dict[int, Expects], dict[int, Expects], list[Expects]]:
    """Give every expectation what fits it, else what comes nearest and is nobody else's; the rest stay alone."""
    pairs: dict[int, Expects] = {}
    missing: list[Expects] = []
    for expected in asked:
        place = next((n for n, one in enumerate(happened) if n not in pairs and fits(expected, one)), None)
        if place is None:
            missing.append(expected)
        else:
            pairs[place] = expected
    near: dict[int, Expects] = {}
    alone: list[Expects] = []
    for expected in missing:
        free = [one for n, one in enumerate(happened) if n not in pairs and n not in near]
        found = nearest(expected, free)
        if found is None:
            alone.append(expected)
        else:
            near[next(n for n, one in enumerate(happened) if one is found)] = expected
    return pairs, near, alone


def _row(one: Happened, pair: Expects | None, near: Expects | None, zone: ZoneInfo) -> _Row | None:
    said = f"{instant(one.at, zone)}: {one.text}"
    if pair is not None:
        return "=", _wanted(pair), said
    if near is not None:
        return "~", _wanted(near), said
    # What nobody asked about is told when it is a message or a message that did not leave.
    return ("+", "", said) if one.what in {"send", "unsent", "task", "webhook", "not entered"} else None


def _wanted(expected: Expects) -> str:
    return expected.text

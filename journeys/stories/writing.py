"""A story as the text of a story file: the way back from `stories/syntax.py`. Called by `story_from_history.py`.

Text that YAML would read as something else is quoted; what is written here reads back as the same story.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from journeys.stories.times import wall as read_wall

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.@/-]*|-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_OTHERWISE: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "enter", "tag"})


@dataclass(frozen=True)
class Line:
    """Something that happened at `at`; without an event only time passes."""

    at: Micros
    event: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A story to be written. `rules` are its further keys (arms, coupons, fails ...), `expects` its lines.

    An expectation is (instant or 0, words, or a mapping of one key).
    """

    name: str
    customer: Mapping[str, Any]
    happens: Sequence[Line]
    expects: Sequence[tuple[Micros, str | Mapping[str, Any]]]
    before: Sequence[Line] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def write_story(story: Written, zone: ZoneInfo) -> str:
    """Return the story file; times are the customer's wall clock, whole seconds."""
    lines = [f"# {remark}" for remark in story.remarks]
    lines += ["stories:", f"  - story: {_scalar(story.name)}", f"    customer: {flow(story.customer)}"]
    lines += [f"    {key}: {flow(value)}" for key, value in story.rules.items()]
    if story.before:
        lines += ["    before:", *_happening(story.before, zone)]
    lines += ["    happens:", *_happening(story.happens, zone), "    expect:"]
    start = story.happens[0].at // SECOND * SECOND
    lines += [_expected(_when(at, start, zone), said) for at, said in story.expects]
    return "\n".join(lines) + "\n"


def wall(at: Micros, zone: ZoneInfo) -> str:
    """Return an instant as a story shows it: seconds only when there are any.

    >>> wall(1_772_366_400_000_000, ZoneInfo("Asia/Shanghai"))
    '2026-03-01 20:00'
    """
    there = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone)
    return there.strftime("%Y-%m-%d %H:%M:%S" if there.second else "%Y-%m-%d %H:%M")


def after(micros: Micros) -> str:
    """Return a length of time as a story shows it.

    >>> after(DAY + 90 * MINUTE)
    '+1d1h30m'
    """
    said, rest = "", micros // SECOND * SECOND
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        number, rest = divmod(rest, size)
        said += f"{number}{unit}" if number else ""
    return "+" + (said or "0s")


def flow(value: Any) -> str:
    """Return a value as one line of YAML.

    >>> flow({"city": "Shanghai", "code": "0012", "tags": ["a b"], "vip": True})
    '{city: Shanghai, code: "0012", tags: ["a b"], vip: true}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = _PLAIN.fullmatch(value) and not value[0].isdigit() and value[0] != "-"
    if is_plain and value.lower() not in _OTHERWISE:
        return value
    return json.dumps(value, ensure_ascii=False)


def _happening(lines: Sequence[Line], zone: ZoneInfo) -> list[str]:
    """The first line with its date, the others by what passed since the one before."""
    written, before = [], 0
    for line in lines:
        at = line.at // SECOND * SECOND
        when = _since(at, before, zone)
        written.append(f"      - {when}" if not line.event else f"      - {when}: {_event(line)}")
        before = at
    return written


def _since(at: Micros, before: Micros, zone: ZoneInfo) -> str:
    """What passed since the line before; by the clock at first, at the same instant, and after most of a year."""
    by_clock = wall(at, zone)
    if before and at > before and at - before < _LONG:
        return after(at - before)
    return by_clock if not before or read_wall(by_clock, zone) == at else "+1s"


_LONG: Final = 300 * DAY


def _event(line: Line) -> str:
    if not line.properties and _WORD.fullmatch(line.event):
        return line.event
    said = flow(line.properties)
    if _WORD.fullmatch(line.event) and not set(said) & set("\"'\\#"):
        return f"{line.event} {said}"
    return "{" + f"{_scalar(line.event)}: {said}" + "}"


def _when(at: Micros, start: Micros, zone: ZoneInfo) -> str:
    """By the clock; where it shows the same hour twice, by what passed since the story began."""
    if not at:
        return ""
    at, shown = at // SECOND * SECOND, wall(at, zone)
    return shown if read_wall(shown, zone) == at else after(at - start)


def _expected(when: str, said: str | Mapping[str, Any]) -> str:
    if isinstance(said, str):
        words = _scalar(said) if set(said) & set("\"'#{}[]:") else said
        return f"      - {when}: {words}" if when else f"      - {words}"
    return "      - " + ", ".join(f"{key}: {flow(value)}" for key, value in said.items())

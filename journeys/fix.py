"""Mends the mechanical mistakes of a file in its own text: comments, order and layout stay as they are.

A change is kept only when the file, checked again, has strictly fewer complaints; so mending twice changes nothing.
Called by `journeyd lint --fix`; it reads and writes no file itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Final, TypeAlias

from journeys.look_alikes import in_plain, plain
from journeys.problems import Problem

Check: TypeAlias = Callable[[str], Sequence[Problem]]
"""Says what is wrong with a text of the file."""

MOST: Final = 200
"""Changes in one file at most."""


@dataclass(frozen=True)
class Mended:
    """The file's text after mending, and the complaints that it answered, in the order of the changes."""

    text: str
    answered: tuple[Problem, ...]


def mend(text: str, check: Check) -> Mended:
    """Return the text with every mechanical mistake mended that can be.

    >>> from journeys.compile import load_journey
    >>> text = "journey: a # new\\nstage: aquire\\nenter: {on: x}\\nsteps: [{wait: 3 days}]"
    >>> print(mend(text, lambda text: load_journey(text, "a.yaml").problems).text)
    journey: a # new
    stage: acquire
    enter: {on: x}
    steps: [{wait: 3d}]
    """
    problems = check(text)
    answered: list[Problem] = []
    while len(answered) < MOST:
        found = _better(text, problems, check)
        if found is None:
            break
        text, problems, problem = found
        answered.append(problem)
    return Mended(text, tuple(answered))


def _better(text: str, problems: Sequence[Problem], check: Check) -> tuple[str, Sequence[Problem], Problem] | None:
    """Return the first change that leaves fewer complaints."""
    for problem in problems:
        found = _answer(text, problem, check, most=len(problems) - 1, further=_FURTHER)
        if found is not None:
            return *found, problem
    return None


_FURTHER: Final = 4
"""A condition tells one mistake at a time: so many more in the same line may have to be mended with it."""


def _answer(
    text: str, problem: Problem, check: Check, *, most: int, further: int
) -> tuple[str, Sequence[Problem]] | None:
    """Return a text with `most` complaints at the most, by mending this one and what then shows behind it."""
    at = _offset(text, problem.place.line, problem.place.column)
    for candidate in _candidates(text, at, problem) if at is not None else ():
        left = check(candidate) if candidate != text else ()
        if candidate != text and len(left) <= most:
            return candidate, left
        if further and len(left) == most + 1:
            for one in (one for one in left if _is_behind(one, problem)):
                found = _answer(candidate, one, check, most=most, further=further - 1)
                if found is not None:
                    return found
    return None


def _is_behind(one: Problem, problem: Problem) -> bool:
    return one.place.line == problem.place.line and one.place != problem.place


def _offset(text: str, line: int, column: int) -> int | None:
    lines = text.splitlines(keepends=True)
    if not 1 <= line <= len(lines) or not 1 <= column <= len(lines[line - 1]):
        return None
    return sum(map(len, lines[: line - 1])) + column - 1


def _candidates(text: str, at: int, problem: Problem) -> Iterator[str]:
    data, code = problem.data, problem.code
    match code:
        case "J010":
            key = str(data["key"])
            # A step is complained of where it begins: its wrong word may stand further on.
            found = re.compile(rf"(?<![\w-]){re.escape(key)}(?=\s*:)").search(text, at, at + 500)
            if found is not None:
                yield from _word(text, found.start(), key, _only_near(key, str(data["near"]), data))
        case "J014":
            value, choices = str(data["value"]), str(data["choices"]).split(", ")
            near = get_close_matches(value, choices, n=1, cutoff=_LIKE)
            yield from _word(text, at, value, near[0] if near else "")
        case "J043":
            yield from _word(text, at, str(data["text"]), str(data["instead"]))
        case "J062":
            yield from _word(text, at, str(data["text"]), _only_near(str(data["text"]), str(data["near"]), data))
        case "J081":
            name = str(data["file"]).rpartition(".")[0]
            yield from _word(text, at, str(data["name"]), name)
        case "J133":
            yield from _plainly(text, at)
        case "J134":
            yield re.sub(r"^[ \t]+", lambda indent: indent[0].replace("\t", "  "), text, flags=re.MULTILINE)
        case "J115":
            yield from _without_entry(text, at)
        case _ if code in _REWRITES:
            value = str(data.get("value", ""))
            yield from _word(text, at, value, _REWRITES[code](value))
        case _:
            pass


# --- words -----------------------------------------------------------------------------------------

_LIKE: Final = 0.75


def _only_near(word: str, near: str, data: object) -> str:
    """Return `near` if it is the one word that can have been meant, else ""."""
    if SequenceMatcher(None, word, near).ratio() < _LIKE:
        return ""
    known = data.get("known", "") if isinstance(data, dict) else ""
    others = get_close_matches(
        word, [one for one in str(known).split(", ") if one not in {"", near}], n=1, cutoff=_LIKE
    )
    return "" if others else near


def _word(text: str, at: int, old: str, new: str) -> Iterator[str]:
    """Yield the text with `old` at its place, within quotes or without, written as `new`."""
    if not old or not new:
        return
    start = at + 1 if text[at : at + 1] in {'"', "'"} and not old.startswith(("'", '"')) else at
    if text.startswith(old, start):
        yield text[:start] + new + text[start + len(old) :]


def _plainly(text: str, at: int) -> Iterator[str]:
    """Yield the text with the plain sign at its place, and one with plain signs in the whole line."""
    space = " " if text[at] == "：" and text[at + 1 : at + 2] not in {" ", "\n"} else ""
    yield text[:at] + plain(text[at]) + space + text[at + 1 :]
    begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    end = len(text) if end < 0 else end
    yield text[:begin] + in_plain(text[begin:end]) + text[end:]


# --- values ----------------------------------------------------------------------------------------

_UNITS: Final = {
    "s": "second seconds sec secs 秒",
    "m": "minute minutes min mins 分钟",
    "h": "hour hours hr hrs 小时",
    "d": "day days 天 日",
    "w": "week weeks 周",
    "mo": "month months mon 月 个月",
}
_UNIT_OF: Final = {word: unit for unit, words in _UNITS.items() for word in (unit, *words.split())}
_LENGTH: Final = re.compile(r"([0-9]+) *([^\W\d]+)")
_TIME: Final = re.compile(r"([0-9]{1,2})(?:[:.：h]([0-9]{2}))? *(am|pm|AM|PM|点)?")


def _as_length(value: str) -> str:
    """Write a length as the language does: "3 days" is 3d.

    >>> _as_length(" 1 hour 30 min "), _as_length("soon")
    ('1h30m', '')
    """
    pieces = _LENGTH.findall(value)
    if not pieces or re.sub(r"[\s,]|and", "", _LENGTH.sub("", value)):
        return ""
    units = [_UNIT_OF.get(unit, _UNIT_OF.get(unit.lower(), "")) for _, unit in pieces]
    return "".join(number + unit for (number, _), unit in zip(pieces, units, strict=True)) if all(units) else ""


def _as_time(value: str) -> str:
    """Write a time of day as the language does: "9am" is 09:00.

    >>> _as_time("9am"), _as_time("21.30"), _as_time("12 pm"), _as_time("noon")
    ('09:00', '21:30', '12:00', '')
    """
    found = _TIME.fullmatch(value.strip())
    if found is None:
        return ""
    hour, half = int(found[1]), (found[3] or "").lower()
    if half in {"am", "pm"} and 1 <= hour <= 12:
        hour = hour % 12 + 12 * (half == "pm")
    return f"{hour:02d}:{found[2] or '00'}" if hour < 24 else ""


def _as_hours(value: str) -> str:
    """Write quiet hours as the language does.

    >>> _as_hours("21-9"), _as_hours("9pm to 9am")
    ('21:00-09:00', '21:00-09:00')
    """
    ends = re.split(r"\s*(?:-|–|—|~|to|至|到)\s*", value.strip())
    times = [_as_time(one) for one in ends]
    return "-".join(times) if len(times) == 2 and all(times) else ""


def _as_again(value: str) -> str:
    """Write how often a customer may enter: "14 days" is after 14d."""
    word = value.strip().lower()
    if word in {"never", "always"}:
        return word
    length = _as_length(re.sub(r"^(after|every|once per|per)\s+", "", word))
    return f"after {length}" if length else ""


def _as_share(value: str) -> str:
    """Write a share with its percent sign: 10 is 10%."""
    found = re.fullmatch(r"\s*([0-9]{1,2}(?:\.[0-9]+)?)\s*(?:percent|pct|per cent|％)?\s*", value)
    return f"{found[1]}%" if found else ""


_REWRITES: Final[dict[str, Callable[[str], str]]] = {
    "J020": _as_length,
    "J023": _as_length,
    "J024": _as_time,
    "J025": _as_hours,
    "J026": _as_again,
    "J027": _as_share,
    "J028": _as_share,
}


# --- entries ---------------------------------------------------------------------------------------


def _without_entry(text: str, at: int) -> Iterator[str]:
    """Yield the text without the `key: value` that begins at `at`, and without what it leaves empty."""
    line_start = text.rfind("\n", 0, at) + 1
    if not text[line_start:at].strip():
        yield _without_line(text, line_start, at - line_start)
        return
    end = _end_of_value(text, at)
    before, after = text[:at].rstrip(), text[end:]
    if after.startswith(","):
        yield text[:at] + after[1:].lstrip(" ")
        return
    if before.endswith(","):
        yield before[:-1] + after
        return
    # The only entry: its `with: {}` says nothing any more.
    empty = re.search(r"(\n[ ]*|,[ ]*)with:[ ]*\{$", before)
    if empty is not None and after.lstrip().startswith("}"):
        yield text[: empty.start()] + after.lstrip()[1:]


def _without_line(text: str, line_start: int, indent: int) -> str:
    """Return the text without a line, and without the `with:` above when that held nothing else."""
    line_end = text.find("\n", line_start)
    rest = "" if line_end < 0 else text[line_end + 1 :]
    before = text[:line_start]
    above = re.search(r"\n([ ]*)with:[ ]*\n$", before)
    following = re.match(r"[ ]*", rest)
    if above is not None and (following is None or len(following[0]) < indent):
        before = before[: above.start() + 1]
    return before + rest


def _end_of_value(text: str, at: int) -> int:
    """Return where a `key: value` inside braces ends: at the next comma or brace outside quotes and brackets."""
    depth, quote = 0, ""
    for index in range(at, len(text)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in "]})" and depth:
            depth -= 1
        elif character in ",}]\n" and not depth:
            return index
    return len(text)

"""A story file -> stories: what is known of the customer, what happens and what is expected, each with its place.

Called by `story.py`. Reading goes on after a complaint, so that one run of `journeyd test` names them all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from engine.core import calendar
from engine.core.errors import Place
from engine.core.events import KINDS
from engine.core.ids import Micros
from engine.core.plan import Policy
from engine.core.state import Customer
from journeys.positions import Document, Path, read_document
from journeys.problems import Problem
from journeys.scalars import kind_of
from journeys.story_times import after, quoted, wall
from journeys.story_wording import StoryProblem

_STORY: Final = ("story", "customer", "happens", "expect", "holdout", "arms", "fails")
_ABOUT: Final = ("identifiers", "consents", "tags", "traits", "suppressed")
_WORDS: Final = ("no touches", "entered", "not entered", "held out", "still in", "exited", "completed")
_MORE: Final = ("converted", "not converted")
_KEYED: Final = (*("touches", "sent", "not sent", "tagged", "not tagged", "customer", "stage", "arm"), *_MORE)
_KEYED_TOO: Final = ("entered", "not entered", "exited")
KNOWN: Final = ", ".join((*_WORDS, *_MORE, "touches: 2", "tagged: x", "2026-03-02 09:00: send welcome by email"))
_SEND: Final = re.compile(r"send\s+(\S+)(?:\s+by\s+(\S+))?")
_EVENT: Final = re.compile(r"([^\W\d][^\s{]*)\s*(\{.*\})?", re.DOTALL)


@dataclass(frozen=True)
class Happens:
    """One line of `happens`: an event, time that passes (`wait`), or a call into the journey (`enter`)."""

    place: Place
    at: Micros
    kind: Literal["event", "wait", "enter"]
    event: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Expects:
    """One line of `expect`: `what` is one of the known words, `value` what it says, `text` as it was written."""

    place: Place
    what: str
    value: Any
    text: str
    at: Micros = 0


@dataclass(frozen=True)
class Story:
    """One story, ready to be played."""

    name: str
    place: Place
    identifiers: dict[str, str]
    traits: dict[str, Any]
    consents: dict[str, bool]
    tags: tuple[str, ...]
    suppressed: tuple[str, ...]
    happens: tuple[Happens, ...]
    expects: tuple[Expects, ...]
    holdout: bool = False
    arms: dict[str, str] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)


Stories: TypeAlias = tuple[list[Story], list[Problem]]


def read_stories(text: str, file: str, policy: Policy, lang: str = "en") -> Stories:
    """Return the stories of a file and everything wrong with it; a story with an error is left out."""
    document = read_document(quoted(text), file)
    problems = [problem.in_language(lang) for problem in document.problems]
    if problems:
        return [], problems
    reader = _Reader(document, policy, lang)
    return reader.stories(), reader.problems


class _Reader:
    """Walks the document once and keeps the complaints."""

    def __init__(self, document: Document, policy: Policy, lang: str):
        self.document, self.policy, self.lang = document, policy, lang
        self.problems: list[Problem] = []

    def stories(self) -> list[Story]:
        data = self.document.data
        if not isinstance(data, dict) or not isinstance(data.get("stories"), list) or not data["stories"]:
            self._complain("S008", (), key="stories")
            return []
        self._check_keys(data, (), ("stories",))
        found: dict[str, Story] = {}
        for number in range(len(data["stories"])):
            before = len(self.problems)
            story = self._story(("stories", number))
            if story is not None and story.name in found:
                self._complain("S010", ("stories", number), name=story.name)
            if story is not None and len(self.problems) == before:
                found[story.name] = story
        return list(found.values())

    def _story(self, path: Path) -> Story | None:
        data = self.document.value(path)
        if not isinstance(data, dict):
            self._complain("S007", path, key="stories", expected="a list of maps", found=kind_of(data))
            return None
        self._check_keys(data, path, _STORY)
        about = self._customer(self._map(data, path, "customer"), (*path, "customer"))
        zone = calendar.zone_of(Customer("", 0, traits=about["traits"]), self.policy)
        happens = self._happens(self._list(data, path, "happens"), (*path, "happens"), zone)
        expected = self._list(data, path, "expect")
        start = happens[0].at if happens else 0
        expects = [self._expects((*path, "expect", n), start, zone) for n in range(len(expected))]
        if not isinstance(data.get("story"), str):
            self._complain("S008", path, key="story")
        if not isinstance(data.get("holdout", False), bool):
            self._complain("S007", (*path, "holdout"), key="holdout", expected="true or false", found=data["holdout"])
        return Story(
            name=str(data.get("story")),
            place=self.document.place(path),
            happens=tuple(happens),
            expects=tuple(one for one in expects if one is not None),
            holdout=data.get("holdout") is True,
            arms={name: str(arm) for name, arm in self._map(data, path, "arms").items()},
            fails={name: str(why) for name, why in self._map(data, path, "fails").items()},
            **about,
        )

    def _customer(self, data: dict[str, Any], path: Path) -> dict[str, Any]:
        """Keys that are no word of stories are the customer's traits, identifier kinds its identifiers."""
        identifiers = self._map(data, path, "identifiers")
        for kind in identifiers:
            if kind not in KINDS:
                self._complain("S001", (*path, "identifiers", kind), key=kind, known=", ".join(KINDS))
        kinds = {kind: value for kind, value in data.items() if kind in KINDS}
        said = {name: value for name, value in data.items() if name not in KINDS and name not in _ABOUT}
        return {
            "identifiers": {kind: str(value) for kind, value in (identifiers | kinds).items()},
            "traits": said | self._map(data, path, "traits"),
            "consents": self._consents(data.get("consents", []), (*path, "consents")),
            "tags": tuple(str(tag) for tag in self._list(data, path, "tags", needed=False)),
            "suppressed": tuple(str(one) for one in self._list(data, path, "suppressed", needed=False)),
        }

    def _consents(self, data: Any, path: Path) -> dict[str, bool]:
        if isinstance(data, list):
            return {str(name): True for name in data}
        if isinstance(data, dict) and all(isinstance(said, bool) for said in data.values()):
            return dict(data)
        self._complain("S007", path, key="consents", expected="[marketing] or {marketing: true}", found=kind_of(data))
        return {}

    # --- what happens

    def _happens(self, lines: list[Any], path: Path, zone: ZoneInfo) -> list[Happens]:
        read: list[Happens] = []
        for number, line in enumerate(lines):
            here = (*path, number)
            when, said = next(iter(line.items())) if isinstance(line, dict) and len(line) == 1 else (line, None)
            at = self._time(str(when), here, read[-1].at if read else 0, zone)
            if at is None:
                continue
            if read and at < read[-1].at:
                self._complain("S004", here)
            happened = self._happening(said, here, at, is_time_alone=not isinstance(line, dict))
            if happened is not None:
                read.append(happened)
        return read

    def _time(self, text: str, path: Path, before: Micros, zone: ZoneInfo) -> Micros | None:
        at = wall(text, zone)
        if at is not None:
            return at
        later = after(text, before, zone)
        if later is None or not before:
            self._complain("S003" if later is None else "S009", path, found=text)
            return None
        return later

    def _happening(self, said: Any, path: Path, at: Micros, *, is_time_alone: bool) -> Happens | None:
        place = self.document.place(path)
        if is_time_alone:
            return Happens(place, at, "wait")
        name, properties = _event_of(said, self.document.file)
        if name is None:
            self._complain("S002", path, found=said)
            return None
        if name == "enter":
            return Happens(place, at, "enter", properties=properties)
        consents = self._consents(properties.pop("consents", []), path)
        traits = properties.pop("traits", {})
        return Happens(place, at, "event", name, properties, traits if isinstance(traits, dict) else {}, consents)

    # --- what is expected

    def _expects(self, path: Path, start: Micros, zone: ZoneInfo) -> Expects | None:
        line, place = self.document.value(path), self.document.place(path)
        if isinstance(line, str) and line in (*_WORDS, *_MORE):
            return Expects(place, line, None, line)
        if isinstance(line, dict) and len(line) == 1:
            key, value = next(iter(line.items()))
            text = f"{key}: {_written(value)}"
            if key in (*_KEYED, *_KEYED_TOO):
                return Expects(place, key, value, text)
            at = wall(key, zone) or after(key, start, zone)
            sends = _SEND.fullmatch(value.strip()) if isinstance(value, str) else None
            if at is not None and sends is not None:
                return Expects(place, "send", (sends[1], sends[2]), text, at)
        near = get_close_matches(str(line), _WORDS, 1)
        self._complain("S005", path, found=_written(line), known=near[0] if near else KNOWN)
        return None

    # --- shapes

    def _map(self, data: Mapping[str, Any], path: Path, key: str) -> dict[str, Any]:
        value = data.get(key)
        if value is None or isinstance(value, dict):
            return dict(value or {})
        self._complain("S007", (*path, key), key=key, expected="a map", found=kind_of(value))
        return {}

    def _list(self, data: Mapping[str, Any], path: Path, key: str, *, needed: bool = True) -> list[Any]:
        value = data.get(key)
        if isinstance(value, list) and (value or not needed):
            return value
        if needed or value is not None:
            self._complain("S008" if not value else "S007", (*path, key), key=key, expected="a list", found=value)
        return []

    def _check_keys(self, data: Mapping[str, Any], path: Path, known: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                place = self.document.key_place((*path, key))
                self.problems.append(StoryProblem("S001", place, {"key": key, "known": ", ".join(known)}, self.lang))

    def _complain(self, code: str, path: Path, **data: Any) -> None:
        self.problems.append(StoryProblem(code, self.document.place(path), data, self.lang))


def _event_of(said: Any, file: str) -> tuple[str | None, dict[str, Any]]:
    """Read `order_paid`, `order_paid {total: 1}` or `{order_paid: {total: 1}}`; no name when it is none of these."""
    if isinstance(said, dict) and len(said) == 1:
        name, properties = next(iter(said.items()))
        return (name, dict(properties or {})) if isinstance(properties, dict | None) else (None, {})
    found = _EVENT.fullmatch(said.strip()) if isinstance(said, str) else None
    if found is None:
        return None, {}
    inner = read_document(found[2] or "{}", file)
    if inner.problems or not isinstance(inner.data, dict):
        return None, {}
    return found[1], inner.data


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(inner)}" for key, inner in value.items()) + "}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

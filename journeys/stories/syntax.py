"""A story file -> stories: what is known of the customer, what happens and what is expected, each with its place.

Called by `story.py`. Reading goes on after a complaint, so that one run of `journeyd test` names them all.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from engine.core import calendar
from engine.core.audience.tags import LIST
from engine.core.events import KINDS
from engine.core.ids import Micros
from engine.core.plan import Policy
from engine.core.state import Customer
from journeys.positions import Document, Path, read_document
from journeys.problems import Problem
from journeys.scalars import kind_of
from journeys.stories.expectations import KNOWN, WORDS, Expects, read_expectation, written
from journeys.stories.script import Company, Happens, Person, Story
from journeys.stories.times import after, quoted, wall
from journeys.stories.wording import StoryProblem

STORY: Final = (
    *("story", "customer", "with", "account", "before", "happens", "expect"),
    *("holdout", "arms", "fails", "coupons", "results"),
)
"""The keys of a story."""
OWN_WORDS: Final = ("traits", "consents")
"""What the braces of an event may say besides its properties."""
_ABOUT: Final = ("identifiers", "consents", "tags", "traits", "suppressed", "segments", "lists")
_TAGGING: Final = re.compile(r"tag((?:\s+[+-][^\s,+-][^\s,]*)+)")
_EVENT: Final = re.compile(r"([^\W\d][^\s{]*)\s*(\{.*\})?", re.DOTALL)


Stories: TypeAlias = tuple[list[Story], list[Problem]]


def read_stories(text: str, file: str, policy: Policy, lang: str = "en", *, kinds: Collection[str] = KINDS) -> Stories:
    """Return the stories of a file and everything wrong with it; a story with an error is left out.

    `kinds` are those of identifiers.
    """
    document = read_document(quoted(text), file)
    problems = [problem.in_language(lang) for problem in document.problems]
    if problems:
        return [], problems
    reader = _Reader(document, policy, lang, kinds)
    return reader.stories(), reader.problems


class _Reader:
    """Walks the document once and keeps the complaints."""

    def __init__(self, document: Document, policy: Policy, lang: str, kinds: Collection[str]):
        self.document, self.policy, self.lang, self.kinds = document, policy, lang, kinds
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
        self._check_keys(data, path, STORY)
        person = self._person(self._map(data, path, "customer"), (*path, "customer"))
        zone = calendar.zone_of(Customer("", 0, traits=person.traits), self.policy)
        before = self._happens(self._list(data, path, "before", needed=False), (*path, "before"), zone)
        happens = self._happens(self._list(data, path, "happens"), (*path, "happens"), zone)
        if before and happens and before[-1].at > happens[0].at:
            self._complain("S004", (*path, "happens", 0))
        start = happens[0].at if happens else 0
        expected = range(len(self._list(data, path, "expect")))
        expects = [self._expects((*path, "expect", number), start, zone) for number in expected]
        if not isinstance(data.get("story"), str):
            self._complain("S008", path, key="story")
        return Story(
            name=str(data.get("story")),
            place=self.document.place(path),
            customer=person,
            happens=tuple(happens),
            expects=tuple(one for one in expects if one is not None),
            before=tuple(before),
            others=tuple(str(one) for one in self._list(data, path, "with", needed=False)),
            account=self._account(self._map(data, path, "account"), (*path, "account")),
            holdout=self._holdout(data.get("holdout", False), (*path, "holdout")),
            arms={name: str(arm) for name, arm in self._map(data, path, "arms").items()},
            fails={name: str(why) for name, why in self._map(data, path, "fails").items()},
            coupons=self._coupons(self._map(data, path, "coupons"), (*path, "coupons")),
            results=self._results(self._map(data, path, "results"), (*path, "results")),
        )

    # --- who

    def _person(self, data: dict[str, Any], path: Path) -> Person:
        """Keys that are no word of stories are the customer's traits, identifier kinds its identifiers."""
        identifiers = self._map(data, path, "identifiers")
        for kind in identifiers:
            if kind not in self.kinds:
                self._complain("S001", (*path, "identifiers", kind), key=kind, known=", ".join(self.kinds))
        kinds = {kind: value for kind, value in data.items() if kind in self.kinds}
        said = {name: value for name, value in data.items() if name not in self.kinds and name not in _ABOUT}
        return Person(
            identifiers={kind: str(value) for kind, value in (identifiers | kinds).items()},
            traits=said | self._map(data, path, "traits"),
            consents=self._consents(data.get("consents", []), (*path, "consents")),
            tags=(*self._names(data, path, "tags"), *(LIST + name for name in self._names(data, path, "lists"))),
            suppressed=self._names(data, path, "suppressed"),
            segments=self._names(data, path, "segments"),
        )

    def _account(self, data: dict[str, Any], path: Path) -> Company | None:
        if not data:
            return None
        contacts = self._map(data, path, "contacts")
        here = (*path, "contacts")
        known = {role: self._person(self._map(contacts, here, role), (*here, role)) for role in contacts}
        said = {name: value for name, value in data.items() if name not in {"id", "traits", "contacts"}}
        return Company(str(data.get("id", "account")), said | self._map(data, path, "traits"), known)

    def _holdout(self, said: Any, path: Path) -> Literal["", "journey", "global"]:
        if said is True or said == "journey":
            return "journey"
        if said == "global":
            return "global"
        if said is not False:
            self._complain("S007", path, key="holdout", expected="true, false or global", found=said)
        return ""

    def _coupons(self, data: dict[str, Any], path: Path) -> dict[str, tuple[str, ...]]:
        return {pool: self._names(data, path, pool) for pool in data}

    def _results(self, data: dict[str, Any], path: Path) -> dict[str, dict[str, tuple[int, int]]]:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for split in data:
            for arm, said in self._map(data, path, split).items():
                if isinstance(said, list) and len(said) == 2 and all(type(n) is int and n >= 0 for n in said):
                    found.setdefault(split, {})[str(arm)] = (said[0], said[1])
                else:
                    self._complain("S007", (*path, split, arm), key=arm, expected="[tried, won]", found=said)
        return found

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
        tagging = _TAGGING.fullmatch(said.strip()) if isinstance(said, str) else None
        if tagging is not None:
            return Happens(place, at, "tag", tags=tuple(tagging[1].split()))
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
        line = self.document.value(path)
        found = read_expectation(line, self.document.place(path), start, zone)
        if found is None:
            near = get_close_matches(str(line), WORDS, 1)
            self._complain("S005", path, found=written(line), known=near[0] if near else KNOWN)
        return found

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

    def _names(self, data: Mapping[str, Any], path: Path, key: str) -> tuple[str, ...]:
        return tuple(str(one) for one in self._list(data, path, key, needed=False))

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

"""A complaint about a file: a stable code, a place, what is wrong and what to write instead, in English and Chinese.

The words stand in `wording.py`; this module only fills them in. Made by everything in `journeys`, printed by
`journeyd lint`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final, Literal

from engine.core.errors import Place
from journeys.wording import CODES, KINDS

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint; `str(problem)` is the line that `journeyd lint` prints.

    >>> print(Problem("J010", Place("a.yaml", 3, 5), {"key": "stepps", "near": "steps"}))
    a.yaml:3:5: error J010: unknown key `stepps`. Did you mean `steps`?
    """

    code: str
    place: Place
    data: Mapping[str, Any] = field(default_factory=dict)
    lang: str = "en"

    @property
    def severity(self) -> Severity:
        """An error stops the journey from being published; a warning does not."""
        return CODES[self.code].severity

    @property
    def message(self) -> str:
        """What is wrong, in the problem's language."""
        words = CODES[self.code]
        return self._fill(words.zh if self.lang == "zh" else words.en)

    @property
    def remedy(self) -> str:
        """What to write instead, in the problem's language."""
        words, is_zh = CODES[self.code], self.lang == "zh"
        if self.data.get("near") == "" and words.otherwise[is_zh]:
            return self._fill(words.otherwise[is_zh])
        return self._fill(words.zh_remedy if is_zh else words.en_remedy)

    def in_language(self, lang: str) -> "Problem":
        """Return the same problem told in `en` or `zh`."""
        return replace(self, lang=lang)

    def describe(self) -> dict[str, Any]:
        """Return the problem as plain data, for `--json`."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "message": self.message,
            "remedy": self.remedy,
        }

    def _fill(self, template: str) -> str:
        shown = _Blank({name: _clip(value) for name, value in self.data.items()})
        for name in _KIND_NAMES:
            if shown.get(name, "") in KINDS:
                shown[name] = KINDS[shown[name]][self.lang == "zh"]
        return template.format_map(shown)

    def __str__(self) -> str:
        if self.lang == "zh":
            severity = "错误" if self.severity == "error" else "警告"
            return f"{self.place}: {severity} {self.code}：{self.message}。{self.remedy}"
        return f"{self.place}: {self.severity} {self.code}: {self.message}. {self.remedy}"


def has_errors(problems: list[Problem]) -> bool:
    """Say whether any of them is an error (and not only a warning)."""
    return any(problem.severity == "error" for problem in problems)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` was probably meant to be, "" when none is near.

    >>> nearest("stepps", ["steps", "stage"])
    'steps'
    """
    found = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def near_or_known(word: str, known: Collection[str]) -> dict[str, str]:
    """Return the data of a complaint about an unknown name: the one that is near, and the first few there are.

    >>> near_or_known("welcom", ["welcome", "bye"]), near_or_known("x", [])
    ({'near': 'welcome', 'known': 'bye, welcome'}, {'near': '', 'known': '-'})
    """
    return {"near": nearest(word, known), "known": ", ".join(sorted(known)[:SHOWN]) or "-"}


SHOWN: Final = 10
"""Names that a complaint lists."""

_KIND_NAMES: Final = ("expected", "found", "left", "right", "kind", "detail")


def _clip(value: Any) -> str:
    """Keep a marketer's 4,000-character line from flooding the terminal."""
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"

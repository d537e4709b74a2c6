"""Which files of a workspace `journeyd lint --fix` can mend, and how a change is shown and written.

What is mended is decided by `journeys/fix.py`; this module only reads and writes files.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from journeys.compile import Loaded
    from journeys.problems import Problem


@dataclass(frozen=True)
class Change:
    """A file before and after; `answered` are the complaints that its changes answer."""

    path: Path
    before: str
    after: str
    answered: "tuple[Problem, ...]"

    def diff(self, name: str) -> Iterator[str]:
        """Yield the lines of a unified diff."""
        before, after = self.before.splitlines(), self.after.splitlines()
        return difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="", n=1)

    def write(self) -> None:
        """Put the new text in the file's place: whole, or not at all."""
        beside = self.path.with_name(f".{self.path.name}.mending")
        beside.write_bytes(self.after.encode("utf-8"))
        beside.chmod(self.path.stat().st_mode)
        beside.replace(self.path)


def mended_files(root: Path, is_asked: Callable[[Path], bool]) -> Iterator[Change]:
    """Yield the files of journeys/ and audience/ that mending changes; nothing is written."""
    from journeys.check import known_names, lint_journeys
    from journeys.compile import journey_files, load_journey
    from journeys.forms.audience import FORMS
    from journeys.parse import parse_form

    known = known_names(root)
    paths = journey_files(root / "journeys") if (root / "journeys").is_dir() else []

    def of_journey(path: Path, text: str) -> "Sequence[Problem]":
        loaded = load_journey(text, str(path))
        return [*loaded.problems, *lint_journeys([loaded], known), *_misnamed(loaded, path, root)]

    for path in paths:
        if is_asked(path):
            yield from _mended(path, of_journey)
    for name, form in FORMS.items():
        path = root / "audience" / f"{name}.yaml"
        if path.is_file() and is_asked(path):
            yield from _mended(path, lambda path, text, form=form: parse_form(text, str(path), form).problems)  # type: ignore[misc]


def _misnamed(loaded: "Loaded", path: Path, root: Path) -> "list[Problem]":
    """Complain of a journey that is not called as its file, unless somebody refers to it by its name."""
    from journeys.problems import Problem

    if loaded.plan is None or loaded.document is None or loaded.plan.journey == path.stem:
        return []
    word = re.compile(rf"(?<![\w-]){re.escape(loaded.plan.journey)}(?![\w-])")
    others = [other for folder in ("journeys", "audience") for other in (root / folder).rglob("*.y*ml")]
    texts = [other.read_text("utf-8", "replace") for other in others if other != path]
    if any(word.search(text) for text in texts) or len(word.findall(loaded.document.text)) > 1:
        return []
    data = {"name": loaded.plan.journey, "file": path.name}
    return [Problem("J081", loaded.document.place(("journey",)), data)]


def _mended(path: Path, check: "Callable[[Path, str], Sequence[Problem]]") -> Iterator[Change]:
    from journeys.fix import mend

    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return  # the lint itself says so
    found = mend(text, lambda candidate: check(path, candidate))
    if found.answered:
        yield Change(path, text, found.text, found.answered)

"""Conditions inside `{...}` that need quotes in YAML and were written without: the quotes are put in.

YAML ends a plain value inside braces at a comma or a bracket; a marketer reads `{when: count("x", within="7d") > 1}` as
one value, and so do we. Asked by `parse.py` only about a file that has complaints: YAML that stands by itself is read
as it stands.
"""

import re
from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 10_000
"""A longer line is refused anyway, and is not looked at."""

_BLOCK_TEXT: Final = re.compile(r"(?:^|[:-]\s+)[|>][-+0-9]{0,2}\s*(?:#.*)?$")
_OPENS: Final = {"(": ")", "[": "]"}


@dataclass(frozen=True)
class Quoted:
    """The text with its quotes, and where they were put in: line -> columns in the new line (all 0-based)."""

    text: str
    inserted: dict[int, list[int]]


def with_quotes(text: str) -> Quoted | None:
    """Return the text with quotes around what needs them, None when nothing does.

    >>> with_quotes("a: {when: f(1, 2) > 3, for: 1d}").text
    "a: {when: 'f(1, 2) > 3', for: 1d}"
    """
    inserted: dict[int, list[int]] = {}
    lines, depth, deeper_than = text.split("\n"), 0, -1
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if deeper_than >= 0 and (not line.strip() or indent > deeper_than):
            continue
        deeper_than = -1
        if depth or "{" in line or "[" in line:
            if len(line) > MAX_LINE:
                return None
            scanner = _Line(line, depth)
            scanner.scan()
            depth = scanner.depth
            if scanner.found:
                lines[number], inserted[number] = _quote(line, scanner.found)
        if not depth and ("|" in line or ">" in line) and _BLOCK_TEXT.search(line[-MAX_LINE:]):
            deeper_than = indent
    return Quoted("\n".join(lines), inserted) if inserted else None


@dataclass
class _Line:
    """One line, read from left to right; `found` are the values that need quotes, as (begin, end)."""

    text: str
    depth: int
    at: int = 0
    begins: bool = True  # may a value begin here?
    found: list[tuple[int, int]] = field(default_factory=list)

    def scan(self) -> None:
        while self.at < len(self.text):
            character = self.text[self.at]
            if character.isspace():
                self.at += 1
            elif character == "#" and (self.at == 0 or self.text[self.at - 1].isspace()):
                return
            elif self.begins and character in "'\"":
                self.at = _after_quote(self.text, self.at)
                self.begins = False
            elif self.begins and character in "{[":
                self._step(1)
            elif self.depth and character in "]}":
                self._step(-1)
                self.begins = False
            elif self._is_mark(character):
                self._step(0)
            else:
                self._plain()

    def _is_mark(self, character: str) -> bool:
        """Does a value begin after this one: the dash of an item, the colon of a key, the comma of a list?"""
        if character == "," and self.depth:
            return True
        follows = self.text[self.at + 1 : self.at + 2]
        ends = not follows or follows.isspace()
        return ends and (character == ":" or (character == "-" and self.begins and not self.depth))

    def _step(self, deeper: int) -> None:
        self.depth += deeper
        self.at += 1
        self.begins = True

    def _plain(self) -> None:
        begin = self.at
        end, is_whole = _end_of_plain(self.text, begin, self.depth > 0)
        self.at = max(end, begin + 1)
        said = self.text[begin : self.at].rstrip()
        if self.depth and self.begins and is_whole and any(mark in said for mark in ",[]"):
            self.found.append((begin, begin + len(said)))
        self.begins = False


def _end_of_plain(text: str, at: int, is_inside: bool) -> tuple[int, bool]:
    """Return where the plain value at `at` ends, and whether every bracket and quote in it closes on this line."""
    begin = at
    closers: list[str] = []
    while at < len(text):
        character = text[at]
        before = text[at - 1] if at > begin else ""
        if character == ":" and text[at + 1 : at + 2] in {"", " "} and not closers:
            return at, False  # it was a key
        if character == "#" and before == " ":
            break
        if character in "'\"" and before and before in "(,=[ ":
            at = _after_quote(text, at)
            continue
        if closers and character == closers[-1]:
            closers.pop()
        elif is_inside and character in _OPENS:
            closers.append(_OPENS[character])
        elif is_inside and (character in "{}" or (character in ",]" and not closers)):
            break
        at += 1
    return at, not closers


def _after_quote(text: str, at: int) -> int:
    """Return the place after the quote that closes the one at `at`; the end of the line when none does."""
    end = text.find(text[at], at + 1)
    return len(text) if end < 0 else end + 1


def _quote(line: str, found: list[tuple[int, int]]) -> tuple[str, list[int]]:
    """Return the line with single quotes around each part, and the columns that are new."""
    pieces: list[str] = []
    columns: list[int] = []
    length, last = 0, 0
    for begin, end in found:
        pieces.append(line[last:begin])
        length += begin - last
        columns.append(length)
        pieces.append("'")
        length += 1
        for character in line[begin:end]:
            if character == "'":
                columns.append(length)
                pieces.append("'")
                length += 1
            pieces.append(character)
            length += 1
        columns.append(length)
        pieces.append("'")
        length += 1
        last = end
    return "".join([*pieces, line[last:]]), columns

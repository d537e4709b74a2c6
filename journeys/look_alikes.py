"""Characters that a chat, a word processor or a Chinese keyboard puts where YAML and conditions want plain ones.

`：` for `:`, curly quotes for straight ones, a tab for spaces; texts may hold any of them. Asked by `parse.py` about
files that have complaints, and by `tokens.py` about a character that a condition cannot hold.
"""

import re
from collections.abc import Iterator
from typing import Final

from journeys.positions import Document
from journeys.problems import Problem

_SIGNS: Final = {
    **dict.fromkeys("“”„‟＂「」『』", '"'),
    **dict.fromkeys("‘’‚‛＇", "'"),
    **dict.fromkeys("–—−", "-"),
    **{"≥": ">=", "≤": "<=", "≠": "!=", "×": "*", "÷": "/", "、": ",", "【": "[", "】": "]", "　": " ", "\u00a0": " "},
}
_FULL_WIDTH: Final = range(0xFF01, 0xFF5F)
_KEY: Final = re.compile(r"\s*(?:-\s+)*[\"']?[a-z][a-z_ ]{0,30}[\"']?(：)")
_TAB: Final = re.compile(r" *\t")
_BLOCK_TEXT: Final = re.compile(r"[:-]\s+[|>][-+0-9]{0,2}\s*(?:#.*)?$")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_IN_BRACES: Final = frozenset("，、：｛｝［］【】")
_VALUE: Final = re.compile(r"(?:[:\[{,]|^\s*-)\s+([“”‘’「」『』])")
MOST: Final = 100


def plain(character: str) -> str:
    """Return the plain sign that `character` looks like, "" when it looks like none.

    >>> plain("：") + plain("“") + plain("＞"), plain("x")
    (':">', '')
    """
    if ord(character) in _FULL_WIDTH and character not in _SIGNS:
        return chr(ord(character) - 0xFEE0)
    return _SIGNS.get(character, "")


def in_plain(line: str) -> str:
    """Return a line with plain signs wherever it stands outside straight quotes.

    >>> in_plain('tag（“vip”） and note == "好，的"')
    'tag("vip") and note == "好，的"'
    """
    kept = [(found.start(), found.end()) for found in _QUOTED.finditer(line)]
    inside = {at for begin, end in kept for at in range(begin, end)}
    return "".join(letter if at in inside else plain(letter) or letter for at, letter in enumerate(line))


def slips(document: Document, problems: list[Problem]) -> list[Problem]:
    """Return what was typed so that the file cannot be read as it was meant; what else it has is told afterwards."""
    broken = next((one.place.line - 1 for one in problems if one.code == "J002"), None)
    found: list[Problem] = []
    for number, line in _structure(document.text):
        key = _KEY.match(line)
        if key is not None:
            found.append(_problem(document, number, key.start(1), line))
        elif broken is not None and _TAB.match(line) and line.strip():
            found.append(Problem("J134", document.at(number, line.index("\t"))))
        elif broken is not None and broken - 1 <= number <= broken:
            found += [_problem(document, number, at, line) for at in _misplaced(line)][:1]
        if len(found) >= MOST:
            break
    return found


def _problem(document: Document, number: int, at: int, line: str) -> Problem:
    return Problem("J133", document.at(number, at), {"text": line[at], "instead": plain(line[at])})


def _misplaced(line: str) -> Iterator[int]:
    """Places where only a sign of YAML can stand: between braces, and where a value begins."""
    bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), line.partition(" #")[0])
    if "{" in bare or "[" in bare or "｛" in bare:
        yield from (at for at, letter in enumerate(bare) if letter in _IN_BRACES)
    yield from (found.start(1) for found in _VALUE.finditer(bare))


def _structure(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither remarks nor part of a text block, with their number (0-based)."""
    deeper_than = -1
    for number, line in enumerate(text.split("\n")):
        indent = len(line) - len(line.lstrip())
        if deeper_than >= 0 and (not line.strip() or indent > deeper_than):
            continue
        deeper_than = indent if _BLOCK_TEXT.search(line[-10_000:]) else -1
        if not line.lstrip().startswith("#"):
            yield number, line

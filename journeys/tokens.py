"""Condition text -> tokens with their offsets. Called by `expressions.py` only."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from journeys.look_alikes import plain

MAX_CHARACTERS: Final = 4_000

Kind: TypeAlias = Literal["number", "string", "name", "op", "end"]


class Fault(Exception):
    """A complaint about a condition: its code, its data, and the offset of the character it is about."""

    def __init__(self, code: str, offset: int = 0, **data: Any) -> None:
        super().__init__(code)
        self.code, self.offset, self.data = code, offset, data


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of condition text; `value` is the number or the unquoted string."""

    kind: Kind
    text: str
    offset: int
    value: Any = None


_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![\w.]))
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<name>[^\W\d]\w*)
      | (?P<op>==|!=|<=|>=|[-+*/<>()\[\],.=])""",
    re.VERBOSE | re.DOTALL,
)
_FOREIGN: Final = {"&&": "and", "||": "or", "!": "not", "<>": "!=", "===": "==", "!==": "!=", "**": "*", "//": "/"}
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair: a YAML escape can write one, and no encoding has bytes for it."""
_ESCAPES: Final = {"n": "\n", "t": "\t"}


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`, the last one of kind `end`; raises `Fault`.

    >>> [token.text for token in tokenize("event.total >= 200")]
    ['event', '.', 'total', '>=', '200', '']
    """
    if len(text) > MAX_CHARACTERS:
        raise Fault("J041", MAX_CHARACTERS, limit=f"{MAX_CHARACTERS:,}")
    half = _HALF.search(text)
    if half is not None:
        raise Fault("J042", half.start(), text=ascii(half[0])[1:-1])
    tokens, at = [], 0
    while at < len(text):
        _refuse_foreign(text, at)
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unreadable(text, at)
        if found.lastgroup != "space":
            tokens.append(_token(found))
        at = found.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _token(found: re.Match[str]) -> Token:
    text, offset = found[0], found.start()
    match found.lastgroup:
        case "number":
            if len(text) > 18:
                raise Fault("J042", offset, text=text)
            return Token("number", text, offset, float(text) if "." in text else int(text))
        case "string":
            value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), text[1:-1], flags=re.DOTALL)
            return Token("string", text, offset, value)
        case "name":
            return Token("name", text, offset)
        case _:
            return Token("op", text, offset)


def _refuse_foreign(text: str, at: int) -> None:
    """Name the word to use for operators of other languages."""
    for size in (3, 2, 1):
        piece = text[at : at + size]
        if piece in _FOREIGN and not (piece == "!" and text[at + 1 : at + 2] == "="):
            raise Fault("J043", at, text=piece, instead=_FOREIGN[piece])


def _unreadable(text: str, at: int) -> Fault:
    if text[at] in "\"'":
        return Fault("J044", at)
    if plain(text[at]):
        return Fault("J133", at, text=text[at], instead=plain(text[at]))
    piece = text[at] if not text[at].isdigit() else re.match(r"[\w.]+", text[at:])[0]  # type: ignore[index]
    return Fault("J042", at, text=piece)

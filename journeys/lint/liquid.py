"""What a template's text asks for, read tolerantly: the variables, which may be missing, and the languages it speaks.

No Liquid parser: whether a template is sound is the channels' question. A name the scan does not understand is not
complained of. Called by `known.py` only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SUPPLIED: Final = frozenset(
    {"customer", "contact", "account", "enter", "journey", "arms", "unsubscribe_url", "preferences_url", "confirm_url"}
)
"""The names every template may use; `coupon` is there once a coupon step was taken, the others come from `with:`."""

_PIECE: Final = re.compile(r"\{\{-?(.*?)-?\}\}|\{%-?(.*?)-?%\}", re.DOTALL)
_STRING: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_PATH: Final = re.compile(r"(?<![\w.:\]])([A-Za-z_][\w-]*)((?:\.[A-Za-z_][\w-]*|\[[^\]]*\])*)(?!\s*:)")
_RESERVED: Final = (
    "and or not contains true false nil null empty blank in limit offset reversed cols with as by continue"
)
_WORDS: Final = frozenset(_RESERVED.split())
_ASKS: Final = frozenset({"if", "unless", "elsif", "case", "when"})
_MAKES: Final = frozenset({"assign", "capture", "for", "tablerow", "increment", "decrement"})
_SILENT: Final = re.compile(
    r"\{%-?\s*comment.*?endcomment\s*-?%\}|\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}", re.DOTALL
)
_REMARK: Final = re.compile(r"^[ \t]*#[^\n]*", re.MULTILINE)
_MARKUP: Final = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|<style.*?</style>|<[^>]*>|https?://\S+|&\w+;|^\s*[\w-]+:", re.DOTALL | re.MULTILINE
)
_APPROVED: Final = re.compile(r"^\s*(template_code|template_id):", re.MULTILINE)
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH: Final = re.compile(r"\b[A-Za-z]{2,}\s+[A-Za-z]{2,}\s+[A-Za-z]{2,}\b")


@dataclass(frozen=True)
class Use:
    """A variable in a text: its path (`coupon.code`), its line, and whether it may be missing there."""

    path: str
    line: int
    is_optional: bool

    @property
    def root(self) -> str:
        """The first name of it."""
        return self.path.partition(".")[0].partition("[")[0]


@dataclass(frozen=True)
class Wording:
    """One file of a template: what it uses, and which of `en` and `zh` it speaks."""

    file: str
    uses: tuple[Use, ...]
    languages: frozenset[str]


def read_wording(text: str, file: str) -> Wording:
    """Scan one file of a template.

    >>> [use.path for use in read_wording("Hi {{ customer.name }}, {{ total | round: 2 }}", "sms.yaml").uses]
    ['customer.name', 'total']
    """
    heard = _SILENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    if file.endswith(".yaml"):
        heard = _REMARK.sub("", heard)
    uses = list(_uses(heard))
    made = _made(heard)
    asked = {use.root for use in uses if use.is_optional}
    kept = (Use(one.path, one.line, one.root in asked) for one in uses if one.root not in made)
    return Wording(file, tuple(dict.fromkeys(kept)), _languages(heard))


def _uses(text: str) -> Iterator[Use]:
    for piece in _PIECE.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        if piece[1] is not None:
            yield from _of_expression(piece[1], line, asks=False)
            continue
        word, _, rest = piece[2].strip().partition(" ")
        if word in _MAKES:
            rest = re.split(r"=|\bin\b", rest, maxsplit=1)[-1] if word != "capture" else ""
        if word in _ASKS | _MAKES | {"echo", "cycle"}:
            yield from _of_expression(rest, line, asks=word in _ASKS)


def _of_expression(text: str, line: int, *, asks: bool) -> Iterator[Use]:
    value, *filters = _STRING.sub(" 0 ", text).split("|")
    has_default = any(one.strip().startswith("default") for one in filters)
    arguments = [one.partition(":")[2] for one in filters]
    for part, is_optional in [(value, asks or has_default), *((one, asks) for one in arguments)]:
        for found in _PATH.finditer(part):
            if found[1] not in _WORDS:
                yield Use(found[1] + found[2], line, is_optional)


def _made(text: str) -> set[str]:
    """Return the names that the text itself makes, anywhere: their scope is the channels' question."""
    names = {"forloop", "tablerowloop"}
    for piece in _PIECE.finditer(text):
        word, _, rest = (piece[2] or "").strip().partition(" ")
        if word in _MAKES and (found := re.match(r"\s*([\w-]+)", rest)):
            names.add(found[1])
    return names


def _languages(text: str) -> frozenset[str]:
    if _APPROVED.search(text):
        return frozenset()  # the carrier or WeChat holds the wording, in the language it was approved in
    seen = _MARKUP.sub(" ", text)
    spoken = {"zh": _CHINESE.search(seen), "en": _ENGLISH.search(" ".join(seen.split()))}
    return frozenset(name for name, found in spoken.items() if found)

"""Broken files and conditions, made out of sound ones: always the same for the same seed. Used by the mutation fuzz.

Lines, keys, indentation, scalars, bytes, whole passages for files; tokens for conditions.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")


class Dice:
    """Numbers that look thrown and are not: the same for the same seed (splitmix64)."""

    def __init__(self, seed: int) -> None:
        self.state = seed & 0xFFFFFFFFFFFFFFFF

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ (mixed >> 31)) % limit

    def one_of(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]


SCALARS: Final = (
    "~", "null", "true", "yes", "on", "''", '""', "0", "-1", "1e999", "-0.0", ".inf", ".nan", "0x1F", "010", "1_000",
    "9" * 40, "9" * 400 + "d", "9999999999w", "21:00-09:00", "25:61", "2026-02-30", "2026-11-11T00:00", "[]", "{}",
    "[[]]", "{a: {b: [c]}}", "[1, two, {three: 3}]", "|", ">-", "'unclosed", '"unclosed', "{", "[", "]", "}", "- - -",
    "&anchor x", "*anchor", "!!int 3", "!!python/object:os.system x", "!tag y", "<<: *x", "? k", "a: b: c", "@x", "`x`",
    "%", "---", "...", "# c", "x" * 300, "\U0001f600", "\u202e\u0645", "\u0000", "\ufeff", "\u2028", "\x85", "\t",
    "\x07",
    '"\\u0000"', '"\\ud800"', "e\u0301" * 20, "50%", "150%", "-5%", "after 14d", "stop", "{on: x}", "{when: 'tag('}",
    "[" * 60, "{a: " * 60, "'" * 7, "event.total >", "count(count(count(", "not " * 80 + "true",
    "(" * 80 + "1" + ")" * 80,
)  # fmt: skip

CHARACTERS: Final = ":-{}[]#&*!|>'\"%@`,? \t\n0aé中\U0001f600\u200b\x85"


def file_mutant(dice: Dice, texts: Sequence[str]) -> bytes:
    """Return one of the texts after one to four changes."""
    text = dice.one_of(texts)
    for _ in range(1 + dice.below(4)):
        change = dice.one_of(_FILE_CHANGES)
        text = change(dice, text, texts)
    data = text.encode("utf-8", "surrogatepass")
    return _flipped(dice, data) if dice.below(12) == 0 else data


def _flipped(dice: Dice, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(1 + dice.below(3)):
        if changed:
            changed[dice.below(len(changed))] ^= 1 << dice.below(8)
    return bytes(changed)


def _without_line(dice: Dice, text: str, _: Sequence[str]) -> str:
    lines = text.split("\n")
    del lines[dice.below(len(lines))]
    return "\n".join(lines)


def _line_twice(dice: Dice, text: str, _: Sequence[str]) -> str:
    lines = text.split("\n")
    lines.insert(dice.below(len(lines) + 1), dice.one_of(lines))
    return "\n".join(lines)


def _lines_swapped(dice: Dice, text: str, _: Sequence[str]) -> str:
    lines = text.split("\n")
    one, other = dice.below(len(lines)), dice.below(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _indented(dice: Dice, text: str, _: Sequence[str]) -> str:
    lines = text.split("\n")
    number, by = dice.below(len(lines)), dice.below(9) - 4
    lines[number] = " " * by + lines[number] if by > 0 else lines[number][-by:]
    return "\n".join(lines)


def _other_value(dice: Dice, text: str, _: Sequence[str]) -> str:
    found = list(re.finditer(r"(?<=: )[^\n,}]+", text))
    if not found:
        return text
    value = dice.one_of(found)
    return text[: value.start()] + dice.one_of(SCALARS) + text[value.end() :]


def _other_key(dice: Dice, text: str, texts: Sequence[str]) -> str:
    keys = list(re.finditer(r"[\w ]+(?=:)", text))
    if not keys:
        return text
    known: list[str] = re.findall(r"[\w]+(?=:)", dice.one_of(texts)) or ["x"]
    key = dice.one_of(keys)
    name = dice.one_of((dice.one_of(known), key[0][:-1], key[0] * 2, dice.one_of(SCALARS)))
    return text[: key.start()] + name + text[key.end() :]


def _spliced(dice: Dice, text: str, texts: Sequence[str]) -> str:
    other = dice.one_of(texts)
    return text[: dice.below(len(text) + 1)] + other[dice.below(len(other) + 1) :]


def _cut(dice: Dice, text: str, _: Sequence[str]) -> str:
    return text[: dice.below(len(text) + 1)]


def _put_in(dice: Dice, text: str, _: Sequence[str]) -> str:
    at = dice.below(len(text) + 1)
    return text[:at] + dice.one_of((dice.one_of(CHARACTERS), dice.one_of(SCALARS))) + text[at:]


def _left_out(dice: Dice, text: str, _: Sequence[str]) -> str:
    at = dice.below(len(text) + 1)
    return text[:at] + text[at + 1 + dice.below(8) :]


def _deepened(dice: Dice, text: str, _: Sequence[str]) -> str:
    lines = text.split("\n")
    number, levels = dice.below(len(lines)), dice.one_of((3, 30, 70))
    nested = "".join(" " * level + dice.one_of(("a:", "-", "then:")) + "\n" for level in range(levels))
    return "\n".join([*lines[:number], nested, *lines[number:]])


_Change = Callable[[Dice, str, Sequence[str]], str]
_FILE_CHANGES: Final[tuple[_Change, ...]] = (
    _without_line, _line_twice, _lines_swapped, _indented, _other_value, _other_value, _other_key, _other_key,
    _spliced, _cut, _put_in, _left_out, _deepened,
)  # fmt: skip

_TOKENS: Final = re.compile(r'"[^"]*"|\w+|==|!=|<=|>=|\S')
WORDS: Final = (
    "and", "or", "not", "in", "is", "(", ")", "[", "]", "{", "}", ",", ".", "=", "==", "===", "!=", "<>", "<", ">=",
    "=>",
    "+", "-", "*", "/", "%", "**", "&&", "||", "!", "?", ":", ";", "@", "\\", "'", '"', "true", "False", "null", "None",
    "event", "event.total", "enter.x", "customer.city", "account.plan", "today()", "hour()", "stage()", 'tag("a")',
    'count("x", within="7d")', 'sum("x", "total")', 'last("x")', "where", "within=", 'since="enter"', "matches",
    "contains",
    "startswith", "exists(", "lambda", "import", "__class__", "0", "1.5", "1e9", "9" * 30, ".5", "5.", '"7d"',
    '"30"', '""',
    "'a'", '"\\"', "中文", "\U0001f600", "\u200b", "\x00", "é", "(" * 70, "not " * 70, "-" * 70, "[" * 70,
    "1 + " * 100, '"(a+)+$"',
)  # fmt: skip


def condition_mutant(dice: Dice, conditions: Sequence[str]) -> str:
    """Return one of the conditions after one to five changes of its tokens."""
    tokens = _TOKENS.findall(dice.one_of(conditions))
    for _ in range(1 + dice.below(5)):
        _change(dice, tokens, conditions)
    return dice.one_of((" ", " ", " ", "")).join(tokens)


def _change(dice: Dice, tokens: list[str], conditions: Sequence[str]) -> None:
    at = dice.below(len(tokens) + 1)
    match dice.below(8):
        case 0:
            del tokens[at : at + 1 + dice.below(2)]
        case 1 | 2:
            tokens.insert(at, dice.one_of(WORDS))
        case 3 | 4:
            tokens[at : at + 1] = [dice.one_of(WORDS)]
        case 5 if tokens:
            tokens.insert(at, dice.one_of(tokens))
        case 6:
            other = _TOKENS.findall(dice.one_of(conditions))
            tokens[at:] = other[dice.below(len(other) + 1) :]
        case _ if tokens:
            word = dice.one_of(tokens)
            cut = dice.below(len(word) + 1)
            tokens.insert(at, word[:cut] + dice.one_of(CHARACTERS) + word[cut:])
        case _:
            tokens.append(dice.one_of(WORDS))

"""Strict, bounded JSON: what passes here can be stored, compared and rendered anywhere without surprise.

Refused, each with its own code: bad UTF-8, NaN and Infinity, duplicate keys, lone surrogates, NUL, whole numbers
beyond 2^53, nesting over 32, over 300 keys in an object. The CLI's import reads its lines through it too.
"""

import json
import math
from collections import Counter
from typing import Any, Final

from engine.core.errors import BadInput

DEPTH: Final = 32
KEYS: Final = 300
_BIGGEST: Final = 1 << 53


class BadJson(BadInput):
    """The body is not the JSON we take: read the place and the remedy."""

    def __init__(self, code: str, problem: str, remedy: str, field: str = "") -> None:
        super().__init__(problem, remedy, field)
        self.problem_code = code


def parse(body: bytes) -> Any:
    """Return the value in `body`; raises `BadJson`.

    >>> parse(b'{"a": [1, 2.5, "x"]}')
    {'a': [1, 2.5, 'x']}
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    engine.http.strict.BadJson: The key 'a' stands twice in one object. Keep one of them
    """
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJson("bad_utf8", f"Byte {error.start} is not UTF-8", "Encode the body as UTF-8") from None
    except RecursionError:
        raise _too_deep("") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadJson("bad_json", f"Not JSON at {place}: {error.msg}", "Send one JSON value") from None
    check(value)
    return value


def check(value: Any) -> None:
    """Check depth and text of a parsed value; raises `BadJson` naming the path. Iterative: depth cannot hurt it."""
    stack: list[tuple[Any, str, int]] = [(value, "", 1)]
    while stack:
        node, path, depth = stack.pop()
        if isinstance(node, str):
            _check_text(node, path)
        elif isinstance(node, dict):
            if depth > DEPTH:
                raise _too_deep(path)
            for key, child in node.items():
                _check_text(key, path)
                if isinstance(child, str | dict | list):
                    stack.append((child, f"{path}.{key}" if path else key, depth + 1))
        elif isinstance(node, list):
            if depth > DEPTH:
                raise _too_deep(path)
            stack += [
                (child, f"{path}[{index}]", depth + 1)
                for index, child in enumerate(node)
                if isinstance(child, str | dict | list)
            ]


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise BadJson("nul", "A text holds NUL (\\u0000)", "Remove it", path)
        return
    if "\0" in text:
        raise BadJson("nul", "A text holds NUL (\\u0000)", "Remove it", path)
    try:
        text.encode()
    except UnicodeEncodeError:
        # The path itself may hold the surrogate: it must not reach the answer.
        where = path.encode("ascii", "replace").decode()
        raise BadJson("lone_surrogate", "A text holds half a surrogate pair", "Send whole characters", where) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > KEYS:
        raise BadJson("too_many_keys", f"An object has over {KEYS} keys", "Send fewer, or nest them")
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise BadJson("duplicate_key", f"The key {twice[:64]!a} stands twice in one object", "Keep one of them")
    return value


def _whole(text: str) -> int:
    number = int(text) if len(text) <= 17 else _BIGGEST + 1
    if not -_BIGGEST <= number <= _BIGGEST:
        raise BadJson("number_too_big", f"{text[:20]} is beyond 2^53", "Send such numbers as text")
    return number


def _fraction(text: str) -> float:
    number = float(text) if len(text) <= 400 else math.inf
    if not math.isfinite(number):
        raise BadJson("number_too_big", f"{text[:20]} does not fit a number", "Send such numbers as text")
    return number


def _constant(text: str) -> Any:
    raise BadJson("not_a_number", f"{text} is not JSON", "Send null, or leave the field out")


def _too_deep(path: str) -> BadJson:
    return BadJson("too_deep", f"The value nests over {DEPTH} levels", "Flatten it", path[:200])


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_fraction, parse_constant=_constant, strict=True
)

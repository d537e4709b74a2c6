"""What an unquoted YAML scalar means, by the YAML 1.2 core schema with a marketer's exceptions.

Called by `positions.py` for every plain scalar; quoted ones are text already.
"""

import re
from math import isinf
from typing import Any, Final

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(r"[-+]?(?=\.?[0-9])(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}


def resolve(text: str) -> Any:
    """Return what a plain scalar means: null, true, false, a decimal number, or the text itself.

    Numbers with leading zeros, over 18 digits, in octal or hex, and .inf and .nan stay text: in a marketer's file
    they are phone numbers, identifiers and codes.

    >>> [resolve(text) for text in ("on", "22:30", "NO", "010", "12", "0.5", "true", "+engaged")]
    ['on', '22:30', 'NO', '010', 12, 0.5, True, '+engaged']
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and len(text) <= 40:
        number = float(text)
        return text if isinf(number) else number
    return text

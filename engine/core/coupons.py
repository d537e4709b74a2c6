"""What a coupon pool may be called and what a code may look like: the rules of files, of the API and of the engine."""

import re
from typing import Any, Final

from engine.core.errors import BadInput

_POOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
LONGEST: Final = 64
"""Characters of a code."""

CHUNK: Final = 5_000
"""Codes that one `stock` directive may carry: it is applied in one transaction."""


def is_pool(name: str) -> bool:
    """Say whether a pool may be called so: letters, digits, - and _, at most 64, a letter or digit first.

    >>> is_pool("SPRING10"), is_pool("spring 10"), is_pool("")
    (True, False, False)
    """
    return _POOL.fullmatch(name) is not None


def fault_of(code: Any) -> str:
    """Return what is wrong with a code, "" for a good one: 1 to 64 printable characters without a space.

    >>> fault_of("A1-B2"), fault_of("A1 B2"), fault_of("")
    ('', 'has a space in it', 'is empty')
    """
    if not isinstance(code, str):
        return "is not text"
    if not code:
        return "is empty"
    if len(code) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if any(character.isspace() for character in code):
        return "has a space in it"
    return "" if code.isprintable() else "has a character that cannot be printed"


def check_stock(pool: str, codes: Any) -> list[str]:
    """Return the codes that are to be added to a pool; raises `BadInput` when the pool or one of them cannot be.

    >>> check_stock("SPRING10", ["A1", "B2"])
    ['A1', 'B2']
    """
    if not is_pool(pool):
        raise BadInput(f"{pool[:64]!r} is no name of a coupon pool", "Use letters, digits, - and _", "subject")
    if not isinstance(codes, list) or not 0 < len(codes) <= CHUNK:
        raise BadInput(f"Stock takes 1 to {CHUNK:,} codes", 'Add "properties": {"codes": ["A1"]}', "properties.codes")
    for place, code in enumerate(codes):
        if fault := fault_of(code):
            raise BadInput(f"The code {str(code)[:64]!r} {fault}", "Correct it", f"properties.codes[{place}]")
    return codes

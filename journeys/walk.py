"""Everything inside a plan value, outermost first. Used wherever a question is asked of all conditions."""

from collections.abc import Iterator
from typing import Any

import msgspec


def walk(value: Any) -> Iterator[msgspec.Struct]:
    """Yield the struct and every struct inside it, through tuples, lists and dicts.

    >>> from engine.core.expression import HasTag, Not
    >>> [type(part).__name__ for part in walk(Not(HasTag("vip")))]
    ['Not', 'HasTag']
    """
    ahead = [value]
    while ahead:
        one = ahead.pop()
        match one:
            case msgspec.Struct():
                yield one
                ahead += [getattr(one, name) for name in reversed(one.__struct_fields__)]
            case tuple() | list():
                ahead += reversed(one)
            case dict():
                ahead += reversed(list(one.values()))
            case _:
                pass

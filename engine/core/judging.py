"""A condition taken apart for one customer: each part with its value, its truth and how long that stays so by itself.

Pure: the faces ask it why somebody is in a segment or not (`journeyd segments explain`); it decides nothing.
"""

from typing import Any

import msgspec

from engine.core.context import Context
from engine.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Duration,
    Expr,
    InSegment,
    Not,
    Text,
    parts_of,
)
from engine.core.ids import Micros
from engine.core.predicates import compile_condition, compile_value


class Judged(msgspec.Struct, frozen=True):
    """One part of a condition: whether it holds, until when by itself (0 = for good), and what was read for it.

    `values`: what each side read of the customer came to, in the order written; None = missing. `parts`: what it is
    made of; of a segment, its own condition.
    """

    expr: Expr
    holds: bool
    until: Micros
    values: tuple[Any, ...] = ()
    parts: tuple["Judged", ...] = ()


def judge(expr: Expr, context: Context) -> Judged:
    """Return the condition with every part judged; a segment is opened as far as the context knows it.

    >>> from engine.core.expression import Path
    >>> from engine.core.state import Customer
    >>> mei = Context(Customer("mei", 1, traits={"city": "Dali"}), now=5)
    >>> judged = judge(Not(Compare("==", Path("customer", ("city",)), Constant("Lhasa"))), mei)
    >>> judged.holds, judged.parts[0].holds, judged.parts[0].values
    (True, False, ('Dali',))
    """
    condition = compile_condition(expr)
    holds, until = condition.evaluate(context)
    match expr:
        case AllOf(parts=inner) | AnyOf(parts=inner):
            return Judged(expr, holds, until, (), tuple(judge(part, context) for part in inner))
        case Not(part=part):
            return Judged(expr, holds, until, (), (judge(part, context),))
        case InSegment(name=name):
            rule = getattr(context.segments.get(name), "expr", None)
            return Judged(expr, holds, until, (), () if rule is None else (judge(rule, context),))
        case Compare() | Text():
            return Judged(expr, holds, until, tuple(_values(expr, context)))
        case _:
            return Judged(expr, holds, until)


def _values(expr: Expr, context: Context) -> list[Any]:
    """Return what the sides read of the customer; what is written there as it is says nothing new."""
    sides = [part for part in parts_of(expr) if not isinstance(part, Constant | Duration)]
    found: list[Any] = []
    for side in sides:
        if isinstance(side, Arithmetic):
            found += _values(side, context)
        else:
            found.append(compile_value(side)(context))
    return found

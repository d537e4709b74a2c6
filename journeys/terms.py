"""What a parsed piece of a condition is: its tree, the kind of its value, and the checks that kinds allow.

Used by `expressions.py` and `functions.py`; knows nothing of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import re2

from engine.core.expression import AllOf, AnyOf, Compare, Constant, Duration, Expr, Stage, Text, Today
from engine.core.plan import STAGES
from journeys.scalars import BadValue
from journeys.times import WEEKDAYS, length
from journeys.tokens import Fault

Kind: TypeAlias = Literal["truth", "number", "text", "list", "age", "any"]
CompareOp: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
TextOp: TypeAlias = Literal["matches", "contains", "startswith"]

COMPARISONS: Final[dict[str, CompareOp]] = {
    "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "in": "in", "not in": "not in",
}  # fmt: skip
TEXT_TESTS: Final[dict[str, TextOp]] = {"matches": "matches", "contains": "contains", "startswith": "startswith"}


@dataclass(frozen=True, slots=True)
class Term:
    """A parsed piece: its tree, the kind of value it gives, where it begins, how deep it nests."""

    expr: Expr
    kind: Kind
    offset: int
    depth: int = 1


def joined(how: type[AllOf] | type[AnyOf], parts: Sequence[Expr]) -> Expr:
    """Return the parts under one `and` or `or`, however they were nested: text and YAML forms make the same tree.

    >>> yes, no = Constant(True), Constant(False)
    >>> joined(AllOf, [yes, AllOf((no, yes))]) == AllOf((yes, no, yes))
    True
    """
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, how) else (part,))]
    return flat[0] if len(flat) == 1 else how(tuple(flat))


def compare(op: CompareOp, left: Term, right: Term, offset: int) -> Expr:
    """Return the comparison, durations read where an age is compared; raises `Fault` when it can never hold."""
    left, right = _as_age(left, right), _as_age(right, left)
    if op in {"in", "not in"}:
        if right.kind not in {"list", "any"}:
            raise Fault("J049", right.offset)
        if left.kind in {"list", "age"}:
            raise Fault("J048", offset, left=left.kind, right=right.kind)
    elif left.kind != right.kind and "any" not in {left.kind, right.kind}:
        raise Fault("J048", offset, left=left.kind, right=right.kind)
    elif "age" in {left.kind, right.kind} and left.kind != right.kind:
        raise Fault("J057", offset)
    elif op not in {"==", "!="} and {left.kind, right.kind} & {"truth", "list"}:
        raise Fault("J050", offset, op=op)
    _check_words(left.expr, right)
    _check_words(right.expr, left)
    return Compare(op, left.expr, right.expr)


def text_test(op: TextOp, left: Term, right: Term, offset: int) -> Expr:
    """Return the text test; the pattern of `matches` is a constant that RE2 takes."""
    allowed = {"text", "list", "any"} if op == "contains" else {"text", "any"}
    if left.kind not in allowed:
        raise Fault("J048", offset, left=left.kind, right="text")
    if op == "matches":
        _check_pattern(right)
    elif right.kind not in ({"text", "number", "any"} if op == "contains" else {"text", "any"}):
        raise Fault("J048", offset, left=left.kind, right=right.kind)
    return Text(op, left.expr, right.expr)


def must_be_truth(term: Term) -> Term:
    """Return the term if it can be used as a condition; raises `Fault` for a number, a text, a list or an age."""
    if term.kind in {"truth", "any"}:
        return term
    raise Fault("J051", term.offset, kind=term.kind)


def _as_age(term: Term, other: Term) -> Term:
    if other.kind != "age" or not isinstance(term.expr, Constant) or not isinstance(term.expr.value, str):
        return term
    try:
        return Term(Duration(length(term.expr.value)), "age", term.offset)
    except BadValue as error:
        raise Fault(error.code, term.offset, **error.data) from None


def _check_words(asked: Expr, answer: Term) -> None:
    """`stage() == "retian"` never holds: say so."""
    if isinstance(asked, Stage):
        choices: tuple[str, ...] = ("", *STAGES)
    elif isinstance(asked, Today) and asked.what == "weekday":
        choices = WEEKDAYS
    else:
        return
    if isinstance(answer.expr, Constant):
        values: list[Any] = answer.expr.value if isinstance(answer.expr.value, list) else [answer.expr.value]
        for value in values:
            if value not in choices:
                raise Fault("J014", answer.offset, value=value, choices=", ".join(filter(None, choices)))


def _check_pattern(term: Term) -> None:
    pattern = term.expr.value if isinstance(term.expr, Constant) else None
    if not isinstance(pattern, str):
        raise Fault("J052", term.offset, detail="not a constant text")
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options=options)
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        raise Fault("J052", term.offset, detail=detail.decode() if isinstance(detail, bytes) else detail) from None

"""Turns a condition's tree into Python closures, once per publish: the only evaluator there is.

Not public: callers use `core/predicates.py`. Every closure takes a `Context`, reads and never raises; what is
missing is None. Shapes that real journeys are full of (a path against a constant) become one small closure.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2

from engine.core import comparisons, gates, lookups
from engine.core.context import Closure, Context, Truth
from engine.core.errors import BadInput
from engine.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Duration,
    Exists,
    Expr,
    HasConsent,
    HasTag,
    InSegment,
    IsReachable,
    Journeyed,
    Measured,
    Not,
    Path,
    Stage,
    Text,
    Today,
    Touched,
)


def value_of(expr: Expr) -> Closure:
    """Return the closure that reads the expression's value."""
    match expr:
        case Constant(value=value):
            return lambda _context: value
        case Duration(micros=micros):
            return lambda _context: micros
        case Path():
            return lookups.path(expr)
        case Arithmetic():
            return _arithmetic(expr)
        case Stage():
            return lambda context: context.customer.stage
        case Measured():
            return lookups.measured(expr)
        case Today():
            return lookups.today(expr)
        case _:
            return truth_of(expr)


def truth_of(expr: Expr) -> Truth:
    """Return the closure that says whether the condition holds; a bare value holds when it is there and not empty."""
    match expr:
        case Compare():
            return _compare(expr)
        case AllOf(parts=parts):
            return _all(list(_truths(parts)))
        case AnyOf(parts=parts):
            return _any([truth_of(part) for part in parts])
        case Not(part=HasTag(name=name)):
            return lookups.lacks_tag(name)
        case Not(part=part):
            holds = truth_of(part)
            return lambda context: not holds(context)
        case Exists(part=part):
            value = value_of(part)
            return lambda context: value(context) is not None
        case Text():
            return _text(expr)
        case HasTag() | InSegment() | HasConsent() | IsReachable() | Touched() | Journeyed():
            return _fact(expr)
        case Measured(function="ever" | "never" | "sequence", since_enter=False):
            return value_of(expr)  # a truth already
        case Measured(function="first" | "last"):
            age = value_of(expr)  # an age of nothing at all is still an age
            return lambda context: age(context) is not None
        case Constant() | Duration() | Path() | Arithmetic() | Stage() | Measured() | Today():
            read = value_of(expr)
            return lambda context: bool(read(context))


def _fact(expr: HasTag | InSegment | HasConsent | IsReachable | Touched | Journeyed) -> Truth:
    match expr:
        case HasTag(name=name):
            return lookups.has_tag(name)
        case InSegment(name=name):
            return lookups.in_segment(name)
        case HasConsent(name=name):
            return lambda context: gates.allows(context.customer, context.policy, name)
        case IsReachable(channel=channel):
            return lambda context: gates.reach(context.customer, context.policy, channel) != ""
        case Touched():
            return lookups.touched(expr)
        case Journeyed():
            return lookups.journeyed(expr)


# --- logic -----------------------------------------------------------------------------------------


def _truths(parts: Sequence[Expr]) -> Iterator[Truth]:
    """Yield the closure of each part; two bounds of one value, as in `18 <= customer.age < 30`, read it once."""
    left = list(parts)
    while left:
        part, *left = left
        lower, upper = _bound(part), _bound(left[0]) if left else None
        if lower is not None and upper is not None and lower[0] == upper[0]:
            left = left[1:]
            yield lookups.range_test(lower[0], lower[1:], upper[1:])
        else:
            yield truth_of(part)


def _bound(part: Expr) -> tuple[Path, comparisons.Op, Any] | None:
    """Return (path, operator, number) of a comparison between a value and a number that orders them, else None."""
    if not isinstance(part, Compare) or part.op not in {"<", "<=", ">", ">="}:
        return None
    match part.left, part.right:
        case (Path() as path, Constant(value=number)) if comparisons.is_number(number):
            return path, part.op, number
        case (Constant(value=number), Path() as path) if comparisons.is_number(number):
            return path, comparisons.FLIPPED[part.op], number
        case _:
            return None


def _all(parts: Sequence[Truth]) -> Truth:
    match parts:
        case []:
            return lambda _context: True
        case [first]:
            return first
        case [first, second]:
            return lambda context: first(context) and second(context)
        case [first, second, third]:
            return lambda context: first(context) and second(context) and third(context)
        case _:  # a tree of pairs and triples is quicker than a loop
            return _all([_all(parts[:3]), _all(parts[3:])])


def _any(parts: Sequence[Truth]) -> Truth:
    match parts:
        case []:
            return lambda _context: False
        case [first]:
            return first
        case [first, second]:
            return lambda context: first(context) or second(context)
        case [first, second, third]:
            return lambda context: first(context) or second(context) or third(context)
        case _:
            return _any([_any(parts[:3]), _any(parts[3:])])


# --- values and conditions --------------------------------------------------------------------------


def _arithmetic(expr: Arithmetic) -> Closure:
    left, right, op = value_of(expr.left), value_of(expr.right), expr.op

    def compute(context: Context) -> Any:
        one, two = left(context), right(context)
        if not (comparisons.is_number(one) and comparisons.is_number(two)):
            return None
        try:
            match op:
                case "+":
                    return one + two
                case "-":
                    return one - two
                case "*":
                    return one * two
                case "/":
                    return one / two
        except (ZeroDivisionError, OverflowError):
            return None

    return compute


def _compare(expr: Compare) -> Truth:
    left, right, op = expr.left, expr.right, expr.op
    if isinstance(left, (Constant, Duration)) and not isinstance(right, (Constant, Duration)):
        turned = comparisons.FLIPPED.get(op)
        if turned is not None:
            left, right, op = right, left, turned
    if isinstance(right, (Constant, Duration)):
        constant = right.value if isinstance(right, Constant) else right.micros
        if isinstance(left, Path):
            return lookups.path_test(left, op, constant)
        return lookups.test_of(value_of(left), op, constant)
    one, two, both = value_of(left), value_of(right), comparisons.TESTS[op]
    return lambda context: both(one(context), two(context))


def _text(expr: Text) -> Truth:
    left = value_of(expr.left)
    if expr.op == "matches":
        return _matches(left, expr.right)
    if isinstance(expr.right, Constant) and isinstance(expr.right.value, str):
        return _contains(left, expr.right.value) if expr.op == "contains" else _startswith(left, expr.right.value)
    right, contains = value_of(expr.right), expr.op == "contains"

    def holds(context: Context) -> bool:
        text, part = left(context), right(context)
        if contains:
            return comparisons.is_in(part, text)
        return isinstance(text, str) and isinstance(part, str) and text.startswith(part)

    return holds


def _contains(read: Closure, part: str) -> Truth:
    def holds(context: Context) -> bool:
        text = read(context)
        return part in text if type(text) is str else comparisons.is_in(part, text)

    return holds


def _startswith(read: Closure, part: str) -> Truth:
    def holds(context: Context) -> bool:
        text = read(context)
        return type(text) is str and text.startswith(part)

    return holds


LONGEST_TEXT: Final = 100_000
"""Characters a pattern may look at; longer texts match nothing (RE2 is linear, but patience is not endless)."""


def _matches(read: Closure, pattern: Expr) -> Truth:
    if not (isinstance(pattern, Constant) and isinstance(pattern.value, str)):
        raise BadInput("the right side of `matches` is not a text", 'write the pattern in quotes: matches "^SPRING"')
    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern.value, options).search
    except (re2.error, UnicodeError) as problem:
        raise BadInput(
            f"the pattern {pattern.value!r} is not valid: {_reason(problem)}",
            "use RE2 syntax (no look-around, no back-references)",
        ) from None

    def holds(context: Context) -> bool:
        text = read(context)
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            return False
        try:
            return search(text) is not None
        except UnicodeError:  # half a surrogate pair cannot be encoded, so it cannot match
            return False

    return holds


def _reason(problem: Exception) -> str:
    said = problem.args[0] if problem.args else problem
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)

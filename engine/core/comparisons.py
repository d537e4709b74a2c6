"""How two values of a condition compare: total, typed, and silent about what is missing.

A bool is not a number, a string is not a number, and nothing equals what is missing: `!=` too is false then. Plain
functions of values plus the closures that `core/closures.py` specialises for the commonest shapes.
"""

import operator
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

Op: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
Test: TypeAlias = Callable[[Any, Any], bool]


def is_same(left: Any, right: Any) -> bool:
    """Say whether both are there, comparable and equal.

    >>> is_same(1, 1.0), is_same(True, 1), is_same("1", 1), is_same(None, None)
    (True, False, False, False)
    """
    kind = type(left)
    if kind is type(right):  # by far the commonest, so it is asked here and not in a further call
        return left is not None and bool(left == right)
    return kind in _NUMBERS and type(right) in _NUMBERS and bool(left == right)


def is_other(left: Any, right: Any) -> bool:
    """Say whether both are there, comparable and different.

    >>> is_other("a", "b"), is_other(None, "b"), is_other("a", 1)
    (True, False, False)
    """
    return _are_comparable(left, right) and bool(left != right)


def is_below(left: Any, right: Any) -> bool:
    """Say whether left < right: two numbers, or two strings by their code points (ISO dates sort so)."""
    return _are_ordered(left, right) and bool(left < right)


def is_at_most(left: Any, right: Any) -> bool:
    """Say whether left <= right, as `is_below`."""
    return _are_ordered(left, right) and bool(left <= right)


def is_above(left: Any, right: Any) -> bool:
    """Say whether left > right, as `is_below`."""
    return _are_ordered(left, right) and bool(left > right)


def is_at_least(left: Any, right: Any) -> bool:
    """Say whether left >= right, as `is_below`."""
    return _are_ordered(left, right) and bool(left >= right)


def is_in(left: Any, right: Any) -> bool:
    """Say whether `left` is an item of the list, or a part of the string, `right`.

    >>> is_in("b", ["a", "b"]), is_in("ell", "hello"), is_in(None, [None]), is_in(1, [True])
    (True, True, False, False)
    """
    if isinstance(right, (list, tuple)):
        return any(is_same(left, item) for item in right)
    return isinstance(left, str) and isinstance(right, str) and left in right


def is_not_in(left: Any, right: Any) -> bool:
    """Say whether both are there, fit together and `left` is not in `right`; false for anything missing.

    >>> is_not_in("c", ["a"]), is_not_in(None, ["a"]), is_not_in("c", None)
    (True, False, False)
    """
    if left is None:
        return False
    if isinstance(right, (list, tuple)):
        return not is_in(left, right)
    return isinstance(left, str) and isinstance(right, str) and left not in right


TESTS: Final[dict[Op, Test]] = {
    "==": is_same,
    "!=": is_other,
    "<": is_below,
    "<=": is_at_most,
    ">": is_above,
    ">=": is_at_least,
    "in": is_in,
    "not in": is_not_in,
}

FLIPPED: Final[dict[Op, Op]] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The operator that says the same with its sides exchanged."""

_NUMBERS: Final[frozenset[type]] = frozenset({int, float})


def is_number(value: Any) -> bool:
    """Say whether the value is a number; True and False are not."""
    return type(value) in _NUMBERS


def _are_ordered(left: Any, right: Any) -> bool:
    kind = type(left)
    if kind in _NUMBERS:
        return type(right) in _NUMBERS
    return kind is str and type(right) is str


def _are_comparable(left: Any, right: Any) -> bool:
    kind = type(left)
    if kind in _NUMBERS:
        return type(right) in _NUMBERS
    return left is not None and kind is type(right)


_ORDERS: Final[dict[Op, Test]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def fused(op: Op, constant: Any) -> tuple[frozenset[type], Test, Any] | None:
    """Return (types, test, constant) where a value passes if its type is in `types` and the test holds.

    None for shapes that need more. Closures inline the two checks: this is the hot path of every trigger.
    """
    order, kind = _ORDERS.get(op), type(constant)
    if order is not None and kind in _NUMBERS:
        return _NUMBERS, order, constant
    if order is not None and kind is str:
        return _TEXTS, order, constant
    if op == "in" and isinstance(constant, (list, tuple)) and all(type(item) is str for item in constant):
        return _TEXTS, _is_member, frozenset(constant)
    return None


def numeric(op: Op, number: Any) -> tuple[frozenset[type], Test, Any]:
    """Return `fused` for an operator that orders and a number."""
    return _NUMBERS, _ORDERS[op], number


def against(op: Op, constant: Any) -> Callable[[Any], bool]:
    """Return the test of one value against a constant.

    >>> against(">=", 200)(260), against(">=", 200)("260"), against("==", "sms")(None)
    (True, False, False)
    """
    quick = fused(op, constant)
    if quick is not None:
        kinds, order, against_it = quick
        return lambda value: type(value) in kinds and order(value, against_it)
    test = TESTS[op]
    return lambda value: test(value, constant)


_TEXTS: Final[frozenset[type]] = frozenset({str})


def _is_member(value: Any, items: frozenset[Any]) -> bool:
    return value in items

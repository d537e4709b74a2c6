"""Can these conditions hold together? A small, sound analysis: True only where no value whatever would do.

Each term (a path, a count, the hour) is tried by itself with the values that its constants tell apart, by the engine's
own comparisons. Relations between different terms are not looked at. Used by `conditions.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from engine.core.comparisons import FLIPPED, TESTS
from engine.core.expression import (
    AllOf,
    AnyOf,
    Compare,
    Constant,
    Duration,
    Exists,
    Expr,
    Measured,
    Not,
    Path,
    Stage,
    Text,
    Today,
)
from engine.core.plan import STAGES
from journeys.times import WEEKDAYS

Claim: TypeAlias = tuple[Expr, bool]
"""A condition, and whether it is said to hold."""

_Test: TypeAlias = Callable[[Any], bool]
_BUDGET: Final = 200
_ALWAYS_NUMBERS: Final = frozenset({"count", "sum", "distinct"})


def is_impossible(claims: Iterable[Claim]) -> bool:
    """Say whether the claims contradict each other.

    >>> total = Path("event", ("total",))
    >>> is_impossible([(Compare(">", total, Constant(5)), True), (Compare("<", total, Constant(3)), True)])
    True
    >>> is_impossible([(Compare(">", total, Constant(5)), False), (Compare("<", total, Constant(9)), False)])
    False
    """
    return not _Search().is_possible(list(claims), _Facts())


def taken_apart(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yield the single claims that must all be true for these to be: a disjunction that is left is a choice.

    >>> list(taken_apart([(Not(AnyOf((Stage(), Constant(7)))), True)]))
    [(Constant(value=7), False), (Stage(), False)]
    """
    ahead = list(claims)
    while ahead:
        expr, holds = ahead.pop()
        match expr:
            case Not(part=part):
                ahead.append((part, not holds))
            case AllOf(parts=parts) if holds:
                ahead += [(part, holds) for part in parts]
            case AnyOf(parts=parts) if not holds:
                ahead += [(part, holds) for part in parts]
            case _:
                yield expr, holds


@dataclass(frozen=True)
class _Facts:
    """What is claimed of single terms: tests with the constants they know, and plain truths."""

    tests: tuple[tuple[str, Expr, _Test, bool, tuple[Any, ...]], ...] = ()
    truths: tuple[tuple[str, bool], ...] = ()


class _Search:
    """Tries the ways in which the claims may hold; gives up (possible) when there are too many."""

    def __init__(self) -> None:
        self.budget = _BUDGET

    def is_possible(self, claims: list[Claim], facts: _Facts) -> bool:
        choices: list[list[Claim]] = []
        for expr, holds in taken_apart(claims):
            match expr:
                case AllOf(parts=parts) | AnyOf(parts=parts):
                    choices.append([(part, holds) for part in parts])
                case Constant(value=bool() as value):
                    if value is not holds:
                        return False
                case _:
                    facts = _with(facts, expr, holds)
        return self._try(choices, facts)

    def _try(self, choices: list[list[Claim]], facts: _Facts) -> bool:
        self.budget -= 1
        if self.budget < 0:
            return True
        if not _hold_together(facts):
            return False
        if not choices:
            return True
        first, *others = choices
        rest: list[Claim] = [(_as_any(one), True) for one in others]
        return any(self.is_possible([claim, *rest], facts) for claim in first)


def _as_any(claims: list[Claim]) -> Expr:
    return AnyOf(tuple(expr if holds else Not(expr) for expr, holds in claims))


def _with(facts: _Facts, expr: Expr, holds: bool) -> _Facts:
    read = _test_of(expr)
    if read is None:
        truths = (*facts.truths, (repr(expr), holds))
        present = _present(expr) if holds else None
        return _Facts(facts.tests if present is None else (*facts.tests, present), truths)
    term, test, constants = read
    return _Facts((*facts.tests, (repr(term), term, test, holds, constants)), facts.truths)


def _test_of(expr: Expr) -> tuple[Expr, _Test, tuple[Any, ...]] | None:
    """Return the term a comparison with a constant is about, its test, and the constants it tells apart."""
    match expr:
        case Exists(part=part):
            return part, lambda value: value is not None, ()
        case Compare(op=op, left=left, right=Constant() | Duration() as right):
            constant = _value(right)
            test = TESTS[op]
            items = tuple(constant) if isinstance(constant, list) else (constant,)
            return left, lambda value: test(value, constant), items
        case Compare(op=op, left=Constant() | Duration() as left, right=right) if op in FLIPPED:
            constant, test = _value(left), TESTS[FLIPPED[op]]
            return right, lambda value: test(value, constant), (constant,)
        case Path():
            return expr, bool, ()
        case _:
            return None


def _present(expr: Expr) -> tuple[str, Expr, _Test, bool, tuple[Any, ...]] | None:
    """A text test that holds says at least that its value is there."""
    if isinstance(expr, Text):
        return repr(expr.left), expr.left, lambda value: isinstance(value, str | list), True, ()
    return None


def _value(expr: Constant | Duration) -> Any:
    return expr.micros if isinstance(expr, Duration) else expr.value


def _hold_together(facts: _Facts) -> bool:
    said: dict[str, bool] = {}
    for name, holds in facts.truths:
        if said.setdefault(name, holds) is not holds:
            return False
    terms: dict[str, list[tuple[_Test, bool]]] = defaultdict(list)
    constants: dict[str, list[Any]] = defaultdict(list)
    exprs: dict[str, Expr] = {}
    for name, term, test, holds, items in facts.tests:
        terms[name].append((test, holds))
        constants[name] += items
        exprs[name] = term
    return all(
        any(_passes(value, tests) for value in _candidates(exprs[name], constants[name]))
        for name, tests in terms.items()
    )


def _passes(value: Any, tests: list[tuple[_Test, bool]]) -> bool:
    return all(bool(test(value)) is holds for test, holds in tests)


def _candidates(term: Expr, constants: list[Any]) -> list[Any]:
    """Return one value of each kind that the constants tell apart, among those the term can take."""
    numbers = [value for value in constants if type(value) in {int, float}]
    match term:
        case Constant() | Duration():
            return [_value(term)]
        case Stage():
            return ["", *STAGES]
        case Today(what="weekday"):
            return list(WEEKDAYS)
        case Today(what="hour"):
            return list(range(24))
        case Measured(function=function) if function in _ALWAYS_NUMBERS:
            if function == "sum":
                return _between(numbers)
            near = {int(value) + step for value in numbers for step in (-1, 0, 1)}
            return sorted({0, *(number for number in near if number >= 0)})
        case _:
            texts = sorted({value for value in constants if isinstance(value, str)})
            others = [value for value in constants if type(value) not in {int, float, str}]
            gaps = ["", *texts, *(text + "\0" for text in texts)]
            return [None, True, False, [], ["\0"], *others, *gaps, *_between(numbers)]


def _between(numbers: list[Any]) -> list[Any]:
    """Return the numbers, one between each two neighbours, and one beyond either end.

    >>> _between([3, 5])
    [2, 3, 4.0, 5, 6]
    """
    known = sorted(set(numbers)) or [0]
    middles = [(low + high) / 2 for low, high in pairwise(known)]
    return sorted([known[0] - 1, *known, *middles, known[-1] + 1])

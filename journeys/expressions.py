"""Conditions and values, as text or as YAML -> the tree of `engine.core.expression`.

A subset of Python's expression syntax, parsed by precedence climbing and never evaluated by Python. What may be read
depends on the `Scope`. Called by `syntax.py` and `audience.py`, and by anyone with a condition in hand.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from engine.core.expression import AllOf, AnyOf, Constant, Expr, Measure, Not
from journeys.functions import FUNCTIONS, merge
from journeys.parser import MAX_DEPTH, Parser
from journeys.terms import Kind, Term, joined, must_be_truth
from journeys.tokens import MAX_CHARACTERS, Fault

Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be read in one place of the file: roots, and whether there is a customer to ask about."""

    roots: tuple[str, ...]
    has_customer: bool = True


ENTRANCE: Final = Scope(("event", "customer", "account"))  # enter: where
TRAVEL: Final = Scope(("event", "enter", "customer", "account"))  # exit, goal and wait for: where
RUN: Final = Scope(("enter", "customer", "account"))  # if, exit: when, with, set
CUSTOMER: Final = Scope(("customer", "account"))  # audience, segments, stages
EVENT: Final = Scope(("event",), has_customer=False)  # key, and where= inside count()


@dataclass(frozen=True, slots=True)
class Located:
    """A fault and where it is: `path` leads into a YAML form, `offset` into the text found there."""

    code: str
    data: dict[str, Any]
    path: Steps = ()
    offset: int | None = None


@dataclass
class Parsed:
    """What a condition or value means: its tree (None when it has faults), the measures it asks for, its faults."""

    expr: Expr | None = None
    measures: tuple[Measure, ...] = ()
    faults: list[Located] = field(default_factory=list)


def parse_condition(raw: Any, scope: Scope = RUN) -> Parsed:
    """Parse a condition written as text, true/false, or {all: [...]}, {any: [...]}, {not: ...}.

    >>> parse_condition('customer.city in ["Shanghai", "Beijing"]').faults
    []
    >>> [(fault.code, fault.offset) for fault in parse_condition("customer.age => 18").faults]
    [('J043', 13)]
    """
    reader = _Reader(scope)
    expr = reader.condition(raw, (), 1)
    return reader.result(expr)


def parse_value(raw: Any, scope: Scope = RUN) -> Parsed:
    """Parse a value: a number, true/false, a list of these, a formula, or plain text.

    Text is a formula when it reads something (`enter.total * 2`, `count("order_paid")`) or stands in quotes of its
    own; any other text is meant as it is.
    """
    reader = _Reader(scope)
    return reader.result(reader.value(raw))


def parse_formula(raw: Any, scope: Scope, kinds: frozenset[Kind] | None = None) -> Parsed:
    """Parse a text that must read something, such as `event.cart_id`; `kinds` limits what it may give."""
    reader = _Reader(scope)
    return reader.result(reader.formula(raw, kinds))


class _Reader:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.measures: list[Measure] = []
        self.faults: list[Located] = []

    def result(self, expr: Expr | None) -> Parsed:
        return Parsed(None if self.faults else expr, merge(self.measures), self.faults)

    def condition(self, raw: Any, path: Steps, depth: int) -> Expr | None:
        match raw:
            case bool():
                return Constant(raw)
            case str():
                term = self._text(raw, path, depth)
                try:
                    return must_be_truth(term).expr if term else None
                except Fault as fault:
                    self._fail(fault, path)
                    return None
            case {"all": inner} if len(raw) == 1:
                return self._form("all", inner, (*path, "all"), depth)
            case {"any": inner} if len(raw) == 1:
                return self._form("any", inner, (*path, "any"), depth)
            case {"not": inner} if len(raw) == 1:
                return self._form("not", inner, (*path, "not"), depth)
            case _:
                self.faults.append(Located("J056", {}, path))
                return None

    def value(self, raw: Any) -> Expr | None:
        match raw:
            case bool() | int() | float():
                return Constant(raw)
            case str() if len(raw) > MAX_CHARACTERS:
                self.faults.append(Located("J041", {"limit": f"{MAX_CHARACTERS:,}"}))
                return None
            case str() if _FORMULA.match(raw):
                term = self._text(raw, (), 1)
                return term.expr if term else None
            case str():
                return Constant(raw)
            case list() if all(isinstance(item, str | int | float) for item in raw):
                return Constant(list(raw))
            case _:
                self.faults.append(Located("J058", {}))
                return None

    def formula(self, raw: Any, kinds: frozenset[Kind] | None) -> Expr | None:
        if isinstance(raw, int | float) and not isinstance(raw, bool) and kinds and "number" in kinds:
            return Constant(raw)
        term = self._text(raw, (), 1) if isinstance(raw, str) else None
        if not isinstance(raw, str) or (term and kinds and term.kind not in kinds):
            self.faults.append(Located("J059", {"roots": _roots(self.scope)}))
            return None
        return term.expr if term else None

    def _form(self, word: str, inner: Any, path: Steps, depth: int) -> Expr | None:
        if depth > MAX_DEPTH:
            self.faults.append(Located("J045", {"limit": MAX_DEPTH}, path))
            return None
        if word == "not":
            part = self.condition(inner, path, depth + 1)
            return None if part is None else Not(part)
        if not isinstance(inner, list) or not inner:
            self.faults.append(Located("J056", {}, path))
            return None
        parts = tuple(self.condition(item, (*path, index), depth + 1) for index, item in enumerate(inner))
        found = [part for part in parts if part is not None]
        return joined(AllOf if word == "all" else AnyOf, found) if found else None

    def _text(self, text: str, path: Steps, depth: int) -> Term | None:
        try:
            return Parser(text, self.scope.roots, self.measures, self.scope.has_customer).parse(depth)
        except Fault as fault:
            self._fail(fault, path)
            return None

    def _fail(self, fault: Fault, path: Steps) -> None:
        self.faults.append(Located(fault.code, fault.data, path, fault.offset))


def _roots(scope: Scope) -> str:
    return ", ".join(f"{root}.x" for root in scope.roots)


_FORMULA: Final = re.compile(
    rf"""\s*["'(]|.*?(?<![\w.])(?:(?:event|enter|customer|account)\.\w|(?:{"|".join(FUNCTIONS)})\()""", re.DOTALL
)

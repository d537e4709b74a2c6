"""Translates an audience's tag rules and stages into a neutral `RuleSet`, and names what a customer is read for.

Every value that a condition reads of the customer becomes a named property; its comparisons with literals are left to
the chainer. What is too rich for that (patterns, sums of values, one value against another) becomes a truth that our
own closures read. An `or` becomes a fact of its own with a rule for each branch, so the rules grow with the text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec

from engine.core.chaining.ruleset import STAGE, TAG, Check, Op, Rule, RuleSet, Scalar
from engine.core.chaining.strata import stratified, supports_itself
from engine.core.closures import truth_of, value_of
from engine.core.comparisons import FLIPPED, is_number
from engine.core.context import Closure
from engine.core.expression import (
    AllOf,
    AnyOf,
    Compare,
    Constant,
    Duration,
    Exists,
    Expr,
    HasTag,
    InSegment,
    Measured,
    Not,
    Path,
    Stage,
    Today,
)
from engine.core.policy import Audience

EXACT: Final = float(1 << 53)
"""Literals below it are the same number as a float, and rounding a reading never carries it past one of them."""

LONGEST_LITERAL: Final = 256
"""Characters of a text literal that chainers compare; longer ones our closures do."""

LONGEST_LIST: Final = 20
"""Items of a list literal that chainers look through."""

Conjunction: TypeAlias = "tuple[Check | str | Lacked, ...] | None"
"""What must hold together: tests, facts, lacked facts; () is true, None can never be."""


class Lacked(msgspec.Struct, frozen=True):
    """A fact that must not hold."""

    fact: str


class Reading(msgspec.Struct, frozen=True):
    """What is read of a customer as the properties `name`#n, #s, ...: only those in `kinds` are asked for."""

    name: str
    read: Closure
    kinds: frozenset[str]


class Translated(msgspec.Struct, frozen=True):
    """The rules, and the readings that they test."""

    rules: RuleSet
    readings: tuple[Reading, ...]


def translate(audience: Audience) -> Translated:
    """Return the audience's tag rules and stages as rules; raises `BadInput` when a tag needs itself not to hold.

    >>> from engine.core.policy import TagRule
    >>> vip = TagRule(Compare(">", Path("customer", ("spent",)), Constant(100)))
    >>> translate(Audience(tags={"vip": vip})).rules.rules
    (Rule(then='tag:vip', tests=(Check(field='p1#n', op='>', value=100.0),), facts=(), lacks=()),)
    """
    translator = _Translator(audience.segments)
    tags = {name: rule.when for name, rule in audience.tags.items() if rule.when is not None}
    for name, when in tags.items():
        translator.rule(TAG + name, when)
    for name, when in audience.stages.items():
        translator.rule(STAGE + name, when)
    rules = translator.rules
    ruleset = RuleSet(
        strata=stratified(rules),
        tags=frozenset(tags),
        stages=frozenset(audience.stages),
        circular=frozenset(name for name in tags if supports_itself(TAG + name, rules)),
    )
    readings = tuple(Reading(name, read, frozenset(kinds)) for name, read, kinds in translator.readings.values())
    return Translated(ruleset, readings)


class _Translator:
    def __init__(self, segments: Mapping[str, Expr]) -> None:
        self.rules: list[Rule] = []
        self.readings: dict[str, tuple[str, Closure, set[str]]] = {}
        self._segments = segments
        self._asked: set[tuple[str, bool]] = set()
        self._facts = 0

    def rule(self, then: str, when: Expr) -> None:
        """Add the rules by which `then` follows from the condition: one for each branch of an outermost `or`."""
        self._branches(then, (when,), holds=True)

    def _branches(self, then: str, parts: Iterable[Expr], *, holds: bool) -> None:
        for part in parts:
            if isinstance(part, Not):
                self._branches(then, (part.part,), holds=not holds)
            elif isinstance(part, AnyOf | AllOf) and isinstance(part, AnyOf) is holds:
                self._branches(then, part.parts, holds=holds)
            else:
                found = self._all_of(part, holds=holds)
                if found is not None:
                    self.rules.append(_rule(then, found))

    def _all_of(self, expr: Expr, *, holds: bool) -> Conjunction:
        """Return what must hold together for the expression to hold, or (`holds` false) not to hold."""
        match expr:
            case Not(part=part):
                return self._all_of(part, holds=not holds)
            case AllOf(parts=parts) | AnyOf(parts=parts):
                if isinstance(expr, AllOf) is holds:
                    return _joined([self._all_of(part, holds=holds) for part in parts])
                return self._one_of(parts, holds=holds)
            case HasTag(name=name):
                return (TAG + name,) if holds else (Lacked(TAG + name),)
            case InSegment(name=name) if name in self._segments:
                return self._segment(name, holds=holds)
            case Constant(value=value):
                return () if bool(value) is holds else None
            case Exists(part=part) if _is_reading(part):
                return self._told(part, "t", "==" if holds else "missing", True if holds else None)
            case Compare():
                return self._compared(expr, holds=holds)
            case _:
                return self._opaque(expr, holds=holds)

    def _one_of(self, parts: Sequence[Expr], *, holds: bool) -> Conjunction:
        if len(parts) == 1:
            return self._all_of(parts[0], holds=holds)
        fact = self._new_fact()
        self._branches(fact, parts, holds=holds)
        return (fact,)

    def _either(self, *branches: Conjunction) -> Conjunction:
        """Return a fact that holds when one of the branches does."""
        possible = [branch for branch in branches if branch is not None]
        if len(possible) < 2:
            return possible[0] if possible else None
        fact = self._new_fact()
        self.rules += [_rule(fact, branch) for branch in possible]
        return (fact,)

    def _new_fact(self) -> str:
        self._facts += 1
        return f"any:{self._facts}"

    def _segment(self, name: str, *, holds: bool) -> Conjunction:
        """Return the fact of being in (or out of) the segment; its rules are written once, however often asked."""
        fact = f"{'in' if holds else 'out'}:{name}"
        if (name, holds) not in self._asked:
            self._asked.add((name, holds))
            self._branches(fact, (self._segments[name],), holds=holds)
        return (fact,)

    # --- readings

    def _property(self, expr: Expr, kind: str, read: Closure) -> str:
        key = f"{kind == 'o'}{expr!r}"  # a truth is not read as a value is
        name, _, kinds = self.readings.setdefault(key, (f"p{len(self.readings) + 1}", read, set()))
        suffix = "b" if kind == "o" else kind
        kinds.add(suffix)
        return f"{name}#{suffix}"

    def _told(self, expr: Expr, kind: str, op: Op, value: Scalar | tuple[Scalar, ...] | None = None) -> Conjunction:
        return (Check(self._property(expr, kind, value_of(expr)), op, value),)

    def _opaque(self, expr: Expr, *, holds: bool) -> Conjunction:
        return (Check(self._property(expr, "o", truth_of(expr)), "==", holds),)

    def _compared(self, expr: Compare, *, holds: bool) -> Conjunction:
        left, right, op = expr.left, expr.right, expr.op
        if isinstance(left, Constant | Duration) and op in FLIPPED:
            left, right, op = right, left, FLIPPED[op]
        if isinstance(left, HasTag | InSegment) and _is_truth(right) and op in {"==", "!="}:
            return self._all_of(left, holds=holds is ((op == "==") is right.value))
        if not _is_reading(left) or not isinstance(right, Constant | Duration):
            return self._opaque(expr, holds=holds)
        literal = right.value if isinstance(right, Constant) else right.micros
        match op:
            case "in" | "not in":
                return self._listed(expr, left, literal, holds=holds)
            case _:
                return self._against(expr, left, op, literal, holds=holds)

    def _against(self, expr: Compare, left: Expr, op: Op, literal: Any, *, holds: bool) -> Conjunction:
        if literal is None:
            return None if holds else ()  # nothing compares with what is missing
        kind = _kind_of(literal)
        if kind == "" or (kind != "n" and op not in {"==", "!="}):
            return self._opaque(expr, holds=holds)
        value = float(literal) if kind == "n" else literal
        is_other = op == "!="
        if not holds:
            missing = self._told(left, kind, "missing")
            turned = self._either(self._told(left, kind, _OPPOSITE[op], value), missing)
            return _joined([turned, self._told(left, "nan", "missing")]) if is_other and kind == "n" else turned
        told = self._told(left, kind, op, value)
        # What is no number differs from every number.
        return self._either(told, self._told(left, "nan", "==", True)) if is_other and kind == "n" else told

    def _listed(self, expr: Compare, left: Expr, literal: Any, *, holds: bool) -> Conjunction:
        items = [item for item in literal if item is not None] if isinstance(literal, list | tuple) else None
        if items is None or len(items) > LONGEST_LIST or not all(map(_kind_of, items)):
            return self._opaque(expr, holds=holds)
        by_kind: dict[str, list[Scalar]] = {}
        for item in items:
            kind = _kind_of(item)
            by_kind.setdefault(kind, []).append(float(item) if kind == "n" else item)
        if (expr.op == "in") is holds:
            found = [self._told(left, kind, "in", tuple(dict.fromkeys(same))) for kind, same in by_kind.items()]
            inside = self._either(*found)
            return inside if holds else self._either(inside, self._told(left, "t", "missing"))
        outside = [self._told(left, kind, "!=", item) for kind, same in by_kind.items() for item in dict.fromkeys(same)]
        each = [
            self._either(test, self._told(left, kind, "missing"))
            for test, kind in zip(outside, (k for k, same in by_kind.items() for _ in dict.fromkeys(same)), strict=True)
        ]
        return _joined([*each, *([self._told(left, "t", "==", True)] if holds else [])])


_OPPOSITE: Final[dict[str, Op]] = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _is_reading(expr: Expr) -> bool:
    return isinstance(expr, Path | Measured | Stage | Today)


def _is_truth(expr: Expr) -> TypeGuard[Constant]:
    return isinstance(expr, Constant) and isinstance(expr.value, bool)


def _kind_of(literal: Any) -> str:
    """Return the type of a literal that every chainer compares alike, "" for one that our closures must compare."""
    if isinstance(literal, bool):
        return "b"
    if isinstance(literal, str):
        return "s" if len(literal) <= LONGEST_LITERAL and _is_text(literal) else ""
    return "n" if is_number(literal) and -EXACT < literal < EXACT and float(literal) == literal else ""


def _is_text(literal: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in literal)


def _joined(parts: Iterable[Conjunction]) -> Conjunction:
    found: dict[Check | str | Lacked, None] = {}
    for part in parts:
        if part is None:
            return None
        found |= dict.fromkeys(part)
    return tuple(found)


def _rule(then: str, parts: "tuple[Check | str | Lacked, ...]") -> Rule:
    return Rule(
        then,
        tuple(part for part in parts if isinstance(part, Check)),
        tuple(part for part in parts if isinstance(part, str)),
        tuple(part.fact for part in parts if isinstance(part, Lacked)),
    )

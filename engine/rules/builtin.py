"""The reference: forward chaining until nothing more follows, in plain Python.

A rule counts down the facts it still waits for and is looked at again only by a fact it waits for, so the work is
bounded by the size of the rules whatever they say to each other. It is the oracle that every other chainer is held to.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from engine.core.chaining.ruleset import Check, Derived, Facts, Rule, RuleSet, Scalar, derived_of


class Builtin:
    """Chains over one rule set: `Builtin(rules).derive(facts)`."""

    name = "builtin"
    fallbacks = 0

    def __init__(self, rules: RuleSet) -> None:
        self._strata = [_Stratum(rules) for rules in rules.strata]

    def derive(self, facts: Facts) -> Derived:
        """Return all tags and stages that follow by rule.

        >>> vip = Rule("tag:vip", (Check("p1#n", ">", 100.0),))
        >>> dear = Rule("stage:monetize", facts=("tag:vip",))
        >>> Builtin(RuleSet(((vip, dear),))).derive(Facts({"p1#n": 260.0}))
        Derived(tags=frozenset({'vip'}), stages=frozenset({'monetize'}))
        """
        heads: set[str] = set()
        known = set(facts.given)
        for stratum in self._strata:
            stratum.close_over(facts.values, known, heads)
        return derived_of(heads)

    def derive_many(self, batch: Sequence[Facts]) -> list[Derived]:
        """Return the same for each of them, in their order."""
        return [self.derive(facts) for facts in batch]

    def close(self) -> None:
        """Hold nothing, release nothing."""


class _Stratum:
    """Rules that lack only what earlier strata settle, and an index from each fact to the rules that wait for it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._counts = [len(set(rule.facts)) for rule in rules]
        self._free = [place for place, count in enumerate(self._counts) if not count]
        self._waiting: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            for fact in dict.fromkeys(rule.facts):
                self._waiting.setdefault(fact, []).append(place)

    def close_over(self, values: Mapping[str, Scalar], known: set[str], heads: set[str]) -> None:
        """Add what follows to `known` and to `heads`, until nothing more does."""
        missing, ready = self._counts.copy(), self._free.copy()
        settled = frozenset(known)  # nothing that these rules lack can still come: it is of an earlier stratum
        for fact in settled:
            self._tell(fact, missing, ready)
        while ready:
            rule = self._rules[ready.pop()]
            if rule.then in heads or not _holds(rule, values, settled):
                continue
            heads.add(rule.then)
            if rule.then not in known:
                known.add(rule.then)
                self._tell(rule.then, missing, ready)

    def _tell(self, fact: str, missing: list[int], ready: list[int]) -> None:
        for place in self._waiting.get(fact, ()):
            missing[place] -= 1
            if not missing[place]:
                ready.append(place)


def _holds(rule: Rule, values: Mapping[str, Scalar], known: frozenset[str]) -> bool:
    return all(_passes(test, values) for test in rule.tests) and known.isdisjoint(rule.lacks)


def _passes(test: Check, values: Mapping[str, Scalar]) -> bool:
    found, bound = values.get(test.field), test.value
    if found is None or bound is None:
        return found is None and test.op == "missing"
    if isinstance(bound, tuple):
        return found in bound
    return _TESTS[test.op](found, bound)


_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""A property's name says its type, so both sides are of one.

Not taken from `core/comparisons.py`: this engine is asked whether the conditions that use that one are right.
"""

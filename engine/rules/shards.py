"""Writes a rule set as definitions for durable-rules, cut into pieces that its fixed-size tables can hold.

Only what was found safe: facts, literals, conjunctions; each pattern also asks for a mark (`_c`, `_f`) that only our
messages carry, else one that asks for nothing but what is missing would match the engine's own papers. The limits are
the engine's, measured, with room to spare. Called by `durable.py`; the child gets the text.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from engine.core.chaining.ruleset import Check, Rule, RuleSet, Scalar

MOST_RULES: Final = 60
"""Of one piece: 65 patterns that match at once are an error there, and a message matches one pattern a rule."""

MOST_PROPERTIES: Final = 200
MOST_CONDITIONS: Final = 300
"""On one property of one piece; at 512 the engine fails, at 513 it hangs."""

MOST_PATTERNS: Final = 12
MOST_CHECKS: Final = 24


class Shard(msgspec.Struct, frozen=True):
    """One ruleset of the engine: its JSON, which fact each rule gives, and what of a customer it is to be told.

    Facts are numbers here: `d7` is fact 7, `x7` says that it does not hold.
    """

    definition: str
    gives: dict[str, int]
    fields: list[str]
    facts: list[int]
    lacks: list[int]


class Sharded(msgspec.Struct, frozen=True):
    """All pieces, by strata, and the name of each fact."""

    strata: list[list[Shard]]
    names: list[str]


def sharded(rules: RuleSet) -> Sharded:
    """Return the definitions of the rule set."""
    numbers: dict[str, int] = {}
    strata: list[list[Shard]] = []
    for stratum in rules.strata:
        narrow = [part for place, rule in enumerate(stratum) for part in _narrowed(rule, f"{len(strata)}.{place}")]
        strata.append([_shard(piece, numbers) for piece in _pieces(narrow)])
    return Sharded(strata, list(numbers))


def number(value: float) -> str:
    """Return a finite number as the engine reads it: an exponent without a dot before it is refused there.

    >>> number(260.0), number(1e-05), number(1.5e-07)
    ('260.0', '1.0e-05', '1.5e-07')
    """
    text = repr(float(value))
    return text if "." in text else text.replace("e", ".0e")


# --- cut to size -------------------------------------------------------------------------------------


def _narrowed(rule: Rule, name: str) -> Iterator[Rule]:
    """Yield the rule, and the steps in between that a very wide one is taken apart into."""
    checks, lacks = _chunks(rule.tests, MOST_CHECKS), _chunks(rule.lacks, MOST_CHECKS)
    if len(checks) + len(lacks) <= 2 and len(rule.facts) <= MOST_PATTERNS:
        yield rule
        return
    facts = rule.facts
    parts = [Rule(f"part:{name}.t{place}", tests=chunk) for place, chunk in enumerate(checks)]
    parts += [Rule(f"part:{name}.l{place}", lacks=chunk) for place, chunk in enumerate(lacks)]
    facts = (*facts, *(part.then for part in parts))
    level = 0
    while len(facts) > MOST_PATTERNS:
        joined = [Rule(f"part:{name}.{level}.{n}", facts=c) for n, c in enumerate(_chunks(facts, MOST_PATTERNS))]
        parts += joined
        facts, level = tuple(one.then for one in joined), level + 1
    yield from parts
    yield Rule(rule.then, facts=facts)


def _chunks(items: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def _pieces(rules: Iterable[Rule]) -> Iterator[list[Rule]]:
    piece: list[Rule] = []
    asked: Counter[str] = Counter()
    for rule in rules:
        more = _asked(rule)
        both = asked + more
        if piece and (
            len(piece) >= MOST_RULES or len(both) > MOST_PROPERTIES or max(both.values(), default=0) > MOST_CONDITIONS
        ):
            yield piece
            piece, both = [], more
        piece.append(rule)
        asked = both
    if piece:
        yield piece


def _asked(rule: Rule) -> Counter[str]:
    """Count the conditions on each property."""
    counted: Counter[str] = Counter((*rule.facts, *rule.lacks))
    for check in rule.tests:
        counted[check.field] += len(check.value) if isinstance(check.value, tuple) else 1
    return counted


# --- the engine's words ------------------------------------------------------------------------------


def _shard(rules: Sequence[Rule], numbers: dict[str, int]) -> Shard:
    def numbered(fact: str) -> int:
        return numbers.setdefault(fact, len(numbers))

    said, gives = ['"warm":{"all":[{"m":{"_warm_":1}}]}'], {}
    for place, rule in enumerate(rules):
        patterns = [_pattern("m", [*map(_condition, rule.tests), *(f'{{"x{numbered(f)}":1}}' for f in rule.lacks)])]
        told = [_pattern(f"d{numbered(fact)}", [f'{{"d{numbered(fact)}":1}}']) for fact in rule.facts]
        patterns = told if told and not (rule.tests or rule.lacks) else [*patterns, *told]
        gives[f"r{place}"] = numbered(rule.then)
        said.append(f'"r{place}":{{"all":[{",".join(patterns)}]}}')
    return Shard(
        definition=f"{{{','.join(said)}}}",
        gives=gives,
        fields=sorted({check.field for rule in rules for check in rule.tests}),
        facts=sorted({numbered(fact) for rule in rules for fact in rule.facts}),
        lacks=sorted({numbered(fact) for rule in rules for fact in rule.lacks}),
    )


def _pattern(alias: str, conditions: Sequence[str]) -> str:
    own = '{"_c":1}' if alias == "m" else '{"_f":1}'  # the customer's message, or a fact's
    return f'{{"{alias}":{{"$and":[{",".join((own, *conditions))}]}}}}'


_OPERATORS: Final = {"!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


def _condition(check: Check) -> str:
    field = json.dumps(check.field)
    value = check.value
    if check.op == "missing" or value is None:
        return f'{{"$nex":{{{field}:1}}}}'
    if isinstance(value, tuple):
        either = [f"{{{field}:{_literal(one)}}}" for one in value]
        return either[0] if len(either) == 1 else f'{{"$or":[{",".join(either)}]}}'
    if check.op == "==":
        return f"{{{field}:{_literal(value)}}}"
    return f'{{"{_OPERATORS[check.op]}":{{{field}:{_literal(value)}}}}}'


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else number(value)

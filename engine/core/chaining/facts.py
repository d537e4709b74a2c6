"""Reads one customer for a `RuleSet`, and holds what was derived against what is kept.

A second opinion is given at an instant that the daemon has answered for: timers fire late when nobody runs, so nobody
is looked at at, or after, the next one of theirs.
"""

import math
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.core.audience.tags import BY_RULE
from engine.core.chaining.ruleset import TAG, Derived, Facts, Scalar
from engine.core.chaining.translation import Reading, Translated
from engine.core.context import Context
from engine.core.ids import Micros
from engine.core.policy import Audience
from engine.core.state import Customer, Held

FARTHEST: Final = float(1 << 60)
"""Numbers beyond it are told as this one: no literal comes near, and every engine can hold it."""

Way: TypeAlias = Literal["missing", "extra"]


class Difference(msgspec.Struct, frozen=True):
    """A tag or stage that follows by rule and is not kept ("missing"), or is kept and does not follow ("extra")."""

    kind: Literal["tag", "stage"]
    name: str
    way: Way


def instant_for(customer: Customer, applied: Micros) -> Micros:
    """Return when to look at the customer: `applied`, or just before their next timer where that is not after it.

    >>> instant_for(Customer("c", created=0, wake=500), 900), instant_for(Customer("c", created=0), 900)
    (499, 900)
    """
    return min(applied, customer.wake - 1) if customer.wake else applied


def facts_of(translated: Translated, context: Context, held: frozenset[str] = frozenset()) -> Facts:
    """Return what the rules may know of the context's customer at its `now`.

    Given are the tags that no rule gave or that outlast their rule, and of `held` (more tags to take as given).
    """
    values: dict[str, Scalar] = {}
    for reading in translated.readings:
        _tell(values, reading, reading.read(context))
    return Facts(values, frozenset(TAG + name for name in given_tags(translated, context) | held))


def given_tags(translated: Translated, context: Context) -> frozenset[str]:
    """Return the tags carried now that do not rest on their rule alone; those on a circle hold one another up."""
    rules = translated.rules
    return frozenset(
        name
        for name, held in context.customer.tags.items()
        if held.lasts_at(context.now) and (name not in rules.tags or not is_by_rule(held) or name in rules.circular)
    )


def is_by_rule(held: Held | None) -> bool:
    """Is the tag carried because its rule holds, and for no other reason?"""
    return held is not None and held.by == BY_RULE and not held.until


def _tell(values: dict[str, Scalar], reading: Reading, value: Any) -> None:
    """Put the value under the property of its type, as far as a rule asks for that."""
    kind, kinds = type(value), reading.kinds
    if value is not None and "t" in kinds:
        values[f"{reading.name}#t"] = True
    if kind is bool and "b" in kinds:
        values[f"{reading.name}#b"] = value
    elif kind is str and "s" in kinds:
        values[f"{reading.name}#s"] = value
    elif kind is int or kind is float:
        if math.isnan(value):
            if "nan" in kinds:
                values[f"{reading.name}#nan"] = True
        elif "n" in kinds:
            values[f"{reading.name}#n"] = _bounded(value)


def _bounded(value: float) -> float:
    if -FARTHEST < value < FARTHEST:
        return float(value)
    return math.copysign(FARTHEST, value)


def differences(audience: Audience, context: Context, derived: Derived) -> list[Difference]:
    """Return where the derived tags and stages are not what is kept of the context's customer.

    A stage once reached stays, whatever became of its condition, so none is "extra" unless the audience lets customers
    fall back: then it is looked at where they stand.
    """
    customer, now = context.customer, context.now
    found: list[Difference] = []
    for name, rule in audience.tags.items():
        held = customer.tags.get(name)
        if name in derived.tags:
            is_kept = held is not None and held.lasts_at(now) and (held.by != BY_RULE or not held.until)
            found += [] if is_kept else [Difference("tag", name, "missing")]
        elif rule.when is not None and is_by_rule(held):
            found.append(Difference("tag", name, "extra"))
    missing = [name for name in audience.stages if name in derived.stages and name not in customer.stages]
    found += [Difference("stage", name, "missing") for name in missing]
    if audience.regress == "follow" and not missing:
        furthest = next((name for name in reversed(audience.stages) if name in derived.stages), "")
        if customer.stage != furthest:
            found += [Difference("stage", furthest, "missing")] if furthest else []
            found += [Difference("stage", customer.stage, "extra")] if customer.stage else []
    return found

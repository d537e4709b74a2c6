"""The order of rules that may rest on the absence of what other rules give, and which facts stand on a circle.

Called by `translation.py`.
"""

from collections.abc import Sequence

from engine.core.chaining.ruleset import Rule
from engine.core.errors import BadInput


def stratified(rules: Sequence[Rule]) -> tuple[tuple[Rule, ...], ...]:
    """Return the rules by strata; raises `BadInput` when a fact would need itself not to hold.

    A rule comes no sooner than what it needs, and later than what it must lack.

    >>> poor, dear = Rule("tag:poor", lacks=("tag:dear",)), Rule("tag:dear", facts=("tag:vip",))
    >>> [[rule.then for rule in stratum] for stratum in stratified([poor, dear])]
    [['tag:dear'], ['tag:poor']]
    """
    level = dict.fromkeys((rule.then for rule in rules), 0)
    readers: dict[str, list[Rule]] = {}
    for rule in rules:
        for fact in (*rule.facts, *rule.lacks):
            readers.setdefault(fact, []).append(rule)
    ahead = list(rules)
    while ahead:
        rule = ahead.pop()
        least = max(
            (*(level.get(fact, 0) for fact in rule.facts), *(level[fact] + 1 for fact in rule.lacks if fact in level)),
            default=0,
        )
        if least > level[rule.then]:
            if least > len(level):
                raise BadInput(
                    f"{rule.then.partition(':')[2]} would need itself not to hold",
                    "Break the circle: tags may build on each other, but none on its own absence",
                )
            level[rule.then] = least
            ahead += readers.get(rule.then, ())
    count = max(level.values(), default=-1) + 1
    return tuple(tuple(rule for rule in rules if level[rule.then] == stratum) for stratum in range(count))


def supports_itself(fact: str, rules: Sequence[Rule]) -> bool:
    """Say whether the fact is on a circle of facts that need one another."""
    needs: dict[str, set[str]] = {}
    for rule in rules:
        needs.setdefault(rule.then, set()).update(rule.facts)
    ahead, seen = [*needs.get(fact, ())], set[str]()
    while ahead:
        one = ahead.pop()
        if one == fact:
            return True
        if one not in seen:
            seen.add(one)
            ahead += needs.get(one, ())
    return False

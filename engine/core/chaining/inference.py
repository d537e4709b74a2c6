"""Tags and stages drawn by a chainer, all at once, instead of one condition at a time: `rules.chainer: durable`.

Says what holds once everything has settled; `standing` and `lifecycle` ask it for the truth of their conditions and do
with it what they always do. A playbook without one is the ordinary way.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from engine.core.chaining.facts import facts_of, is_by_rule
from engine.core.chaining.ruleset import TAG, Derived, Facts, RuleSet
from engine.core.chaining.translation import translate
from engine.core.context import Context
from engine.core.policy import Audience

Chain: TypeAlias = Callable[[Facts], Derived]
"""Pure as far as anybody can see: the same facts give the same answer."""


class Inference:
    """`Inference(audience, make)`: `make` gives the chain for the audience's rules."""

    def __init__(self, audience: Audience, make: Callable[[RuleSet], Chain]) -> None:
        self.audience = audience
        self._translated = translate(audience)
        self._chain = make(self._translated.rules)
        self._lasting = frozenset(name for name, rule in audience.tags.items() if rule.lasts is not None)

    def conclude(self, context: Context) -> Derived:
        """Return the tags and stages whose rules hold for the context's customer once nothing moves any more.

        A tag that outlasts its rule counts as carried, whatever its rule says now. Tags on a circle hold one another up
        as long as each is held up by another.
        """
        tags, circular = context.customer.tags, self._translated.rules.circular
        ruled = frozenset(name for name, held in tags.items() if is_by_rule(held))
        facts = facts_of(self._translated, context, ruled & self._lasting)
        while True:
            derived = self._chain(facts)
            fallen = (ruled & circular) - self._lasting - derived.tags
            left = facts.given - {TAG + name for name in fallen}
            if left == facts.given:
                return derived
            facts = msgspec.structs.replace(facts, given=left)

"""A second look at customers: tags and stages derived anew by independent engines, against what is kept of them.

Reads only. Called by `journeyd audit` for whole populations and by the daemon for a share of its decisions.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from engine.core.audience.accounts import seen_by_conditions
from engine.core.chaining.facts import Difference, differences, facts_of, instant_for
from engine.core.chaining.ruleset import RuleSet
from engine.core.chaining.translation import translate
from engine.core.context import Context
from engine.core.expression import Path, walk
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.core.state import Account, Customer
from engine.ports import Chainer

Engines: TypeAlias = Sequence[Callable[[RuleSet], Chainer]]
"""What makes the engines to ask, each for the rules in force."""


class Case(msgspec.Struct, frozen=True):
    """A customer as kept, when the daemon had last answered for everybody, and the company the customer belongs to."""

    customer: Customer
    applied: Micros
    account: Account | None = None


class Finding(msgspec.Struct, frozen=True):
    """A tag or stage of a customer over which somebody disagrees: what is kept, and what each engine says."""

    customer: str
    kind: str
    name: str
    kept: bool
    said: dict[str, bool]


class SecondLook:
    """Looks at customers with the rules of one playbook; close it when other rules come into force."""

    def __init__(self, playbook: Playbook, engines: Engines) -> None:
        self._playbook = playbook
        self._translated = translate(playbook.audience)
        audience = playbook.audience
        rules = [rule.when for rule in audience.tags.values() if rule.when is not None]
        asked = (*rules, *audience.stages.values(), *audience.segments.values())
        self._reads_account = any(
            isinstance(part, Path) and part.root == "account" for condition in asked for part in walk(condition)
        )
        self.chainers = [make(self._translated.rules) for make in engines]

    @property
    def rules(self) -> int:
        """Return how many tags and stages have a rule."""
        return len(self._translated.rules.tags) + len(self._translated.rules.stages)

    def look(self, cases: Iterable[Case]) -> list[Finding]:
        """Return what anybody disagrees over; those whom nobody has looked at yet are passed over.

        That is customers of whom no event was heard, and, where a rule reads the account, those who were not heard of
        since it changed.
        """
        contexts = [self._context(case) for case in cases if self._is_settled(case)]
        facts = [facts_of(self._translated, context) for context in contexts]
        wrong: list[dict[Difference, set[str]]] = [{} for _ in contexts]
        for chainer in self.chainers:
            for context, found, derived in zip(contexts, wrong, chainer.derive_many(facts), strict=True):
                for difference in differences(self._playbook.audience, context, derived):
                    found.setdefault(difference, set()).add(chainer.name)
        return [
            self._finding(context.customer.id, difference, minds)
            for context, found in zip(contexts, wrong, strict=True)
            for difference, minds in found.items()
        ]

    def _is_settled(self, case: Case) -> bool:
        changed = case.account.traits_at.values() if case.account is not None and self._reads_account else ()
        return case.customer.seen > 0 and max(changed, default=0) <= case.customer.seen

    def close(self) -> None:
        """Release the engines."""
        for chainer in self.chainers:
            chainer.close()

    def _context(self, case: Case) -> Context:
        playbook, customer = self._playbook, case.customer
        now = instant_for(customer, case.applied)
        context = Context(customer, now, None, None, playbook.policy, playbook.segments)
        context.account = seen_by_conditions(case.account)
        return context

    def _finding(self, customer: str, difference: Difference, minds: set[str]) -> Finding:
        kept = difference.way == "extra"
        said = {one.name: kept is not (one.name in minds) for one in self.chainers}
        return Finding(customer, difference.kind, difference.name, kept, said)

"""What a decision may know beyond its customer: free coupon codes, how arms did, accounts, who is still underway.

Values of the same unit of work, so that a replay sees what the live run saw. `usecases/work.py` answers from the store
and from what the unit has changed already; stories and rehearsals answer from memory.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from engine.core.commands import CountArm, IssueCoupon
from engine.core.state import Account, Customer


class ArmResult(msgspec.Struct, frozen=True):
    """How often an arm of a split was tried, and how often it won."""

    tried: int = 0
    won: int = 0


class World(Protocol):
    """Asked by steps and enrolment; every answer is cheap and changes only through the decision's own commands."""

    def codes(self, pool: str, count: int) -> Sequence[str]:
        """Return up to `count` codes of the pool that nobody has, in the pool's order."""
        ...

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        """Return how the arms of a `winner` split did so far; arms never tried are absent."""
        ...

    def account(self, account_id: str) -> Account | None:
        """Return the account, None when nothing is known of it."""
        ...

    def contact(self, customer_id: str) -> Customer | None:
        """Return another customer: an account's contact."""
        ...

    def underway(self, journey: str, version: str) -> int:
        """Return how many runs of the journey travel in versions other than this one."""
        ...


class Given(msgspec.Struct):
    """A world that is written down: for stories, rehearsals and tests. Empty pools, no accounts by default.

    `travelling` counts active runs by (journey, version).
    """

    pools: dict[str, list[str]] = {}
    arms: dict[tuple[str, str], dict[str, ArmResult]] = {}
    accounts: dict[str, Account] = {}
    customers: dict[str, Customer] = {}
    travelling: dict[tuple[str, str], int] = {}

    def codes(self, pool: str, count: int) -> Sequence[str]:
        """Return the first codes of the list."""
        return self.pools.get(pool, [])[:count]

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        """Return what `learn` has added up."""
        return self.arms.get((journey, split), {})

    def account(self, account_id: str) -> Account | None:
        """Return the account that is written down."""
        return self.accounts.get(account_id)

    def contact(self, customer_id: str) -> Customer | None:
        """Return the customer that is written down."""
        return self.customers.get(customer_id)

    def underway(self, journey: str, version: str) -> int:
        """Return the runs written down for the other versions."""
        return sum(n for (name, other), n in self.travelling.items() if name == journey and other != version)

    def learn(self, command: object) -> None:
        """Take a decision's command in: a code is gone, an arm was tried or won; others change nothing here."""
        match command:
            case IssueCoupon(pool=pool, code=code):
                self.pools[pool] = [other for other in self.pools.get(pool, []) if other != code]
            case CountArm(journey=journey, split=split, arm=arm, tried=tried, won=won):
                results = self.arms.setdefault((journey, split), {})
                before = results.get(arm, ArmResult())
                results[arm] = ArmResult(before.tried + tried, before.won + won)
            case _:
                pass


NOWHERE: Final = Given()

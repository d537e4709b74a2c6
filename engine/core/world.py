"""What a decision may know beyond its customer: free coupon codes, how arms did, accounts, who is still underway.

Values of the same unit of work, so that a replay sees what the live run saw. `usecases/work.py` answers from the store
and from what the unit has changed already; stories and rehearsals answer from memory.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

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


class Nowhere:
    """A world that holds nothing: for decisions that ask nothing of it."""

    def codes(self, pool: str, count: int) -> Sequence[str]:
        """Every pool is empty."""
        return ()

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        """Nothing was tried."""
        return {}

    def account(self, account_id: str) -> Account | None:
        """Nothing is known."""
        return None

    def contact(self, customer_id: str) -> Customer | None:
        """Nobody is known."""
        return None

    def underway(self, journey: str, version: str) -> int:
        """Nobody travels."""
        return 0


NOWHERE: Final = Nowhere()

"""The world of a rehearsal: coupon pools that never run dry unless told to, what arms did, accounts, other customers.

Answers `decide` as `core.world.World` asks it. Lives in memory and changes through decisions' commands only.
"""

from collections.abc import Callable, Mapping, Sequence

from engine.core.commands import CountArm, IssueCoupon
from engine.core.state import Account, Customer
from engine.core.world import ArmResult


class Scene:
    """A `World`. `stock` limits the codes of a pool; a pool that it does not name has as many as are asked for.

    `find` returns a customer by id; of a merged one who took it in.
    """

    def __init__(self, find: Callable[[str], Customer | None], stock: Mapping[str, int] | None = None) -> None:
        self._find = find
        self._stock = dict(stock or {})
        self._arms: dict[tuple[str, str], dict[str, ArmResult]] = {}
        self._accounts: dict[str, Account] = {}
        self.issued: dict[str, int] = {}
        """Pool -> codes given out so far."""

    def codes(self, pool: str, count: int) -> Sequence[str]:
        """Return the next codes of the pool: made up, numbered, each given once."""
        first = self.issued.get(pool, 0)
        left = self._stock[pool] - first if pool in self._stock else count
        return [f"{pool}-{number + 1:06d}" for number in range(first, first + max(0, min(count, left)))]

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        """Return how the arms of a `winner` split did so far."""
        return self._arms.get((journey, split), {})

    def account(self, account_id: str) -> Account | None:
        """Return the account, None when nothing was heard of it."""
        return self._accounts.get(account_id)

    def put_account(self, account: Account) -> None:
        """Keep the account's new value."""
        self._accounts[account.id] = account

    def contact(self, customer_id: str) -> Customer | None:
        """Return another customer of the same history; of a merged one who took it in."""
        return self._find(customer_id)

    def underway(self, journey: str, version: str) -> int:
        """Return 0: a rehearsal begins with nobody on the road, so no older version is travelled."""
        del journey, version
        return 0

    def learn(self, command: IssueCoupon | CountArm) -> None:
        """Take in that a code is gone, or that an arm was tried or won."""
        match command:
            case IssueCoupon(pool=pool):
                self.issued[pool] = self.issued.get(pool, 0) + 1
            case CountArm(journey=journey, split=split, arm=arm, tried=tried, won=won):
                results = self._arms.setdefault((journey, split), {})
                before = results.get(arm, ArmResult())
                results[arm] = ArmResult(before.tried + tried, before.won + won)

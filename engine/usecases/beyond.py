"""What decisions ask beyond their customer, as a unit of work sees it: the store, and what this unit has changed.

Codes, results of arms and accounts are read once per unit, and only when somebody asks. `Work` builds on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from engine.core.commands import CountArm, IssueCoupon
from engine.core.state import Account
from engine.core.world import ArmResult
from engine.ports import Changes, CouponRow, Unit

_READ_AHEAD: Final = 16


class Beyond:
    """The part of `core.world.World` that no customer is part of. `changes` collects what is issued and counted."""

    __slots__ = ("_accounts", "_arms", "_free", "_read", "changes", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit: Final = unit
        self.changes = Changes()
        self._free: dict[str, list[str]] = {}  # pool -> codes read of which this unit has issued none
        self._read: dict[str, int] = {}  # pool -> how many codes were read
        self._arms: dict[tuple[str, str], dict[str, ArmResult]] = {}
        self._accounts: dict[str, Account | None] = {}

    # --- coupons

    def codes(self, pool: str, count: int) -> Sequence[str]:
        """Return up to `count` codes of the pool that nobody has, in the pool's order."""
        free = self._free.setdefault(pool, [])
        if len(free) < count:
            self._read_on(pool, free, count - len(free))
        return free[:count]

    def _read_on(self, pool: str, free: list[str], missing: int) -> None:
        """Read further codes; each time twice as many, since the store begins at the pool's first free one."""
        known = self._read.get(pool, 0)
        found = self.unit.codes(pool, 2 * known + missing + _READ_AHEAD)
        free += found[known:]
        self._read[pool] = len(found)

    def issue(self, coupon: IssueCoupon) -> None:
        """Take the code out of its pool; it is that customer's."""
        free = self._free.get(coupon.pool, [])
        if coupon.code in free:
            free.remove(coupon.code)  # the first of the list, so nothing is searched
        self.changes.coupons.append(
            CouponRow(
                coupon.pool,
                coupon.code,
                coupon.key,
                coupon.customer,
                coupon.at,
                run=coupon.run,
                journey=coupon.journey,
                step=coupon.step,
            )
        )

    # --- arms

    def results(self, journey: str, split: str) -> Mapping[str, ArmResult]:
        """Return how the arms of a `winner` split did so far; arms never tried are absent."""
        results = self._arms.get((journey, split))
        if results is None:
            results = self._arms[journey, split] = self.unit.arms(journey, split)
            for (known, name, arm), more in self.changes.arms.items():
                if (known, name) == (journey, split):
                    results[arm] = _added(results.get(arm), more)
        return results

    def count(self, counted: CountArm) -> None:
        """Add to what an arm has tried and won."""
        more = ArmResult(counted.tried, counted.won)
        key = (counted.journey, counted.split, counted.arm)
        self.changes.arms[key] = _added(self.changes.arms.get(key), more)
        results = self._arms.get((counted.journey, counted.split))
        if results is not None:
            results[counted.arm] = _added(results.get(counted.arm), more)

    # --- accounts

    def gather_accounts(self, ids: Iterable[str]) -> None:
        """Read the accounts that are not here yet, in one go."""
        missing = [id_ for id_ in ids if id_ not in self._accounts]
        if missing:
            found = self.unit.accounts(missing)
            self._accounts.update((id_, found.get(id_)) for id_ in missing)

    def account(self, account_id: str) -> Account | None:
        """Return the account as this unit sees it, None when nothing is known of it."""
        if account_id not in self._accounts:
            self.gather_accounts((account_id,))
        return self._accounts[account_id]

    def put_account(self, account: Account) -> None:
        """Keep the account's new value."""
        self._accounts[account.id] = self.changes.accounts[account.id] = account


def _added(before: ArmResult | None, more: ArmResult) -> ArmResult:
    return more if before is None else ArmResult(before.tried + more.tried, before.won + more.won)

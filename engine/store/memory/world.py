"""What publishing and decisions read from the memory tables beyond customers and touches."""

from collections.abc import Iterable
from itertools import islice

import msgspec

from engine.core.plan import Plan
from engine.core.release import Release
from engine.core.state import Account
from engine.core.world import ArmResult
from engine.ports import CouponRow, JobRow, PoolRow
from engine.store.memory.reader import EngineReads


class WorldReads(EngineReads):
    """The middle of `ports.Reader`: releases, jobs, who is underway; coupons, arms and accounts."""

    def plan(self, journey: str, version: str) -> Plan | None:
        """Return any version that was ever published, None when unknown."""
        return self._tables.plans.get((journey, version))

    def releases(self, limit: int = 100) -> list[Release]:
        """Return what was published, newest first."""
        with self._lock:
            return list(islice(reversed(self._tables.releases), max(limit, 0)))

    def jobs(self) -> list[JobRow]:
        """Return the work that publishes left to do, in the order it was asked for."""
        with self._lock:
            return list(self._tables.jobs.values())

    def underway(self, journey: str, version: str) -> int:
        """Return how many active runs the journey has in versions other than this one."""
        with self._lock:
            counts = self._tables.underway.items()
            return sum(n for (name, other), n in counts if name == journey and other != version)

    def travellers(self, journey: str, version: str, after: str, limit: int) -> list[str]:
        """Return ids (above `after`, in id order) of customers with such a run."""
        with self._lock:
            owners = {
                self._tables.root(owner)
                for owner, run in self._tables.runs.values()
                if run.is_active and run.journey == journey and run.version != version
            }
        return sorted(owner for owner in owners if owner > after)[: max(limit, 0)]

    def codes(self, pool: str, count: int) -> list[str]:
        """Return up to `count` codes of the pool that nobody has, in the pool's order."""
        with self._lock:
            found = self._tables.pools.get(pool)
            return [] if found is None else list(islice(found.free, max(count, 0)))

    def pools(self) -> list[PoolRow]:
        """Return every coupon pool, by name."""
        with self._lock:
            pools = sorted(self._tables.pools.items())
            return [PoolRow(name, len(pool.free), len(pool.known) - len(pool.free)) for name, pool in pools]

    def coupons(self, customer: str = "", pool: str = "", limit: int = 1000) -> list[CouponRow]:
        """Return the codes issued, newest first; a merged customer's are the winner's."""
        root = self._tables.root
        with self._lock:
            asked = root(customer)
            chosen = (
                msgspec.structs.replace(row, customer=root(row.customer))
                for row in reversed(self._tables.coupons.values())
                if (not pool or row.pool == pool) and (not asked or root(row.customer) == asked)
            )
            return list(islice(chosen, max(limit, 0)))

    def arms(self, journey: str, split: str) -> dict[str, ArmResult]:
        """Return how the arms of a split did; arms never tried are absent."""
        with self._lock:
            return dict(self._tables.arms.get((journey, split), {}))

    def accounts(self, ids: Iterable[str]) -> dict[str, Account]:
        """Return the accounts by id; unknown ids are absent."""
        with self._lock:
            return {asked: self._tables.accounts[asked] for asked in ids if asked in self._tables.accounts}

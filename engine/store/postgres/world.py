"""What publishing and decisions read from PostgreSQL beyond customers and touches."""

from collections.abc import Iterable
from typing import Final

import msgspec

from engine.core import plan, release
from engine.core.plan import Plan
from engine.core.release import Release
from engine.core.state import Account
from engine.core.world import ArmResult
from engine.ports import CouponRow, JobRow, PoolRow
from engine.store.postgres.reader import EngineReads, storable

_jobs: Final[msgspec.msgpack.Decoder[JobRow]] = msgspec.msgpack.Decoder(JobRow)
accounts: Final[msgspec.msgpack.Decoder[Account]] = msgspec.msgpack.Decoder(Account)
_FEW_PAGES: Final = 10


class WorldReads(EngineReads):
    """The middle of `ports.Reader`: releases, jobs, who is underway; coupons, arms and accounts."""

    def plan(self, journey: str, version: str) -> Plan | None:
        """Return any version that was ever published, None when unknown."""
        body = self._one("plan", journey, version)
        return None if body is None else plan.decode(body)

    def releases(self, limit: int = 100) -> list[Release]:
        """Return what was published, newest first."""
        return [release.decode(body) for (body,) in self._all("releases", max(limit, 0))]

    def jobs(self) -> list[JobRow]:
        """Return the work that publishes left to do, in the order it was asked for."""
        return [_jobs.decode(body) for (body,) in self._all("jobs")]

    def underway(self, journey: str, version: str) -> int:
        """Return how many active runs the journey has in versions other than this one."""
        return int(self._one("underway", journey, version))

    def travellers(self, journey: str, version: str, after: str, limit: int) -> list[str]:
        """Return ids (above `after`, in id order) of customers with such a run."""
        # Few are sorted anew for each page; among many, the next page is never far down the list of customers.
        is_many = self.underway(journey, version) > _FEW_PAGES * limit
        name = "travellers_many" if is_many else "travellers_few"
        return [oneid for (oneid,) in self._all(name, journey, version, after, max(limit, 0))]

    def codes(self, pool: str, count: int) -> list[str]:
        """Return up to `count` codes of the pool that nobody has, in the pool's order."""
        return [code for (code,) in self._all("codes", pool, max(count, 0))]

    def pools(self) -> list[PoolRow]:
        """Return every coupon pool, by name."""
        return [PoolRow(*row) for row in self._all("pools")]

    def coupons(self, customer: str = "", pool: str = "", limit: int = 1000) -> list[CouponRow]:
        """Return the codes issued, newest first; a merged customer's are the winner's."""
        most = max(limit, 0)
        if customer:
            rows = self._all("coupons_of_customer", customer, pool, most)
        else:
            rows = self._all("coupons_of_pool", pool, most) if pool else self._all("coupons", most)
        return [CouponRow(*row) for row in rows]

    def arms(self, journey: str, split: str) -> dict[str, ArmResult]:
        """Return how the arms of a split did; arms never tried are absent."""
        return {arm: ArmResult(tried, won) for arm, tried, won in self._all("arms", journey, split)}

    def accounts(self, ids: Iterable[str]) -> dict[str, Account]:
        """Return the accounts by id; unknown ids are absent."""
        asked = storable(ids)
        return {id_: accounts.decode(body) for id_, body in self._all("accounts", asked)} if asked else {}

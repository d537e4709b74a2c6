"""Writes what decisions ask of the world beyond their customer: coupon codes, arms' results, accounts.

Called by apply.py: `check_coupons` before anything is written, `publish_world` when nothing can fail any more.
"""

from engine.core.errors import CouponTaken
from engine.core.world import ArmResult
from engine.ports import Changes
from engine.store.memory.tables import Pool, Tables


def check_coupons(tables: Tables, changes: Changes) -> None:
    """Raise `CouponTaken` unless each coupon's code is free (or stocked now) and each key is new."""
    stocked: dict[str, set[str]] = {}
    for pool, codes in changes.stock if changes.coupons else ():
        known = tables.pools[pool].known if pool in tables.pools else set()
        stocked.setdefault(pool, set()).update(code for code in codes if code not in known)
    taken: set[tuple[str, str]] = set()
    keys: set[str] = set()
    for row in changes.coupons:
        here = tables.pools.get(row.pool)
        is_free = row.code in stocked.get(row.pool, ()) or (here is not None and row.code in here.free)
        if not is_free or (row.pool, row.code) in taken:
            raise CouponTaken(f"code {row.code} of pool {row.pool} is not free")
        if row.key in keys or row.key in tables.coupons:
            raise CouponTaken(f"a coupon was issued under {row.key} before")
        taken.add((row.pool, row.code))
        keys.add(row.key)


def publish_world(tables: Tables, changes: Changes) -> None:
    """Write codes, coupons, arms and accounts down."""
    for name, codes in changes.stock:
        pool = tables.pools.setdefault(name, Pool())
        fresh = [code for code in dict.fromkeys(codes) if code not in pool.known]
        pool.known.update(fresh)
        pool.free.update(dict.fromkeys(fresh))
    for row in changes.coupons:
        del tables.pools[row.pool].free[row.code]
        tables.coupons[row.key] = row
    for (journey, split, arm), more in changes.arms.items():
        results = tables.arms.setdefault((journey, split), {})
        before = results.get(arm, ArmResult())
        results[arm] = ArmResult(before.tried + more.tried, before.won + more.won)
    tables.accounts.update(changes.accounts)

"""Writes what decisions ask of the world beyond their customer: coupon codes, arms' results, accounts."""

from collections import Counter
from typing import Final

import msgspec

from engine.core.errors import CouponTaken
from engine.ports import Changes, CouponRow
from engine.store.postgres.roster import Roster
from engine.store.postgres.session import Session, columns
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


def write_world(session: Session, changes: Changes, roster: Roster, tallies: Tallies, unknown: set[str]) -> None:
    """Write codes, coupons, arms and accounts; raises `CouponTaken` for a code that is not free.

    `unknown`: the accounts that the turn asked for and that were not there.
    """
    for pool, codes in changes.stock:
        session.send("add_pool", pool)
        answer = session.send("add_codes", pool, codes)
        session.settle()
        tallies.add("free", (pool,), answer.rowcount)
    if changes.coupons:
        _issue(session, changes.coupons, roster, tallies)
    if changes.arms:
        arms = [(*key, more.tried, more.won) for key, more in changes.arms.items()]
        session.send("add_arms", session.stripe, *columns(arms))
    if changes.accounts:
        _put_accounts(session, changes, unknown)


def _issue(session: Session, coupons: list[CouponRow], roster: Roster, tallies: Tallies) -> None:
    pools = {row.pool for row in coupons}
    nums: dict[str, int] = dict.fromkeys(pools, 0) | dict(session.send("pool_numbers", list(pools)).fetchall())
    taken = session.send("take_codes", *columns((nums[row.pool], row.code) for row in coupons))
    issued = session.send(
        "add_coupons",
        *columns(
            (
                row.key,
                nums[row.pool],
                roster.number(row.customer),
                row.code,
                row.at,
                row.run,
                row.journey,
                row.step,
            )
            for row in coupons
        ),
    )
    free = {(pool, code) for pool, code in taken.fetchall()}
    unused = {key for (key,) in issued.fetchall()}
    for row in coupons:
        if (nums[row.pool], row.code) not in free:
            raise CouponTaken(f"code {row.code} of pool {row.pool} is not free")
        if row.key not in unused:
            raise CouponTaken(f"a coupon was issued under {row.key} before")
        free.remove((nums[row.pool], row.code))
        unused.remove(row.key)
    for pool, n in Counter(row.pool for row in coupons).items():
        tallies.add("free", (pool,), -n)
        tallies.add("issued", (pool,), n)


def _put_accounts(session: Session, changes: Changes, unknown: set[str]) -> None:
    rows = [(id_, _encode(account)) for id_, account in changes.accounts.items()]
    if added := [row for row in rows if row[0] in unknown]:
        session.expect(session.send("add_accounts", *columns(added)), len(added), "an account")
    if put := [row for row in rows if row[0] not in unknown]:
        session.send("put_accounts", *columns(put))

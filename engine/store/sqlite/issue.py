"""Writes what decisions ask of the world beyond their customer: coupon codes, arms' results, accounts."""

from collections import Counter
from typing import Final

import apsw
import msgspec

from engine.core.errors import CouponTaken
from engine.ports import Changes, CouponRow
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.roster import Roster

_encode: Final = msgspec.msgpack.Encoder().encode


def write_world(connection: apsw.Connection, changes: Changes, roster: Roster) -> None:
    """Write codes, coupons, arms and accounts; raises `CouponTaken` for a code that is not free."""
    for pool, codes in changes.stock:
        _stock(connection, pool, codes)
    if changes.coupons:
        _issue(connection, changes.coupons, roster)
    arms = [(*key, more.tried, more.won) for key, more in changes.arms.items()]
    connection.executemany(SQL["add_arm"], arms)
    accounts = [(id_, _encode(account)) for id_, account in changes.accounts.items()]
    connection.executemany(SQL["put_account"], accounts)


def _stock(connection: apsw.Connection, pool: str, codes: list[str]) -> None:
    connection.execute(SQL["add_pool"], (pool,))
    num = _number(connection, pool)
    before = connection.total_changes()
    connection.executemany(SQL["add_code"], [(num, code) for code in codes])
    connection.execute(SQL["move_pool"], (num, connection.total_changes() - before, 0))


def _number(connection: apsw.Connection, pool: str) -> int | None:
    num: int | None = connection.execute(SQL["pool"], (pool,)).get
    return num


def _issue(connection: apsw.Connection, coupons: list[CouponRow], roster: Roster) -> None:
    nums = {pool: _number(connection, pool) for pool in {row.pool for row in coupons}}
    for row in coupons:
        num = nums[row.pool]
        connection.execute(SQL["take_code"], (num, row.code))
        if not connection.changes():
            raise CouponTaken(f"code {row.code} of pool {row.pool} is not free")
        issued = (row.key, num, roster.number(row.customer), row.code, row.at, row.run, row.journey, row.step)
        connection.execute(SQL["add_coupon"], issued)
        if not connection.changes():
            raise CouponTaken(f"a coupon was issued under {row.key} before")
    for num, n in Counter(nums[row.pool] for row in coupons).items():
        connection.execute(SQL["move_pool"], (num, -n, n))

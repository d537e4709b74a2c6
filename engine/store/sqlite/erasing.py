"""Removes every row of erased customers, in the commit that says so. Their values go by way of the roster.

The file and its write-ahead log may hold what stood there until `connection.scrub` has run.
"""

from collections.abc import Iterable
from typing import Any, Final

import apsw
import msgspec

from engine.core.commands import RecordEffect
from engine.store.sqlite.people import review_rows
from engine.store.sqlite.queries import SQL
from engine.store.totals import Tallies

effect_rows: Final[msgspec.msgpack.Decoder[RecordEffect]] = msgspec.msgpack.Decoder(RecordEffect)
_encode: Final = msgspec.msgpack.Encoder().encode
_ROWS: Final = (  # what hangs on touches and runs goes before them
    "erase_attempts",
    "erase_facts",
    "erase_touches",
    "erase_refiled",
    "erase_runs",
    "erase_notes",
    "erase_coupons",
    "erase_identifiers",
    "erase_merges",
    "drop_state",
)


def erase(connection: apsw.Connection, nums: Iterable[int], tallies: Tallies) -> None:
    """Remove what is kept under these customer numbers; effects stay, nameless; codes of coupons stay taken."""
    for num in nums:
        for journey, version, place, active, n in _rows(connection, "runs_of", num):
            tallies.add("run", (journey, version, place), -n)
            tallies.add("underway", (journey, version), -n * active)
        for journey, channel, state, n in _rows(connection, "touches_of", num):
            tallies.add("touch", (journey, channel, state), -n)
        for seq, body in _rows(connection, "effects_of", num):
            nameless = msgspec.structs.replace(effect_rows.decode(body), customer="")
            connection.execute(SQL["put_nameless"], (seq, _encode(nameless)))
        for (body,) in _rows(connection, "reviews_of", num):
            review = review_rows.decode(body)
            claims = [(name, review.identifier) for name in {review.holder, *review.claimants}]
            connection.executemany(SQL["drop_claim"], claims)
            connection.execute(SQL["erase_review"], (review.identifier,))
        drop_labels(connection, num, tallies)
        for name in _ROWS:
            connection.execute(SQL[name], (num,))


def drop_labels(connection: apsw.Connection, num: int, tallies: Tallies) -> None:
    """Let a customer who was merged away or erased carry nothing."""
    for kind, name in _rows(connection, "drop_labels", num):
        tallies.add("label", (kind, name), -1)


def _rows(connection: apsw.Connection, name: str, num: int) -> list[Any]:
    return connection.execute(SQL[name], (num,)).fetchall()

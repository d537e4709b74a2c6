"""Removes every row of erased customers, in the commit that says so. Their values go by way of the roster.

What stood in a page stays there until it is written over: `PostgresStore.scrub` says what that means.
"""

from typing import Final

import msgspec

from engine.core.commands import RecordEffect
from engine.store.postgres.session import Session, columns
from engine.store.totals import Tallies

_effects: Final[msgspec.msgpack.Decoder[RecordEffect]] = msgspec.msgpack.Decoder(RecordEffect)
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
    "drop_states",
)


def erase(session: Session, nums: list[int], tallies: Tallies) -> None:
    """Remove what is kept under these customer numbers; effects stay, nameless; codes of coupons stay taken."""
    runs = session.send("runs_of", nums)
    touches = session.send("touches_of", nums)
    effects = session.send("effects_of", nums)
    reviews = session.send("reviews_of", nums)
    for journey, version, place, active, n in runs.fetchall():
        tallies.add("run", (journey, version, place), -n)
        tallies.add("underway", (journey, version), -n * int(active))
    for journey, channel, state, n in touches.fetchall():
        tallies.add("touch", (journey, channel, state), -n)
    if nameless := [
        (seq, _encode(msgspec.structs.replace(_effects.decode(body), customer=""))) for seq, body in effects.fetchall()
    ]:
        session.send("put_nameless", *columns(nameless))
    if contested := [identifier for (identifier,) in reviews.fetchall()]:
        session.send("erase_claims", contested)
        session.send("erase_reviews", contested)
    drop_labels(session, nums, tallies)
    for name in _ROWS:
        session.send(name, nums)


def drop_labels(session: Session, nums: list[int], tallies: Tallies) -> None:
    """Let customers who were merged away or erased carry nothing."""
    for kind, name in session.send("drop_labels", nums).fetchall():
        tallies.add("label", (kind, name), -1)

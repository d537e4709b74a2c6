"""The bare floor: what any design of this kind must do at the least, written plainly, with no decision in it.

Decode, journal, dedupe, read and write the customer's state, set and fire timers, note what is to be sent: one
transaction per batch, one file, synchronous=FULL. No identity, journeys, traces or runs: the ceiling of the design.
Dedupe is either by a unique text message id, as one writes it first, or by a 63-bit hash of it, as the engine does.
"""

from array import array
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw
import msgspec

from benchmarks.measure import Sample, measured
from benchmarks.workload import BIG_CART, WAIT, Message, Shape, accepted_at, messages, read
from engine.core.ids import key64
from engine.runtime.collector import calm
from engine.runtime.engine import BATCH

Dedupe: TypeAlias = Literal["hashed", "text"]

_SCHEMA = """
CREATE TABLE journal (offset INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE hashed (key INTEGER PRIMARY KEY, offset INTEGER NOT NULL);
CREATE TABLE text (key TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE states (num INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE timers (num INTEGER PRIMARY KEY, due INTEGER NOT NULL);
CREATE INDEX timers_due ON timers (due);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, num INTEGER NOT NULL, at INTEGER NOT NULL);
"""


class State(msgspec.Struct):
    """A customer about as large as the engine's own (some 300 bytes)."""

    num: int
    seen: int
    counts: dict[str, int]
    filling: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def prepare(folder: Path, shape: Shape) -> None:
    """Make a file that knows every customer."""
    folder.mkdir(parents=True)
    connection = _open(folder)
    connection.execute(_SCHEMA)
    with connection:
        rows = ((number, _encode(State(number, 0, {}, b"x" * 260))) for number in range(shape.customers))
        connection.executemany("INSERT INTO states VALUES (?, ?)", rows)
    connection.close()


def run(folder: Path, shape: Shape, dedupe: Dedupe) -> Sample:
    """Apply the traffic in place."""
    bodies = messages(shape)
    connection = _open(folder)
    calm()
    with measured() as cost:
        for start in range(0, len(bodies), BATCH):
            _apply(connection, dedupe, start, bodies[start : start + BATCH])
    kept: int = connection.execute(f"SELECT count(*) FROM {dedupe}").get
    connection.close()
    distinct = len({read(body).messageId for body in bodies})
    return Sample(len(bodies), cost.wall, cost.cpu, kept == distinct, f"{kept} of {distinct} events kept")


def _open(folder: Path) -> apsw.Connection:
    connection = apsw.Connection(str(folder / "floor.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("cache_size", -64 * 1024)
    connection.pragma("wal_autocheckpoint", 4_000)
    return connection


def _apply(connection: apsw.Connection, dedupe: Dedupe, start: int, bodies: list[bytes]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO journal VALUES (?, ?)", enumerate(bodies, start + 1))
    fresh = _fresh(connection, dedupe, [read(body) for body in bodies], start)
    _fold(connection, fresh, accepted_at(start))
    _fire(connection, accepted_at(start + len(bodies) - 1))
    connection.execute("COMMIT")


def _fresh(connection: apsw.Connection, dedupe: Dedupe, decoded: list[Message], start: int) -> list[Message]:
    ids = [message.messageId for message in decoded]
    wanted: Any = array("q", [key64("shop", id_) for id_ in ids]) if dedupe == "hashed" else tuple(ids)
    query = f"SELECT s.key FROM carray(?1) AS a CROSS JOIN {dedupe} AS s ON s.key = a.value"
    known = {key for (key,) in connection.execute(query, (apsw.carray(wanted),))}
    fresh: list[Message] = []
    keys: dict[Any, int] = {}
    for number, (key, message) in enumerate(zip(wanted, decoded, strict=True), start + 1):
        if key not in known and key not in keys:
            keys[key] = number
            fresh.append(message)
    connection.executemany(f"INSERT INTO {dedupe} VALUES (?, ?)", keys.items())
    return fresh


def _fold(connection: apsw.Connection, fresh: list[Message], now: int) -> None:
    numbers = [int(message.userId[1:]) for message in fresh]
    query = "SELECT s.num, s.body FROM carray(?1) AS a CROSS JOIN states AS s ON s.num = a.value"
    rows: Any = connection.execute(query, (apsw.carray(array("q", set(numbers))),))
    states = {num: _decode(body) for num, body in rows}
    timers: dict[int, int] = {}
    outbox: list[tuple[int, int]] = []
    for num, message in zip(numbers, fresh, strict=True):
        state = states[num]
        state.seen = max(state.seen, message.at)
        state.counts[message.event] = state.counts.get(message.event, 0) + 1
        if message.event == "signed_up":
            outbox.append((num, now))
        elif message.event == "cart_updated" and message.properties.total >= BIG_CART:
            timers[num] = now + WAIT
        elif message.event == "order_paid":
            timers[num] = 0
    bodies = [(num, _encode(state)) for num, state in states.items()]
    connection.executemany(
        "INSERT INTO states VALUES (?, ?) ON CONFLICT (num) DO UPDATE SET body = excluded.body", bodies
    )
    connection.executemany(
        "INSERT INTO timers VALUES (?, ?) ON CONFLICT (num) DO UPDATE SET due = excluded.due",
        [(num, due) for num, due in timers.items() if due],
    )
    connection.executemany("DELETE FROM timers WHERE num = ?", [(num,) for num, due in timers.items() if not due])
    connection.executemany("INSERT INTO outbox (num, at) VALUES (?, ?)", outbox)


def _fire(connection: apsw.Connection, until: int) -> None:
    due: Any = connection.execute("SELECT num, due FROM timers WHERE due <= ? ORDER BY due", (until,)).fetchall()
    connection.executemany("INSERT INTO outbox (num, at) VALUES (?, ?)", due)
    connection.executemany("DELETE FROM timers WHERE num = ?", [(num,) for num, _ in due])

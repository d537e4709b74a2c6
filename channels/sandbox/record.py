"""What the providers accepted: an append-only log, durable before the provider answers.

One SQLite file, one writer thread, group commit: mails that wait for the same commit share its fsync. Another process
may `read_record` the file at any time; the crash harness audits the daemon against it. Not a store of the product.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import msgspec

from channels.sandbox.settings import SandboxSettings
from engine.core.ids import Micros

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accepted (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, provider TEXT NOT NULL, key TEXT NOT NULL, recipient TEXT NOT NULL,
  provider_id TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, body_hash TEXT NOT NULL, size INTEGER NOT NULL,
  deduped INTEGER NOT NULL, fault TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS accepted_by_recipient ON accepted (provider, recipient);
"""
_FIELDS = "seq, at, provider, key, recipient, provider_id, subject, text, body_hash, size, deduped, fault"
_INSERT = f"INSERT INTO accepted ({_FIELDS}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_LAST_SEQ = (1 << 63) - 1
_TOUCH_ID = re.compile(r"([a-z2-7]{26})(?![a-zA-Z0-9])")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one recipient that a provider is about to accept; `key` is the touch id it carries."""

    provider: str
    key: str
    recipient: str
    provider_id: str
    subject: str
    text: str
    body: bytes
    deduped: bool = False
    fault: str = ""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the record. `deduped` lines were answered but not sent again; `fault` names the dial that fired.

    `body_hash` is the SHA-256 of all of the body, `size` its length; `body` may be cut and is empty unless asked for.
    """

    seq: int
    at: Micros
    provider: str
    key: str
    recipient: str
    provider_id: str
    subject: str
    text: str
    body_hash: str
    size: int
    deduped: bool
    fault: str
    body: bytes = b""


class RecordQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines: all given fields match; `since` and `before` are seqs, excluded. Oldest first unless `newest`."""

    provider: str = ""
    recipient: str = ""
    since: int = 0
    before: int = 0
    from_at: Micros = 0
    limit: int = -1
    newest: bool = False
    bodies: bool = False


def read_record(path: Path | str, query: RecordQuery | None = None) -> list[Accepted]:
    """Return what was accepted, from any process, also while the sandbox runs; nothing when the file is not there."""
    if not Path(path).exists():
        return []
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)
    try:
        return _select(connection, query or RecordQuery())
    finally:
        connection.close()


class Recorder:
    """The writer. `append` returns once the lines are on disk; `OSError` means they are not."""

    def __init__(self, settings: SandboxSettings, now: Callable[[], Micros]) -> None:
        self._path = settings.record
        self._keep = settings.keep_bytes
        self._now = now
        self._waiting: list[tuple[Sequence[Draft], asyncio.Future[int]]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Make the file if needed and start the writer; call inside the loop that will append."""
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        writer = _connect(self._path)
        self._reader = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        self._reader.set_busy_timeout(10_000)
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, args=(writer,), name="sandbox-record", daemon=True)
        self._thread.start()

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[int]:
        """Write the lines in order and resolve to the last one's seq after the commit is on disk."""
        if self._loop is None or self._closing:
            raise OSError("the record is closed")
        future: asyncio.Future[int] = self._loop.create_future()
        with self._wake:
            self._waiting.append((drafts, future))
            self._wake.notify()
        return future

    def read(self, query: RecordQuery) -> list[Accepted]:
        """Return lines from inside the sandbox; see `read_record` for others."""
        return _select(self._reader, query)

    def one(self, seq: int) -> Accepted | None:
        """Return one line with its body."""
        found = self.read(RecordQuery(since=seq - 1, limit=1, bodies=True))
        return found[0] if found and found[0].seq == seq else None

    async def close(self) -> None:
        """Write what waits, then release the file; idempotent."""
        if self._thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._thread = None

    def _write(self, connection: apsw.Connection) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                batch, self._waiting = self._waiting, []
            if not batch:
                connection.close()
                return
            self._commit(connection, batch)

    def _commit(self, connection: apsw.Connection, batch: list[tuple[Sequence[Draft], asyncio.Future[int]]]) -> None:
        ends: list[int] = []
        failure: Exception | None = None
        try:
            with connection:
                ((seq,),) = connection.execute("SELECT coalesce(max(seq), 0) FROM accepted")
                rows: list[tuple[Any, ...]] = []
                at = self._now()
                for drafts, _ in batch:
                    for draft in drafts:
                        seq += 1
                        rows.append(self._row(seq, at, draft))
                    ends.append(seq)
                connection.executemany(_INSERT, rows)
        except (apsw.Error, OSError) as error:
            failure = OSError(f"the record could not be written: {error}")
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, [future for _, future in batch], ends, failure)
        except RuntimeError:
            return  # the loop is gone: nobody waits for these answers any more

    def _row(self, seq: int, at: Micros, draft: Draft) -> tuple[Any, ...]:
        return (
            seq, at, draft.provider, draft.key, draft.recipient, draft.provider_id, draft.subject, draft.text,
            sha256(draft.body).hexdigest(), len(draft.body), int(draft.deduped), draft.fault, draft.body[: self._keep],
        )  # fmt: skip


def _resolve(futures: list[asyncio.Future[int]], ends: list[int], failure: Exception | None) -> None:
    for index, future in enumerate(futures):
        if future.done():
            continue  # its connection went away meanwhile; the line stands
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(ends[index])


def _connect(path: str) -> apsw.Connection:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000")
    connection.execute(_SCHEMA)
    return connection


def _select(connection: apsw.Connection, query: RecordQuery) -> list[Accepted]:
    wanted = [
        (column, value) for column, value in (("provider", query.provider), ("recipient", query.recipient)) if value
    ]
    where = "".join(f" AND {column} = ?" for column, _ in wanted)
    order = "DESC" if query.newest else "ASC"
    body = "body" if query.bodies else "x''"
    # Only names written above are put into the text; every value is bound.
    sql = f"SELECT {_FIELDS}, {body} FROM accepted WHERE seq > ? AND seq < ? AND at >= ?"  # noqa: S608
    sql += f"{where} ORDER BY seq {order} LIMIT ?"
    bound = (query.since, query.before or _LAST_SEQ, query.from_at, *(value for _, value in wanted), query.limit)
    return [
        Accepted(
            seq=seq, at=at, provider=provider, key=key, recipient=recipient, provider_id=provider_id, subject=subject,
            text=text, body_hash=body_hash, size=size, deduped=bool(deduped), fault=fault, body=body,
        )
        for seq, at, provider, key, recipient, provider_id, subject, text, body_hash, size, deduped, fault, body
        in connection.execute(sql, bound)
    ]  # fmt: skip


def touch_key(carried: str) -> str:
    """Return the touch id inside a correlation field: what stands before the first `.` (a signature may follow).

    >>> touch_key("selld2kaqytwf6tljvalb5snci-9f3a"), touch_key("t1.9f3a"), touch_key("msg_01")
    ('selld2kaqytwf6tljvalb5snci', 't1', 'msg_01')
    """
    found = _TOUCH_ID.match(carried)
    return found.group(1) if found else carried.partition(".")[0]

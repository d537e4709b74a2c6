"""The event log in a SQLite file of its own, `journal.db`.

An entry that is rewritten is zeroed where it stands and its new body goes to a table beside: nothing ever moves inside
the pages of a journal, so what an erasure takes out is nowhere else in the file (rewriting.py).

One thread writes. Everybody who appends while a commit is under way shares the next one (group commit), so that the
price of one fsync is split; `append` returns when it is on disk.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import apsw

from engine.core.errors import BadInput, JourneydError, NewerSchema
from engine.ports import Logged
from engine.store.sqlite.connection import Checkpoints, empty_wal, full_disk_is_said, open_reader, open_writer
from engine.store.sqlite.rewriting import READ, READ_BACK, READ_FIRST, VERSION, prepare, renew, rewrite

_TRIM: Final = 5_000  # entries dropped in one transaction, between two groups
_GROUP: Final = 5_000  # entries in one transaction, so that a flood does not starve the first caller of its answer


class _Waiting(NamedTuple):
    bodies: Sequence[bytes]
    answer: "Future[int]"


class _Task(NamedTuple):
    run: Callable[[apsw.Connection], None]
    answer: "Future[None]"


class SqliteLog:
    """An `EventLog` in `journal.db`. `queue` bounds the entries that wait for a commit: beyond it, appending blocks."""

    def __init__(self, path: Path, *, queue: int = 20_000) -> None:
        self._bound = queue
        self._writer: apsw.Connection | None = open_writer(path)
        found = int(self._writer.pragma("user_version"))
        if found > VERSION:
            self._writer.close()
            raise NewerSchema(f"{path} has schema {found}, this journeyd knows {VERSION}. Upgrade journeyd")
        prepare(self._writer, found)
        self._checkpoints = Checkpoints(self._writer)
        self._prepare(path)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open_readonly(cls, path: Path) -> Self:
        """Open for reading, also while a daemon writes; `append` then raises `BadInput`."""
        log = cls.__new__(cls)
        log._writer = None
        log._prepare(path)
        return log

    def _prepare(self, path: Path) -> None:
        self._reader = open_reader(path)
        self._reading = threading.Lock()
        self._turn = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._tasks: list[_Task] = []
        self._pending = 0
        self._closed = False
        self._first = self._trim_below = 0
        self._version = 0
        self._wakes: list[Callable[[], None]] = []
        self._tail = self._last()

    def _last(self) -> int:
        last: int | None = self._reader.execute("SELECT max(offset) FROM entries").get
        return last or 0

    # --- appending

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order, durably, and return the last one's offset; raises `StoreFull`."""
        if not bodies:
            return self._tail
        return self.submit(bodies).result()

    def submit(self, bodies: Sequence[bytes]) -> "Future[int]":
        """Queue the entries and return at once; the result is `append`'s. For callers that must not block."""
        if self._writer is None:
            raise BadInput("the journal is open for reading only", "Send events to the running daemon")
        answer: Future[int] = Future()
        answer.set_running_or_notify_cancel()  # a caller that goes away must not stop the writer
        with self._turn:
            while self._pending and self._pending + len(bodies) > self._bound and not self._closed:
                self._turn.wait()
            if self._closed:
                raise JourneydError("the journal is closed: journeyd is stopping")
            self._waiting.append(_Waiting(bodies, answer))
            self._pending += len(bodies)
            self._turn.notify_all()
        return answer

    def pending(self) -> int:
        """Return how many entries wait for a commit."""
        return self._pending

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` in the writer thread after each commit; it must be quick."""
        self._wakes.append(wake)

    def trim(self, below: int) -> None:
        """Drop the entries with an offset below this, in the background; the last one stays, and offsets go on."""
        with self._turn:
            self._trim_below = min(max(self._trim_below, below), self._tail)
            self._turn.notify_all()

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these offsets, durably, in one commit; those that hold nothing are left alone."""
        rows = [(offset, body) for offset, body in bodies.items()]
        self._in_turn(lambda writer: rewrite(writer, rows))

    def scrub(self) -> None:
        """Leave nothing of what was rewritten or dropped on disk; raises `StoreBusy` while somebody else reads."""
        self._in_turn(self._scrub)

    def _scrub(self, writer: apsw.Connection) -> None:
        with self._reading, full_disk_is_said():
            renew(writer)
            empty_wal(writer)

    def _in_turn(self, run: Callable[[apsw.Connection], None]) -> None:
        """Let the writer thread do it between two groups; return, or raise, when it is done."""
        if self._writer is None:
            raise BadInput("the journal is open for reading only", "Ask the running daemon to change it")
        answer: Future[None] = Future()
        answer.set_running_or_notify_cancel()
        with self._turn:
            if self._closed:
                raise JourneydError("the journal is closed: journeyd is stopping")
            self._tasks.append(_Task(run, answer))
            self._turn.notify_all()
        answer.result()

    def go_on_after(self, offset: int) -> None:
        """Give no offset again that was applied: a journal that is lost or older than its store goes on behind it."""
        with self._turn:
            self._tail = max(self._tail, offset)

    # --- reading

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        with self._reading:
            if self._version < VERSION:  # a reader may have come before the daemon that brings the file up to date
                self._version = int(self._reader.pragma("user_version"))
            query = READ if self._version == VERSION else READ_FIRST
            rows: list[Any] = self._reader.execute(query, (after, max(limit, 0))).fetchall()
        return [Logged(offset, body) for offset, body in rows]

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` entries with an offset up to `top`, in order; of a journal of this version."""
        with self._reading:
            rows: list[Any] = self._reader.execute(READ_BACK, (top, max(limit, 0))).fetchall()
        return [Logged(offset, body) for offset, body in reversed(rows)]

    def end(self, position: int) -> int:
        """Return the last offset that is applied: the store's position."""
        return position

    def size(self, upto: int) -> int:
        """Return how many entries are kept up to an offset."""
        first = self.read(0, 1)
        return max(upto - first[0].offset + 1, 0) if first else 0

    def tail(self) -> int:
        """Return the last durable offset, 0 when empty."""
        if self._writer is None:
            with self._reading:
                return self._last()
        return self._tail

    def close(self) -> None:
        """Write what waits, then release the file; idempotent."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        if self._writer is not None:
            self._thread.join()
            self._writer.close()
        with self._reading:
            self._reader.close()

    # --- the writer thread

    def _write(self) -> None:
        while (group := self._next_group()) is not None:
            if self._first < self._trim_below:
                self._drop_some()
            self._do_tasks()
            if not group:
                continue
            try:
                last = self._commit([body for waiting in group for body in waiting.bodies])
            except Exception as error:  # whatever it is, it is the callers' answer
                for waiting in group:
                    waiting.answer.set_exception(error)
                continue
            offset = last - sum(len(waiting.bodies) for waiting in group)
            for waiting in group:
                offset += len(waiting.bodies)
                waiting.answer.set_result(offset)
            for wake in tuple(self._wakes):
                with suppress(RuntimeError):  # the listener's event loop is gone: we are stopping
                    wake()

    def _next_group(self) -> list[_Waiting] | None:
        """Wait for appends and take as many as one transaction should hold; None once closed and drained.

        Empty when there is only something to drop, or a task.
        """
        with self._turn:
            while not self._waiting and not self._tasks and not self._closed and self._first >= self._trim_below:
                self._turn.wait()
            if self._closed and not self._waiting and not self._tasks:
                return None
            group: list[_Waiting] = []
            size = 0
            for waiting in self._waiting:
                if group and size + len(waiting.bodies) > _GROUP:
                    break
                group.append(waiting)
                size += len(waiting.bodies)
            del self._waiting[: len(group)]
            self._pending -= size
            self._turn.notify_all()
            return group

    def _commit(self, bodies: list[bytes]) -> int:
        writer = self._writer
        assert writer is not None
        with full_disk_is_said():
            writer.execute("BEGIN IMMEDIATE")
            try:
                rows = enumerate(bodies, start=self._tail + 1)
                writer.executemany("INSERT INTO entries (offset, body) VALUES (?1, ?2)", rows)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
            self._tail += len(bodies)
        self._checkpoints.run()
        return self._tail

    def _do_tasks(self) -> None:
        writer = self._writer
        assert writer is not None
        with self._turn:
            tasks, self._tasks = self._tasks, []
        for task in tasks:
            try:
                task.run(writer)
            except Exception as error:  # whatever it is, it is the caller's answer
                task.answer.set_exception(error)
            else:
                task.answer.set_result(None)

    def _drop_some(self) -> None:
        writer = self._writer
        assert writer is not None
        first: int = writer.execute("SELECT coalesce(min(offset), 0) FROM entries").get
        upto = min(first + _TRIM, self._trim_below)
        # An error: the disk is in trouble, which the next append will say; entries only stay longer.
        with suppress(apsw.Error), writer:
            writer.execute("DELETE FROM entries WHERE offset < ?1", (upto,))
            writer.execute("DELETE FROM rewritten WHERE offset < ?1", (upto,))
        self._first = upto

"""Connections to PostgreSQL, opened the one way, and what its errors mean here.

A pool for all work, bounded by its budget; what must not wait for the pool (notices, new tables) opens its own.
Every plan goes by indexes, as it does in SQLite: a fresh table has no statistics yet, and a scan would last.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final, NoReturn

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from engine.core.errors import BadSetting, Conflict, JourneydError, StoreAway, StoreFull
from engine.store.postgres.queries import SQL

Connection = psycopg.Connection[TupleRow]

_MS: Final = {
    "idle_in_transaction_session_timeout": 15_000,  # a stopped process must not keep what it locked
    "lock_timeout": 60_000,
    "statement_timeout": 300_000,
    "tcp_user_timeout": 20_000,
}
_SESSION: Final = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "synchronous_commit": "on",
    "timezone": "UTC",
    **{name: str(value) for name, value in _MS.items() if name != "tcp_user_timeout"},
}
_ALIVE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": _MS["tcp_user_timeout"],
}
_WAIT: Final = 30.0
"""Seconds for a connection of the pool while others hold them all."""

_PATIENCE: Final = 2.0
"""Seconds for one while nobody answers there. Left alone, the pool would try ever more seldom, up to minutes."""

_TOO_MUCH: Final = (errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.TooManyArguments)
"""psycopg files them with lost connections; tried again, they would be refused again."""

_AGAIN: Final = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.UniqueViolation,
    errors.LockNotAvailable,
    errors.CheckViolation,  # a month or slice that somebody let go meanwhile
)

_ENDED: Final = errors.ReadOnlySqlTransaction | errors.IdleInTransactionSessionTimeout


class Database:
    """Where a store's connections come from. `budget` is how many the pool opens at most; two more may be for a while.

    Raises `BadSetting` for an address that is none, `StoreAway` while nobody answers there.
    """

    def __init__(self, url: str, budget: int) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise BadSetting(f"the address of the database cannot be read: {error}") from error
        options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        said = str(given.get("options") or "")
        terms: dict[str, Any] = {"application_name": "journeyd", **_ALIVE, **given, "options": f"{options} {said}"}
        self._conninfo = make_conninfo("", **terms)
        with errors_are_said():
            with self.connect() as first:
                row = first.execute(SQL["space"]).fetchone()
            assert row is not None
            if row[0] is None:
                raise BadSetting("the address of the database names a search_path that has no schema: create it first")
            self.space: int = row[0]
            self._is_refused = False
            self._pool = ConnectionPool(
                self._conninfo,
                connection_class=psycopg.Connection[TupleRow],
                kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
                min_size=1,
                max_size=max(budget, 1),
                timeout=_PATIENCE,
                reconnect_timeout=_PATIENCE / 2,
                reconnect_failed=self._refused,
                configure=self._reached,
                name="journeyd",
                open=False,
            )
            self._pool.open()

    @property
    def channel(self) -> str:
        """Return the name that this store's notices are sent under."""
        return f"journeyd_{self.space & 0xFFFFFFFF:08x}"

    def connect(self) -> Connection:
        """Open a connection outside the pool; the caller closes it."""
        with errors_are_said():
            made: Connection = psycopg.Connection.connect(
                self._conninfo, autocommit=True, cursor_factory=psycopg.RawCursor
            )
        _configure(made)
        return made

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection of the pool; what it has not committed is rolled back."""
        with errors_are_said(), ExitStack() as lent:
            connection = self._lent(lent)
            try:
                yield connection
            finally:
                if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    with suppress(psycopg.Error):
                        connection.rollback()

    def rows(self, name: str, values: Sequence[Any]) -> list[TupleRow]:
        """Return what a named statement answers, by itself."""
        return self.select(SQL[name], values)

    def select(self, statement: str, values: Sequence[Any]) -> list[TupleRow]:
        """Return what a statement answers that was made for the occasion, by itself."""
        with self.connection() as connection:
            return connection.execute(statement.encode(), values, binary=True).fetchall()

    def close(self) -> None:
        """Close the pool; idempotent."""
        self._pool.close()

    def _lent(self, lent: ExitStack) -> Connection:
        """Wait for a connection: long for those whom others hold, and not for a database that is away."""
        for _ in range(round(_WAIT / _PATIENCE) - 1):
            try:
                return lent.enter_context(self._pool.connection())
            except PoolTimeout:
                if self._is_refused:
                    raise
        return lent.enter_context(self._pool.connection())

    def _refused(self, _: ConnectionPool[Connection]) -> None:
        self._is_refused = True

    def _reached(self, connection: Connection) -> None:
        self._is_refused = False
        _configure(connection)


@contextmanager
def pipelined(connection: Connection) -> Iterator[psycopg.Pipeline]:
    """Send what is inside without waiting for answers; what is raised inside leaves once every answer was taken.

    psycopg would say on standard error that whatever else had been sent was refused as well.
    """
    failure: Exception | None = None
    try:
        with connection.pipeline() as pipeline:
            try:
                yield pipeline
            except Exception as raised:
                failure = raised
    except psycopg.Error:
        if failure is None:
            raise
    if failure is not None:
        raise failure


def _configure(connection: Connection) -> None:
    # Numbers are sent as bigint, however small: one statement is prepared once. Lists of values are sent as they are.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(list, ListBinaryDumper)


@contextmanager
def errors_are_said() -> Iterator[None]:
    """Turn what the database says into the errors of `SharedStore`; what is a bug stays what it is."""
    try:
        yield
    except JourneydError:
        raise
    except psycopg.Error as error:
        say(error)


def say(error: psycopg.Error) -> NoReturn:
    """Raise what an error of the database means."""
    if isinstance(error, _AGAIN):
        raise Conflict(str(error)) from error
    if isinstance(error, errors.DiskFull):
        raise StoreFull("the database's disk is full: free space; nothing accepted is lost") from error
    if isinstance(error, PoolTimeout):
        raise StoreAway(f"no connection to the database: {error}") from error
    if isinstance(error, _TOO_MUCH):
        raise error
    is_lost = isinstance(error, psycopg.OperationalError | _ENDED) or (
        isinstance(error, psycopg.InterfaceError) and "closed" in str(error)
    )
    if is_lost and not isinstance(error, PoolClosed):
        raise StoreAway(f"the database cannot be reached: {str(error).strip()}") from error
    raise error

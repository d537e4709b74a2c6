"""A workspace's store and logs in PostgreSQL: for one process that runs everything, or for many that share it.

What it needs is an extra: without it the complaint says what to install. `Workspace` asks; nobody else opens a store.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from config.settings import Settings
from engine.bootstrap.attendance import is_attended
from engine.bootstrap.storage import Files, Hold
from engine.core.errors import BadSetting
from engine.core.ids import Micros
from engine.core.policy import Identity
from engine.ports import History, SharedStore, Store
from engine.ports.partitions import DESK
from engine.runtime.clock import SystemClock
from engine.runtime.stream.desk import Logs
from engine.usecases.publish import newest

if TYPE_CHECKING:
    from engine.runtime.stream.intake import Opened
    from engine.store.postgres import PostgresStore


class Opening(msgspec.Struct, frozen=True):
    """A database in use: the store, its logs, and what lets months of the history go that are older than it is kept."""

    store: SharedStore
    logs: Logs
    months: Callable[[Micros], None]


def opened(settings: Settings) -> Opening:
    """Return the store and the logs of the database, made or brought up to date where need be.

    Raises `BadSetting` when the packages for it are missing, `StoreAway` when it does not answer, `NewerSchema`.
    """
    ask_for_packages()
    from engine.store.postgres import PostgresStore
    from engine.store.postgres.entries_months import drop_months, drop_notes, make_ahead

    said = settings.store
    store = PostgresStore(said.url.reveal(), connections=said.connections, dedupe_window=settings.log.dedupe_window)

    def let_months_go(now: Micros) -> None:
        make_ahead(store.database, now)
        if settings.log.keep:
            drop_months(store.database, now - settings.log.keep, store.position())
        if settings.keep.traces:
            drop_notes(store.database, now - settings.keep.traces)

    return Opening(store, _logs(store), let_months_go)


def held(settings: Settings, how: Literal["alone", "with_others"]) -> Hold:
    """Return the right to work on the database, taken; raises `AlreadyRunning` or `StoreAway`."""
    ask_for_packages()
    from engine.store.postgres.hold import DatabaseHold

    hold = DatabaseHold(settings.store.url.reveal(), how)
    hold.acquire()
    return hold


# --- what `Workspace` asks


def own_files(settings: Settings) -> Files:
    """Return what one process may write that runs everything; raises `AlreadyRunning` when another one holds it."""
    hold = held(settings, "alone")
    try:
        opening = opened(settings)
        if any(row.partition != DESK for row in opening.store.partitions()):
            opening.store.close()
            raise BadSetting(
                "customers of this database live in the partitions of a topic: set stream.brokers, "
                "or name another database in store.url"
            )
        return Files(hold, opening.logs.desk, opening.store)
    except BaseException:
        hold.release()
        raise


def shared_files(settings: Settings) -> Files:
    """Return what any process may write where many share the store: words to the desk, the rest into the topic."""
    from engine.runtime.stream.intake import SharedLog

    opening = opened(settings)
    through: Literal["log", "desk"] = "desk" if is_attended(opening.store.partitions(), SystemClock().now()) else "log"
    return Files(Nobodys(), SharedLog(opening.logs.desk, lambda: _door(settings, opening)), opening.store, through)


def read_store(settings: Settings) -> Store:
    """Return the store for reading."""
    ask_for_packages()
    from engine.store.postgres import PostgresStore

    return PostgresStore.open_readonly(settings.store.url.reveal())


def read_log(settings: Settings) -> History:
    """Return what was applied, of all partitions, for reading."""
    ask_for_packages()
    from engine.store.postgres import PostgresStore
    from engine.store.postgres.entries import PostgresHistory

    store = PostgresStore.open_readonly(settings.store.url.reveal())

    class Lent(PostgresHistory):
        """A history that closes what it reads when it is closed."""

        def close(self) -> None:
            """Close the store, too."""
            store.close()

    return Lent(store.database, store.position)


def is_made(settings: Settings) -> bool:
    """Say whether the database holds a store; raises `StoreAway` when it does not answer."""
    ask_for_packages()
    from engine.store.postgres.connection import Database
    from engine.store.postgres.migrations import version_of

    database = Database(settings.store.url.reveal(), 1)
    try:
        with database.connection() as connection:
            return version_of(connection) > 0
    finally:
        database.close()


class Nobodys:
    """The right that everybody has: what several processes share is fenced by the store itself."""

    def release(self) -> None:
        """There is nothing to give back."""

    def renew(self) -> None:
        """There is nothing to lose."""


def ask_for_packages() -> None:
    """Raise `BadSetting` that says what to install when the packages for PostgreSQL are missing."""
    try:
        import psycopg  # noqa: F401 - asked for, so that what is missing is said here
        import psycopg_pool  # noqa: F401
    except ImportError as missing:
        raise BadSetting(
            f"store.url names a database, and {missing.name} is not installed. "
            "Install it with `pip install 'journeyd[postgres]'`"
        ) from None


def _logs(store: "PostgresStore") -> Logs:
    from engine.store.postgres.entries import PostgresHistory
    from engine.store.postgres.entries_log import PostgresLog

    history = PostgresHistory(store.database, store.position)
    return Logs(PostgresLog(store.database), history, history.find)


def _door(settings: Settings, opening: Opening) -> "Opened":
    """Return a way into the topic for a command; the desk's words go another."""
    from engine.bootstrap.streaming import door_to
    from engine.runtime.clock import SystemClock
    from engine.runtime.inbox import Inbox
    from engine.telemetry import Telemetry

    clock = SystemClock()
    release = newest(opening.store)
    identity = Identity() if release is None else release.audience.identity
    return door_to(settings, opening.store, lambda: identity, (clock, Telemetry(), Inbox(opening.logs.desk, clock)))

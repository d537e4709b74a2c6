"""A workspace's SQLite files move into a PostgreSQL database: everything, at the same numbers, and compared row by row.

Nothing is decided anew: runs stand at their steps, timers at their instants, touches in their states with their leases.
What was copied is read back and compared before it is committed, so the database holds all of it or nothing.
Called by `journeyd migrate-store`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from config.settings import Settings
from config.units import DatabaseUrl
from engine.bootstrap.storage import sqlite_files, sqlite_store
from engine.core.errors import BadInput
from engine.store.moved import TABLES, Sum

if TYPE_CHECKING:
    from engine.store.postgres.moving import PostgresTarget
    from engine.store.sqlite.moving import SqliteSource

Progress: TypeAlias = Callable[[str, int], None]
"""Gets what is being done ("copy" or "compare") and how many rows further it is."""

_STORE: Final = "store.db"


class Compared(msgspec.Struct, frozen=True):
    """A table on both sides: how many rows, and the checksum over them, whatever their order."""

    table: str
    here: int
    there: int
    is_same: bool
    checksum: str


def data_of(said: str) -> Path:
    """Return the data folder that "sqlite:PATH" names: the folder, or its store.db. Raises `BadInput`.

    >>> data_of("sqlite:shop/.journeyd/store.db")
    PosixPath('shop/.journeyd')
    """
    kind, _, path = said.partition(":")
    if kind != "sqlite" or not path:
        raise BadInput(f"{said} names no SQLite data", "Write sqlite:PATH, the data folder of a workspace")
    found = Path(path.removeprefix("//"))
    return found.parent if found.name == _STORE else found


def address(said: str, root: Path, environ: Mapping[str, str]) -> str:
    """Return the address of a database that was named, or that a reference leads to; raises `BadInput`."""
    try:
        url = DatabaseUrl(said)
        url.resolve(root, environ)
    except ValueError as problem:
        raise BadInput(f"{said} {problem}" if "://" not in said else f"the target {problem}") from None
    return url.reveal()


def sizes(data: Path) -> int:
    """Return about how many rows there are to copy."""
    from engine.store.sqlite.moving import SqliteSource

    with SqliteSource(data) as source:
        return sum(map(source.size, TABLES))


def settle(data: Path, settings: Settings) -> None:
    """See that a data folder may be copied: nobody runs, it is of this version, the erasure ledger is heeded.

    Raises `BadInput` for what is none or an older journeyd's, `NewerSchema`, `AlreadyRunning`.
    """
    if not (data / _STORE).exists():
        raise BadInput(f"there is no {_STORE} in {data}", "Name the data folder of a workspace: sqlite:.journeyd")
    sqlite_store(data).close()
    sqlite_files(data, settings).close()


def migrate_store(data: Path, url: str, progress: Progress) -> list[Compared]:
    """Copy a data folder into an empty database and return the comparison of every table; call `settle` first.

    Committed when all of them are the same, else nothing is. The folder is held meanwhile, and so is the database.
    Raises `BadInput` when the database is not empty, `AlreadyRunning` when somebody works on either.
    """
    from engine.bootstrap.storage import nobody_runs
    from engine.store.postgres.hold import DatabaseHold
    from engine.store.postgres.moving import PostgresTarget
    from engine.store.sqlite.moving import SqliteSource

    hold = DatabaseHold(url, "alone")
    hold.acquire()
    try:
        with nobody_runs(data), SqliteSource(data) as source, PostgresTarget.made(url) as target:
            here = _copy(source, target, progress)
            compared = _compare(here, target, progress)
            if all(one.is_same for one in compared):
                target.commit()
            return compared
    finally:
        hold.release()


def verify_store(data: Path, url: str, progress: Progress) -> list[Compared]:
    """Compare a data folder with the database that it was copied into, before either has been worked on."""
    from engine.bootstrap.storage import nobody_runs
    from engine.store.postgres.moving import PostgresTarget
    from engine.store.sqlite.moving import SqliteSource

    with nobody_runs(data), SqliteSource(data) as source, PostgresTarget.there(url) as target:
        here = {table.name: Sum() for table in TABLES}
        for table in TABLES:
            for _ in here[table.name].over(source.rows(table)):
                progress("copy", 1)
        return _compare(here, target, progress)


def _copy(source: "SqliteSource", target: "PostgresTarget", progress: Progress) -> dict[str, Sum]:
    here = {table.name: Sum() for table in TABLES}
    for table in TABLES:
        for size in target.write(table, here[table.name].over(source.rows(table))):
            progress("copy", size)
    return here


def _compare(here: dict[str, Sum], target: "PostgresTarget", progress: Progress) -> list[Compared]:
    compared = []
    for table in TABLES:
        ours, theirs = here[table.name], Sum()
        for _ in theirs.over(target.rows(table)):
            progress("compare", 1)
        compared.append(Compared(table.name, ours.rows, theirs.rows, ours == theirs, str(theirs)))
    return compared

"""The adapters that the behaviour suite runs over, and the values that its tests write."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.ports import History, Store
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.postgres import PostgresStore
from engine.store.postgres.connection import Database
from engine.store.postgres.entries_log import PostgresLog
from engine.store.postgres.migrations import migrate
from engine.store.sqlite import SqliteLog, SqliteStore


@pytest.fixture(params=["memory", "sqlite", "sqlite_cold", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every store; `sqlite_cold` keeps next to nothing in memory and writes all down at once."""
    made: Store
    match request.param:
        case "memory":
            made = MemoryStore()
        case "sqlite":
            made = SqliteStore(tmp_path / "store.db")
        case "postgres":
            made = PostgresStore(request.getfixturevalue("postgres_url"))
        case _:
            made = SqliteStore(tmp_path / "store.db", hot=1, sweep_after=1)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    """Every log."""
    if request.param == "postgres":
        with closing(Database(request.getfixturevalue("postgres_url"), 9)) as database:
            migrate(database)
            yield PostgresLog(database)
        return
    made: History = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "journal.db")
    yield made
    made.close()

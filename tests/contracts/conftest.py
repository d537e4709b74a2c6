"""The adapters that the behaviour suite runs over, and the values that its tests write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ports import EventLog, Store
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.sqlite import SqliteLog, SqliteStore


@pytest.fixture(params=["memory", "sqlite", "sqlite_cold"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every store; `sqlite_cold` keeps next to nothing in memory and writes all down at once."""
    made: Store
    match request.param:
        case "memory":
            made = MemoryStore()
        case "sqlite":
            made = SqliteStore(tmp_path / "store.db")
        case _:
            made = SqliteStore(tmp_path / "store.db", hot=1, sweep_after=1)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    """Every log."""
    made: EventLog = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "journal.db")
    yield made
    made.close()

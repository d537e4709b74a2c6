"""An older store.db is brought up to date when a daemon opens it, and refused by whoever may only read."""

from pathlib import Path

import apsw
import msgspec
import pytest

from engine.core.errors import BadInput
from engine.core.state import Run
from engine.ports import Changes, RunQuery
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.connection import MIGRATIONS
from engine.store.sqlite.queries import resource

ADD_RUN = """INSERT INTO runs (id, num, journey, version, place, entered, active, goal_until, body)
VALUES (?1, 1, 'welcome', ?2, '1', 1, ?3, 0, ?4)"""


def first_version(path: Path) -> None:
    """Make a file as the first schema had it, with two runs on their way and one that ended."""
    raw = apsw.Connection(str(path))
    raw.execute(resource(MIGRATIONS[0]))
    raw.pragma("user_version", 1)
    raw.execute("INSERT INTO customers (num, oneid, known) VALUES (1, 'c1', 1)")
    for name, version, ended in (("a", "v1", 0), ("b", "v1", 0), ("c", "v2", 9)):
        run = Run(name, "welcome", version, entered=1, step="" if ended else "1", ended=ended, outcome="done")
        raw.execute(ADD_RUN, (name, version, int(run.is_active), msgspec.msgpack.encode(run)))
    raw.close()


def test_an_older_file_is_brought_up_to_date_with_what_it_holds(tmp_path: Path) -> None:
    first_version(tmp_path / "store.db")
    store = SqliteStore(tmp_path / "store.db")
    assert len(store.runs(RunQuery(journey="welcome"))) == 3
    assert store.underway("welcome", "v2") == 2
    assert store.travellers("welcome", "v2", "", 9) == ["c1"]
    assert (store.releases(), store.jobs(), store.pools(), store.accounts(["acme"])) == ([], [], [], {})
    with store.unit() as unit:
        unit.commit(Changes(runs={"a": ("c1", Run("a", "welcome", "v2", entered=1, step="1"))}))
    assert store.underway("welcome", "v2") == 1
    store.close()
    SqliteStore(tmp_path / "store.db").close()


def test_a_reader_of_an_older_file_is_told_to_run_the_daemon_once(tmp_path: Path) -> None:
    first_version(tmp_path / "store.db")
    with pytest.raises(BadInput, match="journeyd run"):
        SqliteStore.open_readonly(tmp_path / "store.db")
    SqliteStore(tmp_path / "store.db").close()
    SqliteStore.open_readonly(tmp_path / "store.db").close()

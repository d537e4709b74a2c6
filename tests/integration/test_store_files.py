"""What only files can do: survive, be full, be newer, be locked, be read by another process."""

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from engine.core.commands import Touch
from engine.core.errors import AlreadyRunning, BadInput, JourneydError, NewerSchema, StoreFull
from engine.core.ids import DAY
from engine.core.state import Customer
from engine.ports import Changes, TouchQuery
from engine.store.sqlite import SqliteLog, SqliteStore, WorkspaceLock
from engine.store.sqlite.queries import SQL

PACKAGE = Path(SqliteLog.__module__.replace(".", "/")).parent


def write(store: SqliteStore, changes: Changes) -> None:
    with store.unit() as unit:
        unit.commit(changes)


def everything() -> Changes:
    return Changes(
        offset=9,
        now=50 * DAY,
        seen={1: 9},
        customers={"c1": Customer("c1", 1, wake=7, stage="acquire")},
        identifiers={"user_id:u1": "c1"},
        touches=[Touch("t1", "r1", "welcome", "v1", "1", "c1", "sms", "hi", "+8613800000000", "marketing", 1, due=3)],
        flags={"stop:win": "typo"},
    )


def test_a_store_opened_again_knows_everything(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "deep" / "store.db")
    write(first, everything())
    counts = first.counts()
    first.close()
    first.close()
    again = SqliteStore(tmp_path / "deep" / "store.db")
    assert again.position() == 9
    assert again.seen([1]) == {1: 9}
    assert again.due(9, 9) == [("c1", 7)]
    assert again.resolve(["user_id:u1"]) == {"user_id:u1": "c1"}
    assert [row.touch.id for row in again.sendable(9, 9)] == ["t1"]
    assert again.counts() == counts
    write(again, Changes(customers={"c2": Customer("c2", 1)}, touches=[]))
    assert [one.id for one in again.scan("", 9)] == ["c1", "c2"]
    again.close()


def test_a_reader_of_another_process_sees_commits_and_cannot_write(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    reader = SqliteStore.open_readonly(tmp_path / "store.db")
    assert reader.position() == 0
    write(store, everything())
    assert reader.position() == 9
    assert reader.customers(["c1"])["c1"].wake == 7
    assert [row.touch.id for row in reader.find_touches(TouchQuery())] == ["t1"]
    with pytest.raises(BadInput, match="reading only"), reader.unit():
        pass
    reader.close()
    store.close()


def test_a_reader_of_another_process_follows_when_all_that_was_kept_apart_is_written_down(tmp_path: Path) -> None:
    writer = SqliteStore(tmp_path / "store.db", sweep_after=1)
    reader = SqliteStore.open_readonly(tmp_path / "store.db")
    for stage in ("", "acquire", "retain"):
        write(writer, Changes(customers={"c1": Customer("c1", 1, stage=stage)}))
        assert reader.customers(["c1"])["c1"].stage == stage
        write(writer, Changes(customers={"c1": Customer("c1", 2, stage=stage)}))
        write(writer, Changes(flags={"stop:win": "a commit that goes on writing down and changes no customer"}))
        assert reader.customers(["c1"])["c1"].created == 2
        writer.close()
        writer = SqliteStore(tmp_path / "store.db", sweep_after=1)
    writer.close()
    reader.close()


def test_reading_a_store_whose_daemon_is_gone_works(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    write(store, everything())
    store.close()
    reader = SqliteStore.open_readonly(tmp_path / "store.db")
    assert reader.position() == 9
    reader.close()


def test_reading_where_nothing_is_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="journeyd run"):
        SqliteStore.open_readonly(tmp_path / "store.db")
    with pytest.raises(BadInput, match="journeyd run"):
        SqliteLog.open_readonly(tmp_path / "journal.db")


def test_a_reader_on_another_thread_does_not_wait_for_a_unit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    write(store, everything())
    with store.unit(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.position).result(timeout=5) == 9
    store.close()


def test_a_second_unit_waits_for_the_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")

    def add(n: int) -> None:
        for _ in range(20):
            with store.unit() as unit:
                unit.commit(Changes(offset=unit.position() + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert store.position() == 80
    store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    for opened in (SqliteStore, SqliteLog):
        path = tmp_path / f"{opened.__name__}.db"
        opened(path).close()
        raw = apsw.Connection(str(path))
        raw.pragma("user_version", 99)
        raw.close()
        with pytest.raises(NewerSchema, match="Upgrade journeyd"):
            opened(path)
    with pytest.raises(NewerSchema):
        SqliteStore.open_readonly(tmp_path / "SqliteStore.db")


def test_a_full_disk_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    write(store, everything())
    limit_pages(store._writer.connection if store._writer else None, extra=3)
    big = {f"big{n}": Customer(f"big{n}", 1, traits={"x": "y" * 4000}) for n in range(50)}
    with pytest.raises(StoreFull, match="free space"):
        write(store, Changes(offset=10, customers=big, seen={2: 10}))
    assert (store.position(), store.seen([2]), store.customers(["big1"])) == (9, {}, {})
    limit_pages(store._writer.connection if store._writer else None, extra=100_000)
    write(store, Changes(offset=10, customers=big, seen={2: 10}))
    assert store.position() == 10
    assert store.counts().customers == 51
    store.close()


def test_a_full_disk_refuses_an_append_whole_and_recovers(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    log.append([b"a"])
    limit_pages(log._writer, extra=2)
    with pytest.raises(StoreFull):
        log.append([b"x" * 3000 for _ in range(20)])
    assert (log.tail(), len(log.read(0, 100))) == (1, 1)
    limit_pages(log._writer, extra=100_000)
    assert log.append([b"b"]) == 2
    log.close()


def limit_pages(connection: apsw.Connection | None, *, extra: int) -> None:
    assert connection is not None
    connection.pragma("max_page_count", connection.pragma("page_count") + extra)


def test_a_journal_opened_again_goes_on(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    log.append([b"a", b"b"])
    log.close()
    with pytest.raises(JourneydError, match="closed"):
        log.append([b"c"])
    again = SqliteLog(tmp_path / "journal.db")
    assert again.tail() == 2
    assert again.append([b"c"]) == 3
    reader = SqliteLog.open_readonly(tmp_path / "journal.db")
    assert (reader.tail(), [entry.body for entry in reader.read(1, 9)]) == (3, [b"b", b"c"])
    with pytest.raises(BadInput, match="reading only"):
        reader.append([b"d"])
    reader.close()
    again.close()


def test_closing_the_journal_writes_what_waits(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db", queue=4)
    answers = [log.submit([b"x"]) for _ in range(50)]
    log.close()
    assert [answer.result(timeout=5) for answer in answers] == list(range(1, 51))


def test_a_caller_that_goes_away_does_not_stop_the_journal(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    assert log.submit([b"x"]).cancel() is False
    assert log.append([b"y"]) == 2
    log.close()


def test_a_listener_whose_loop_is_closed_does_not_stop_the_journal(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "journal.db")
    called = threading.Event()

    def wake() -> None:
        called.set()
        raise RuntimeError("Event loop is closed")

    log.on_append(wake)
    log.append([b"x"])
    assert called.wait(5)
    assert log.append([b"y"]) == 2
    log.close()


def test_the_write_ahead_log_stays_short(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    for batch in range(30):
        many = {f"c{n}": Customer(f"c{n}", 1, traits={"x": f"{batch}" * 3000}) for n in range(400)}
        write(store, Changes(offset=batch + 1, customers=many))
    assert (tmp_path / "store.db-wal").stat().st_size < 64 * 1024 * 1024
    store.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"these are not the tables you are looking for" * 100)
    for opened in (SqliteStore, SqliteLog, SqliteStore.open_readonly):
        with pytest.raises(BadInput, match=r"store\.db is not a journeyd data file"):
            opened(path)


def test_an_empty_or_older_store_is_not_read_before_it_was_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with pytest.raises(BadInput, match="journeyd run"):
        SqliteStore.open_readonly(tmp_path / "store.db")


WRITER = """
import pathlib, sys
from engine.core.state import Customer
from engine.ports import Changes
from engine.store.sqlite import SqliteStore
store = SqliteStore(pathlib.Path(sys.argv[1]), hot=10, sweep_after=5_000)
offset = store.position()
while True:
    offset += 1
    with store.unit() as unit:
        unit.seen([offset])
        names = {f"c{(offset * 7 + n) % 50}" for n in range(3)}
        values = {name: Customer(name, 1, seen=offset, traits={"offset": offset}) for name in names}
        unit.commit(Changes(offset=offset, now=offset, seen={offset: offset}, customers=values))
    print(offset, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_committed(tmp_path: Path) -> None:
    path, told = tmp_path / "store.db", 0
    for kill in range(4):
        other = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=environment(), text=True
        )
        assert other.stdout is not None
        for _ in range(40 + 13 * kill):
            told = int(other.stdout.readline())
        other.kill()
        other.wait(10)
        other.stdout.close()
        store = SqliteStore(path)
        assert store.position() >= told
        last = {f"c{(offset * 7 + n) % 50}": offset for offset in range(1, store.position() + 1) for n in range(3)}
        with store.unit() as unit:
            for reader in (store, unit):
                assert {name: one.traits["offset"] for name, one in reader.customers(last).items()} == last
                offsets = range(1, store.position() + 1)
                assert reader.seen([*offsets, 10**6]) == {offset: offset for offset in offsets}
        assert store._reader.pragma("integrity_check") == "ok"
        store.close()


# --- one daemon


def test_a_second_lock_is_refused_and_a_released_one_is_free(tmp_path: Path) -> None:
    first, second = WorkspaceLock(tmp_path / "data" / "lock"), WorkspaceLock(tmp_path / "data" / "lock")
    first.acquire()
    first.acquire()
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        second.acquire()
    first.release()
    first.release()
    with second, pytest.raises(AlreadyRunning):
        first.acquire()
    first.acquire()
    first.release()


def test_a_daemon_that_was_killed_leaves_no_stale_lock(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from engine.store.sqlite import WorkspaceLock\n"
        "WorkspaceLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = tmp_path / "lock"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    lock = WorkspaceLock(path)
    with pytest.raises(AlreadyRunning, match=str(other.pid)):
        lock.acquire()
    other.kill()
    other.wait(10)
    other.stdin.close()
    other.stdout.close()
    lock.acquire()
    lock.release()


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


# --- house rules of the queries


def test_every_named_statement_is_used_and_compiles(tmp_path: Path) -> None:
    source = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in source] == []
    store = SqliteStore(tmp_path / "store.db")
    for name, statement in SQL.items():
        assert explain(store, "EXPLAIN " + statement), name
    store.close()


def test_hot_queries_walk_an_index(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    for name in (
        "due",
        "next_due",
        "queue_due",
        "queue_next",
        "queue_top",
        "queue_below",
        "queue_channel",
        "lapsed",
        "codes",
    ):
        plan = " ".join(str(row[3]) for row in explain(store, "EXPLAIN QUERY PLAN " + SQL[name]))
        assert "INDEX" in plan, f"{name}: {plan}"
        assert "TEMP B-TREE" not in plan, f"{name}: {plan}"
    store.close()


def test_a_persons_effects_are_found_without_reading_those_of_others(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    plan = " ".join(str(row[3]) for row in explain(store, "EXPLAIN QUERY PLAN " + SQL["effects_of_person"]))
    assert "SEARCH e USING INDEX effects_customer" in plan
    assert "SCAN e" not in plan
    store.close()


def explain(store: SqliteStore, statement: str) -> list[Any]:
    bindings = (None,) * len(set(re.findall(r"\?\d+", statement)))
    return store._reader.execute(statement, bindings).fetchall()

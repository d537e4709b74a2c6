"""The history in PostgreSQL: partitions in the order of places, months that come and go, repeats left out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from engine.core.errors import Conflict, StoreBusy
from engine.core.events import Directive, Event, encode
from engine.core.ids import DAY, SECOND, Micros
from engine.ports.partitions import pack
from engine.store.postgres.connection import Database
from engine.store.postgres.entries import PostgresHistory, insert, write_entries
from engine.store.postgres.entries_log import PostgresLog
from engine.store.postgres.entries_months import Months, drop_months, drop_notes, make_ahead
from engine.store.postgres.migrations import migrate


def instant(said: str) -> Micros:
    return int(datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp()) * SECOND


NOVEMBER = instant("2026-11-22")
OCTOBER = instant("2026-10-05")


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    made = Database(postgres_url, 8)
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def log(database: Database) -> PostgresLog:
    return PostgresLog(database)


def keep(database: Database, *rows: tuple[int, Micros, bytes]) -> None:
    with database.connection() as connection, connection.transaction():
        insert(connection, rows, months=Months("entries"))


def months(database: Database) -> list[str]:
    with database.connection() as connection:
        rows = connection.execute("SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid "
                                  "WHERE inhparent = 'entries'::regclass AND relkind = 'r'")  # fmt: skip
        return sorted(name for (name,) in rows)


def said(number: int, at: Micros) -> bytes:
    return encode(Event(id=f"e{number}", name="seen", at=at, received=at))


# --- reading ----------------------------------------------------------------------------------------


def test_history_is_read_partition_by_partition_and_message_by_message(database: Database) -> None:
    places = [pack(2, 7, 1), pack(1, 9, 1), pack(1, 9, 2), pack(1, 70, 1), 1, 2]
    keep(database, *((place, NOVEMBER - place % 1000 * SECOND, b"%d" % place) for place in places))
    history = PostgresHistory(database, lambda: 2)
    found = history.read(0, 100)
    assert [one.offset for one in found] == sorted(places)
    assert [one.body for one in found] == [b"%d" % place for place in sorted(places)]
    assert history.read(pack(1, 9, 1), 2) == found[3:5]
    assert history.read(1, 2) == found[1:3]
    assert history.tail() == history.end(2) == pack(2, 7, 1)
    assert history.find(pack(1, 9, 2)) == b"%d" % pack(1, 9, 2)
    assert history.find(pack(1, 9, 3)) is None


def test_history_is_read_backwards_across_partitions(database: Database) -> None:
    places = [1, 2, pack(1, 9, 1), pack(1, 9, 2), pack(2, 7, 1)]
    keep(database, *((place, NOVEMBER, b"") for place in places))
    history = PostgresHistory(database, lambda: 2)
    assert [one.offset for one in history.back(pack(2, 7, 1), 2)] == places[3:]
    assert [one.offset for one in history.back(pack(1, 9, 1), 2)] == places[1:3]
    assert [one.offset for one in history.back(1, 9)] == [1]


def test_what_the_desk_has_not_applied_is_not_history_yet(database: Database, log: PostgresLog) -> None:
    log.append([b"a", b"b", b"c"])
    keep(database, (pack(1, 0, 1), NOVEMBER, b"x"))
    history = PostgresHistory(database, lambda: 2)
    assert [one.body for one in history.read(0, 9)] == [b"a", b"b", b"x"]
    assert [one.body for one in history.back(pack(1, 0, 1), 9)] == [b"a", b"b", b"x"]
    assert [one.body for one in log.read(0, 9)] == [b"a", b"b", b"c"]


def test_history_since_an_instant_leaves_out_what_came_before(database: Database) -> None:
    keep(database, (1, OCTOBER, b"old"), (pack(1, 1, 1), OCTOBER, b"old too"), (pack(1, 2, 1), NOVEMBER, b"new"))
    history = PostgresHistory(database, lambda: 1, since=NOVEMBER - DAY)
    assert [one.body for one in history.read(0, 9)] == [b"new"]


# --- writing ----------------------------------------------------------------------------------------


def test_repeats_are_not_history(database: Database) -> None:
    rows = [(pack(1, 0, n), NOVEMBER, said(n, NOVEMBER)) for n in (1, 2, 3)]
    rows.append((pack(1, 1, 1), NOVEMBER, b"nobody can read this"))
    with database.connection() as connection, connection.transaction():
        write_entries(connection, rows, seen=[pack(1, 0, 1), pack(1, 0, 3)], months=Months("entries"))
    found = PostgresHistory(database, lambda: 0).read(0, 9)
    assert [one.offset for one in found] == [pack(1, 0, 1), pack(1, 0, 3), pack(1, 1, 1)]


def test_an_entry_makes_the_month_it_falls_into(database: Database) -> None:
    keep(database, (pack(1, 0, 1), OCTOBER, b""), (pack(1, 0, 2), NOVEMBER, b""))
    assert months(database) == ["entries_2026_10", "entries_2026_11"]


def test_months_are_made_ahead(database: Database) -> None:
    make_ahead(database, instant("2026-12-31"))
    make_ahead(database, instant("2026-12-31"))
    assert months(database) == ["entries_2026_12", "entries_2027_01"]


def test_many_writers_make_one_month(database: Database) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: keep(database, (pack(n, 0, 1), NOVEMBER, b"")), range(1, 7)))
    assert months(database) == ["entries_2026_11"]
    assert len(PostgresHistory(database, lambda: 0).read(0, 99)) == 6


def test_readers_do_not_wait_for_a_month_that_is_being_made(database: Database) -> None:
    keep(database, (pack(1, 0, 1), OCTOBER, b"x"))
    with database.connection() as connection, connection.transaction():
        insert(connection, [(pack(1, 0, 2), NOVEMBER, b"y")], months=Months("entries"))
        with database.connection() as other:
            other.execute("SET LOCAL statement_timeout = '5s'")
            assert other.execute("SELECT count(*) FROM entries").fetchone() == (1,)


# --- the desk's log ---------------------------------------------------------------------------------


def test_two_processes_append_without_gaps(database: Database) -> None:
    logs = [PostgresLog(database) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        lasts = list(threads.map(lambda one: [one.append([b"a", b"b"]) for _ in range(20)], logs))
    assert sorted(last for each in lasts for last in each) == list(range(2, 161, 2))
    assert [one.offset for one in logs[0].read(0, 999)] == list(range(1, 161))


def test_words_are_stamped_with_when_they_were_received(database: Database, log: PostgresLog) -> None:
    log.append([encode(Directive("d1", "stop", OCTOBER, OCTOBER, "*"))])
    log.append([encode(Directive("d2", "resume", NOVEMBER, NOVEMBER, "*")), b"whatever this is"])
    log.append([encode(Directive("d3", "stop", OCTOBER, OCTOBER, "*"))])  # another machine's clock is behind
    with database.connection() as connection:
        rows = connection.execute("SELECT place, at FROM entries ORDER BY place").fetchall()
    assert rows == [(1, OCTOBER), (2, NOVEMBER), (3, NOVEMBER), (4, NOVEMBER)]


def test_trimming_drops_whole_months_and_the_rest_by_rows(database: Database, log: PostgresLog) -> None:
    for at in (OCTOBER, OCTOBER + 1, NOVEMBER, NOVEMBER + 1, NOVEMBER + 2):
        log.append([said(at, at)])
    log.trim(4)
    assert months(database) == ["entries_2026_11"]
    assert [one.offset for one in log.read(0, 9)] == [4, 5]
    assert log.back(5, 1)[0].offset == 5
    assert log.size(5) == 2
    assert log.append([b"x"]) == 6


# --- retention --------------------------------------------------------------------------------------


def test_months_that_are_over_are_dropped(database: Database) -> None:
    keep(database, (pack(1, 0, 1), OCTOBER, b""), (pack(1, 0, 2), NOVEMBER, b""))
    assert drop_months(database, NOVEMBER, 0) == ["entries_2026_10"]
    assert [one.offset for one in PostgresHistory(database, lambda: 0).read(0, 9)] == [pack(1, 0, 2)]
    assert drop_months(database, NOVEMBER, 0) == []


def test_months_of_reasons_are_dropped_likewise(database: Database) -> None:
    with database.connection() as connection, connection.transaction():
        Months("notes").ensure(connection, [OCTOBER, NOVEMBER])
        connection.execute("INSERT INTO notes (at, num, body) VALUES ($1, 1, ''), ($2, 1, '')", (OCTOBER, NOVEMBER))
    assert drop_notes(database, NOVEMBER) == ["notes_2026_10"]
    with database.connection() as connection:
        assert connection.execute("SELECT at FROM notes").fetchall() == [(NOVEMBER,)]


def test_a_month_with_words_that_nobody_applied_stays(database: Database, log: PostgresLog) -> None:
    log.append([said(1, OCTOBER)])
    assert drop_months(database, NOVEMBER, 0) == []
    assert drop_months(database, NOVEMBER, 1) == ["entries_2026_10"]
    assert log.tail() == 1
    assert log.append([said(2, NOVEMBER)]) == 2


def test_a_dropped_month_that_this_process_still_believes_in_is_a_conflict(database: Database) -> None:
    known = Months("entries")
    for number in (1, 2):
        with database.connection() as connection, connection.transaction():
            insert(connection, [(pack(1, 0, number), OCTOBER, b"")], months=known)
    drop_months(database, NOVEMBER, 0)
    with pytest.raises(Conflict), database.connection() as connection, connection.transaction():
        insert(connection, [(pack(1, 0, 3), OCTOBER, b"")], months=known)
    with database.connection() as connection, connection.transaction():
        insert(connection, [(pack(1, 0, 3), OCTOBER, b"")], months=known)
    assert months(database) == ["entries_2026_10"]


def test_a_month_whose_dropping_was_cut_off_is_made_anew(database: Database) -> None:
    keep(database, (pack(1, 0, 1), OCTOBER, b"old"))
    with database.connection() as connection:
        connection.execute("ALTER TABLE entries DETACH PARTITION entries_2026_10")
    keep(database, (pack(1, 0, 2), OCTOBER, b"new"))
    assert [one.body for one in PostgresHistory(database, lambda: 0).read(0, 9)] == [b"new"]


# --- rewriting --------------------------------------------------------------------------------------


def test_what_was_rewritten_is_cleared_away_once_nobody_reads_it(database: Database, log: PostgresLog) -> None:
    log.append([said(1, NOVEMBER), said(2, NOVEMBER)])
    with database.connection() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM entries")
        log.rewrite({1: b"nobody"})
        with pytest.raises(StoreBusy):
            log.scrub()
    log.scrub()
    with database.connection() as connection:
        dead = connection.execute("SELECT pg_stat_get_dead_tuples('entries_2026_11'::regclass)").fetchone()
        left = connection.execute("SELECT count(*) FROM meta WHERE name LIKE 'rewritten:%'").fetchone()
    assert left == (0,)
    assert dead == (0,)
    assert [one.body for one in log.read(0, 1)] == [b"nobody"]

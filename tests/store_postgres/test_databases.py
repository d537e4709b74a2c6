"""The database itself: many may start at once, a newer schema is refused, notices survive a lost connection."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from deploy.local import PostgresServer
from engine.core.errors import BadInput, BadSetting, Conflict, NewerSchema, StoreAway
from engine.ports import Changes, SuppressionRow, Turn
from engine.store.postgres import PostgresStore
from engine.store.postgres.connection import pipelined
from tests.contracts.writing import customer, save, write
from tests.store_postgres.conftest import Opener

DAY = 24 * 3600 * 10**6


def heard(store: PostgresStore, act: Callable[[], None], topics: set[str]) -> None:
    """Act, and wait until all these were said to have moved."""
    said: set[str] = set()
    all_of_them = threading.Event()

    def hear(topic: str) -> None:
        said.add(topic)
        if said >= topics:
            all_of_them.set()

    end = store.listen(hear)
    try:
        act()
        assert all_of_them.wait(20), said
    finally:
        end()


def test_many_may_make_the_database_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: PostgresStore(postgres_url, connections=1), range(6)))
    try:
        assert len({store.pepper() for store in stores}) == 1
        save(stores[0], customer("c1"))
        assert all(store.counts().customers == 1 for store in stores)
    finally:
        for store in stores:
            store.close()


def test_who_asks_while_nobody_answers_is_told_so_in_seconds_and_served_again_as_soon(
    own_postgres: PostgresServer,
) -> None:
    store = PostgresStore(own_postgres.create_database("shop"), connections=2)
    try:
        own_postgres.kill9()
        for _ in range(4):  # as long as it takes: patience does not grow
            began = time.monotonic()
            with pytest.raises(StoreAway):
                store.counts()
            assert time.monotonic() - began < 10
        own_postgres.start()
        began = time.monotonic()
        while time.monotonic() - began < 10:
            with suppress(StoreAway):
                assert store.counts().customers == 0
                return
        pytest.fail("nobody was served within ten seconds")
    finally:
        store.close()


def test_a_newer_schema_is_refused(store: PostgresStore, postgres_url: str) -> None:
    store.database.select("UPDATE meta SET value = 99 WHERE name = 'schema' RETURNING 1", ())
    for opening in (PostgresStore, PostgresStore.open_readonly):
        with pytest.raises(NewerSchema, match="99"):
            opening(postgres_url)


def test_who_only_reads_makes_nothing(postgres_url: str) -> None:
    with pytest.raises(BadInput, match="no data"):
        PostgresStore.open_readonly(postgres_url)
    PostgresStore(postgres_url).close()
    reader = PostgresStore.open_readonly(postgres_url)
    try:
        assert reader.counts().customers == 0
        with pytest.raises(BadInput, match="reading only"), reader.unit():
            pytest.fail("it may not write")
    finally:
        reader.close()


def test_what_fails_among_several_statements_is_raised_and_not_muttered(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Conflict), store.database.connection() as connection, pipelined(connection):
        connection.execute(b"SELECT 1 / 0")
        raise Conflict("somebody was faster")
    with pytest.raises(psycopg.errors.DivisionByZero), store.database.connection() as again, pipelined(again):
        again.execute(b"SELECT 1 / 0")
        again.execute(b"SELECT 1")
    with store.turn(Turn()) as turn:
        assert turn is not None
    assert not caplog.records


def test_addresses_that_lead_nowhere_are_said(postgres_url: str) -> None:
    with pytest.raises(BadSetting, match="cannot be read"):
        PostgresStore("postgresql://[")
    with pytest.raises(StoreAway):
        PostgresStore("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(BadSetting, match="search_path"):
        PostgresStore(f"{postgres_url}?options=-csearch_path%3Dnowhere")


def test_what_moved_is_heard_elsewhere(store: PostgresStore, another: Opener) -> None:
    heard(another(), lambda: store.tide(5), {"tide"})
    assert store.tide_at() == 5
    store.tide(None)
    assert store.tide_at() is None
    heard(another(), lambda: write(store, Changes(flags={"stop:*": "why"})), {"rules"})


def test_a_lost_connection_is_made_anew_and_everything_may_have_moved(store: PostgresStore, another: Opener) -> None:
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    heard(another(), lambda: None if store.database.select(ended, ()) else pytest.fail("nobody listens"),
          {"rules", "desk", "touches", "tide"})  # fmt: skip


def test_a_store_goes_on_when_its_connections_were_cut(store: PostgresStore, postgres_url: str) -> None:
    save(store, customer("c1"))
    with psycopg.connect(postgres_url, autocommit=True) as outside:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        outside.execute(cut, (outside.info.backend_pid,))
    for _ in range(10):
        try:
            assert store.counts().customers == 1
        except StoreAway:
            continue
        break
    else:
        pytest.fail("it stays away")
    save(store, customer("c2"))


def test_dedupe_keys_are_forgotten_by_slices_and_their_tables_go(store: PostgresStore) -> None:
    write(store, Changes(offset=1, now=DAY, seen={1: 1}))
    write(store, Changes(offset=2, now=4 * DAY, seen={2: 2}))
    assert store.seen([1, 2]) == {1: 1, 2: 2}
    write(store, Changes(offset=3, now=40 * DAY, seen={3: 3}))
    assert store.seen([1, 2, 3]) == {3: 3}
    assert len(store.database.rows("slices", ())) == 1


def test_with_partitions_nothing_is_forgotten_before_the_last_of_them_has_come_so_far(store: PostgresStore) -> None:
    store.arrange(2)

    def remember(partition: int, key: int, now: int) -> None:
        with store.turn(Turn(partition)) as turn:
            assert turn is not None
            with turn.unit() as unit:
                unit.commit(Changes(offset=key, now=now, seen={key: key}))

    remember(1, 1, DAY)
    remember(2, 2, 40 * DAY)
    assert store.seen([1, 2]) == {1: 1, 2: 2}
    remember(1, 3, 41 * DAY)
    remember(2, 4, 60 * DAY)
    assert store.seen([1, 2, 3, 4]) == {2: 2, 3: 3, 4: 4}


def test_the_key_of_fingerprints_that_is_lost_is_missed(store: PostgresStore, postgres_url: str) -> None:
    write(store, Changes(suppressions=[SuppressionRow("k1", "", "erased", 1)]))
    store.database.select("DELETE FROM secrets RETURNING 1", ())
    with pytest.raises(BadInput, match="Restore it"):
        PostgresStore(postgres_url)


def test_text_that_postgresql_does_not_hold_is_an_error_and_nothing_was_written(store: PostgresStore) -> None:
    with pytest.raises(psycopg.DataError):
        write(store, Changes(customers={"c1": customer("c1")}, identifiers={"user_id:a\0b": "c1"}))
    assert (store.customers(["c1"]), store.resolve(["user_id:a\0b"])) == ({}, {})
    save(store, customer("c1"))

"""A workspace moves from SQLite into PostgreSQL: everything that is under way goes on as if nothing had happened."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from engine.bootstrap import migrate_store as moving
from engine.core.delivery import TouchState
from engine.core.errors import AlreadyRunning, BadInput, NewerSchema
from engine.core.events import Directive, Event, encode
from engine.core.ids import DAY, derive
from engine.ports import History, Rendered, RunQuery, Store, TouchQuery
from engine.runtime.simulate import Faults, Simulation, World
from engine.store.moved import TABLES
from engine.store.postgres import PostgresStore
from engine.store.postgres.connection import Database
from engine.store.postgres.entries_log import PostgresLog
from engine.store.sqlite import SqliteLog, SqliteStore, WorkspaceLock
from engine.usecases import deliver
from engine.usecases.publish import in_force
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop
from tests.simulation.whole_shop import CODES, world

START = 1_772_366_400_000_000
ALL = 1_000_000

Opened = tuple[Store, History]


def sqlite(folder: Path) -> tuple[SqliteStore, SqliteLog]:
    folder.mkdir(exist_ok=True)
    (folder / "fingerprint.key").write_bytes(b"k" * 32)
    return SqliteStore(folder / "store.db", sweep_after=20_000), SqliteLog(folder / "journal.db")


def shop(opened: Opened) -> World:
    store, log = opened
    faults = Faults(crash=0.01)
    return msgspec.structs.replace(world(faults), store=store, log=log, load=lambda: in_force(store), regroups=0.3)


def begin(seed: int, folder: Path) -> Simulation:
    """Return a life of publishes, crashes, merges, coupons and an erasure that ends in the middle of things."""
    simulation = Simulation(seed, shop(sqlite(folder)), START)
    for pool in simulation.world.pools:
        simulation.stock(pool, CODES)
    for number in range(4):
        simulation.publish((seed + number) % 5 if number else 0)
        simulation.live(60)
    say(simulation, "suppress", "", addresses=["email:gone@x.example"], why="imported")
    simulation.engine.drain()
    somebody = simulation.world.store.scan("", 3)[-1].id
    say(simulation, "erase", somebody, keys=[], shut=[])
    simulation.live(40)
    simulation.stock("BIG", CODES)
    for number in range(8):
        order = simulation.world.scenario(simulation.dice, simulation.clock.now())
        who = {"user_id": f"u{number}", "email": f"u{number}@x.example"}
        order = msgspec.structs.replace(order, name="order_paid", identifiers=who, consents={"marketing": True})
        simulation.world.log.append([encode(order)])
    simulation.engine.drain()
    lease_some(simulation)
    return simulation


def lease_some(simulation: Simulation) -> None:
    """Let touches be in flight, of which nobody will say how they went."""
    shop, now = simulation.world, simulation.clock.now()
    picked = deliver.pick(shop.store, now, dict.fromkeys(shop.channels, 3), shop.terms)
    ready = [(one.row, Rendered(b"text", one.row.touch.id)) for one in picked if one.customer is not None]
    deliver.commit_in_flight(shop.store, simulation.engine.playbook, ready, now, shop.terms)


def say(simulation: Simulation, verb: Any, subject: str, **properties: Any) -> None:
    now = simulation.clock.now()
    word = Directive(derive(verb, simulation.dice.thrown), verb, now, now, subject, by="test", properties=properties)
    simulation.world.log.append([encode(word)])


def go_on(simulation: Simulation, opened: Opened) -> None:
    """Live on over these, as after a restart."""
    simulation.world = shop(opened)
    simulation.crash()
    for number in range(2):
        simulation.publish(number + 1)
        simulation.live(60)
    simulation.settle()


def facts(store: Store) -> dict[str, Any]:
    customers = {one.id: one for one in store.scan("", ALL)}
    touches = {row.touch.id: row for row in store.find_touches(TouchQuery(limit=ALL))}
    return {
        "customers": customers,
        "touches": touches,
        "attempts": {id_: store.attempts(id_) for id_ in touches},
        "facts": {id_: store.facts(id_) for id_ in touches},
        "runs": {run.id: (customer, run) for customer, run in store.runs(RunQuery(limit=ALL))},
        "notes": {id_: store.notes(id_) for id_ in customers},
        "labels": {id_: store.labels(id_) for id_ in customers},
        "merges": {id_: store.merges(id_) for id_ in customers},
        "effects": sorted(map(repr, store.effects())),
        "coupons": sorted(map(repr, store.coupons(limit=ALL))),
        "pools": store.pools(),
        "arms": store.arms("chat", "word"),
        "schedules": sorted(store.schedules(), key=lambda row: row.journey),
        "releases": store.releases(),
        "current": store.current(),
        "flags": store.flags(),
        "jobs": store.jobs(),
        "dead": store.dead_letters(ALL),
        "reviews": sorted(map(repr, store.reviews("", ALL))),
        "erasures": store.erasures(),
        "suppressions": store.suppressions(),
        "accounts": store.accounts({one.account for one in customers.values()}),
        "counts": store.counts(),
        "pepper": store.pepper(),
        "position": store.position(),
    }


def silent(_what: str, _done: int) -> None:
    """Nobody watches."""


@pytest.fixture
def opened_postgres() -> Iterator[Callable[[str], Opened]]:
    with ExitStack() as held:

        def opened(url: str) -> Opened:
            store = held.enter_context(closing(PostgresStore(url)))
            return store, PostgresLog(store.database)

        yield opened


# --- the same life ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_was_begun_in_sqlite_ends_in_postgresql_as_it_would_have_in_sqlite(
    seed: int, tmp_path: Path, postgres_url: str, opened_postgres: Callable[[str], Opened]
) -> None:
    stayed, moved = begin(seed, tmp_path / "stayed"), begin(seed, tmp_path / "moved")
    for simulation in (stayed, moved):
        simulation.world.store.close()
        simulation.world.log.close()
    compared = moving.migrate_store(tmp_path / "moved", postgres_url, silent)
    assert [one for one in compared if not one.is_same] == []
    here = {one.table: one.here for one in compared}
    assert 0 not in [here[name] for name in ("states", "seen", "runs", "touches", "attempts", "facts", "entries")]

    there, before = opened_postgres(postgres_url), facts(SqliteStore.open_readonly(tmp_path / "moved" / "store.db"))
    assert facts(there[0]) == before
    assert any(run.is_active for _, run in before["runs"].values())
    assert any(row.state is TouchState.IN_FLIGHT for row in before["touches"].values())

    here_again = sqlite(tmp_path / "stayed")
    go_on(stayed, here_again)
    go_on(moved, there)
    was, now = facts(here_again[0]), facts(there[0])
    for what in was:
        assert now[what] == was[what], what
    assert moved.provider.accepted == stayed.provider.accepted
    assert there[1].tail() == here_again[1].tail()
    assert len(was["touches"]) > len(before["touches"])
    here_again[0].close()


def test_a_message_that_came_before_the_move_is_a_repeat_after_it(
    tmp_path: Path, postgres_url: str, opened_postgres: Callable[[str], Opened]
) -> None:
    simulation = Simulation(1, shop(sqlite(tmp_path)), START)
    event = Event("m1", "order_paid", START, START, identifiers={"user_id": "mei"})
    simulation.world.log.append([encode(event)])
    simulation.engine.drain()
    simulation.world.store.close()
    simulation.world.log.close()
    moving.migrate_store(tmp_path, postgres_url, silent)
    simulation.world = shop(opened_postgres(postgres_url))
    simulation.crash()
    simulation.world.log.append([encode(msgspec.structs.replace(event, received=START + DAY))])
    simulation.engine.drain()
    assert (simulation.engine.duplicates, simulation.engine.applied) == (1, 1)


# --- what is refused --------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A data folder with one customer in it."""
    store, log = sqlite(tmp_path)
    log.append([encode(Event("m1", "order_paid", START, START, identifiers={"user_id": "mei"}))])
    Simulation(1, shop((store, log)), START)
    store.close()
    log.close()
    return tmp_path


def test_a_folder_that_a_daemon_holds_is_refused(small: Path, postgres_url: str) -> None:
    with WorkspaceLock(small / "lock"), pytest.raises(AlreadyRunning):
        moving.migrate_store(small, postgres_url, silent)


def test_a_database_that_is_not_empty_is_refused(small: Path, postgres_url: str) -> None:
    moving.migrate_store(small, postgres_url, silent)
    with pytest.raises(BadInput, match="not empty"):
        moving.migrate_store(small, postgres_url, silent)


def test_a_database_of_a_newer_journeyd_is_refused(small: Path, postgres_url: str) -> None:
    PostgresStore(postgres_url).close()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    with pytest.raises(NewerSchema):
        moving.migrate_store(small, postgres_url, silent)


def test_a_database_at_work_is_refused(small: Path, postgres_url: str) -> None:
    from engine.store.postgres.hold import DatabaseHold

    hold = DatabaseHold(postgres_url, "with_others")
    hold.acquire()
    try:
        with pytest.raises(AlreadyRunning):
            moving.migrate_store(small, postgres_url, silent)
    finally:
        hold.release()


@pytest.mark.parametrize("after", [0, 3, 12])
def test_a_move_that_is_cut_off_leaves_nothing_and_is_begun_anew(small: Path, postgres_url: str, after: int) -> None:
    calls = iter(range(ALL))

    def die(_what: str, _done: int) -> None:
        if next(calls) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moving.migrate_store(small, postgres_url, die)
    with closing(Database(postgres_url, 1)) as database:
        assert database.rows("meta", ())  # the tables are there, and there is nothing in them
        with database.connection() as connection:
            assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)
    assert all(one.is_same for one in moving.migrate_store(small, postgres_url, silent))


def test_a_row_that_differs_is_found_and_named(small: Path, postgres_url: str) -> None:
    moving.migrate_store(small, postgres_url, silent)
    assert all(one.is_same for one in moving.verify_store(small, postgres_url, silent))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE customers SET wake = wake + 1")
    differing = [one for one in moving.verify_store(small, postgres_url, silent) if not one.is_same]
    assert [(one.table, one.here, one.there) for one in differing] == [("customers", 1, 1)]


def test_nothing_of_the_store_is_left_out() -> None:
    """A table that the next version of the schema brings moves as well, or is said here not to."""
    store = SqliteStore.__module__.rpartition(".")[0]
    from importlib.resources import files

    said = "".join(files(store).joinpath(name).read_text() for name in ("schema.sql", "schema_2.sql", "schema_3.sql"))
    tables = {line.split()[2] for line in said.splitlines() if line.startswith("CREATE TABLE ")}
    assert tables - {table.name for table in TABLES} == {"redo"}


# --- the command ------------------------------------------------------------------------------------


def test_the_command_copies_compares_and_can_compare_again(tmp_path: Path, postgres_url: str) -> None:
    folder = make_shop(tmp_path / "shop")
    live(folder, [known("mei", "2026-03-02T02:00:00Z", email="mei@home.example"),
                  did("mei", "order_paid", "2026-03-02T02:10:00Z", total=260)])  # fmt: skip
    source = f"sqlite:{folder / '.journeyd'}"
    first = journeyd(folder, "migrate-store", source, postgres_url)
    assert first.exit_code == 0, first.output
    assert "are the same on both sides" in first.stdout
    rows = {row["table"]: row for row in data(folder, "migrate-store", source, postgres_url, "--verify")}
    assert rows["customers"] == {"table": "customers", "rows": [1, 1], "same": True}
    assert rows["entries"]["rows"][0] >= 2
    again = journeyd(folder, "migrate-store", source, postgres_url)
    assert (again.exit_code, "not empty" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("nowhere", "postgresql://localhost/x", "sqlite:PATH"),
        ("sqlite:nowhere", "postgresql://localhost/x", "there is no store.db"),
        ("sqlite:.", "mysql://localhost/x", "postgresql://host:5432/journeyd"),
        ("sqlite:.", "env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
    ],
)
def test_what_is_no_source_and_no_target_is_said(tmp_path: Path, source: str, target: str, said: str) -> None:
    folder = make_shop(tmp_path / "shop")
    refused = journeyd(folder, "migrate-store", source, target)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


def test_json_is_json(tmp_path: Path, postgres_url: str) -> None:
    folder = make_shop(tmp_path / "shop")
    live(folder, [known("mei", "2026-03-02T02:00:00Z")])
    told = journeyd(folder, "migrate-store", f"sqlite:{folder / '.journeyd'}", postgres_url, "--json")
    assert {row["table"] for row in json.loads(told.stdout)} == {table.name for table in TABLES}

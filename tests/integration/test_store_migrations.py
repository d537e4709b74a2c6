"""An older store.db is brought up to date when a daemon opens it, and refused by whoever may only read."""

from pathlib import Path

import apsw
import msgspec
import pytest

from engine.core import plan as plans
from engine.core.commands import RecordEffect
from engine.core.errors import BadInput
from engine.core.expression import Compare, Constant, HasTag
from engine.core.expression import Path as Read
from engine.core.ids import SECOND
from engine.core.plan import Audience, Awaited, OnEvent, Plan, Span, Stop, WaitFor
from engine.core.release import Release
from engine.core.state import Customer, Held, Run, encode
from engine.ports import Changes, RunQuery
from engine.store.memory import MemoryLog
from engine.store.sqlite import SqliteLog, SqliteStore
from engine.store.sqlite.connection import MIGRATIONS
from engine.store.sqlite.queries import resource
from engine.usecases.follow_up import proceed
from engine.usecases.heard import Heard
from engine.usecases.publish import in_force

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


def second_version(path: Path) -> None:
    """Make a file as the second schema had it: a merge that moved its rows, identifiers, an effect, a redo row."""
    raw = apsw.Connection(str(path))
    for name in MIGRATIONS[:2]:
        raw.execute(resource(name))
    raw.pragma("user_version", 2)
    raw.execute("""
        INSERT INTO customers (num, oneid, known, winner, wake, stage, reached)
        VALUES (1, 'anon', 0, 2, 0, '', ''), (2, 'user', 1, NULL, 7, 'acquire', 'acquire'),
          (3, 'other', 1, NULL, 0, '', '');
        INSERT INTO identifiers (name, num) VALUES ('anonymous_id:x', 1), ('user_id:u', 2), ('user_id:o', 3);
        INSERT INTO tallies (kind, a, b, c, n, value)
        VALUES ('customers', '', '', '', 2, 0), ('stage', 'acquire', '', '', 1, 0),
          ('reached', 'acquire', '', '', 1, 0), ('converted', 'welcome', '', '', 1, 5.0);
    """)
    for num, name in ((2, "user"), (3, "other")):
        value = msgspec.msgpack.encode(Customer(name, 1, wake=7 * (num == 2), stage="acquire" * (num == 2)))
        raw.execute("INSERT INTO states (num, body) VALUES (?1, ?2)", (num, value))
        run = msgspec.msgpack.encode(Run(f"r{num}", "welcome", "v1", entered=num, step="1"))
        raw.execute(ADD_RUN.replace("1, 'welcome'", f"{num}, 'welcome'"), (f"r{num}", "v1", 1, run))
        effect = RecordEffect(f"e{num}", "converted", 1, "anon" if num == 2 else "other", journey="welcome", value=5.0)
        row = (effect.key, msgspec.msgpack.encode(effect))
        raw.execute("INSERT INTO effects (key, journey, kind, body) VALUES (?1, 'welcome', 'converted', ?2)", row)
    raw.close()


def test_a_merge_of_the_second_schema_stays_as_it_moved_its_rows(tmp_path: Path) -> None:
    second_version(tmp_path / "store.db")
    store = SqliteStore(tmp_path / "store.db")
    assert {asked: one.id for asked, one in store.customers(["anon", "user"]).items()} == {
        "anon": "user",
        "user": "user",
    }
    assert [(owner, run.id) for owner, run in store.runs(RunQuery(customer="anon"))] == [("user", "r2")]
    with store.unit() as unit:
        unit.commit(Changes(parted={"anon": "anon"}, customers={"anon": Customer("anon", 1, wake=3)}))
    assert store.resolve(["anonymous_id:x", "user_id:u"]) == {"anonymous_id:x": "anon", "user_id:u": "user"}
    assert store.due(9, 9) == [("anon", 3), ("user", 7)]
    assert store.runs(RunQuery(customer="anon")) == []
    assert store.counts().customers == 3
    store.close()


def test_an_erasure_finds_what_the_second_schema_kept(tmp_path: Path) -> None:
    second_version(tmp_path / "store.db")
    store = SqliteStore(tmp_path / "store.db")
    with store.unit() as unit:
        unit.commit(Changes(erased=["user"]))
    assert [(effect.key, effect.customer) for effect in store.effects()] == [("e2", ""), ("e3", "other")]
    assert store.resolve(["anonymous_id:x", "user_id:u", "user_id:o"]) == {"user_id:o": "other"}
    assert [owner for owner, _ in store.runs(RunQuery())] == ["other"]
    counts = store.counts()
    assert (counts.customers, counts.stages, counts.reached) == (1, {}, {})
    store.close()


def entry(offset: int) -> bytes:
    return f"<entry {offset}>".encode() * 50


def first_journal(path: Path) -> None:
    """Make a journal as the first version had it: 400 entries, of which a trim has dropped 300."""
    raw = apsw.Connection(str(path))
    raw.execute("CREATE TABLE entries (offset INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    raw.pragma("user_version", 1)
    with raw:
        rows = [(offset, entry(offset)) for offset in range(1, 401)]
        raw.executemany("INSERT INTO entries (offset, body) VALUES (?1, ?2)", rows)
    raw.execute("DELETE FROM entries WHERE offset <= 300")
    raw.close()


def dropped(folder: Path, below: int) -> list[int]:
    """Return the entries below an offset that are still in some file."""
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    return [offset for offset in range(1, below) if f"<entry {offset}>".encode() in held]


def test_a_journal_of_the_first_version_goes_on_and_the_pages_that_it_freed_are_written_over(tmp_path: Path) -> None:
    first_journal(tmp_path / "journal.db")
    early = SqliteLog.open_readonly(tmp_path / "journal.db")
    assert [item.offset for item in early.read(0, 999)] == list(range(301, 401))
    assert b"<entry 200>" in (tmp_path / "journal.db").read_bytes()
    log = SqliteLog(tmp_path / "journal.db")
    log.rewrite({350: b"nobody"})
    assert log.append([entry(401)]) == 401
    kept = {offset: entry(offset) for offset in range(301, 402)} | {350: b"nobody"}
    for reader in (log, early):
        assert {item.offset: item.body for item in reader.read(0, 999)} == kept
    log.scrub()
    assert b"<entry 350>" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(dropped(tmp_path, 301)) < 24  # whole pages are clean; parts of a few are as the first version left them
    early.close()
    log.close()


OLD_WAIT = {
    "type": "wait_for",
    "id": "1",
    "events": ["page_viewed", "cart_updated"],
    "within": {"micros": 20 * SECOND},
    "where": {
        "type": "compare",
        "op": ">",
        "left": {"type": "path", "root": "event", "parts": ["total"]},
        "right": {"type": "constant", "value": 3},
    },
    "then": "2",
    "otherwise": "2",
}
OLD_PLAN = {
    "journey": "waits",
    "title": "Waits",
    "stage": "acquire",
    "enter": {"type": "on", "events": ["signed_up"]},
    "nodes": [OLD_WAIT, {"type": "stop", "id": "2"}],
    "version": "d4300478ff26",
}


def test_a_plan_of_the_first_schema_is_read_with_the_version_its_runs_name(tmp_path: Path) -> None:
    first_version(tmp_path / "store.db")
    raw = apsw.Connection(str(tmp_path / "store.db"))
    old = msgspec.msgpack.encode(OLD_PLAN)
    raw.execute("INSERT INTO plans (journey, version, current, body) VALUES ('waits', 'd4300478ff26', 1, ?1)", (old,))
    raw.close()
    store = SqliteStore(tmp_path / "store.db")
    above_three = Compare(">", Read("event", ("total",)), Constant(3))
    awaited = (Awaited(("page_viewed", "cart_updated"), above_three),)
    wait = WaitFor("1", awaited, Span(20 * SECOND), then="2", otherwise="2")
    nodes = (wait, Stop("2"))
    assert store.plans() == [Plan("waits", "Waits", "acquire", OnEvent(("signed_up",)), nodes, version="d4300478ff26")]
    assert store.plan("waits", "d4300478ff26") == store.plans()[0]
    store.close()


def test_a_plan_that_was_never_one_is_still_refused() -> None:
    for body in ({**OLD_PLAN, "nodes": [{"type": "wait_for", "id": "1"}]}, {"journey": "waits"}, ["waits"], 7):
        with pytest.raises(msgspec.ValidationError):
            plans.decode(msgspec.msgpack.encode(body))


def test_who_was_there_before_labels_were_kept_is_labelled_at_the_next_start(tmp_path: Path) -> None:
    vip, dear = HasTag("vip"), Compare(">=", Read("customer", ("total",)), Constant(5))
    mei = Customer("mei", 1, seen=5, traits={"total": 9}, tags={"vip": Held(3)})
    raw = apsw.Connection(str(tmp_path / "store.db"))
    for migration in MIGRATIONS[:2]:
        raw.execute(resource(migration))
    raw.pragma("user_version", 2)
    raw.execute("INSERT INTO customers (num, oneid, known) VALUES (1, 'mei', 1)")
    raw.execute("INSERT INTO states (num, body) VALUES (1, ?1)", (encode(mei),))
    raw.execute("INSERT INTO meta (name, value) VALUES ('now', 50)")
    release = Release((), Audience(segments={"vips": vip, "dear": dear}), id="r1")
    raw.execute("INSERT INTO releases (id, body) VALUES ('r1', ?1)", (msgspec.msgpack.encode(release),))
    raw.close()
    store = SqliteStore(tmp_path / "store.db")
    while proceed(store, MemoryLog(), in_force(store), limit=10, heard=Heard()):
        pass
    assert [(row.kind, row.name, row.since) for row in store.labels("mei")] == [
        ("segment", "dear", 50),
        ("segment", "vips", 50),
        ("tag", "vip", 3),
    ]
    store.close()

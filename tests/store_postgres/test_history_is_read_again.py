"""Back-fills, purges and timelines over the history of several partitions: the same as over one log."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine.bootstrap.logged import Journal
from engine.bootstrap.workspace import Workspace
from engine.core.audience.identity import RULES
from engine.core.events import Directive, Entry, Event, decode, encode
from engine.core.expression import Measure
from engine.core.ids import DAY, SECOND, Micros
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.ports import JobRow, Logged, Turn
from engine.ports.partitions import DESK, pack, unpack
from engine.store.memory import MemoryLog
from engine.store.postgres import PostgresStore
from engine.store.postgres.entries import PostgresHistory
from engine.store.postgres.entries_log import PostgresLog
from engine.usecases import backfill, purge
from engine.usecases.advance import advance
from engine.usecases.entries_of import entry_at, places_of
from engine.usecases.heard import Heard

NOON: Micros = 1_795_000_000_000_000
ORDERS = Measure("orders", "order_paid", "total")
MAIL = "canary@brand.example"


class One(MemoryLog):
    """A partition's log of which one entry waits; behind it stands the history."""

    def __init__(self, waiting: Logged, history: PostgresHistory) -> None:
        super().__init__()
        self._waiting, self._history = waiting, history

    def read(self, after: int, limit: int) -> list[Logged]:
        return self._history.read(after, 1) if limit == 1 else [self._waiting]


class Shop:
    """A store in two partitions and a desk; entries are put into a partition one by one."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.desk = store, PostgresLog(store.database)
        self.history = PostgresHistory(store.database, store.position)
        self.now, self.sent = NOON, {1: 0, 2: 0}
        store.arrange(2)
        for partition in self.sent:
            store.take(partition, "w", NOON)

    def did(self, partition: int, id_: str, name: str = "order_paid", total: int = 0, **identifiers: str) -> None:
        self.now += SECOND
        event = Event(id_, name, self.now, self.now, identifiers=identifiers, properties={"total": total})
        self.put(partition, event)

    def put(self, partition: int, entry: Entry) -> None:
        self.sent[partition] += 1
        place = Logged(pack(partition, self.sent[partition], 1), encode(entry))
        with self.store.turn(Turn(partition, owner="w")) as turn:
            assert turn is not None
            turn.keep(lambda _: [(place.offset, entry.received, place.body)])
            assert advance(turn, One(place, self.history), Playbook([])) is not None

    def say(self, verb: str, subject: str, **properties: object) -> None:
        self.now += SECOND
        word = Directive(f"{verb}{self.now}", verb, self.now, self.now, subject, by="ops", properties=properties)  # type: ignore[arg-type]
        self.desk.append([encode(word)])
        self.hear()

    def hear(self) -> None:
        with self.store.turn(Turn(DESK, alone=True)) as turn:
            assert turn is not None
            advance(turn, self.desk, Playbook([]), limit=1)

    def fill(self, chunk: int) -> list[JobRow]:
        after = Playbook([], Audience(measures=(ORDERS,)))
        job = backfill.begin(backfill.needs(None, after), self.store.position(), self.store.counts().customers)
        heard, rows = Heard(), []
        while job is not None and job.phase:
            with self.store.turn(Turn(duty="jobs")) as turn:
                assert turn is not None
                job = backfill.proceed(turn, self.history, job, chunk, heard)
            rows.append(job)
        return rows

    def purge(self) -> list[JobRow]:
        rows = []
        while jobs := self.store.jobs():
            rows.append(purge.proceed(self.store, self.history, jobs[0], RULES, now=self.now, trip=lambda _: None))
            assert len(rows) < 100
        return rows

    def bodies(self) -> bytes:
        return b"\n".join(place.body for place in self.history.read(0, 10_000))

    def who(self, name: str) -> str:
        return self.store.resolve([name])[name]


@pytest.fixture
def shop(postgres_url: str) -> Iterator[Shop]:
    with closing(PostgresStore(postgres_url)) as store:
        yield Shop(store)


# --- back-fills -------------------------------------------------------------------------------------


def totals(shop: Shop) -> dict[str, float]:
    found = {}
    for name in ("user_id:mei", "user_id:li", "user_id:zu"):
        customer = shop.store.customers([shop.who(name)])[shop.who(name)]
        found[name] = customer.behaviour["orders"].total
    return found


@pytest.mark.parametrize("chunk", [1, 3, 500])
def test_every_partition_is_counted_once_and_repeats_are_not(shop: Shop, chunk: int) -> None:
    for number in range(6):
        shop.did(1, f"a{number}", total=1, user_id="mei")
        shop.did(2, f"b{number}", total=10, user_id="li")
    shop.did(1, "a0", total=1, user_id="mei")
    shop.did(1, "b0", total=10, user_id="li")  # sent again, by way of another partition
    shop.did(2, "c0", total=100, user_id="zu")
    rows = shop.fill(chunk)
    assert totals(shop) == {"user_id:mei": 6, "user_id:li": 60, "user_id:zu": 100}
    assert [row.done for row in rows] == sorted(row.done for row in rows)
    assert rows[-1].done == rows[-1].total
    assert shop.store.jobs() == []


def test_what_was_appended_before_there_was_a_topic_is_counted_too(shop: Shop) -> None:
    with closing(shop.store):
        event = Event("old", "order_paid", NOON, NOON, identifiers={"user_id": "mei"}, properties={"total": 5})
        shop.desk.append([encode(event), encode(event)])
        shop.hear()
        shop.hear()
        shop.did(2, "new", total=7, user_id="mei")
        shop.did(1, "l", total=1, user_id="li")
        shop.did(1, "z", total=1, user_id="zu")
        shop.desk.append([encode(msgspec.structs.replace(event, id="later"))])  # nobody has applied it yet
        shop.fill(2)
        assert totals(shop)["user_id:mei"] == 12


# --- purges -----------------------------------------------------------------------------------------


def test_an_erased_person_is_in_no_partition_any_more(shop: Shop) -> None:
    for number in range(5):
        shop.did(2, f"o{number}", user_id=f"other{number}")
    shop.did(1, "m1", user_id="canary-u1", email=MAIL)
    shop.did(2, "m2", "page_viewed", anonymous_id="canary-cookie")
    shop.did(1, "m3", user_id="canary-u1", anonymous_id="canary-cookie")
    shop.put(
        2,
        Event("m4", f"talked about {MAIL}", NOON, shop.now, identifiers={"user_id": "other1"}, traits={"friend": MAIL}),
    )
    before = [place for place in shop.history.read(0, 99) if b"canary" not in place.body]
    shop.say("erase", shop.who("user_id:canary-u1"))
    shop.did(1, "m5", user_id="somebody")
    rows = shop.purge()
    kept = {place.offset: place.body for place in shop.history.read(0, 99)}
    assert b"canary" not in shop.bodies().replace(f"talked about {MAIL}".encode(), b"")
    assert {place.offset: kept[place.offset] for place in before} == {place.offset: place.body for place in before}
    assert all(row.done for row in shop.store.erasures())
    assert rows[-1].phase == ""


def test_a_purge_of_one_partition_does_not_end_where_another_begins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "ENTRIES", 2)
    for number in range(7):
        shop.did(1, f"o{number}", user_id=f"other{number}")
        shop.did(2, f"p{number}", user_id=f"other{number}")
    shop.did(1, "m1", user_id="canary-u1")
    shop.did(2, "m2", user_id="canary-u1")
    shop.say("erase", shop.who("user_id:canary-u1"))
    rows = shop.purge()
    assert b"canary" not in shop.bodies()
    looked = [unpack(int(row.cursor)).partition for row in rows if row.phase == "log" and row.cursor]
    assert looked == [1, 0]  # nothing older of partition 2 can know the person: on with the end of the one before
    assert len(rows) < 9


def test_who_was_readmitted_meanwhile_keeps_what_is_new(shop: Shop) -> None:
    shop.did(1, "m1", user_id="canary-u1")
    id_, key = shop.who("user_id:canary-u1"), ""
    shop.say("erase", id_)
    key = shop.store.erasures()[0].keys[0]
    shop.say("readmit", key)
    shop.now += DAY
    shop.did(1, "m2", user_id="canary-u1")
    shop.purge()
    left = [decode(place.body) for place in shop.history.read(0, 99)]
    assert [entry.id for entry in left if isinstance(entry, Event)] == ["m2"]


# --- timelines --------------------------------------------------------------------------------------


def test_a_timeline_is_in_the_order_of_time_whatever_the_partition(shop: Shop) -> None:
    for number in range(3):
        shop.did(2, f"a{number}", user_id="mei")
        shop.did(1, f"b{number}", user_id="mei")
        shop.did(1, f"c{number}", user_id="li")
    mei = shop.store.customers([shop.who("user_id:mei")])[shop.who("user_id:mei")]
    places = places_of(shop.store, shop.history, mei, RULES, progress=lambda _: None)
    entries = [entry_at(shop.history, place) for place in places]
    assert [entry.id for entry in entries if isinstance(entry, Event)] == ["a0", "b0", "a1", "b1", "a2", "b2"]


# --- rehearsals -------------------------------------------------------------------------------------


def test_what_happened_is_rehearsed_in_the_order_of_time(shop: Shop, tmp_path: Path, postgres_url: str) -> None:
    for number in range(3):
        shop.did(2, f"a{number}", user_id="mei")
        shop.did(1, f"b{number}", user_id="li")
    (tmp_path / "journeyd.yaml").write_text(f"store: {{url: '{postgres_url}'}}\n")
    journal = Journal(Workspace.open(tmp_path, {}))
    assert [event.id for event in journal.events()] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert (journal.trimmed, journal.refused) == (0, 0)

"""Filling a newly asked statistic from the log: what is read, whose it is, and what a crash in between leaves."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.core.commands import Touch
from engine.core.errors import StoreFull
from engine.core.events import Directive, Event, encode
from engine.core.expression import FOREVER, Measure
from engine.core.ids import DAY, key64
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import Changes, JobRow
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.memory.store import MemoryUnit
from engine.usecases.advance import advance
from engine.usecases.backfill import begin, is_backfill, needs, proceed
from engine.usecases.heard import Heard

PAID = Measure("paid", "order_paid", "total", window=30 * DAY)
BOTH = Measure("both", "viewed", window=DAY, kind="sequence", others=("order_paid",))


def playbook(*measures: Measure) -> Playbook:
    return Playbook([], Audience(measures=measures))


def paid(number: int, at: int = 0, user: str = "u1", **more: str) -> bytes:
    at = at or number * DAY
    return encode(
        Event(f"m{number}", "order_paid", at, at, identifiers={"user_id": user, **more}, properties={"total": number})
    )


class FullUnit(MemoryUnit):
    """A unit of work that finds no room."""

    def commit(self, changes: Changes) -> None:
        raise StoreFull("no room")


class Failing(MemoryStore):
    """A store that has no room while it is told so."""

    is_full = False

    @contextmanager
    def unit(self) -> Iterator[MemoryUnit]:
        with super().unit() as unit:
            yield FullUnit(self._tables, self._lock, self._window) if self.is_full else unit


def lived(*bodies: bytes, book: Playbook | None = None) -> tuple[MemoryStore, MemoryLog]:
    store, log = MemoryStore(), MemoryLog()
    log.append(bodies)
    while advance(store, log, book or playbook(), limit=1):
        pass
    return store, log


def filled(store: MemoryStore, log: MemoryLog, job: JobRow | None, limit: int = 2) -> list[JobRow]:
    rows = []
    while job is not None and job.phase:
        job = proceed(store, log, job, limit)
        rows.append(job)
    return rows


def only(store: MemoryStore) -> Customer:
    [customer] = store.scan("", 10)
    return customer


def test_only_what_is_new_or_looks_further_back_needs_filling() -> None:
    wider = Measure("paid", "order_paid", "total", window=90 * DAY)
    asked = needs(playbook(PAID), playbook(wider, BOTH))
    assert (asked.fresh, asked.wider, asked.kept) == ((BOTH,), (wider,), ("both", "paid"))
    assert not needs(playbook(wider, BOTH), playbook(PAID))
    assert needs(None, playbook(PAID)).fresh == (PAID,)


def test_nothing_to_fill_or_nothing_to_read_is_no_job() -> None:
    assert begin(needs(playbook(PAID), playbook(PAID)), 100, 10) is None
    assert begin(needs(None, playbook(PAID)), 0, 0) is None


def test_a_job_says_how_far_it_is_and_is_gone_when_done() -> None:
    store, log = lived(*(paid(number, user=f"u{number % 3}") for number in range(1, 6)))
    job = begin(needs(None, playbook(PAID)), store.position(), store.counts().customers, name="r1")
    assert job is not None
    assert is_backfill(job)
    rows = filled(store, log, job)
    assert {row.name for row in rows} == {"backfill:r1"}
    assert [(row.phase, row.done, row.total) for row in rows] == [
        ("reset", 2, 8),
        ("fold", 3, 8),
        ("fold", 5, 8),
        ("fold", 7, 8),
        ("", 8, 8),
    ]
    assert store.jobs() == []
    assert sum(customer.behaviour["paid"].count for customer in store.scan("", 10)) == 5


def test_what_nobody_asks_for_any_more_is_let_go() -> None:
    store, log = lived(paid(1), paid(2), book=playbook(BOTH, PAID))
    assert only(store).behaviour.keys() == {"both", "paid"}
    filled(store, log, begin(needs(playbook(BOTH, PAID), playbook(PAID, Measure("n", "viewed"))), 2, 1))
    assert only(store).behaviour.keys() == {"paid"}


def test_entries_that_are_no_events_or_name_nobody_are_passed_over() -> None:
    stop = encode(Directive("d1", "stop", DAY, DAY, subject="*"))
    nobody = encode(Event("m9", "order_paid", DAY, DAY, properties={"total": 9}))
    store, log = lived(b"junk", paid(1), stop, nobody, paid(2))
    unapplied = paid(3, user="u3")
    log.append([unapplied])
    filled(store, log, begin(needs(None, playbook(PAID)), store.position(), 1))
    assert only(store).behaviour["paid"].total == 3.0


def test_a_trimmed_log_gives_what_is_left_of_it() -> None:
    store, log = lived(paid(1), paid(2), paid(3))
    log.trim(3)
    rows = filled(store, log, begin(needs(None, playbook(PAID)), 3, 1))
    assert only(store).behaviour["paid"].total == 3.0
    assert rows[-1].done == rows[-1].total


def test_a_wider_window_keeps_totals_that_the_log_has_lost() -> None:
    narrow = Measure("paid", "order_paid", "total", window=DAY)
    store, log = lived(paid(1), paid(2), paid(3), book=playbook(narrow))
    log.trim(2)
    filled(store, log, begin(needs(playbook(narrow), playbook(PAID)), 3, 1))
    tally = only(store).behaviour["paid"]
    assert (tally.count, tally.total, tally.recent) == (3, 6.0, ((2 * DAY, 2.0), (3 * DAY, 3.0)))


def test_an_event_about_a_touch_is_its_customers() -> None:
    store, log = lived(paid(1))
    customer = only(store).id
    touch = Touch("t1", "r", "j", "v", "1", customer, "email", "hello", "mei@x.example", "marketing", 1, 1)
    with store.unit() as unit:
        unit.commit(Changes(touches=[touch]))
    log.append([encode(Event(f"m-{about}", "shared", 5 * DAY, 5 * DAY, about=about)) for about in ("t1", "t2")])
    while advance(store, log, playbook()):
        pass
    filled(store, log, begin(needs(None, playbook(Measure("s", "shared"))), store.position(), 1))
    assert only(store).behaviour["s"].count == 1


def test_a_repeat_from_before_the_memory_is_known_to_the_store() -> None:
    heard = Heard(most=8)
    for number in range(100):
        heard.add(key64("api", f"m{number}"), 1)
    assert [heard.is_repeat(key64("api", f"m{number}")) for number in (0, 99)] == [False, True]
    others = [paid(number, DAY, "u2") for number in range(10, 30)]
    store, log = lived(paid(1), *others, paid(1))
    job = begin(needs(None, playbook(PAID)), store.position(), 2)
    memory = Heard(most=8)
    while job is not None and job.phase:
        job = proceed(store, log, job, 5, memory)
    assert sorted(customer.behaviour["paid"].count for customer in store.scan("", 10)) == [1, 20]


def test_a_chunk_that_failed_is_done_again_as_if_nothing_had_been() -> None:
    store, log = Failing(), MemoryLog()
    log.append([paid(1), paid(2)])
    while advance(store, log, playbook()):
        pass
    job = begin(needs(None, playbook(PAID)), 2, 1)
    assert job is not None
    heard = Heard()
    job = proceed(store, log, job, 10, heard)
    store.is_full = True
    with pytest.raises(StoreFull):
        proceed(store, log, job, 10, heard)
    store.is_full = False
    assert store.jobs() == [job]
    assert not proceed(store, log, job, 10, heard).phase
    assert only(store).behaviour["paid"].count == 2


def test_values_for_ever_are_filled_from_the_whole_log() -> None:
    store, log = lived(*(paid(number) for number in range(1, 40)))
    everything = Measure("v", "order_paid", "total", window=FOREVER, kind="values")
    filled(store, log, begin(needs(None, playbook(everything)), store.position(), 1), limit=7)
    assert len(only(store).behaviour["v"].values) == 39

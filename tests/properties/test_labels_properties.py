"""Whatever customers do and whatever is published: the labels in the store are what customers carry."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.audience.tags import LIST
from engine.core.events import encode
from engine.core.ids import HOUR, Micros
from engine.core.playbook import Playbook
from engine.core.predicates import Context
from engine.core.state import Customer
from engine.ports import Changes, JobRow, LabelRow
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.follow_up import proceed
from engine.usecases.heard import Heard
from tests.properties.test_consequences_properties import SOME_DOORS, START, told

people: list[dict[str, str]] = [
    {"user_id": "u1"},
    {"user_id": "u2"},
    {"anonymous_id": "a1"},
    {"email": "mei@x.example"},
    {"user_id": "u1", "anonymous_id": "a1"},
    {"user_id": "u2", "email": "mei@x.example"},
    {"email": "mei@x.example", "anonymous_id": "a1"},
]
names = st.sampled_from(["a", "b", "tagged", "moved", "other", "given", "listed", "delisted"])
lines = st.lists(st.tuples(st.integers(1, 30 * HOUR), names, st.sampled_from(people)), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(SOME_DOORS, SOME_DOORS, lines, st.integers(1, 4), st.integers(0, 14))
def test_the_labels_are_what_customers_carry_and_segments_hold_whom_they_should(
    first: Playbook, second: Playbook, happened: list[tuple[int, str, dict[str, str]]], limit: int, publishes: int
) -> None:
    store, log, now = MemoryStore(), MemoryLog(), START
    playbook = first
    for number, (gap, name, who) in enumerate(happened):
        if number == publishes:
            playbook = second
            settle(store, log, playbook, now)
            check(store, playbook, now)
        now += gap
        log.append([encode(told(number, name, now, identifiers=who))])
        if number % limit == 0:
            step(store, log, playbook)
            check(store, playbook, now)
    step(store, log, playbook)
    check(store, playbook, now)
    assert not store.dead_letters()


def step(store: MemoryStore, log: MemoryLog, playbook: Playbook) -> None:
    while advance(store, log, playbook, limit=3):
        pass


def settle(store: MemoryStore, log: MemoryLog, playbook: Playbook, now: Micros) -> None:
    step(store, log, playbook)
    job = JobRow("settle:1", "settle", total=1, body=str(now).encode())
    with store.unit() as unit:
        unit.commit(Changes(now=now, jobs=[job]))
    while proceed(store, log, playbook, limit=2, heard=Heard()):
        pass


def check(store: MemoryStore, playbook: Playbook, now: Micros) -> None:
    found: dict[tuple[str, str], int] = {}
    for customer in store.scan("", 1_000):
        carried = sorted(recount(customer), key=lambda row: (row.kind, row.name))
        assert store.labels(customer.id) == carried
        for row in carried:
            if not row.until or row.until > now:
                found[row.kind, row.name] = found.get((row.kind, row.name), 0) + 1
        holds_what_it_should(customer, playbook, now)
    assert {(one.kind, one.name): one.customers for one in store.label_counts(now) if one.customers} == found


def recount(customer: Customer) -> list[LabelRow]:
    rows = []
    for name, held in customer.tags.items():
        kind = "list" if name.startswith(LIST) else "tag"
        rows.append(LabelRow(customer.id, kind, name.removeprefix(LIST), held.since, held.until))
    for key, standing in customer.standing.items():
        kind, _, name = key.partition(":")
        if kind == "segment" and standing.since:
            rows.append(LabelRow(customer.id, "segment", name, standing.since, 0))
    return rows


def holds_what_it_should(customer: Customer, playbook: Playbook, now: Micros) -> None:
    context = Context(customer, now, policy=playbook.policy, segments=playbook.segments)
    kept = {key.partition(":")[2] for key, held in customer.standing.items() if held.since and key[:8] == "segment:"}
    watched = {one.name for one in playbook.watch.all.values() if one.kind == "segment"}
    assert kept == {name for name in watched if playbook.segments[name](context)}
    gone = {name for name, held in customer.tags.items() if held.by == "rule"} - playbook.audience.tags.keys()
    assert not gone

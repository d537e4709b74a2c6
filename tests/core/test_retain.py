"""The log keeps what is young or not yet applied."""

from engine.core.commands import Note
from engine.core.events import Event, encode
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.ports import Changes
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.retain import prune, retain


def a_log(*received: int) -> MemoryLog:
    log = MemoryLog()
    log.append([encode(Event(f"m{n}", "seen", at, at, identifiers={"user_id": "u"})) for n, at in enumerate(received)])
    return log


def test_old_applied_entries_are_let_go_and_offsets_go_on() -> None:
    store, log = MemoryStore(), a_log(10, 20, 20, 30, 40)
    while advance(store, log, Playbook([], Audience())):
        pass
    assert retain(store, log, 30) == 4
    assert [item.offset for item in log.read(0, 9)] == [4, 5]
    assert log.append([b"x"]) == 6


def test_what_is_not_applied_yet_stays_however_old() -> None:
    log = a_log(10, 20)
    assert retain(MemoryStore(), log, 99) == 1
    assert log.tail() == 2
    assert len(log.read(0, 9)) == 2


def test_the_last_entry_stays_so_that_offsets_never_begin_anew() -> None:
    store, log = MemoryStore(), a_log(10, 20)
    while advance(store, log, Playbook([], Audience())):
        pass
    retain(store, log, 1_000)
    assert [item.offset for item in log.read(0, 9)] == [2]


def test_the_store_lets_go_of_what_is_kept_no_longer_and_nothing_when_it_is_kept_for_ever() -> None:
    store = MemoryStore()
    with store.unit() as unit:
        unit.commit(Changes(offset=1, notes=[("c1", Note("entered", at)) for at in (10, 20, 90)]))
    assert prune(store, {"traces": 0, "deliveries": 0}, 100, 500) == 0
    assert prune(store, {"traces": 50}, 100, 1) == 1
    assert prune(store, {"traces": 50}, 100, 500) == 1
    assert [note.at for note in store.notes("c1")] == [90]

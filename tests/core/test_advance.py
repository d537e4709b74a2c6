"""A batch of the log, applied: once each, nobody stopped by a poison entry, every reason kept."""

from engine.core.events import Event, encode
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import Advanced, advance

NOBODY = Playbook([], Audience())


def applied(*bodies: bytes) -> tuple[MemoryStore, Advanced]:
    store, log = MemoryStore(), MemoryLog()
    log.append(bodies)
    done = advance(store, log, NOBODY)
    assert done is not None
    return store, done


def said(name: str, at: int = 5, about: str = "", **identifiers: str) -> bytes:
    return encode(Event(name, "seen", at, at, identifiers=identifiers, about=about))


def test_a_poison_entry_is_buried_with_its_reason_and_stops_nobody() -> None:
    store, done = applied(said("m1", user_id="u1"), b"junk", said("m2", user_id="u2"))
    assert (done.entries, done.dead, store.counts().customers) == (2, 1, 2)
    [letter] = store.dead_letters()
    assert (letter.offset, letter.body) == (2, b"junk")
    assert "cannot be decoded" in letter.reason


def test_an_event_that_names_nobody_is_kept_as_a_dead_letter() -> None:
    store, done = applied(said("m1"), said("m2", about="no-such-touch"))
    assert done.dead == 2
    assert [letter.reason for letter in store.dead_letters()] == [
        "BadInput: event m2 speaks of touch no-such-touch, which nobody knows",
        "BadInput: event m1 names nobody. give at least one identifier",
    ]


def test_the_same_message_counts_once_in_one_batch_and_over_two() -> None:
    store, log = MemoryStore(), MemoryLog()
    log.append([said("m1", user_id="u1"), said("m1", user_id="u1")])
    first = advance(store, log, NOBODY)
    log.append([said("m1", user_id="u1"), said("m2", user_id="u1")])
    second = advance(store, log, NOBODY)
    assert first is not None
    assert second is not None
    assert (first.duplicates, second.duplicates) == (1, 1)
    assert advance(store, log, NOBODY) is None


def test_a_visitor_who_logs_in_becomes_one_customer_and_both_names_lead_there() -> None:
    store, _ = applied(
        said("m1", anonymous_id="a1"), said("m2", user_id="u1"), said("m3", user_id="u1", anonymous_id="a1")
    )
    assert store.counts().customers == 1
    found = store.resolve(["user_id:u1", "anonymous_id:a1"])
    assert found["user_id:u1"] == found["anonymous_id:a1"]

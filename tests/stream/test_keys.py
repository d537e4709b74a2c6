"""To which partition an entry goes: home where that can be known, anywhere at all where the store is away."""

from collections.abc import Iterable

from engine.core.audience.identity import RULES, begin
from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.errors import StoreAway
from engine.core.events import Directive, Entry, Event, Outcome, Receipt
from engine.core.ids import MINUTE
from engine.core.state import Customer
from engine.ports import Changes, TouchRow
from engine.ports.partitions import home_of
from engine.runtime.stream.keys import Keys
from engine.store.memory.store import MemoryStore

PARTITIONS = 64


def event(**identifiers: str) -> Event:
    return Event("m", "seen", 1, 1, identifiers=identifiers)


def home(customer: str) -> int:
    return home_of(customer, PARTITIONS) - 1


def store_with(identifiers: dict[str, str], *touches: Touch) -> MemoryStore:
    """Return a store that knows these, and has handed the touches to a provider, who calls them by their id and "p"."""
    store = MemoryStore()
    people = {id_: Customer(id=id_, created=1) for id_ in identifiers.values()}
    with store.unit() as unit:
        unit.commit(Changes(customers=people, identifiers=identifiers, touches=list(touches)))
    for state in (TouchState.READY, TouchState.IN_FLIGHT, TouchState.SENT):
        rows = [TouchRow(one, state, 1, 1, provider="smtp", provider_id=f"{one.id}p") for one in touches]
        with store.unit() as unit:
            unit.commit(Changes(rows=rows))
    return store


def touch(id_: str, customer: str) -> Touch:
    return Touch(id_, "r", "j", "v", "s", customer, "email", "t", "a@b.example", "marketing", 1, 1)


def keys(store: MemoryStore) -> Keys:
    return Keys(store, lambda: RULES, PARTITIONS)


def test_who_is_known_goes_home_whichever_identifier_says_so() -> None:
    asked = keys(store_with({"email:mei@brand.example": "c-mei", "user_id:u1": "c-mei"}))
    entries = [event(email="mei@brand.example"), event(user_id="u1"), event(user_id="new", email="mei@brand.example")]
    assert asked.partitions_of(entries, 1) == [home("c-mei")] * 3


def test_who_is_unknown_goes_where_they_will_be_begun() -> None:
    asked = keys(MemoryStore())
    (found,) = asked.partitions_of([event(anonymous_id="a1", user_id="u1")], 1)
    assert found == home(begin({"user_id": "u1", "anonymous_id": "a1"}, 1).id)


def test_a_stranger_who_gives_a_name_stays_where_they_were_begun() -> None:
    asked = keys(MemoryStore())
    stranger, named, later = asked.partitions_of(
        [event(anonymous_id="a1"), event(user_id="u1", anonymous_id="a1"), event(user_id="u1")], 1
    )
    assert stranger == named == later


def test_outcomes_and_receipts_follow_their_touch() -> None:
    asked = keys(store_with({"user_id:u1": "c-mei"}, touch("t1", "c-mei")))
    entries: list[Entry] = [
        Outcome("t1", 1, "sent", 1, 1),
        Receipt("r1", "OPENED", 1, 1, touch="t1"),
        Receipt("r2", "DELIVERED", 1, 1, provider="smtp", provider_id="t1p"),
    ]
    assert asked.partitions_of(entries, 1) == [home("c-mei")] * 3


def test_what_names_nobody_we_know_still_goes_somewhere_and_the_same_way_again() -> None:
    asked = keys(MemoryStore())
    entries: list[Entry] = [
        Outcome("t9", 1, "sent", 1, 1),
        Receipt("r1", "OPENED", 1, 1, provider="smtp", provider_id="p9"),
        event(user_id="NULL"),
        event(),
        Directive("d", "stop", 1, 1),
    ]
    found = asked.partitions_of(entries, 1)
    assert found == asked.partitions_of(entries, 2)
    assert all(0 <= one < PARTITIONS for one in found)


class Counting(MemoryStore):
    """A memory store that tells how often it was asked, and can be away."""

    asked = 0
    is_away = False

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        self.asked += 1
        if self.is_away:
            raise StoreAway("no")
        return super().resolve(identifiers)


def test_an_answer_is_remembered_for_some_minutes_and_then_asked_for_anew() -> None:
    store = Counting()
    with store.unit() as unit:
        unit.commit(Changes(customers={"c1": Customer(id="c1", created=1)}, identifiers={"user_id:u1": "c1"}))
    asked = keys(store)
    for minute in range(4):
        asked.partitions_of([event(user_id="u1")] * 10, 10 * MINUTE + minute * MINUTE)
    assert store.asked == 1
    for minute in range(5, 20):
        asked.partitions_of([event(user_id="u1")], 10 * MINUTE + minute * MINUTE)
    assert 2 <= store.asked <= 4


def test_a_store_that_is_away_is_not_waited_for() -> None:
    store = Counting()
    store.is_away = True
    asked = keys(store)
    for second in range(3):
        (found,) = asked.partitions_of([event(user_id=f"u{second}")], 10 * MINUTE + second)
        assert found == home(begin({"user_id": f"u{second}"}, 1).id)
    assert store.asked == 1

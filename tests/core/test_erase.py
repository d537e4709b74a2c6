"""Erasure: the ledger first, everything of the person gone, and nothing that comes later brings them back."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.core.commands import Touch
from engine.core.errors import StoreFull
from engine.core.events import Directive, Entry, Erased, Event, Outcome, Receipt, decode, encode
from engine.core.ids import DAY, MINUTE, SECOND, Micros
from engine.core.playbook import Playbook
from engine.core.policy import Audience
from engine.ports import Changes, CouponRow, Store, TouchQuery
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.fingerprints import fingerprint
from engine.usecases.publish import publish
from journeys.compile import load_journey

NOON: Micros = 1_772_366_400_000_000
MAIL = "canary-mei@brand.example"
THANKS = b"""
journey: thanks
title: Thanks for the order
stage: retain
purpose: transactional
enter: {on: order_paid, again: always}
steps:
  - send: thanks
    via: email
  - wait: 30d
  - send: again
    via: email
"""


class World:
    """A log, a store and the engine between them; time goes on a minute with every word."""

    def __init__(
        self, log: MemoryLog | None = None, make: Callable[[ManualClock], MemoryStore] = lambda _: MemoryStore()
    ) -> None:
        self.clock, self.log = ManualClock(NOON), log or MemoryLog()
        self.store = make(self.clock)
        plan = load_journey(THANKS, "thanks.yaml").plan
        assert plan is not None
        publish(self.store, [plan], NOON)
        self.engine = Engine(self.store, self.log, self.clock.now, lambda: Playbook(self.store.plans(), Audience()))

    def say(self, *entries: Entry) -> None:
        self.log.append([encode(entry) for entry in entries])
        self.clock.advance(MINUTE)
        self.engine.drain()

    def event(self, id_: str, name: str = "seen", **more: Any) -> Event:
        now = self.clock.now()
        identifiers = {kind: more.pop(kind) for kind in list(more) if kind in KINDS}
        return Event(id_, name, now, now, identifiers=identifiers, **more)

    def erase(self, customer: str, *names: str) -> None:
        now, pepper = self.clock.now(), self.store.pepper()
        keys = [fingerprint(pepper, name) for name in names]
        self.say(Directive(f"erase {customer} {now}", "erase", now, now, customer, by="ops", properties={"keys": keys}))

    def who(self, name: str) -> str:
        return self.store.resolve([name]).get(name, "")

    def bodies(self) -> bytes:
        return b"\n".join(place.body for place in self.log.read(0, 1_000_000))


KINDS = ("user_id", "email", "phone", "device_id", "anonymous_id")


def mei(**more: Any) -> World:
    """A world in which Mei has bought, is written to, and somebody else lives on."""
    world = World()
    world.say(world.event("m1", anonymous_id="canary-cookie"))
    world.say(world.event("m2", user_id="canary-u1", email=MAIL, anonymous_id="canary-cookie", **more))
    world.say(world.event("m3", "order_paid", user_id="canary-u1", properties={"total": 80, "note": f"for {MAIL}"}))
    world.say(world.event("m4", "order_paid", user_id="other", email="other@brand.example"))
    return world


def erased(store: Store) -> list[tuple[str, int, int]]:
    return [(row.customer, row.dropped, bool(row.done)) for row in store.erasures()]


def test_everything_of_the_person_is_gone_and_the_others_are_as_they_were() -> None:
    world = mei()
    id_, other = world.who("user_id:canary-u1"), world.who("user_id:other")
    before = world.store.customers([other])[other]
    assert world.store.find_touches(TouchQuery(customer=id_))
    world.erase(id_)
    assert world.store.customers([id_]) == {}
    assert world.store.resolve(["user_id:canary-u1", f"email:{MAIL}", "anonymous_id:canary-cookie"]) == {}
    assert world.store.find_touches(TouchQuery(customer=id_)) == []
    assert world.store.notes(id_) == []
    assert world.store.customers([other])[other] == before
    assert b"canary" not in world.bodies()
    assert erased(world.store) == [(id_, 0, True)]
    assert world.store.jobs() == []


def test_every_identifier_stands_in_the_ledger_and_every_address_stays_shut() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    world.erase(id_, "user_id:canary-u1")
    pepper = world.store.pepper()
    names = ["user_id:canary-u1", f"email:{MAIL}", "anonymous_id:canary-cookie"]
    keys = [fingerprint(pepper, name) for name in names]
    assert world.store.erased(keys) == dict.fromkeys(keys, id_)
    [row] = world.store.suppressions()
    assert (row.key, row.address, row.why) == (keys[1], "", "erased")


def test_what_was_shut_for_another_reason_keeps_it() -> None:
    world = mei()
    now = world.clock.now()
    world.say(Directive("s1", "suppress", now, now, f"email:{MAIL}", value="complained", by="ops"))
    world.erase(world.who("user_id:canary-u1"))
    [row] = world.store.suppressions()
    assert (row.address, row.why) == ("", "complained")
    assert b"canary" not in world.bodies()


def test_late_events_of_the_erased_are_dropped_counted_and_leave_nothing_in_the_log() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    world.erase(id_)
    world.say(world.event("m5", "order_paid", user_id="canary-u1"), world.event("m6", email=MAIL, user_id="new"))
    assert world.store.customers([id_]) == {}
    assert world.store.resolve([f"email:{MAIL}", "user_id:new", "user_id:canary-u1"]) == {}
    assert erased(world.store) == [(id_, 2, True)]
    assert world.engine.dropped == 2
    assert world.store.dead_letters() == []
    assert b"canary" not in world.bodies()


def test_outcomes_and_receipts_of_touches_that_were_in_flight_are_dropped_and_counted() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    [row] = world.store.find_touches(TouchQuery(customer=id_))
    world.erase(id_)
    now = world.clock.now()
    world.say(Outcome(row.touch.id, 1, "failed", now, now, detail=f"550 no such user {MAIL}"))
    world.say(Receipt("r1", "HARD_BOUNCE", now, now, "smtp", touch=row.touch.id, recipient=MAIL))
    assert erased(world.store) == [(id_, 2, True)]
    assert world.store.dead_letters() == []
    assert b"canary" not in world.bodies()


def test_a_receipt_that_comes_before_its_outcome_is_known_by_the_address() -> None:
    world = World()
    world.say(world.event("m1", "order_paid", user_id="u1", email=MAIL))
    world.erase(world.who("user_id:u1"))
    now = world.clock.now()
    said: dict[str, Any] = {"at": now, "received": now, "provider": "smtp", "provider_id": "not-told-yet"}
    world.say(Receipt("r1", "DELIVERED", recipient=MAIL.upper(), **said))
    world.say(Receipt("r2", "DELIVERED", recipient="somebody-else@brand.example", **said))
    assert b"CANARY" not in world.bodies() and b"somebody-else" in world.bodies()
    assert [fact.id for fact in world.store.parked("smtp", "not-told-yet")] == ["r2"]


def test_an_erased_persons_device_in_another_hand_is_heard_without_the_device() -> None:
    world = mei()
    world.erase(world.who("user_id:canary-u1"))
    world.say(world.event("m5", user_id="buyer", anonymous_id="canary-cookie"))
    assert world.who("user_id:buyer")
    assert world.who("anonymous_id:canary-cookie") == ""
    assert b"canary" not in world.bodies()


def test_the_device_alone_is_the_erased_persons() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    world.erase(id_)
    world.say(world.event("m5", anonymous_id="canary-cookie"))
    assert world.who("anonymous_id:canary-cookie") == ""
    assert erased(world.store) == [(id_, 1, True)]


def test_a_replay_of_the_whole_log_into_an_empty_store_resurrects_nobody() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    world.erase(id_)
    world.say(world.event("m5", "order_paid", user_id="canary-u1"))
    again = World(world.log)
    again.store._tables.pepper = world.store.pepper()
    again.clock.advance(DAY)
    again.engine.drain()
    assert again.store.customers([id_]) == {}
    assert again.store.find_touches(TouchQuery(customer=id_)) == []
    assert len(again.store.find_touches(TouchQuery())) == len(world.store.find_touches(TouchQuery()))
    assert [(row.customer, row.keys, row.dropped) for row in again.store.erasures()] == [
        (row.customer, row.keys, row.dropped) for row in world.store.erasures()
    ]
    assert [row.key for row in again.store.suppressions()] == [row.key for row in world.store.suppressions()]
    again.say(again.event("m9", "order_paid", user_id="canary-u1"))
    assert again.store.customers([id_]) == {}


def test_a_log_restored_from_before_the_erasure_is_purged_by_the_ledgers_fingerprints_alone() -> None:
    old = mei()
    id_, bodies = old.who("user_id:canary-u1"), [place.body for place in old.log.read(0, 1000)]
    old.erase(id_)
    [line] = old.store.erasures()
    restored = World()
    restored.store._tables.pepper = old.store.pepper()
    now = old.clock.now()
    restored.log.append([*bodies, encode(Directive("again", "erase", now, now, id_, properties={"keys": line.keys}))])
    restored.engine.drain()
    assert restored.store.customers([id_]) == {}
    assert restored.store.resolve(["user_id:canary-u1"]) == {}
    assert b"canary" not in restored.bodies()


def test_an_identifier_that_the_person_lost_long_ago_is_found_through_the_log() -> None:
    world = World()
    for number in range(8):  # five addresses are kept, the oldest are let go
        world.say(world.event(f"m{number}", user_id="canary-u1", email=f"canary-{number}@brand.example"))
        world.say(world.event(f"a{number}", email=f"canary-{number}@brand.example"))
    id_ = world.who("user_id:canary-u1")
    assert world.who("email:canary-0@brand.example") == ""
    world.erase(id_)
    assert b"canary" not in world.bodies()
    world.say(world.event("late", email="canary-0@brand.example"))
    assert world.who("email:canary-0@brand.example") == ""


def test_people_merged_into_one_are_erased_together() -> None:
    world = mei()
    world.say(world.event("m5", phone="+8613800138000"), world.event("m6", user_id="canary-u1", phone="+8613800138000"))
    world.erase(world.who("user_id:canary-u1"))
    assert world.store.resolve(["phone:+8613800138000"]) == {}
    assert world.store.merges(world.who("user_id:canary-u1")) == []
    assert b"+8613800138000" not in world.bodies()


def test_what_others_said_of_the_person_is_blotted_out_and_stays_theirs() -> None:
    world = mei()
    world.say(world.event("m5", "friend_invited", user_id="other", properties={"friend": MAIL, "n": 1}))
    world.erase(world.who("user_id:canary-u1"))
    [entry] = [e for e in map(decode, (p.body for p in world.log.read(0, 1000))) if getattr(e, "id", "") == "m5"]
    assert isinstance(entry, Event)
    assert (entry.identifiers, entry.properties) == ({"user_id": "other"}, {"friend": "erased", "n": 1})


def test_dead_letters_that_name_the_person_go() -> None:
    world = mei()
    world.log.append([f"junk of {MAIL}".encode(), b"other junk"])
    world.say(world.event("m5", about="no such touch", properties={"mail": MAIL}))
    assert len(world.store.dead_letters()) == 3
    world.erase(world.who("user_id:canary-u1"))
    assert [letter.body for letter in world.store.dead_letters()] == [b"other junk"]
    assert b"canary" not in world.bodies()


def test_somebody_readmitted_is_heard_as_somebody_new_and_only_the_named_address_is_open_again() -> None:
    world = mei(phone="+8613800138000")
    world.erase(world.who("user_id:canary-u1"))
    pepper, now = world.store.pepper(), world.clock.now()
    key = fingerprint(pepper, f"email:{MAIL}")
    world.say(Directive("r1", "readmit", now, now, key, by="ops"))
    world.say(world.event("m5", user_id="canary-u1", email=MAIL))
    customer = world.store.customers([world.who("user_id:canary-u1")])[world.who("user_id:canary-u1")]
    assert (customer.consents, customer.suppressed, customer.behaviour) == ({}, {}, {})
    assert [row.key for row in world.store.suppressions()] == [fingerprint(pepper, "phone:+8613800138000")]


def test_the_erasures_own_entry_says_no_identifier_and_in_the_end_all_fingerprints() -> None:
    world = mei()
    id_ = world.who("user_id:canary-u1")
    world.erase(id_)
    [word] = [e for e in map(decode, (p.body for p in world.log.read(0, 1000))) if isinstance(e, Directive)]
    [line] = world.store.erasures()
    assert word.subject == id_
    assert set(word.properties["keys"]) == set(line.keys)
    assert word.properties["done"] > 0


def test_an_entry_that_was_unmade_keeps_its_place_and_its_instant() -> None:
    world = mei()
    before = [decode(place.body).received for place in world.log.read(0, 1000)]
    world.erase(world.who("user_id:canary-u1"))
    after = [decode(place.body) for place in world.log.read(0, 1000)]
    assert [entry.received for entry in after][: len(before)] == before
    assert sum(isinstance(entry, Erased) for entry in after) == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_chunk_that_was_done_twice_leaves_the_same(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the rewrite and the commit: the job's row is older than the log."""
    monkeypatch.setattr("engine.usecases.purge.ENTRIES", 2)
    world = mei()
    id_, left = world.who("user_id:canary-u1"), [times]

    def die(point: str) -> None:
        if point == "erase.rewritten" and left[0]:
            left[0] -= 1
            raise ConnectionError(point)

    world.engine.trip = die
    for _ in range(times):
        with pytest.raises(ConnectionError):
            world.erase(id_)
    world.engine.drain()
    assert b"canary" not in world.bodies()
    assert erased(world.store) == [(id_, 0, True)]


def test_messages_that_went_to_the_person_as_a_companys_contact_go_with_them() -> None:
    world = mei(account="acme")
    id_, other = world.who("user_id:canary-u1"), world.who("user_id:other")
    touch = Touch(
        "boss", "r1", "thanks", "v1", "1", other, "email", "hi", MAIL, "internal", NOON, due=NOON, recipient=id_
    )
    with world.store.unit() as unit:
        unit.commit(Changes(touches=[touch]))
    world.erase(id_)
    assert world.store.touches(["boss"]) == {}
    assert world.store.find_touches(TouchQuery(customer=other))


def test_a_list_of_addresses_that_names_an_erased_one_is_heard_without_it() -> None:
    world = mei()
    world.erase(world.who("user_id:canary-u1"))
    now = world.clock.now()
    listed = {"addresses": [f"email:{MAIL}", "email:other@brand.example"]}
    world.say(Directive("s1", "suppress", now, now, "list.csv", value="imported", by="ops", properties=listed))
    assert sorted(row.address for row in world.store.suppressions()) == ["", "email:other@brand.example"]
    assert b"canary" not in world.bodies()


def test_a_replay_gives_nobody_the_code_that_an_erased_person_took() -> None:
    world = World()
    now = world.clock.now()
    world.say(Directive("c1", "stock", now, now, "SPRING", properties={"codes": ["X1", "X2", "X3"]}))
    world.say(world.event("m2", user_id="canary-u1"))
    id_ = world.who("user_id:canary-u1")
    with world.store.unit() as unit:
        unit.commit(Changes(coupons=[CouponRow("SPRING", "X1", "k1", id_, now)]))
    world.erase(id_)
    assert world.store.codes("SPRING", 9) == ["X2", "X3"]
    again = World(world.log)
    again.store._tables.pepper = world.store.pepper()
    again.engine.drain()
    assert again.store.codes("SPRING", 9) == ["X2", "X3"]


class Slow(MemoryStore):
    """A store whose file takes ten seconds to be written anew."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock, self.scrubbed = clock, 0

    def scrub(self) -> None:
        self.scrubbed += 1
        self.clock.advance(10 * SECOND)


def crowd(*names: str) -> tuple[World, Slow]:
    world = World(make=Slow)
    assert isinstance(world.store, Slow)
    for name in names:
        world.say(world.event(name, user_id=name))
    return world, world.store


def word(world: World, name: str) -> Directive:
    now = world.clock.now()
    return Directive(f"erase {name}", "erase", now, now, world.who(f"user_id:{name}"), by="ops")


def test_people_who_are_erased_at_once_share_one_scrub() -> None:
    world, store = crowd("u1", "u2", "u3")
    world.say(*(word(world, name) for name in ("u1", "u2", "u3")))
    assert [bool(row.done) for row in store.erasures()] == [True] * 3
    assert (store.scrubbed, store.jobs()) == (1, [])


def test_after_a_long_scrub_the_engine_has_other_things_to_do_for_most_of_the_time() -> None:
    world, store = crowd("u1", "u2", "u3", "u4")
    world.say(word(world, "u1"))
    world.say(word(world, "u2"), word(world, "u3"))
    assert sorted(bool(row.done) for row in store.erasures()) == [False, False, True]
    assert not world.who("user_id:u2"), "the person is gone at once, only the file is written later"
    world.say(world.event("more", user_id="u4"))
    assert world.engine.applied == 8
    assert world.engine.next_instant() > world.clock.now()
    world.clock.advance(4 * MINUTE)
    world.engine.drain()
    assert (store.scrubbed, store.jobs(), {bool(row.done) for row in store.erasures()}) == (2, [], {True})


class Cramped(MemoryStore):
    """A store beside whose file there is no room for a copy of it, until somebody makes some."""

    is_full = True
    scrubbed = 0

    def scrub(self) -> None:
        self.scrubbed += 1
        if self.is_full:
            raise StoreFull("the disk is full: free space; nothing accepted is lost")


def test_without_room_for_a_scrub_the_engine_goes_on_and_tries_again_now_and_then() -> None:
    world = World(make=lambda _: Cramped())
    store = world.store
    assert isinstance(store, Cramped)
    for name in ("u1", "u2"):
        world.say(world.event(name, user_id=name))
    world.say(word(world, "u1"))
    for number in range(3):
        world.say(world.event(f"more {number}", user_id="u2"))
    assert (store.scrubbed, world.engine.applied) == (1, 6)
    assert not any(row.done for row in store.erasures())
    (job,) = store.jobs()
    assert 0 < job.done == job.total
    store.is_full = False
    world.clock.advance(5 * MINUTE)
    world.engine.drain()
    assert (all(row.done for row in store.erasures()), store.jobs()) == (True, [])

"""The suppression list: shut for whoever holds the address now or later, in the transaction that lets a touch leave."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.events import Directive, Event, Receipt, encode
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import Again, Audience, OnEvent, Plan, Policy, Send, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import Changes, Rendered, SuppressionRow, TouchQuery
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.usecases.advance import advance
from engine.usecases.deliver import commit_in_flight
from engine.usecases.doubt import Terms
from engine.usecases.fingerprints import fingerprint
from engine.usecases.suppression import SOFT_LIMIT, SOFT_WINDOW, shut_rows

NOON = 20_000 * DAY + 12 * HOUR
STEPS = (Send("1", "hello", ("email",), next="2"), Stop("2"))
HELLO = seal(Plan("hello", "Hello", "acquire", OnEvent(("signed_up",)), STEPS, again=Again("always")))
BOOK = Playbook([HELLO], Audience())
MAIL = "mei@brand.example"
RENDERED = Rendered(b"hello", "h")


class Life:
    """A log and a store that live on together."""

    def __init__(self) -> None:
        self.store, self.log, self.at = MemoryStore(), MemoryLog(), NOON

    def tell(self, *entries: Event | Directive | Receipt) -> None:
        self.log.append([encode(entry) for entry in entries])
        while advance(self.store, self.log, BOOK) is not None:
            pass

    def sign_up(self, user: str, mail: str = MAIL) -> None:
        self.at += MINUTE
        self.tell(
            Event(
                f"{user}{self.at}",
                "signed_up",
                self.at,
                self.at,
                "shop",
                identifiers={"user_id": user, "email": mail},
                consents={"marketing": True},
            )
        )

    def say(self, verb: Any, subject: str = f"email:{MAIL}", value: str = "", by: str = "an") -> None:
        self.at += MINUTE
        self.tell(Directive(f"{verb}{self.at}", verb, self.at, self.at, subject=subject, value=value, by=by))

    def leave(self) -> list[str]:
        """Let what is due leave; return the addresses that were let."""
        self.at += MINUTE
        due = [(row, RENDERED) for row in self.store.sendable(self.at, 100)]
        return [one.message.address for one in commit_in_flight(self.store, BOOK, due, self.at, Terms())]

    def receive(self, fact: str, touch: str, **fields: Any) -> None:
        self.at += MINUTE
        self.tell(Receipt(id=f"{fact}{touch}{self.at}", fact=fact, at=self.at, received=self.at, touch=touch, **fields))

    def who(self, user: str) -> Customer:
        [found] = self.store.customers(self.store.resolve([f"user_id:{user}"]).values()).values()
        return found

    def states(self) -> list[tuple[str, str]]:
        rows = self.store.find_touches(TouchQuery())
        return [(str(row.state), row.reason) for row in sorted(rows, key=lambda row: row.touch.planned)]

    def sent_one(self, user: str, mail: str = MAIL) -> str:
        """Let a message be planned and leave; return its touch."""
        self.sign_up(user, mail)
        assert self.leave() == [mail]
        return self.store.find_touches(TouchQuery(limit=1))[0].touch.id

    def names(self) -> list[tuple[str, str, str]]:
        return [(row.address, row.why, row.source) for row in self.store.suppressions()]


def test_an_address_on_the_list_is_shut_for_its_holder_at_planning_and_at_leaving() -> None:
    life = Life()
    life.sign_up("u1")
    life.say("suppress", value="asked by phone")
    assert life.leave() == []
    assert life.states() == [("dropped", "suppressed: asked by phone")]
    life.sign_up("u1")
    assert life.states()[1] == ("dropped", "suppressed: asked by phone")
    assert life.names() == [(f"email:{MAIL}", "asked by phone", "an")]


def test_whoever_gets_the_address_later_carries_that_it_is_shut() -> None:
    life = Life()
    life.say("suppress")
    life.sign_up("u1")
    assert life.who("u1").suppressed == {f"email:{MAIL}": "manual"}
    assert life.states() == [("dropped", "suppressed: manual")]


def test_an_erased_address_is_shut_by_its_fingerprint_alone() -> None:
    life = Life()
    with life.store.unit() as unit:
        key = fingerprint(unit.pepper(), f"email:{MAIL}")
        unit.commit(Changes(suppressions=[SuppressionRow(key, "", "erased", NOON)]))
    life.sign_up("u1")
    assert life.who("u1").suppressed == {f"email:{MAIL}": "erased"}
    assert life.leave() == []


def test_the_list_is_asked_when_a_touch_leaves_whatever_its_customer_carries() -> None:
    life = Life()
    life.sign_up("u1")
    with life.store.unit() as unit:
        key = fingerprint(unit.pepper(), f"email:{MAIL}")
        unit.commit(Changes(suppressions=[SuppressionRow(key, f"email:{MAIL}", "imported", NOON)]))
    assert life.who("u1").suppressed == {}
    assert life.leave() == []
    assert life.states() == [("dropped", "suppressed: imported")]


@pytest.mark.parametrize(("fact", "why"), [("HARD_BOUNCE", "hard_bounce"), ("COMPLAINED", "complained")])
def test_a_bounce_and_a_complaint_shut_the_address_for_everybody(fact: str, why: str) -> None:
    life = Life()
    life.receive(fact, life.sent_one("u1"))
    assert life.names() == [(f"email:{MAIL}", why, "receipt")]
    assert life.who("u1").suppressed == {f"email:{MAIL}": why}


def test_the_first_reason_stays() -> None:
    life = Life()
    touch = life.sent_one("u1")
    life.receive("COMPLAINED", touch)
    life.receive("HARD_BOUNCE", touch)
    life.say("suppress", value="later")
    assert [why for _, why, _ in life.names()] == ["complained"]


def test_only_an_operators_word_opens_an_address_on_the_list_and_on_its_holder() -> None:
    life = Life()
    life.receive("HARD_BOUNCE", life.sent_one("u1"))
    life.sign_up("u1")
    assert life.leave() == []
    life.say("unsuppress")
    assert (life.names(), life.who("u1").suppressed) == ([], {})
    life.sign_up("u1")
    assert life.leave() == [MAIL]


def test_a_channel_may_stand_for_the_kind_of_identifier_it_sends_to() -> None:
    life = Life()
    life.say("suppress", "sms:+8613800000000")
    assert [row.address for row in life.store.suppressions()] == ["phone:+8613800000000"]


@pytest.mark.parametrize("subject", ["mei", "email:", "cookie:1", ":x"])
def test_what_is_no_address_is_kept_as_a_dead_letter_and_shuts_nothing(subject: str) -> None:
    life = Life()
    life.say("suppress", subject)
    assert life.store.suppressions() == []
    [letter] = life.store.dead_letters()
    assert "is no address" in letter.reason


def test_five_soft_bounces_with_no_delivery_between_shut_an_address() -> None:
    life = Life()
    for number in range(SOFT_LIMIT):
        assert life.names() == []
        life.receive("SOFT_BOUNCE", life.sent_one("u1"), detail=str(number))
    assert [why for _, why, _ in life.names()] == ["soft_bounces"]


def test_a_delivery_between_begins_the_count_anew() -> None:
    life = Life()
    for number in range(2 * SOFT_LIMIT - 2):
        fact = "DELIVERED" if number == SOFT_LIMIT - 1 else "SOFT_BOUNCE"
        life.receive(fact, life.sent_one("u1"))
    assert life.names() == []


def test_soft_bounces_of_long_ago_do_not_count() -> None:
    life = Life()
    for number in range(2 * SOFT_LIMIT):
        life.receive("SOFT_BOUNCE", life.sent_one("u1"))
        if number % 4 == 3:
            life.at += SOFT_WINDOW
    assert life.names() == []


def test_a_soft_bounce_twice_of_one_message_counts_once() -> None:
    life = Life()
    touch = life.sent_one("u1")
    for _ in range(SOFT_LIMIT + 1):
        life.receive("SOFT_BOUNCE", touch)
    assert life.names() == []


def test_replaying_the_log_makes_the_same_list() -> None:
    life = Life()
    life.receive("HARD_BOUNCE", life.sent_one("u1"))
    life.say("suppress", "phone:+8613800000000")
    life.say("unsuppress")
    life.say("suppress", value="again")
    anew = MemoryStore()
    while advance(anew, life.log, BOOK) is not None:
        pass
    assert [(row.address, row.why) for row in anew.suppressions()] != []
    names = {row.address for row in life.store.suppressions()}
    assert {f"email:{MAIL}", "phone:+8613800000000"} == names
    assert {row.address for row in anew.suppressions()} == names


def test_a_task_for_a_colleague_is_no_concern_of_the_list() -> None:
    life = Life()
    life.sign_up("u1")
    life.say("suppress")
    [row] = life.store.find_touches(TouchQuery())
    assert shut_rows(life.store, Policy(), [row]) == {row.touch.id: "manual"}
    assert shut_rows(life.store, Policy(), [replace(row, touch=replace(row.touch, kind="task"))]) == {}


def test_many_addresses_are_shut_by_one_word() -> None:
    life = Life()
    life.sign_up("u1")
    life.at += MINUTE
    many = [f"email:{MAIL}", "phone:+8613800000000", f"email:{MAIL}"]
    word = Directive(
        "d1", "suppress", life.at, life.at, subject="old.csv", value="imported", properties={"addresses": many}
    )
    life.tell(word)
    assert sorted(address for address, _, _ in life.names()) == [f"email:{MAIL}", "phone:+8613800000000"]
    assert life.who("u1").suppressed == {f"email:{MAIL}": "imported"}

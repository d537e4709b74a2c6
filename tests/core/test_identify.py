"""Who an event speaks of, in the log's order: linked, begun, united, contested, parted, told apart. Memory store."""

from typing import Any

import pytest

from engine.core.events import Directive, Event, Verb, encode
from engine.core.expression import Compare, Constant, Measure, Measured
from engine.core.plan import Again, Audience, OnEvent, OnTag, Plan, Send, Stop, TagRule, Wait, seal
from engine.core.playbook import Playbook
from engine.core.policy import Identity
from engine.core.spans import Span
from engine.core.state import Customer
from engine.ports import RunQuery, TouchQuery
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance

WELCOME = seal(
    Plan(
        "welcome",
        "Welcome",
        "acquire",
        OnEvent(("signed_up",)),
        (Wait("1", Span(100), "2"), Send("2", "hello", ("email",), next="3"), Stop("3")),
        again=Again("always"),
        purpose="transactional",
    )
)


class Shop:
    """A store and a log; time goes on by one with every entry."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.store, self.log, self.now = MemoryStore(), MemoryLog(), 10
        self.book = Playbook([WELCOME], Audience(identity=identity or Identity()))

    def hear(self, name: str = "seen", /, **identifiers: str) -> Customer:
        self.now += 1
        event = Event(f"m{self.now}", name, self.now, self.now, "web", identifiers)
        self._apply(encode(event))
        return self.who(*(f"{kind}:{value}" for kind, value in identifiers.items()))

    def say(self, verb: Verb, subject: str, value: str = "") -> None:
        self.now += 1
        self._apply(encode(Directive(f"d{self.now}", verb, self.now, self.now, subject, value, "mei")))

    def _apply(self, body: bytes) -> None:
        self.log.append([body])
        assert advance(self.store, self.log, self.book) is not None

    def who(self, *names: str) -> Customer:
        leads = self.store.resolve(names)
        [id_] = {leads[name] for name in names if name in leads}
        return self.store.customers([id_])[id_]

    def refusals(self) -> list[str]:
        return [letter.reason for letter in self.store.dead_letters()]

    def codes(self, customer: Customer) -> list[str]:
        return [note.code for note in self.store.notes(customer.id)]


def test_a_visitor_who_signs_up_is_one_customer_and_the_merge_log_says_by_what() -> None:
    shop = Shop()
    visitor = shop.hear(anonymous_id="a1")
    known = shop.hear(user_id="u1", email="mei@x.example")
    both = shop.hear(user_id="u1", anonymous_id="a1")
    assert both.id == known.id
    assert both.identifiers == {"user_id": ("u1",), "email": ("mei@x.example",), "anonymous_id": ("a1",)}
    [row] = shop.store.merges(both.id)
    assert (row.winner, row.loser, row.why, row.undone) == (known.id, visitor.id, "anonymous_id:a1", 0)
    assert row.theirs == visitor


def test_what_two_known_users_share_stays_with_the_first_and_is_kept_for_review_once() -> None:
    shop = Shop()
    mei = shop.hear(user_id="u1", phone="+8613800138000")
    for _ in range(3):
        shop.now += 1
        shop._apply(
            encode(
                Event(f"x{shop.now}", "seen", shop.now, shop.now, "web", {"user_id": "u2", "phone": "+8613800138000"})
            )
        )
    li = shop.who("user_id:u2")
    assert li.id != mei.id
    assert "phone" not in li.identifiers
    [row] = shop.store.reviews()
    assert (row.identifier, row.holder, row.claimants, row.why, row.times) == (
        "phone:+8613800138000",
        mei.id,
        (li.id,),
        "person",
        1,
    )
    assert shop.codes(li).count("conflict.person") == 1


def test_a_device_that_thousands_use_in_turn_is_told_of_a_hundred_times_and_counted_every_time() -> None:
    shop = Shop()
    for number in range(300):
        who = {"user_id": f"u{number % 30}", "device_id": "tablet"}
        shop._apply(encode(Event(f"k{number}", "seen", 50, 50, "web", who)))
    told = [code for one in shop.store.scan("", 99) for code in shop.codes(one) if code == "conflict.person"]
    assert len(told) == 100
    [row] = shop.store.reviews()
    assert (row.times, len(row.claimants)) == (290, 10)


def test_each_reason_for_staying_two_is_told() -> None:
    shop = Shop(Identity(absorbs=0))
    shop.hear(phone="1", device_id="d1")
    shop.hear(email="a@b.example", anonymous_id="a1")
    shop._apply(encode(Event("w", "seen", 50, 50, "web", {"device_id": "d1", "anonymous_id": "a1"})))
    shop._apply(encode(Event("m", "seen", 51, 51, "web", {"phone": "1", "email": "a@b.example"})))
    shop.hear(user_id="u1", unionid="x1")
    shop._apply(encode(Event("r", "seen", 52, 52, "web", {"user_id": "u1", "unionid": "x2"})))
    crowd = Shop()
    for number in range(5):
        crowd.hear(phone="1", email=f"a{number}@b.example")
        crowd.hear(openid="o1", email=f"b{number}@b.example")
    crowd._apply(encode(Event("l", "seen", 90, 90, "web", {"phone": "1", "openid": "o1"})))
    told = {code for one in (*shop.store.scan("", 99),) for code in shop.codes(one)}
    told |= {code for one in crowd.store.scan("", 99) for code in crowd.codes(one)}
    assert {"conflict.weak", "conflict.many", "conflict.limit", "identifier.refused"} <= told


def test_an_event_that_is_only_by_what_names_nobody_is_a_dead_letter_that_says_so() -> None:
    shop = Shop()
    shop._apply(encode(Event("m", "seen", 50, 50, "web", {"user_id": "null", "phone": "+864008001000"})))
    assert shop.store.scan("", 9) == []
    [reason] = shop.refusals()
    assert "names only by what names nobody: user_id 'null', phone '+864008001000'" in reason


def test_a_thousand_cookies_on_one_phone_keep_twenty_and_the_store_forgets_the_others() -> None:
    shop = Shop()
    for number in range(100):
        shop.hear(phone="1", anonymous_id=f"a{number}")
    [one] = shop.store.scan("", 99)
    assert len(one.identifiers["anonymous_id"]) == 20
    assert set(shop.store.resolve([f"anonymous_id:a{number}" for number in range(100)])) == {
        f"anonymous_id:a{number}" for number in range(80, 100)
    }
    again = shop.hear(anonymous_id="a0")
    assert again.id != one.id


def test_an_identifier_that_was_let_go_names_somebody_new_even_if_the_first_was_named_after_it() -> None:
    shop = Shop()
    first = shop.hear(anonymous_id="a0", phone="1")
    named = shop.hear(anonymous_id="b0")
    for number in range(1, 30):
        shop.hear(phone="1", anonymous_id=f"a{number}")
    for number in range(1, 30):
        shop._apply(
            encode(Event(f"b{number}", "seen", 60, 60, "web", {"anonymous_id": "b0", "device_id": f"d{number}"}))
        )
    assert shop.who("device_id:d29").id == named.id
    for number in range(1, 30):
        shop._apply(
            encode(Event(f"c{number}", "seen", 61, 61, "web", {"device_id": "d29", "anonymous_id": f"c{number}"}))
        )
    fresh = shop.hear(anonymous_id="b0")
    assert fresh.id not in {named.id, first.id}
    assert len(shop.store.scan("", 99)) == 3


def test_somebody_may_say_that_two_known_users_are_one_and_take_it_back() -> None:
    shop = Shop()
    mei, other = (
        shop.hear("signed_up", user_id="u1", email="a@b.example"),
        shop.hear("signed_up", user_id="u2", phone="1"),
    )
    shop.say("merge", "user_id:u1", other.id)
    one = shop.who("user_id:u1", "user_id:u2", "phone:1")
    assert one.id == mei.id
    assert one.identifiers["user_id"] == ("u2", "u1")
    assert len([run for run in one.runs if run.is_active]) == 1
    assert len(shop.store.runs(RunQuery(customer=mei.id))) == 2
    shop.say("unmerge", other.id)
    back = shop.who("user_id:u2", "phone:1")
    assert back.id == other.id
    assert shop.who("user_id:u1").identifiers == mei.identifiers
    assert back.identifiers == other.identifiers
    assert [row.undone > 0 for row in shop.store.merges(mei.id)] == [True]
    assert "parted" in shop.codes(back)
    # What they share does not unite them again: somebody has said that they are two.
    shop._apply(encode(Event("z", "seen", 99, 99, "web", {"email": "a@b.example", "phone": "1"})))
    assert shop.who("phone:1").id == other.id
    assert not shop.refusals()


def test_a_run_goes_back_to_the_one_it_came_with_and_sends_once() -> None:
    shop = Shop()
    mei = shop.hear(user_id="u1", email="a@b.example")
    other = shop.hear("signed_up", user_id="u2", email="c@d.example")
    shop.say("merge", mei.id, other.id)
    assert [run.journey for run in shop.who("user_id:u1").runs] == ["welcome"]
    shop.say("unmerge", other.id)
    assert shop.who("user_id:u1").runs == ()
    assert [run.journey for run in shop.who("user_id:u2").runs] == ["welcome"]
    shop.now += 500
    shop.hear(user_id="u2")
    [row] = shop.store.find_touches(TouchQuery())
    assert (row.touch.customer, row.touch.address) == (other.id, "c@d.example")


def test_of_nested_merges_the_outer_one_is_parted_first_and_the_inner_goes_along() -> None:
    shop = Shop()
    a, b, c = (shop.hear(user_id=name) for name in ("u1", "u2", "u3"))
    shop.say("merge", b.id, a.id)
    shop.say("merge", c.id, b.id)
    assert shop.who("user_id:u1").id == c.id
    shop.say("unmerge", a.id)
    assert f"part {b.id} from {c.id} first" in shop.refusals()[0]
    shop.say("unmerge", b.id)
    assert shop.who("user_id:u1", "user_id:u2").id == b.id
    assert shop.who("user_id:u3").id == c.id
    shop.say("unmerge", a.id)
    assert len({shop.who(f"user_id:{name}").id for name in ("u1", "u2", "u3")}) == 3


def test_two_who_are_told_apart_stay_two_and_the_review_is_settled() -> None:
    shop = Shop()
    one, two = shop.hear(user_id="u1", phone="1"), shop.hear(user_id="u2", email="a@b.example")
    shop._apply(encode(Event("x", "seen", 40, 40, "web", {"user_id": "u2", "phone": "1"})))
    assert [row.state for row in shop.store.reviews("")] == ["open"]
    shop.say("apart", one.id, "user_id:u2")
    assert [row.state for row in shop.store.reviews("")] == ["settled"]
    assert shop.who("user_id:u1").apart == (two.id,)


@pytest.mark.parametrize(
    ("verb", "subject", "value", "reason"),
    [
        ("merge", "user_id:u1", "user_id:nobody", "'user_id:nobody' is nobody we know"),
        ("unmerge", "user_id:u1", "", "was merged into nobody"),
        ("unmerge", "cnobody", "", "was merged into nobody"),
        ("apart", "user_id:u1", "user_id:u1", "are one customer"),
    ],
)
def test_a_word_about_nobody_changes_nothing_and_says_what_to_write(
    verb: Any, subject: str, value: str, reason: str
) -> None:
    shop = Shop()
    before = shop.hear(user_id="u1")
    shop.say(verb, subject, value)
    assert reason in shop.refusals()[0]
    assert shop.who("user_id:u1") == before


def test_to_merge_somebody_with_themselves_or_in_a_circle_does_nothing() -> None:
    shop = Shop()
    one, two = shop.hear(user_id="u1"), shop.hear(user_id="u2")
    shop.say("merge", one.id, one.id)
    shop.say("merge", one.id, two.id)
    shop.say("merge", two.id, one.id)
    assert len(shop.store.merges(one.id)) == 1
    assert len(shop.store.scan("", 9)) == 1


def test_what_two_are_together_that_neither_was_alone_is_news() -> None:
    shop = Shop()
    twice = TagRule(Compare(">=", Measured("seen", "count"), Constant(2)))
    praise = Plan("praise", "Praise", "retain", OnTag("often"), (Stop("1"),), purpose="transactional")
    audience = Audience(tags={"often": twice}, measures=(Measure("seen", "seen"),))
    shop.book = Playbook([seal(praise)], audience)
    one, two = shop.hear(user_id="u1"), shop.hear(user_id="u2")
    shop.say("merge", one.id, two.id)
    assert "often" in shop.who("user_id:u1").tags
    assert "praise" in shop.who("user_id:u1").travelled
    shop.say("unmerge", two.id)
    assert all("often" not in shop.who(f"user_id:{name}").tags for name in ("u1", "u2"))

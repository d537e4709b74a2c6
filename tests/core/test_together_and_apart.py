"""What two carry into being one, and out of it again: batches, touches, noes, caps, companies, erasure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.core.audience import merging, parting
from engine.core.delivery import Fact, TouchState
from engine.core.events import Directive, Entry, Event, Outcome, Receipt, Verb, encode
from engine.core.expression import Compare, Constant, Path
from engine.core.plan import Again, Audience, Coupon, Exit, OnEvent, Plan, Send, Stop, Wait, seal
from engine.core.playbook import Playbook
from engine.core.spans import Span
from engine.core.state import Consent, Customer, Reserved, Travelled
from engine.ports import Rendered, TouchQuery, TouchRow
from engine.rehearsal.stage import Stage
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.deliver import commit_in_flight, pick
from engine.usecases.doubt import Terms

FRESH = 1_000_000_000_000
BUYER = Compare("==", Path("customer", ("job",)), Constant("buyer"))
SHIPPING = seal(
    Plan(
        "shipping",
        "Shipping",
        "retain",
        OnEvent(("paid",)),
        (
            Wait("1", Span(100), "2"),
            Send("2", "soon", ("email", "sms"), next="3"),
            Wait("3", Span(10_000), "4"),
            Stop("4"),
        ),
        again=Again("always"),
        exits=(Exit(("returned",)),),
        purpose="transactional",
    )
)
BOOK = Playbook([SHIPPING], Audience(roles={"buyer": BUYER}))


class Shop:
    """A store and a log; time goes on by one with every entry, unless `later`."""

    def __init__(self, book: Playbook = BOOK) -> None:
        self.store, self.log, self.now, self.book = MemoryStore(), MemoryLog(), FRESH, book

    def event(self, name: str = "seen", /, **said: Any) -> Event:
        self.now += 1
        more = {key: said.pop(key) for key in ("account", "traits", "consents") if key in said}
        return Event(f"m{self.now}", name, self.now, self.now, "web", said, **more)

    def word(self, verb: Verb, subject: str, value: str = "") -> Directive:
        self.now += 1
        return Directive(f"d{self.now}", verb, self.now, self.now, subject, value, "mei")

    def hear(self, name: str = "seen", /, **said: Any) -> Customer:
        event = self.event(name, **said)
        self.apply(event)
        return self.who(*(f"{kind}:{value}" for kind, value in event.identifiers.items()))

    def say(self, verb: Verb, subject: str, value: str = "") -> None:
        self.apply(self.word(verb, subject, value))

    def apply(self, *entries: Entry) -> None:
        self.log.append([encode(one) for one in entries])
        while advance(self.store, self.log, self.book) is not None:
            pass
        assert self.store.dead_letters() == []

    def who(self, *names: str) -> Customer:
        leads = self.store.resolve(names)
        [id_] = set(leads.values())
        return self.store.customers([id_])[id_]

    def later(self, time: int) -> None:
        self.now += time
        self.hear(user_id="clock")

    def touch(self) -> TouchRow:
        [row] = self.store.find_touches(TouchQuery())
        return row

    def leave(self) -> list[TouchRow]:
        """Let what is due leave; return what is in flight by that."""
        self.now += 1
        terms = Terms()
        due = [one.row for one in pick(self.store, self.now, {"email": 9, "sms": 9}, terms)]
        ready = [(row, Rendered(b"", "")) for row in due]
        return [one.row for one in commit_in_flight(self.store, self.book, ready, self.now, terms)]

    def outcome(self, row: TouchRow, kind: Any, **more: Any) -> None:
        self.now += 1
        self.apply(Outcome(row.touch.id, row.token, kind, self.now, self.now, **more))


def replayed(log: MemoryLog, limit: int, book: Playbook = BOOK) -> MemoryStore:
    store = MemoryStore()
    while advance(store, log, book, limit=limit) is not None:
        pass
    return store


# --- in one batch --------------------------------------------------------------------------------------


def agree(shop: Shop, entries: Sequence[Event]) -> None:
    """Whoever reads the entries one by one knows the same people as who reads them at once."""
    shop.log.append([encode(one) for one in entries])
    one, other = replayed(shop.log, 1), replayed(shop.log, 500)
    assert [each.id for each in one.scan("", 99)] == [each.id for each in other.scan("", 99)]
    for ours, theirs in zip(one.scan("", 99), other.scan("", 99), strict=True):
        assert ours.identifiers == theirs.identifiers
    names = {f"{kind}:{value}" for entry in entries for kind, value in entry.identifiers.items()}
    assert one.resolve(names) == other.resolve(names)
    held = {f"{k}:{v}" for each in other.scan("", 99) for k, vs in each.identifiers.items() for v in vs}
    assert other.resolve(names).keys() == held & names


def test_a_device_that_a_merge_lets_go_names_nobody_for_the_rest_of_the_batch() -> None:
    shop = Shop()
    said = [shop.event(user_id="u1", device_id=f"a{n}") for n in range(20)]
    said += [shop.event(email="mei@x.example", device_id=f"b{n}") for n in range(20)]
    said += [shop.event(user_id="u1", email="mei@x.example"), shop.event(device_id="b3")]
    agree(shop, said)


def test_a_device_that_came_with_somebody_merged_in_the_batch_can_still_be_let_go() -> None:
    shop = Shop()
    said = [shop.event(user_id="u1"), shop.event(email="mei@x.example", device_id="old")]
    said += [shop.event(user_id="u1", email="mei@x.example")]
    said += [shop.event(user_id="u1", device_id=f"n{n}") for n in range(20)]
    said += [shop.event(device_id="old")]
    agree(shop, said)


def test_whose_turn_it_is_at_one_instant_does_not_follow_from_a_merge_in_the_batch() -> None:
    gift = (Wait("1", Span(100), "2"), Coupon("2", "SPRING10", "3", "3"), Stop("3"))
    plan = seal(Plan("gift", "Gift", "retain", OnEvent(("paid",)), gift, purpose="transactional"))
    book = Playbook([plan])
    for number in range(12):  # whoever's name comes first
        shop = Shop(book)
        shop.log.append([encode(Directive("s", "stock", 1, 1, "SPRING10", properties={"codes": ["A1"]}))])
        who = [{"email": f"a{number}"}, {"user_id": f"b{number}"}, {"user_id": f"c{number}"}]
        said: list[Event] = [Event(f"p{n}", "paid", 10, 10, "web", one) for n, one in enumerate(who)]
        said.append(Event("m", "seen", 20, 20, "web", {"email": f"a{number}", "user_id": f"b{number}"}))
        said.append(Event("l", "seen", 500, 500, "web", {"user_id": "x"}))
        shop.log.append([encode(one) for one in said])
        one, other = replayed(shop.log, 1, book), replayed(shop.log, 500, book)
        assert [row.customer for row in one.coupons()] == [row.customer for row in other.coupons()], number
        assert len(one.coupons()) == 1


# --- what goes back ------------------------------------------------------------------------------------


def united(one: Customer, other: Customer) -> tuple[Customer, parting.Meeting]:
    both = merging.merge(one, other, 50).customer
    return both, parting.Meeting(one, other, both)


def test_a_place_under_the_caps_that_was_put_off_while_they_were_one_goes_back_with_its_touch() -> None:
    both, meeting = united(Customer("c1", 1), Customer("c2", 1, reserved=(Reserved(60, "email", "marketing", "t1"),)))
    later = msgspec.structs.replace(both, reserved=(Reserved(90, "email", "marketing", "t1"),))
    parted = parting.part(later, meeting)
    assert (parted.rest.reserved, parted.back.reserved) == ((), later.reserved)


def test_whom_the_other_is_not_stays_the_others_affair() -> None:
    both, meeting = united(Customer("c1", 1, apart=("x",)), Customer("c2", 1, apart=("y",)))
    assert both.apart == ("x", "y")
    parted = parting.part(msgspec.structs.replace(both, apart=(*both.apart, "z")), meeting)
    assert (parted.rest.apart, parted.back.apart) == (("x", "z", "c2"), ("y", "c1"))


def test_a_yes_that_waits_takes_no_yes_of_the_other_back() -> None:
    both, meeting = united(Customer("c1", 1), Customer("c2", 1, consents={"newsletter": Consent(True, 5, "form")}))
    asked = msgspec.structs.replace(both, consents={"newsletter": Consent(False, 60, "form", pending=True)})
    assert parting.part(asked, meeting).back.consents["newsletter"].granted


def test_the_shut_address_of_the_other_is_not_carried_by_who_does_not_hold_it() -> None:
    theirs = Customer("c2", 1, identifiers={"email": ("li@x.example",)}, suppressed={"email:li@x.example": "bounced"})
    both, meeting = united(Customer("c1", 1, identifiers={"email": ("mei@x.example",)}), theirs)
    both = msgspec.structs.replace(both, suppressed={**both.suppressed, "email:mei@x.example": "complained"})
    parted = parting.part(both, meeting)
    assert parted.rest.suppressed == {"email:mei@x.example": "complained"}
    assert parted.back.suppressed == {"email:li@x.example": "bounced"}


def test_journeys_entered_since_count_without_those_of_the_other() -> None:
    both, meeting = united(
        Customer("c1", 1, travelled={"hello": Travelled(10, 2)}),
        Customer("c2", 1, travelled={"hello": Travelled(20, 3)}),
    )
    again = msgspec.structs.replace(both, travelled={"hello": Travelled(70, 6, 80)})
    assert parting.part(again, meeting).rest.travelled == {"hello": Travelled(70, 3, 80)}


# --- touches of those who were one -----------------------------------------------------------------------


def wrongly_one() -> tuple[Shop, Customer]:
    """Mei was told to be one with Li, who has paid; Li's message is planned while they are one."""
    shop = Shop()
    mei = shop.hear(user_id="u1", phone="+8613800138000")
    li = shop.hear("paid", user_id="u2", email="li@x.example", phone="+8613900139000")
    shop.say("merge", mei.id, li.id)
    shop.later(200)
    assert (shop.touch().touch.customer, shop.touch().touch.address) == (mei.id, "li@x.example")
    return shop, li


def test_what_was_planned_for_the_two_and_has_not_left_goes_to_neither() -> None:
    shop, li = wrongly_one()
    shop.say("unmerge", li.id)
    assert shop.leave() == []
    assert (shop.touch().state, shop.touch().reason) == (TouchState.DROPPED, "parted")
    assert [run.step for run in shop.who("user_id:u2").runs] == ["3"]
    assert shop.who("user_id:u1").reserved == ()


def test_what_becomes_of_a_message_is_heard_by_whose_journey_it_belongs_to_today() -> None:
    shop, li = wrongly_one()
    [row] = shop.leave()
    shop.say("unmerge", li.id)
    shop.outcome(row, "failed", reason="rejected")
    later = shop.store.find_touches(TouchQuery(channel="sms"))
    assert [(one.touch.customer, one.touch.address) for one in later] == [(li.id, "+8613900139000")]


def test_a_message_in_flight_is_not_tried_again_when_its_journey_was_left_after_the_parting() -> None:
    shop, li = wrongly_one()
    [row] = shop.leave()
    shop.say("unmerge", li.id)
    shop.hear("returned", user_id="u2")
    shop.outcome(row, "deferred", reason="throttled", retry_at=shop.now + 1)
    assert shop.touch().state is TouchState.CANCELLED
    assert shop.leave() == []


def test_a_no_under_a_message_from_the_time_when_they_were_one_holds_for_both() -> None:
    shop, li = wrongly_one()
    [row] = shop.leave()
    shop.outcome(row, "sent", provider="smtp", provider_id="p1")
    shop.say("unmerge", li.id)
    shop.now += 1
    shop.apply(Receipt("r1", "UNSUBSCRIBED", shop.now, shop.now, touch=row.touch.id))
    for name in ("user_id:u1", "user_id:u2"):
        assert not shop.who(name).consents["marketing"].granted
    shop.now += 1
    shop.apply(Receipt("r2", "HARD_BOUNCE", shop.now, shop.now, touch=row.touch.id))
    assert shop.who("user_id:u2").suppressed == {"email:li@x.example": "hard_bounce"}
    assert shop.touch().facts & Fact.UNSUBSCRIBED


# --- companies -------------------------------------------------------------------------------------------


def test_who_is_parted_from_the_companys_person_is_not_its_contact() -> None:
    shop = Shop()
    mei = shop.hear(user_id="u1", traits={"job": "buyer"})
    li = shop.hear(user_id="u2", account="acme")
    shop.say("merge", mei.id, li.id)
    shop.hear(user_id="u1")
    assert shop.store.accounts(["acme"])["acme"].contacts == {"buyer": mei.id}
    shop.say("unmerge", li.id)
    assert shop.who("user_id:u1").account == ""
    assert shop.store.accounts(["acme"])["acme"].contacts == {}


def test_a_contact_leaves_its_company_however_many_names_it_has_had_since_it_was_appointed() -> None:
    shop = Shop()
    mei = shop.hear(user_id="u1")
    li = shop.hear(user_id="u2", account="acme", traits={"job": "buyer"})
    shop.say("merge", mei.id, li.id)
    for number in range(merging.MOST_MERGED + 5):
        shop.say("merge", mei.id, shop.hear(user_id=f"x{number}").id)
    assert shop.store.accounts(["acme"])["acme"].contacts == {"buyer": li.id}
    shop.hear(user_id="u1", account="beta")
    contacts = {name: one.contacts for name, one in shop.store.accounts(["acme", "beta"]).items()}
    assert contacts == {"acme": {}, "beta": {"buyer": mei.id}}


def test_a_rehearsal_writes_to_a_contact_that_was_merged_away_as_the_live_engine_does() -> None:
    stage = Stage(BOOK)
    stage.begin(10)
    stage.hear(Event("m1", "seen", 11, 11, "web", {"email": "li@x.example"}, traits={"job": "buyer"}, account="acme"))
    stage.hear(Event("m2", "seen", 12, 12, "web", {"user_id": "u2"}))
    account = stage.scene.account("acme")
    assert account is not None
    stage.hear(Event("m3", "seen", 13, 13, "web", {"user_id": "u2", "email": "li@x.example"}))
    person = stage.scene.contact(account.contacts["buyer"])
    assert person is not None
    assert person.address("user_id") == "u2"


# --- reviews, erasure, many ------------------------------------------------------------------------------


def test_a_review_is_settled_when_the_claimant_has_got_another_name_before() -> None:
    shop = Shop()
    holder = shop.hear(user_id="u1", phone="1")
    claimant = shop.hear(user_id="u2", email="li@x.example")
    shop.apply(shop.event(user_id="u2", phone="1"))
    other = shop.hear(user_id="u3")
    shop.say("merge", other.id, claimant.id)
    shop.say("merge", holder.id, other.id)
    assert shop.store.reviews() == []


def test_erasing_a_parted_customer_takes_what_later_merges_of_the_other_kept_of_it() -> None:
    shop = Shop()
    mei, li, wang = (shop.hear(user_id=name, email=f"{name}@x.example") for name in ("u1", "canary", "u3"))
    outer = shop.hear(user_id="u4")
    shop.say("merge", mei.id, li.id)
    shop.say("merge", mei.id, wang.id)
    shop.say("merge", outer.id, mei.id)
    shop.say("unmerge", mei.id)
    shop.say("unmerge", wang.id)
    shop.now += 1
    shop.apply(Directive("s", "suppress", shop.now, shop.now, "email:canary@x.example", "bounced", "mei"))
    shop.say("unmerge", li.id)
    assert shop.who("user_id:u1").suppressed == {"email:canary@x.example": "bounced"}
    shop.say("erase", li.id)
    kept = [shop.store.merges(one.id) for one in (mei, wang, outer)]
    assert b"canary" not in msgspec.msgpack.encode(kept)
    assert [row.winner for row in kept[1]] == [mei.id]
    assert b"canary" not in msgspec.msgpack.encode(shop.store.scan("", 9))

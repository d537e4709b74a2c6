"""Consent under random interleavings of yes, no, unsubscribe, bounce, suppression, merge and sending.

C1: nothing leaves that consent or the suppression list forbids at that commit. C2: the list only grows, but for an
operator's word. The model below keeps both by hand.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.events import Directive, Event, Outcome, Receipt, encode
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import Again, Audience, OnEvent, Plan, Send, Stop, seal
from engine.core.playbook import Playbook
from engine.ports import Rendered, TouchQuery, TouchRow
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.usecases.advance import advance
from engine.usecases.deliver import commit_in_flight
from engine.usecases.doubt import Terms

NOON = 20_000 * DAY + 12 * HOUR
STEPS = (Send("1", "hello", ("email",), next="2"), Stop("2"))
BOOK = Playbook(
    [seal(Plan("hello", "Hello", "acquire", OnEvent(("visited",)), STEPS, again=Again("always")))], Audience()
)
USERS = st.sampled_from(["u1", "u2", "u3"])
SCOPES = st.sampled_from(["marketing", "email", "marketing:email", "marketing:sms"])


def mail(user: str) -> str:
    return f"{user}@home.example"


class Consented(RuleBasedStateMachine):
    """Three people, whose words, bounces and merges meet the sending of messages planned before."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.log, self.at = MemoryStore(), MemoryLog(), NOON
        self.picked: list[TouchRow] = []
        self.shut: set[str] = set()
        for user in ("u1", "u2", "u3"):
            self.hear(user, "signed_up", {"marketing": True})

    def tell(self, *entries: Event | Directive | Receipt | Outcome) -> None:
        self.log.append([encode(entry) for entry in entries])
        while advance(self.store, self.log, BOOK) is not None:
            pass

    def hear(self, user: str, name: str, consents: dict[str, bool]) -> None:
        self.at += MINUTE
        known = {"user_id": user, "email": mail(user)}
        self.tell(Event(f"{self.at}", name, self.at, self.at, "shop", identifiers=known, consents=consents))

    @rule(user=USERS)
    def visit(self, user: str) -> None:
        self.hear(user, "visited", {})

    @rule(user=USERS, scope=SCOPES, granted=st.booleans())
    def say(self, user: str, scope: str, granted: bool) -> None:
        self.hear(user, "preferences_changed", {scope: granted})

    @rule(user=USERS, scope=SCOPES, granted=st.booleans(), age=st.integers(1, 30))
    def say_late(self, user: str, scope: str, granted: bool, age: int) -> None:
        self.at += MINUTE
        known = {"user_id": user}
        event = Event(f"{self.at}", "preferences_changed", self.at - age * MINUTE, self.at, "shop", identifiers=known)
        self.tell(
            Event(**{name: getattr(event, name) for name in event.__struct_fields__} | {"consents": {scope: granted}})
        )

    @rule()
    def pick(self) -> None:
        self.at += MINUTE
        self.picked = self.store.sendable(self.at, 100)

    @rule()
    def leave(self) -> None:
        self.at += MINUTE
        leased = commit_in_flight(
            self.store, BOOK, [(row, Rendered(b"x", "h")) for row in self.picked], self.at, Terms()
        )
        for one in leased:
            touch = one.row.touch
            [customer] = self.store.customers([touch.customer]).values()
            words = {name: word.granted for name, word in customer.consents.items()}
            assert touch.address not in self.shut
            assert words.get("marketing") or ("marketing" not in words and words.get("marketing:email"))
            assert words.get("email", True)
            assert words.get("marketing:email", True)
        for one in leased:
            self.at += 1
            self.tell(Outcome(touch=one.row.touch.id, token=one.row.token, at=self.at, received=self.at, kind="sent"))

    def sent(self) -> list[TouchRow]:
        return list(self.store.find_touches(TouchQuery(state="sent")))

    @precondition(lambda self: self.sent())
    @rule(data=st.data(), fact=st.sampled_from(["HARD_BOUNCE", "COMPLAINED", "UNSUBSCRIBED", "DELIVERED"]))
    def receive(self, data: st.DataObject, fact: str) -> None:
        row = data.draw(st.sampled_from(self.sent()))
        self.at += MINUTE
        self.tell(Receipt(id=f"r{self.at}", fact=fact, at=self.at, received=self.at, touch=row.touch.id))
        if fact in {"HARD_BOUNCE", "COMPLAINED"}:
            self.shut.add(row.touch.address)

    @rule(user=USERS)
    def suppress(self, user: str) -> None:
        self.at += MINUTE
        self.tell(Directive(f"d{self.at}", "suppress", self.at, self.at, subject=f"email:{mail(user)}"))
        self.shut.add(mail(user))

    @rule(user=USERS)
    def unsuppress(self, user: str) -> None:
        self.at += MINUTE
        self.tell(Directive(f"d{self.at}", "unsuppress", self.at, self.at, subject=f"email:{mail(user)}"))
        self.shut.discard(mail(user))

    @rule(one=USERS, other=USERS)
    def merge(self, one: str, other: str) -> None:
        self.at += MINUTE
        self.tell(
            Directive(f"d{self.at}", "merge", self.at, self.at, subject=f"user_id:{one}", value=f"user_id:{other}")
        )

    @rule()
    def replay(self) -> None:
        anew = MemoryStore()
        while advance(anew, self.log, BOOK) is not None:
            pass
        assert {row.address for row in anew.suppressions()} == {f"email:{one}" for one in self.shut}

    @invariant()
    def the_list_holds_what_was_shut_and_nothing_opens_by_itself(self) -> None:
        assert {row.address for row in self.store.suppressions()} == {f"email:{one}" for one in self.shut}
        assert self.store.dead_letters() == []


Consented.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestConsent = Consented.TestCase

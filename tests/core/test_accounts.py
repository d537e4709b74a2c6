"""Companies and their people: what is said of an account, who is its contact in each role, what conditions read."""

from typing import Any

from engine.core.audience import accounts, merging, profile
from engine.core.audience.traits import MAX_TRAITS
from engine.core.context import Context
from engine.core.events import Event, encode
from engine.core.expression import AllOf, Compare, Constant, HasTag, Measure, Measured, Path
from engine.core.plan import Audience, Manual, OnEvent, OnSegment, Plan, Stop, TagRule, seal
from engine.core.playbook import Playbook
from engine.core.predicates import compile_truth
from engine.core.state import Account, Customer, Recalled, Standing
from engine.ports import RunQuery
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance

MEI, LI = Customer("mei", 1), Customer("li", 1)
BUYER = Compare("==", Path("customer", ("job",)), Constant("buyer"))


def told(at: int, **traits: Any) -> Event:
    return Event(f"m{at}", "account_joined", at, at, account="acme", account_traits=traits)


def test_the_later_word_about_an_account_wins_however_late_it_comes() -> None:
    account = accounts.fold(accounts.fold(None, told(9, plan="pro")), told(5, plan="trial", seats=3))
    assert account == Account("acme", {"plan": "pro", "seats": 3}, {"plan": 9, "seats": 5})
    assert accounts.fold(account, told(20, plan=None)).traits == {"seats": 3}
    assert accounts.fold(account, told(20)) is account


def test_an_account_holds_a_bounded_number_of_traits_for_ever() -> None:
    account = accounts.fold(None, told(5, **{f"t{n}": n for n in range(MAX_TRAITS + 50)}))
    assert len(account.traits) == MAX_TRAITS
    account = accounts.fold(account, told(6, **dict.fromkeys(account.traits)))
    account = accounts.fold(account, told(7, t0="back", more="new"))
    assert (account.traits, len(account.traits_at)) == ({"t0": "back"}, MAX_TRAITS)


def test_what_is_remembered_of_a_customers_removed_traits_is_bounded_too() -> None:
    nothing = Event("m1", "identify", 5, 5, traits={f"t{n}": None for n in range(MAX_TRAITS + 50)})
    customer = profile.fold(Playbook([], Audience()), MEI, nothing)
    assert (customer.traits, len(customer.traits_at)) == ({}, MAX_TRAITS)


def test_the_latest_to_come_to_a_role_is_its_contact_until_it_is_lost() -> None:
    account = accounts.appoint(Account("acme"), MEI, ["buyer"])
    account = accounts.appoint(account, LI, ["buyer"])
    assert account.contacts == {"buyer": "li"}
    assert accounts.appoint(account, MEI, ["buyer"], before=["buyer"]) is account
    account = accounts.appoint(account, LI, [], before=["buyer"])
    assert account.contacts == {}
    assert accounts.appoint(account, MEI, ["buyer"], before=["buyer"]).contacts == {"buyer": "mei"}


def test_a_contact_that_was_merged_stays_the_contact_under_its_new_name() -> None:
    account = Account("acme", contacts={"buyer": "visitor"})
    merged = Customer("mei", 1, merged=("visitor",))
    assert accounts.appoint(account, merged, ["buyer"], before=["buyer"]).contacts == {"buyer": "mei"}
    assert accounts.appoint(account, merged, []).contacts == {}


def test_conditions_read_the_account_and_a_missing_one_compares_false() -> None:
    context = Context(MEI, 5)
    large = compile_truth(Compare(">=", Path("account", ("seats",)), Constant(50)))
    named = compile_truth(Compare("==", Path("account", ("address", "city")), Constant("Shanghai")))
    assert not large(context)
    context.account = accounts.seen_by_conditions(Account("acme", {"seats": 60, "address": {"city": "Shanghai"}}))
    assert large(context)
    assert named(context.at(9))
    assert accounts.seen_by_conditions(None) is None


# --- through the log


def said(n: int, user: str, **fields: Any) -> Event:
    return Event(f"e{n}", fields.pop("name", "identified"), n, n, identifiers={"user_id": user}, **fields)


def applied(audience: Audience, *events: Event, plans: tuple[Plan, ...] = ()) -> MemoryStore:
    store, log = MemoryStore(), MemoryLog()
    playbook = Playbook(plans, audience)
    for event in events:
        log.append([encode(event)])
        done = advance(store, log, playbook)
        assert done is not None
        assert done.dead == 0, store.dead_letters()
    return store


def contacts(store: MemoryStore, account: str = "acme") -> dict[str, str]:
    found = store.accounts([account]).get(account, Account(account))
    names = {customer.id: customer.address("user_id") for customer in store.scan("", 99)}
    return {role: names[who] for role, who in found.contacts.items()}


def test_a_group_call_makes_the_customer_a_member_and_keeps_what_it_says() -> None:
    store = applied(Audience(), said(1, "mei", name="account_joined", account="acme", account_traits={"plan": "pro"}))
    assert store.accounts(["acme"])["acme"].traits == {"plan": "pro"}
    assert [customer.account for customer in store.scan("", 9)] == ["acme"]


def test_roles_follow_what_is_known_of_the_people() -> None:
    audience = Audience(roles={"purchasing": BUYER})
    events = [
        said(1, "mei", account="acme", traits={"job": "buyer"}),
        said(2, "li", account="acme"),
        said(3, "li", traits={"job": "buyer"}),
        said(4, "mei", traits={"city": "Shanghai"}),
    ]
    assert contacts(applied(audience, *events)) == {"purchasing": "li"}
    store = applied(audience, *events, said(5, "li", traits={"job": "seller"}))
    assert contacts(store) == {}
    later = said(6, "mei", traits={"city": "Suzhou"})
    assert contacts(applied(audience, *events, said(5, "li", traits={"job": "x"}), later)) == {"purchasing": "mei"}


def test_the_event_that_tells_of_the_company_opens_a_journey_that_asks_for_it() -> None:
    large = AllOf(
        (
            Compare(">=", Path("account", ("seats",)), Constant(50)),
            Compare("==", Path("account", ("id",)), Constant("acme")),
        )
    )
    nodes = (Stop("1"),)
    plan = seal(Plan("call", "", "monetize", OnEvent(("account_joined",)), nodes, where=large, purpose="transactional"))
    joined: dict[str, Any] = {"name": "account_joined", "account": "acme"}
    store = applied(
        Audience(),
        said(1, "mei", **joined, account_traits={"seats": 40}),
        said(2, "li", **joined, account_traits={"seats": 60}),
        plans=(plan,),
    )
    [(who, run)] = store.runs(RunQuery())
    assert (run.journey, store.customers([who])[who].address("user_id")) == ("call", "li")


def test_who_changes_the_company_is_its_contact_no_more() -> None:
    audience = Audience(roles={"purchasing": BUYER})
    store = applied(
        audience,
        said(1, "mei", account="acme", traits={"job": "buyer"}),
        said(2, "mei", account="globex"),
    )
    assert (contacts(store), contacts(store, "globex")) == ({}, {"purchasing": "mei"})


def test_a_role_may_ask_for_a_tag_that_the_event_itself_brings_about() -> None:
    paid = Measure("paid", "order_paid")
    rule: Any = Compare(">", Measured("paid", "count"), Constant(0))
    audience = Audience(tags={"payer": TagRule(rule)}, roles={"purchasing": HasTag("payer")}, measures=(paid,))
    store = applied(audience, said(1, "mei", account="acme"), said(2, "mei", name="order_paid"))
    assert contacts(store) == {"purchasing": "mei"}


def test_a_person_who_turns_out_to_be_another_leaves_the_company_it_was_of() -> None:
    audience = Audience(roles={"purchasing": BUYER})
    visitor = {"anonymous_id": "a1"}
    store = applied(
        audience,
        Event("e1", "seen", 1, 1, identifiers=visitor, account="acme", traits={"job": "buyer"}),
        said(2, "mei", account="globex"),
        Event("e3", "seen", 3, 3, identifiers={**visitor, "user_id": "mei"}),
    )
    assert contacts(store) == {}
    assert contacts(store, "globex") == {"purchasing": "mei"}


# --- what a merge keeps


def test_a_merge_keeps_the_winners_company_or_else_the_losers() -> None:
    def account_of(winner: str, loser: str) -> str:
        both = Customer("c1", 1, account=winner), Customer("c2", 1, account=loser)
        return merging.merge(*both, 9).customer.account

    assert account_of("acme", "globex") == "acme"
    assert account_of("", "globex") == "globex"
    assert account_of("acme", "") == "acme"


def test_a_merge_keeps_both_pasts_to_look_back_at_bounded_and_in_order() -> None:
    mine = tuple(Recalled("seen", at) for at in range(0, 80, 2))
    theirs = tuple(Recalled("seen", at) for at in range(1, 80, 2))
    both = merging.merge(Customer("c1", 1, recalled=mine), Customer("c2", 1, recalled=theirs), 99).customer.recalled
    assert [one.at for one in both] == list(range(30, 80))
    same = merging.merge(Customer("c1", 1, recalled=mine), Customer("c2", 1, recalled=mine), 99).customer.recalled
    assert same == mine


def test_a_merge_has_every_watched_condition_looked_at_and_forgets_the_dates() -> None:
    winner = Customer("c1", 1, standing={"segment:vip": Standing(5, 70)}, dates={"birthday": 60})
    loser = Customer("c2", 1, standing={"segment:vip": Standing(3, 80), "segment:old": Standing(4, 90)})
    merged = merging.merge(winner, loser, 50, watched=["segment:vip", "tag:new"]).customer
    assert merged.standing == {
        "segment:vip": Standing(3, 50),
        "segment:old": Standing(4, 90),
        "tag:new": Standing(0, 50),
    }
    assert (merged.dates, merged.wake) == ({}, 50)


def test_two_who_are_one_enter_the_segment_that_neither_stood_in() -> None:
    paid = Measure("paid", "order_paid")
    often: Any = Compare(">=", Measured("paid", "count"), Constant(2))
    audience = Audience(segments={"often": often}, measures=(paid,))
    nodes = (Stop("1"),)
    plan = seal(Plan("thanks", "", "retain", OnSegment("often"), nodes, purpose="transactional"))
    visitor = {"anonymous_id": "a1"}
    store = applied(
        audience,
        Event("e1", "order_paid", 1, 1, identifiers=visitor),
        said(2, "mei", name="order_paid"),
        Event("e3", "seen", 3, 3, identifiers={**visitor, "user_id": "mei"}),
        plans=(plan, seal(Plan("other", "", "retain", Manual(), nodes))),
    )
    assert [run.journey for _, run in store.runs(RunQuery())] == ["thanks"]

"""Receipts: an order-free, idempotent merge that only the truth can move."""

from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.commands import Touch
from engine.core.delivery import Fact, TouchState
from engine.core.errors import BadInput
from engine.core.events import Event, Outcome, Receipt
from engine.core.ids import DAY, HOUR, MINUTE, SECOND
from engine.core.plan import Arm, Manual, Plan, Policy, Split, Stop, Winner, seal
from engine.core.state import Consent, Customer
from engine.core.world import ArmResult
from engine.ports import Attempt, Changes, TouchRow
from engine.store.memory.store import MemoryStore
from engine.usecases.receive import receive
from engine.usecases.settle import settle
from engine.usecases.work import Work

NOON = 1_772_366_400_000_000
MEI = Customer("c1", created=NOON - DAY, consents={"marketing": Consent(True, NOON - DAY)})
TOUCH = Touch(
    id="t1",
    run="r1",
    journey="rescue",
    version="v",
    step="1",
    customer="c1",
    channel="email",
    template="hello",
    address="mei@x.example",
    purpose="marketing",
    planned=NOON,
    due=NOON,
)


def store_of(state: TouchState = TouchState.SENT, touch: Touch = TOUCH) -> MemoryStore:
    """A store whose touch has gone through the contract's states up to `state`, under the provider's id m1."""
    store = MemoryStore()
    path = [TouchState.READY, TouchState.IN_FLIGHT, state]
    rows = [TouchRow(touch, one, NOON, NOON, token=int(one is not TouchState.READY)) for one in path]
    if state is TouchState.IN_FLIGHT:
        rows.pop()
    if state is TouchState.SENT:
        rows[-1] = replace(rows[-1], provider="smtp", provider_id="m1")
    commit(store, Changes(customers={"c1": MEI}, touches=[touch], rows=rows, attempts=[Attempt("t1", 1, NOON)]))
    return store


def commit(store: MemoryStore, changes: Changes) -> None:
    with store.unit() as unit:
        unit.commit(changes)


def say(fact: str, at: int = NOON + MINUTE, **fields: Any) -> Receipt:
    return Receipt(**{"id": f"{fact}-{at}", "fact": fact, "at": at, "received": at, "touch": "t1", **fields})


def hear(store: MemoryStore, *entries: Receipt | Outcome) -> list[str]:
    """Apply the entries in one unit; return the names of the events they make."""
    with store.unit() as unit:
        work = Work(unit, NOON + HOUR)
        told = [
            one
            for entry in entries
            for one in (receive(work, entry, Policy()) if isinstance(entry, Receipt) else settle(work, entry, Policy()))
        ]
        unit.commit(work.flush())
    return [one.happening.name for one in told if isinstance(one.happening, Event)]


def row(store: MemoryStore) -> TouchRow:
    return store.touches(["t1"])["t1"]


def mei(store: MemoryStore) -> Customer:
    return store.customers(["c1"])["c1"]


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        ("DELIVERED", "message_delivered"),
        ("OPENED", "message_opened"),
        ("CLICKED", "link_clicked"),
        ("HARD_BOUNCE", "message_bounced"),
        ("REJECTED", "message_bounced"),
        ("COMPLAINED", "complained"),
        ("UNSUBSCRIBED", "unsubscribed"),
        ("REPLIED", "message_replied"),
    ],
)
def test_a_fact_becomes_the_customers_event(fact: str, name: str) -> None:
    store = store_of()
    assert hear(store, say(fact)) == [name]
    assert row(store).facts == Fact[fact]
    assert [kept.fact for kept in store.facts("t1")] == [fact]


def test_the_event_says_what_a_journey_asks_of_it() -> None:
    with store_of().unit() as unit:
        told = receive(Work(unit, NOON + HOUR), say("CLICKED", link="https://x.example/cart"), Policy())
    happening = told[0].happening
    assert isinstance(happening, Event)
    assert happening.about == "t1"
    assert happening.properties == {
        "journey": "rescue",
        "template": "hello",
        "channel": "email",
        "link": "https://x.example/cart",
    }


@pytest.mark.parametrize("fact", ["OPENED", "CLICKED"])
def test_a_machine_is_recorded_apart_and_heard_by_nobody(fact: str) -> None:
    store = store_of()
    assert hear(store, say(fact, machine=True)) == []
    assert row(store).facts == Fact[f"{fact}_MACHINE"]


def test_a_repeated_receipt_changes_nothing_in_one_unit_or_two() -> None:
    store = store_of()
    assert hear(store, say("CLICKED"), say("CLICKED")) == ["link_clicked"]
    before = row(store)
    assert hear(store, say("CLICKED")) == []
    assert row(store) == before
    assert len(store.facts("t1")) == 1


def test_a_second_delivery_report_is_kept_and_not_told_again_but_a_second_click_is() -> None:
    store = store_of()
    hear(store, say("DELIVERED"), say("CLICKED"))
    assert hear(store, say("DELIVERED", NOON + HOUR), say("CLICKED", NOON + HOUR)) == ["link_clicked"]
    assert len(store.facts("t1")) == 4


def test_the_order_of_receipts_does_not_matter() -> None:
    receipts = [say("DELIVERED"), say("OPENED"), say("UNSUBSCRIBED"), say("HARD_BOUNCE"), say("COMPLAINED")]
    ends = set()
    for order in permutations(receipts):
        store = store_of()
        hear(store, *order)
        ends.add((row(store).state, row(store).facts, mei(store).consents["marketing"].granted))
    assert len(ends) == 1


def test_a_hard_bounce_suppresses_the_address_not_the_person() -> None:
    store = store_of()
    hear(store, say("HARD_BOUNCE"))
    assert mei(store).suppressed == {"email:mei@x.example": "hard_bounce"}
    assert mei(store).consents["marketing"].granted


def test_a_complaint_suppresses_and_withdraws() -> None:
    store = store_of()
    hear(store, say("COMPLAINED"))
    assert mei(store).suppressed == {"email:mei@x.example": "complained"}
    assert not mei(store).consents["marketing"].granted


def test_an_unsubscribe_withdraws_marketing_or_only_the_channel_asked_for() -> None:
    store = store_of()
    hear(store, say("UNSUBSCRIBED", detail="email"))
    assert (mei(store).consents["marketing"].granted, mei(store).consents["email"].granted) == (True, False)
    hear(store, say("UNSUBSCRIBED", NOON + HOUR))
    assert not mei(store).consents["marketing"].granted


def test_an_unsubscribe_under_a_transactional_message_means_marketing() -> None:
    store = store_of(touch=replace(TOUCH, purpose="transactional"))
    hear(store, say("UNSUBSCRIBED"))
    assert not mei(store).consents["marketing"].granted
    assert "transactional" not in mei(store).consents


def test_a_yes_that_is_newer_than_the_unsubscribe_stands() -> None:
    store = store_of()
    commit(store, Changes(customers={"c1": replace(MEI, consents={"marketing": Consent(True, NOON + DAY)})}))
    hear(store, say("UNSUBSCRIBED"))
    assert mei(store).consents["marketing"].granted


@pytest.mark.parametrize("fact", ["DELIVERED", "OPENED", "CLICKED", "HARD_BOUNCE", "SOFT_BOUNCE", "COMPLAINED"])
def test_evidence_settles_doubt(fact: str) -> None:
    store = store_of(TouchState.UNCERTAIN)
    hear(store, say(fact))
    assert (row(store).state, row(store).reason) == (TouchState.SENT, "receipt")


@pytest.mark.parametrize("fact", ["ACCEPTED", "DEFERRED", "REPLIED"])
def test_what_proves_nothing_leaves_doubt_alone(fact: str) -> None:
    store = store_of(TouchState.UNCERTAIN)
    hear(store, say(fact))
    assert row(store).state is TouchState.UNCERTAIN


def test_a_rejection_settles_doubt_as_failed() -> None:
    store = store_of(TouchState.UNCERTAIN)
    hear(store, say("REJECTED"))
    assert row(store).state is TouchState.FAILED


@pytest.mark.parametrize("kind", ["uncertain", "deferred", "failed"])
def test_a_receipt_that_came_before_the_outcome_wins_over_it(kind: Any) -> None:
    store = store_of(TouchState.IN_FLIGHT)
    outcome = Outcome("t1", 1, kind, NOON + MINUTE, NOON + MINUTE, "smtp", reason="transient", retry_at=NOON + HOUR)
    assert hear(store, say("DELIVERED"), outcome) == ["message_delivered", "message_sent"]
    assert row(store).state is TouchState.SENT


@pytest.mark.parametrize("is_one_unit", [True, False])
def test_a_receipt_that_came_before_the_providers_id_is_parked_and_matched(is_one_unit: bool) -> None:
    store = store_of(TouchState.IN_FLIGHT)
    early = say("DELIVERED", touch="", provider="aliyun", provider_id="biz-1", recipient="mei@x.example")
    sent = Outcome("t1", 1, "sent", NOON + SECOND, NOON + SECOND, provider="aliyun", provider_id="biz-1")
    if is_one_unit:
        heard = hear(store, early, sent)
    else:
        assert hear(store, early) == []
        assert [fact.id for fact in store.parked("aliyun", "biz-1")] == [early.id]
        heard = hear(store, sent)
    assert heard == ["message_sent", "message_delivered"]
    assert store.parked("aliyun", "biz-1") == []
    assert row(store).facts == Fact.ACCEPTED | Fact.DELIVERED
    assert hear(store, early) == []


def test_a_touch_is_found_by_the_providers_id_and_an_address_written_its_own_way() -> None:
    store = store_of(touch=replace(TOUCH, channel="sms", address="+8613800138000"))
    receipt = say("DELIVERED", touch="", provider="smtp", provider_id="m1", recipient="13800138000")
    assert hear(store, receipt) == ["message_delivered"]


@pytest.mark.parametrize(
    "receipt",
    [
        say("SHREDDED"),
        say("DELIVERED", touch="nope"),
        say("DELIVERED", touch=""),
        say("UNSUBSCRIBED", recipient="eve@x.example"),
        say("HARD_BOUNCE", touch="", provider="smtp", provider_id="m1", recipient="eve@x.example"),
    ],
)
def test_a_forged_receipt_changes_nothing(receipt: Receipt) -> None:
    store = store_of()
    before = (row(store), mei(store), store.facts("t1"))
    with store.unit() as unit:
        work = Work(unit, NOON)
        with pytest.raises(BadInput):
            receive(work, receipt, Policy())
        unit.commit(work.flush())
    assert (row(store), mei(store), store.facts("t1")) == before


def test_a_receipt_for_a_touch_that_never_left_is_forged() -> None:
    store = MemoryStore()
    commit(store, Changes(customers={"c1": MEI}, touches=[TOUCH]))
    with store.unit() as unit, pytest.raises(BadInput, match="never left"):
        receive(Work(unit, NOON), say("DELIVERED"), Policy())


# --- winner splits and contacts

RACE = seal(
    Plan("rescue", "", "retain", Manual(), (Split("1", "subject", (Arm("a", 1.0),), Winner("click")), Stop("2")))
)
RACED = replace(TOUCH, version=RACE.version, arms={"subject": "a"})


def raced(**fields: Any) -> MemoryStore:
    store = store_of(touch=replace(RACED, **fields))
    commit(store, Changes(plans=[RACE]))
    return store


def test_the_first_human_click_of_a_touch_is_a_win_of_its_arm() -> None:
    store = raced()
    hear(store, say("CLICKED"), say("CLICKED", NOON + HOUR), say("OPENED"))
    hear(store, say("CLICKED", NOON + DAY))
    assert store.arms("rescue", "subject") == {"a": ArmResult(0, 1)}


def test_a_scanners_click_and_a_task_win_nothing() -> None:
    for store in (raced(), raced(kind="task"), raced(arms={})):
        hear(store, say("CLICKED", machine=store.touches(["t1"])["t1"].touch == RACED))
        assert store.arms("rescue", "subject") == {}


def test_what_becomes_of_a_message_to_a_contact_is_learned_of_the_contact_and_told_to_the_run() -> None:
    boss = replace(MEI, id="c2")
    store = store_of(touch=replace(TOUCH, recipient="c2"))
    commit(store, Changes(customers={"c2": boss}))
    assert hear(store, say("HARD_BOUNCE"), say("UNSUBSCRIBED")) == ["message_bounced", "unsubscribed"]
    learned = store.customers(["c2"])["c2"]
    assert learned.suppressed == {"email:mei@x.example": "hard_bounce"}
    assert learned.consents["marketing"].granted is False
    assert mei(store) == MEI


def test_a_contacts_address_refused_for_good_is_the_contacts() -> None:
    store = store_of(TouchState.IN_FLIGHT, replace(TOUCH, recipient="c2"))
    commit(store, Changes(customers={"c2": replace(MEI, id="c2")}))
    hear(store, Outcome("t1", 1, "failed", NOON, NOON, reason="permanent", detail="no such user"))
    assert store.customers(["c2"])["c2"].suppressed == {"email:mei@x.example": "no such user"}
    assert mei(store) == MEI

"""What other channels are told of a customer: what there is to say, and what a customer can be asked about."""

import msgspec

from engine.core.policy import PURPOSES, Policy
from engine.core.state import Customer, Held
from engine.ports import Changes, Store
from engine.store.memory import MemoryStore
from engine.usecases.card import Card, card

MEI = Customer(
    "c1",
    1_000_000,
    identifiers={"user_id": ("u1",), "email": ("mei@brand.example",)},
    tags={"vip": Held(2_000_000, by="rule"), "risk": Held(2_000_000, by="mined:churn", score=0.8, version="v3")},
)


def told(customer: Customer, policy: Policy) -> Card:
    store: Store = MemoryStore()
    with store.unit() as unit:
        unit.commit(Changes(customers={customer.id: customer}))
    found = card(store, policy, customer.id, "none", 5_000_000)
    assert found is not None
    return found


def test_a_score_is_told_of_the_tags_that_have_one() -> None:
    tags = msgspec.json.decode(msgspec.json.encode(told(MEI, Policy())))["tags"]
    assert tags["vip"] == {"since": "1970-01-01T00:00:02Z", "by": "rule"}
    assert (tags["risk"]["score"], tags["risk"]["version"]) == (0.8, "v3")


def test_what_a_company_tells_its_own_systems_is_not_among_what_it_may_tell_a_customer() -> None:
    policy = Policy(purposes={**PURPOSES, "newsletter": "opt_out"})
    assert told(MEI, policy).may == {"marketing": [], "transactional": ["email"], "newsletter": ["email"]}

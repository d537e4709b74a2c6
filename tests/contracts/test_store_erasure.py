"""Every store forgets an erased customer with all that was theirs, and nobody else's; effects stay, nameless."""

import msgspec
import pytest

from engine.core.commands import Note, RecordEffect, Touch
from engine.core.delivery import TouchState
from engine.core.errors import CouponTaken
from engine.core.state import Customer, Run
from engine.ports import (
    Attempt,
    Changes,
    CouponRow,
    DeadLetter,
    FactRow,
    LabelRow,
    MergeRow,
    ReviewRow,
    RunQuery,
    Store,
    TouchQuery,
    TouchRow,
)
from tests.contracts.writing import write


def life(*owners: str) -> Changes:
    """Return everything that customers can leave behind."""
    changes = Changes(offset=1, now=9, stock=[("P", [f"code-{owner}" for owner in owners])])
    for n, owner in enumerate(owners, 1):
        run, touch = f"r-{owner}", f"t-{owner}"
        changes.customers[owner] = Customer(owner, 1, wake=n, stage="retain", stages={"acquire": 1, "retain": 2})
        changes.identifiers |= {f"email:{owner}": owner, f"device_id:{owner}": owner}
        changes.runs[run] = (owner, Run(run, "welcome", "v1", entered=n, step="1"))
        planned = Touch(touch, run, "welcome", "v1", "1", owner, "sms", "hi", "+86", "marketing", n, due=n)
        changes.touches.append(planned)
        ready = TouchRow(planned, TouchState.READY, n, n)
        flying = msgspec.structs.replace(
            ready, state=TouchState.IN_FLIGHT, token=1, lease_until=n, provider="p", provider_id=owner
        )
        changes.rows += [ready, flying]
        changes.attempts.append(Attempt(touch, 1, n))
        changes.facts.append(FactRow(f"f-{owner}", touch, "delivered", n))
        changes.effects.append(RecordEffect(f"e-{owner}", "converted", n, owner, journey="welcome", value=5.0))
        changes.notes.append((owner, Note("entered", n)))
        changes.coupons.append(CouponRow("P", f"code-{owner}", f"k-{owner}", owner, n))
        changes.labels.append(LabelRow(owner, "tag", "vip", 1))
    return changes


def is_gone(store: Store, *ids: str) -> None:
    for id_ in ids:
        names = [f"email:{id_}", f"device_id:{id_}"]
        with store.unit() as unit:
            assert (unit.customers([id_]), unit.resolve(names), unit.labels(id_)) == ({}, {}, [])
        assert (store.customers([id_]), store.resolve(names), store.labels(id_)) == ({}, {}, [])
        assert store.find_touches(TouchQuery(customer=id_)) == store.find_touches(TouchQuery(run=f"r-{id_}")) == []
        assert (store.runs(RunQuery(customer=id_)), store.notes(id_), store.coupons(id_)) == ([], [], [])
        assert (store.touches([f"t-{id_}"]), store.attempts(f"t-{id_}"), store.facts(f"t-{id_}")) == ({}, [], [])
        assert not store.has_fact(f"f-{id_}")
        assert store.touch_by_provider("p", id_) is None
        assert store.merges(id_) == []


def test_an_erased_customer_is_gone_with_all_that_was_theirs(store: Store) -> None:
    write(store, life("a", "b"))
    write(store, Changes(erased=["a"]))
    is_gone(store, "a")
    assert [one.id for one in store.scan("", 9)] == ["b"]
    assert store.due(9, 9) == [("b", 2)]
    assert [row.touch.id for row in store.find_touches(TouchQuery())] == ["t-b"]
    assert [row.touch.id for row in store.lapsed(9, 9)] == ["t-b"]
    assert [owner for owner, _ in store.runs(RunQuery())] == ["b"]
    assert store.travellers("welcome", "v2", "", 9) == ["b"]
    assert [row.customer for row in store.coupons()] == ["b"]
    assert [row.customer for row in store.members("tag", "vip", 5)] == ["b"]


def test_nobody_else_misses_anything(store: Store) -> None:
    write(store, life("b"))
    before = store.counts()
    write(store, life("a"))
    write(store, Changes(erased=["a"]))
    after = store.counts()
    assert msgspec.structs.replace(after, conversions=before.conversions) == before
    assert store.underway("welcome", "v2") == 1
    assert [count.customers for count in store.label_counts(5)] == [1]
    assert store.resolve(["email:b"]) == {"email:b": "b"}
    assert [len(store.attempts("t-b")), len(store.facts("t-b")), len(store.notes("b"))] == [1, 1, 1]


def test_what_was_achieved_still_counts_and_names_nobody(store: Store) -> None:
    write(store, life("a", "b"))
    write(store, Changes(erased=["a"]))
    assert [(effect.key, effect.customer) for effect in store.effects()] == [("e-a", ""), ("e-b", "b")]
    assert store.counts().conversions == {"welcome": (2, 10.0)}
    write(store, Changes(effects=[RecordEffect("e-a", "converted", 1, "b", journey="welcome", value=5.0)]))
    assert store.counts().conversions == {"welcome": (2, 10.0)}


def test_an_erased_customers_code_stays_taken(store: Store) -> None:
    write(store, life("a"))
    write(store, Changes(erased=["a"]))
    assert [(pool.free, pool.issued) for pool in store.pools()] == [(0, 1)]
    with pytest.raises(CouponTaken):
        write(store, Changes(stock=[("P", ["code-a"])], coupons=[CouponRow("P", "code-a", "k2", "b", 1)]))


@pytest.mark.parametrize("asked", ["a", "c"])
def test_those_merged_into_the_erased_are_erased_by_any_of_their_ids(store: Store, asked: str) -> None:
    write(store, life("a", "b", "c"))
    write(store, Changes(merged={"a": "b"}, merges=[MergeRow("m1", "b", "a", 3, theirs=Customer("a", 1))]))
    write(store, Changes(merged={"b": "c"}, merges=[MergeRow("m2", "c", "b", 4)]))
    write(store, Changes(erased=[asked]))
    is_gone(store, "a", "b", "c")
    assert store.counts().customers == 0
    write(store, Changes(customers={"c": Customer("c", 9)}))  # heard of again: nobody leads here any more
    assert list(store.customers(["a", "b", "c"])) == ["c"]


def test_contested_identifiers_that_name_the_erased_go(store: Store) -> None:
    write(store, life("a", "b", "c"))
    held = ReviewRow("phone:1", "a", ("b",), "user_id", 1, 1)
    claimed = ReviewRow("phone:2", "b", ("c", "a"), "user_id", 1, 1)
    others = ReviewRow("phone:3", "b", ("c",), "user_id", 1, 1)
    let_go = ReviewRow("phone:4", "b", ("a",), "user_id", 1, 1)
    write(store, Changes(reviews=[held, claimed, others, let_go]))
    write(store, Changes(reviews=[msgspec.structs.replace(let_go, claimants=("c",))]))
    write(store, Changes(erased=["a"]))
    assert sorted(row.identifier for row in store.reviews("")) == ["phone:3", "phone:4"]


def test_erasing_comes_after_everything_else_of_the_commit(store: Store) -> None:
    everything = life("a", "b")
    everything.erased = ["a"]
    write(store, everything)
    is_gone(store, "a")
    assert store.counts().customers == 1
    assert store.counts().touches == {("welcome", "sms", "in_flight"): 1}
    assert [effect.customer for effect in store.effects()] == ["", "b"]


def test_erasing_twice_or_nobody_changes_nothing(store: Store) -> None:
    write(store, life("a", "b"))
    write(store, Changes(erased=["a", "a", "nobody"]))
    write(store, Changes(erased=["a"]))
    is_gone(store, "a", "nobody")
    assert store.counts().customers == 1


def test_an_erasure_that_is_rolled_back_leaves_everything(store: Store) -> None:
    write(store, life("a", "b"))
    before = (store.counts(), store.customers(["a"]), store.notes("a"), store.label_counts(5))
    with pytest.raises(CouponTaken):
        write(store, Changes(erased=["a"], coupons=[CouponRow("P", "code-b", "again", "b", 1)]))
    assert (store.counts(), store.customers(["a"]), store.notes("a"), store.label_counts(5)) == before
    with store.unit() as unit:
        assert unit.customers(["a"]) == before[1]
        assert unit.resolve(["email:a"]) == {"email:a": "a"}


def test_an_erased_customer_may_be_heard_of_anew(store: Store) -> None:
    write(store, life("a"))
    write(store, Changes(erased=["a"]))
    write(store, life("b"))
    anew = Customer("a", 50, wake=60, stage="acquire", stages={"acquire": 50})
    write(store, Changes(customers={"a": anew}, identifiers={"email:a": "a"}))
    assert store.customers(["a"]) == {"a": anew}
    assert store.resolve(["email:a", "device_id:a"]) == {"email:a": "a"}
    assert (store.notes("a"), store.labels("a")) == ([], [])
    assert store.counts().stages == {"acquire": 1, "retain": 1}


def test_dead_letters_go_one_by_one(store: Store) -> None:
    write(store, Changes(dead=[DeadLetter(n, n, "why", b"x") for n in (1, 2, 3)]))
    write(store, Changes(forgotten=[2, 9]))
    assert [letter.offset for letter in store.dead_letters()] == [3, 1]
    assert store.counts().dead == 2


def test_scrubbing_changes_no_answer(store: Store) -> None:
    write(store, life("a", "b"))
    write(store, Changes(erased=["a"]))
    before = (store.counts(), store.customers(["b"]), store.notes("b"))
    store.scrub()
    assert (store.counts(), store.customers(["b"]), store.notes("b")) == before
    write(store, life("c"))
    assert store.counts().customers == 2

"""Every store keeps customers, identifiers, timers, dedupe keys and the position alike."""

import pytest

from engine.core.ids import DAY, HOUR
from engine.core.state import Run
from engine.ports import Changes, Store
from tests.contracts.writing import customer, save, write


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    assert store.position() == 0
    assert store.customers(["c1"]) == {}
    assert store.resolve(["user_id:u1"]) == {}
    assert store.seen([1]) == {}
    assert store.due(10**18, 10) == []
    assert store.next_due() == 0
    assert store.scan("", 10) == []


def test_empty_questions_have_empty_answers(store: Store) -> None:
    with store.unit() as unit:
        assert [unit.customers([]), unit.resolve([]), unit.seen([]), unit.touches([])] == [{}] * 4
    assert [store.customers([]), store.resolve([]), store.seen([]), store.touches([])] == [{}] * 4


def test_a_customer_comes_back_as_written(store: Store) -> None:
    mei = customer(
        "c1",
        traits={"age": 30, "name": "梅", "nested": {"a": [1, 2.5, None, True]}},
        identifiers={"email": ("mei@brand.example",)},
        stage="retain",
        stages={"acquire": 1, "retain": 2},
        runs=(Run("r1", "welcome", "v1", 5, wake=9),),
        wake=9,
    )
    save(store, mei)
    with store.unit() as unit:
        assert unit.customers(["c1", "nobody"]) == {"c1": mei}
    assert store.customers(["c1", "nobody"]) == {"c1": mei}


def test_the_last_word_about_a_customer_stands(store: Store) -> None:
    save(store, customer("c1", stage="acquire"), customer("c2"))
    save(store, customer("c1", stage="retain"))
    assert store.customers(["c1"])["c1"].stage == "retain"
    with store.unit() as unit:
        assert unit.customers(["c1"])["c1"].stage == "retain"


def test_leaving_a_unit_without_commit_writes_nothing(store: Store) -> None:
    save(store, customer("c1"))
    with store.unit() as unit:
        unit.customers(["c1"])
    with pytest.raises(RuntimeError, match="boom"), store.unit() as unit:
        raise RuntimeError("boom")
    assert store.position() == 0
    assert list(store.customers(["c1", "c2"])) == ["c1"]


def test_the_position_moves_with_what_it_produced(store: Store) -> None:
    write(store, Changes(offset=7, now=100, customers={"c1": customer("c1")}))
    write(store, Changes(customers={"c2": customer("c2")}))  # the dispatcher's units leave it alone
    assert store.position() == 7
    with store.unit() as unit:
        assert unit.position() == 7


def test_identifiers_resolve_to_the_customer_last_said(store: Store) -> None:
    write(
        store,
        Changes(
            customers={"c1": customer("c1"), "c2": customer("c2")},
            identifiers={"user_id:u1": "c1", "email:a@b.example": "c1"},
        ),
    )
    write(store, Changes(identifiers={"email:a@b.example": "c2"}))
    asked = ["user_id:u1", "email:a@b.example", "phone:+8613800000000"]
    expected = {"user_id:u1": "c1", "email:a@b.example": "c2"}
    assert store.resolve(asked) == expected
    with store.unit() as unit:
        assert unit.resolve(asked) == expected
        assert unit.resolve(iter(asked)) == expected


def test_timers_come_earliest_first_and_only_when_due(store: Store) -> None:
    save(store, customer("a", wake=30), customer("b", wake=10), customer("c", wake=20), customer("d"))
    assert store.next_due() == 10
    assert store.due(20, 10) == [("b", 10), ("c", 20)]
    assert store.due(99, 2) == [("b", 10), ("c", 20)]
    assert store.due(9, 10) == []
    save(store, customer("b", wake=0), customer("a", wake=5))
    assert store.next_due() == 5
    with store.unit() as unit:
        assert unit.due(99, 10) == [("a", 5), ("c", 20)]
        assert unit.next_due() == 5


def test_scanning_pages_through_all_customers_in_id_order(store: Store) -> None:
    save(store, *[customer(name) for name in ("delta", "alpha", "charlie", "bravo")])
    first = [one.id for one in store.scan("", 2)]
    assert first == ["alpha", "bravo"]
    assert [one.id for one in store.scan(first[-1], 10)] == ["charlie", "delta"]
    with store.unit() as unit:
        assert [one.id for one in unit.scan("delta", 10)] == []


# --- merging


def merged(store: Store) -> None:
    write(
        store,
        Changes(
            customers={"anon": customer("anon", wake=5, stage="acquire"), "user": customer("user", wake=8)},
            identifiers={"anonymous_id:x": "anon", "user_id:u": "user"},
        ),
    )
    write(store, Changes(customers={"user": customer("user", wake=4, merged=("anon",))}, merged={"anon": "user"}))


def test_a_merged_customer_is_its_winner_from_then_on(store: Store) -> None:
    merged(store)
    assert store.resolve(["anonymous_id:x", "user_id:u"]) == {"anonymous_id:x": "user", "user_id:u": "user"}
    found = store.customers(["anon", "user"])
    assert {asked: one.id for asked, one in found.items()} == {"anon": "user", "user": "user"}
    with store.unit() as unit:
        assert unit.resolve(["anonymous_id:x"]) == {"anonymous_id:x": "user"}
        assert unit.customers(["anon"])["anon"].merged == ("anon",)
    assert store.due(99, 10) == [("user", 4)]
    assert [one.id for one in store.scan("", 10)] == ["user"]
    assert store.counts().customers == 1
    assert store.counts().stages == {}


def test_merges_are_followed_over_several_hops(store: Store) -> None:
    save(store, customer("a"), customer("b"), customer("c"), customer("d"))
    write(store, Changes(identifiers={"device_id:1": "a"}))
    write(store, Changes(merged={"a": "b"}))
    write(store, Changes(merged={"b": "c", "c": "d"}))
    assert store.customers(["a"])["a"].id == "d"
    assert store.resolve(["device_id:1"]) == {"device_id:1": "d"}
    with store.unit() as unit:
        assert unit.resolve(["device_id:1"]) == {"device_id:1": "d"}


def test_an_identifier_said_of_a_merged_customer_leads_to_the_winner(store: Store) -> None:
    merged(store)
    write(store, Changes(identifiers={"phone:+8613800000000": "anon"}))
    assert store.resolve(["phone:+8613800000000"]) == {"phone:+8613800000000": "user"}
    with store.unit() as unit:
        assert unit.resolve(["phone:+8613800000000"]) == {"phone:+8613800000000": "user"}


def test_a_stale_word_about_a_merged_customer_does_not_bring_it_back(store: Store) -> None:
    merged(store)
    save(store, customer("anon", stage="refer", wake=1))
    assert store.customers(["anon"])["anon"].id == "user"
    assert store.next_due() == 4
    assert store.counts().stages == {}
    write(store, Changes(merged={"anon": "user"}))  # said twice
    write(store, Changes(merged={"user": "anon"}))  # and the other way round: never a circle
    assert store.customers(["user"])["user"].id == "user"


def test_a_merge_and_the_losers_last_word_in_one_commit_leave_the_winner(store: Store) -> None:
    write(
        store,
        Changes(
            customers={"anon": customer("anon", wake=2), "user": customer("user", wake=3)},
            identifiers={"anonymous_id:x": "anon"},
            merged={"anon": "user"},
        ),
    )
    assert store.resolve(["anonymous_id:x"]) == {"anonymous_id:x": "user"}
    assert store.due(9, 9) == [("user", 3)]
    assert store.counts().customers == 1


# --- dedupe


def test_a_key_is_seen_at_its_offset(store: Store) -> None:
    write(store, Changes(offset=2, now=DAY, seen={11: 1, 2**62: 2}))
    assert store.seen([11, 12, 2**62]) == {11: 1, 2**62: 2}
    with store.unit() as unit:
        assert unit.seen([12, 11]) == {11: 1}


def test_a_key_is_remembered_for_the_window_and_then_forgotten(store: Store) -> None:
    write(store, Changes(offset=1, now=100 * DAY, seen={1: 1}))
    write(store, Changes(offset=2, now=106 * DAY + 23 * HOUR, seen={2: 2}))
    assert store.seen([1, 2]) == {1: 1, 2: 2}
    write(store, Changes(offset=3, now=109 * DAY, seen={3: 3}))
    with store.unit() as unit:
        assert unit.seen([1, 2, 3]) == {2: 2, 3: 3}
    assert store.seen([1, 2, 3]) == {2: 2, 3: 3}


def test_only_the_log_moves_the_window(store: Store) -> None:
    write(store, Changes(offset=1, now=100 * DAY, seen={1: 1}))
    write(store, Changes(now=900 * DAY, flags={"stop:*": "test"}))
    write(store, Changes(offset=2, now=99 * DAY, seen={2: 2}))
    assert store.seen([1, 2]) == {1: 1, 2: 2}

"""Every store keeps coupon codes and the results of arms alike; no code is ever given twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.core.errors import CouponTaken
from engine.core.state import Customer
from engine.core.world import ArmResult
from engine.ports import Changes, CouponRow, PoolRow, Store
from tests.contracts.writing import write


def coupon(code: str, customer: str = "c1", *, key: str = "", pool: str = "SPRING10") -> CouponRow:
    return CouponRow(pool, code, key or f"key-{pool}-{code}", customer, 5, run="r1", journey="welcome", step="2")


def test_codes_come_in_the_order_they_were_stocked(store: Store) -> None:
    write(store, Changes(stock=[("SPRING10", ["Z", "A", "M"]), ("WELCOME", ["A"])]))
    write(store, Changes(stock=[("SPRING10", ["B"])]))
    assert store.codes("SPRING10", 10) == ["Z", "A", "M", "B"]
    assert store.codes("SPRING10", 2) == ["Z", "A"]
    assert store.codes("SPRING10", 0) == []
    assert store.codes("none", 5) == []
    assert store.pools() == [PoolRow("SPRING10", 4, 0), PoolRow("WELCOME", 1, 0)]


def test_a_code_is_stocked_once_for_ever(store: Store) -> None:
    write(store, Changes(stock=[("SPRING10", ["A", "B", "A"])]))
    write(store, Changes(coupons=[coupon("A")]))
    write(store, Changes(stock=[("SPRING10", ["B", "A", "C"])]))
    assert store.codes("SPRING10", 10) == ["B", "C"]
    assert store.pools() == [PoolRow("SPRING10", 2, 1)]


def test_an_empty_pool_is_a_pool(store: Store) -> None:
    write(store, Changes(stock=[("SOON", [])]))
    assert store.pools() == [PoolRow("SOON", 0, 0)]


def test_issued_codes_are_found_newest_first(store: Store) -> None:
    write(store, Changes(stock=[("SPRING10", ["A", "B", "C"]), ("WELCOME", ["A"])]))
    a, b, other = coupon("A"), coupon("B", "c2"), coupon("A", "c1", pool="WELCOME")
    write(store, Changes(coupons=[a, b]))
    write(store, Changes(coupons=[other]))
    assert store.codes("SPRING10", 10) == ["C"]
    assert store.coupons() == [other, b, a]
    assert store.coupons("c1") == [other, a]
    assert store.coupons(pool="SPRING10") == [b, a]
    assert store.coupons("c1", "SPRING10") == [a]
    assert store.coupons(limit=1) == [other]
    assert store.coupons("nobody") == []


def test_codes_may_be_stocked_and_issued_in_one_unit(store: Store) -> None:
    write(store, Changes(stock=[("SPRING10", ["A", "B"])], coupons=[coupon("B")]))
    assert (store.codes("SPRING10", 9), store.pools()) == (["A"], [PoolRow("SPRING10", 1, 1)])


@pytest.mark.parametrize(
    "wrong",
    [
        [coupon("B"), coupon("A", "c2", key="other")],
        [coupon("B"), coupon("B", "c2", key="other")],
        [coupon("B"), coupon("NEVER")],
        [coupon("B"), coupon("B", pool="NONE")],
        [coupon("B"), coupon("C", key="key-SPRING10-A")],
        [coupon("B"), coupon("C", key="key-SPRING10-B")],
    ],
    ids=["issued", "twice at once", "unknown", "unknown pool", "key used", "key twice at once"],
)
def test_a_code_that_is_not_free_fails_the_whole_unit(store: Store, wrong: list[CouponRow]) -> None:
    write(store, Changes(stock=[("SPRING10", ["A", "B", "C"])]))
    write(store, Changes(coupons=[coupon("A")]))
    with pytest.raises(CouponTaken):
        write(store, Changes(customers={"c9": Customer("c9", 1)}, stock=[("SPRING10", ["D"])], coupons=wrong))
    assert store.customers(["c9"]) == {}
    assert store.codes("SPRING10", 10) == ["B", "C"]
    assert store.coupons() == [coupon("A")]
    assert store.pools() == [PoolRow("SPRING10", 2, 1)]
    write(store, Changes(coupons=[coupon("B")]))
    assert store.codes("SPRING10", 10) == ["C"]


def test_the_winner_of_a_merge_has_the_losers_codes(store: Store) -> None:
    both = {"anon": Customer("anon", 1), "user": Customer("user", 1)}
    write(store, Changes(customers=both, stock=[("SPRING10", ["A", "B"])], coupons=[coupon("A", "anon")]))
    write(store, Changes(merged={"anon": "user"}, coupons=[coupon("B", "user")]))
    assert store.coupons("user") == [coupon("B", "user"), coupon("A", "user")]
    assert store.coupons("anon") == store.coupons("user")
    assert store.coupons() == store.coupons(pool="SPRING10") == store.coupons("user")


def test_units_on_several_threads_never_issue_one_code_twice(store: Store) -> None:
    write(store, Changes(stock=[("SPRING10", [f"C{n:03}" for n in range(200)])]))

    def take(thread: int) -> list[str]:
        mine = []
        for n in range(40):
            with store.unit() as unit:
                code = unit.codes("SPRING10", 1)[0]
                unit.commit(Changes(coupons=[coupon(code, f"c{thread}", key=f"{thread}-{n}")]))
            mine.append(code)
        return mine

    with ThreadPoolExecutor(5) as threads:
        taken = [code for codes in threads.map(take, range(5)) for code in codes]
    assert sorted(taken) == [f"C{n:03}" for n in range(200)]
    assert store.pools() == [PoolRow("SPRING10", 0, 200)]
    assert len(store.coupons("c3")) == 40


def test_what_arms_did_is_added_up(store: Store) -> None:
    assert store.arms("welcome", "subject") == {}
    write(store, Changes(arms={("welcome", "subject", "a"): ArmResult(3, 1), ("win", "subject", "a"): ArmResult(1)}))
    more = {("welcome", "subject", "a"): ArmResult(0, 2), ("welcome", "subject", "b"): ArmResult(5)}
    write(store, Changes(arms=more))
    assert store.arms("welcome", "subject") == {"a": ArmResult(3, 3), "b": ArmResult(5, 0)}
    assert store.arms("win", "subject") == {"a": ArmResult(1, 0)}
    assert store.arms("welcome", "other") == {}

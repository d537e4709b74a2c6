"""The world of a unit of work, codes above all: what is issued is gone for its next decision; stock through the log."""

from typing import Any

import pytest

from engine.core.commands import CancelTouch, CountArm, Decision, IssueCoupon, PlanTouch, Touch
from engine.core.coupons import CHUNK, check_stock, fault_of, is_pool
from engine.core.delivery import TouchState
from engine.core.errors import BadInput
from engine.core.events import Directive, Event, encode
from engine.core.ids import HOUR
from engine.core.plan import Coupon, OnEvent, Plan, Span, Stop, Wait, seal
from engine.core.playbook import Playbook
from engine.core.state import Account, Customer, Run
from engine.core.world import ArmResult, World
from engine.ports import Changes, PoolRow, Store
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.apply import carry
from engine.usecases.work import Work

PLAN = seal(
    Plan(
        "gift",
        "Gift",
        "monetize",
        OnEvent(("order_paid",)),
        (Wait("1", Span(HOUR), "2"), Coupon("2", "SPRING10", next="3"), Stop("3")),
        purpose="transactional",
    )
)
ONLY = Playbook([PLAN])


def stocked(*codes: str) -> MemoryStore:
    store = MemoryStore()
    with store.unit() as unit:
        unit.commit(Changes(stock=[("SPRING10", list(codes))]))
    return store


def issue(code: str, customer: str = "c1") -> IssueCoupon:
    return IssueCoupon(f"key-{code}", "SPRING10", code, 5, customer, run="r1")


def run(name: str, version: str = "v1", *, ended: int = 0) -> Run:
    return Run(name, "gift", version, entered=1, step="1", ended=ended)


def put_runs(store: Store, customer: str, *runs: Run) -> Customer:
    value = Customer(customer, 1, runs=runs)
    with store.unit() as unit:
        unit.commit(Changes(customers={customer: value}, runs={one.id: (customer, one) for one in runs}))
    return value


def test_a_unit_of_work_is_the_world_of_its_decisions() -> None:
    with MemoryStore().unit() as unit:
        world: World = Work(unit, 5)
        assert world.codes("SPRING10", 1) == []
        assert world.account("acme") is None
        assert world.contact("nobody") is None


def test_codes_issued_in_a_unit_are_gone_for_its_next_decision() -> None:
    names = [f"C{n:03}" for n in range(100)]
    store = stocked(*names)
    with store.unit() as unit:
        work, taken = Work(unit, 5), []
        while codes := work.codes("SPRING10", 1):
            work.issue(issue(codes[0]))
            taken.append(codes[0])
        unit.commit(work.flush())
    assert taken == names
    assert store.pools() == [PoolRow("SPRING10", 0, 100)]
    assert [row.code for row in store.coupons("c1")] == names[::-1]


def test_a_decision_that_asks_for_several_codes_gets_those_that_are_left() -> None:
    with stocked("A", "B", "C").unit() as unit:
        work = Work(unit, 5)
        assert work.codes("SPRING10", 2) == ["A", "B"]
        work.issue(issue("B"))
        assert work.codes("SPRING10", 9) == ["A", "C"]


def test_results_of_arms_are_the_stores_and_this_units_together() -> None:
    store = MemoryStore()
    with store.unit() as unit:
        unit.commit(Changes(arms={("gift", "s", "a"): ArmResult(3, 1)}))
    with store.unit() as unit:
        work = Work(unit, 5)
        work.count(CountArm("gift", "s", "a", tried=1))
        assert work.results("gift", "s") == {"a": ArmResult(4, 1)}
        work.count(CountArm("gift", "s", "b", tried=1, won=1))
        work.count(CountArm("gift", "other", "b", won=1))
        assert work.results("gift", "s") == {"a": ArmResult(4, 1), "b": ArmResult(1, 1)}
        unit.commit(work.flush())
    assert store.arms("gift", "s") == {"a": ArmResult(4, 1), "b": ArmResult(1, 1)}


def test_an_account_put_in_a_unit_is_seen_by_the_next_decision() -> None:
    store = MemoryStore()
    with store.unit() as unit:
        work = Work(unit, 5)
        assert work.account("acme") is None
        work.put_account(Account("acme", {"seats": 3}))
        assert work.account("acme") == Account("acme", {"seats": 3})
        unit.commit(work.flush())
    assert store.accounts(["acme"]) == {"acme": Account("acme", {"seats": 3})}


def test_who_is_underway_counts_what_the_unit_changed_before_and_after_it_is_asked() -> None:
    store = MemoryStore()
    mei = put_runs(store, "mei", run("r1"), run("r2", "v2"))
    li = put_runs(store, "li", run("r3"), run("r4", ended=3))
    with store.unit() as unit:
        work = Work(unit, 5)
        work.put(Customer("mei", 1, runs=(run("r1", ended=4), *mei.runs[1:])))
        assert work.underway("gift", "v2") == 1
        assert work.underway("gift", "v1") == 1
        work.put(Customer("new", 1, runs=(run("r5"), run("r6"))))
        assert work.underway("gift", "v2") == 3
        work.put(Customer("li", 1))
        assert work.underway("gift", "v2") == 2
        work.merge("new", Customer("li", 1, runs=li.runs))
        assert work.underway("gift", "v2") == 1
        assert work.underway("gift", "v9") == 2
        assert work.underway("none", "v1") == 0


def test_a_withdrawn_touch_is_cancelled_whether_the_unit_knows_it_or_not() -> None:
    def touch(name: str) -> Touch:
        return Touch(name, "r1", "gift", "v1", "1", "c1", "sms", "x", "+861", "marketing", planned=1, due=1)

    store = MemoryStore()
    with store.unit() as unit:
        unit.commit(Changes(touches=[touch("old")]))
    with store.unit() as unit:
        work = Work(unit, 5)
        plan: Any = PlanTouch(touch("new"))
        carry(
            work, Decision(Customer("c1", 1), (plan, CancelTouch("new", "displaced"), CancelTouch("old", "displaced")))
        )
        assert work.rows["new"].state is TouchState.CANCELLED
        unit.commit(work.flush())
    assert {(row.state, row.reason) for row in store.touches(["new", "old"]).values()} == {
        (TouchState.CANCELLED, "displaced")
    }


# --- through the log


def paid(n: int, user: str) -> bytes:
    return encode(Event(f"m{n}", "order_paid", n, n, identifiers={"user_id": user}))


def test_each_customer_of_a_batch_gets_a_code_of_its_own() -> None:
    store, log = stocked("A", "B"), MemoryLog()
    log.append([paid(1, "mei"), paid(2, "li"), paid(3, "wang")])
    log.append([encode(Event("late", "seen", 2 * HOUR, 2 * HOUR, identifiers={"user_id": "x"}))])
    assert advance(store, log, ONLY) is not None
    assert [row.code for row in store.coupons()] == ["B", "A"]
    assert len({row.customer for row in store.coupons()}) == 2
    outcomes = sorted(one.outcome for customer in store.scan("", 9) for one in customer.runs)
    assert store.pools() == [PoolRow("SPRING10", 0, 2)], outcomes
    assert store.dead_letters() == []


def test_stock_takes_its_place_in_the_log_and_a_repeat_changes_nothing() -> None:
    store, log = MemoryStore(), MemoryLog()
    word = Directive("d1", "stock", 5, 5, subject="SPRING10", properties={"codes": ["A", "B"]})
    more = Directive("d2", "stock", 6, 6, subject="SPRING10", properties={"codes": ["B", "C"]})
    log.append([encode(word), encode(word), encode(more)])
    while advance(store, log, ONLY):
        pass
    assert store.codes("SPRING10", 9) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("pool", "codes"),
    [
        ("SPRING 10", ["A"]),
        ("SPRING10", []),
        ("SPRING10", ["A", "B B"]),
        ("SPRING10", ["A", 7]),
        ("SPRING10", ["A" * 65]),
        ("SPRING10", "ABC"),
        ("SPRING10", ["A"] * (CHUNK + 1)),
    ],
)
def test_wrong_stock_is_a_dead_letter_and_adds_no_code(pool: str, codes: Any) -> None:
    store, log = MemoryStore(), MemoryLog()
    log.append([encode(Directive("d1", "stock", 5, 5, subject=pool, properties={"codes": codes}))])
    done = advance(store, log, ONLY)
    assert done is not None
    assert (done.dead, store.pools()) == (1, [])
    with pytest.raises(BadInput):
        check_stock(pool, codes)


@pytest.mark.parametrize("code", ["A", "春节-88", "a,b;c", "x" * 64])
def test_a_code_is_anything_printable_without_a_space(code: str) -> None:
    assert fault_of(code) == ""
    assert check_stock("SPRING10", [code]) == [code]


@pytest.mark.parametrize("name", ["-x", "a b", "a/b", "a.b", "x" * 65, "春"])
def test_a_pool_has_a_plain_name(name: str) -> None:
    assert not is_pool(name)

"""Every store keeps touches, attempts and receipts alike, and refuses a move that the delivery contract lacks."""

import msgspec
import pytest

from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.errors import IllegalMove
from engine.core.state import Customer, Run
from engine.ports import Attempt, Changes, FactRow, Store, TouchQuery, TouchRow
from tests.contracts.writing import write

S = TouchState
PATHS: dict[TouchState, tuple[TouchState, ...]] = {
    S.PLANNED: (),
    S.READY: (S.READY,),
    S.IN_FLIGHT: (S.READY, S.IN_FLIGHT),
    S.SENT: (S.READY, S.IN_FLIGHT, S.SENT),
    S.FAILED: (S.READY, S.IN_FLIGHT, S.FAILED),
    S.DEFERRED: (S.READY, S.IN_FLIGHT, S.DEFERRED),
    S.UNCERTAIN: (S.READY, S.IN_FLIGHT, S.UNCERTAIN),
    S.DROPPED: (S.DROPPED,),
}


def touch(name: str, **fields: object) -> Touch:
    made = Touch(name, "r1", "welcome", "v1", "1", "c1", "email", "hello", "mei@brand.example", "marketing", 1, due=10)
    return msgspec.structs.replace(made, **fields)


def plan(store: Store, *touches: Touch) -> None:
    write(store, Changes(touches=list(touches)))


def bring(store: Store, name: str, to: TouchState, **fields: object) -> TouchRow:
    """Move a planned touch along the contract's edges; the fields are set with the last move."""
    for state in PATHS[to]:
        row = msgspec.structs.replace(store.touches([name])[name], state=state)
        write(store, Changes(rows=[msgspec.structs.replace(row, **fields) if state is to else row]))
    return store.touches([name])[name]


def ids(rows: list[TouchRow]) -> list[str]:
    return [row.touch.id for row in rows]


def test_a_planned_touch_is_there_once(store: Store) -> None:
    plan(store, touch("t1", variables={"name": "梅", "n": 1}))
    plan(store, touch("t1", address="other@brand.example"), touch("t2"))
    rows = store.touches(["t1", "t2", "t3"])
    assert sorted(rows) == ["t1", "t2"]
    assert rows["t1"] == TouchRow(touch("t1", variables={"name": "梅", "n": 1}), S.PLANNED, due=10, updated=1)


def test_planning_again_does_not_move_a_touch_that_went_on(store: Store) -> None:
    plan(store, touch("t1"))
    bring(store, "t1", S.SENT, provider="smtp", provider_id="m1")
    plan(store, touch("t1"))
    assert store.touches(["t1"])["t1"].state is S.SENT


def test_a_row_comes_back_as_written(store: Store) -> None:
    plan(store, touch("t1"))
    fields = {
        "due": 7,
        "updated": 8,
        "token": 2,
        "lease_until": 99,
        "first_attempt": 5,
        "provider": "smtp",
        "provider_id": "m1",
        "reason": "transient",
        "detail": "451 稍后",
        "facts": 5,
        "body_hash": "ab",
        "content": b"\x00\xff",
    }
    row = bring(store, "t1", S.IN_FLIGHT, **fields)
    assert {name: getattr(row, name) for name in fields} == fields
    with store.unit() as unit:
        assert unit.touches(["t1"]) == {"t1": row}


def test_a_planned_touch_itself_never_changes(store: Store) -> None:
    plan(store, touch("t1"))
    row = store.touches(["t1"])["t1"]
    moved = msgspec.structs.replace(row, touch=touch("t1", address="thief@evil.example"), state=S.READY)
    write(store, Changes(rows=[moved]))
    assert store.touches(["t1"])["t1"].touch.address == "mei@brand.example"
    assert store.touches(["t1"])["t1"].state is S.READY


@pytest.mark.parametrize(("at", "to"), [(S.PLANNED, S.SENT), (S.SENT, S.READY), (S.IN_FLIGHT, S.READY)])
def test_an_illegal_move_is_refused_and_nothing_of_its_unit_is_written(
    store: Store, at: TouchState, to: TouchState
) -> None:
    plan(store, touch("t1"), touch("t2"))
    row = bring(store, "t1", at)
    bad = msgspec.structs.replace(row, state=to)
    good = msgspec.structs.replace(store.touches(["t2"])["t2"], state=S.READY)
    changes = Changes(
        offset=9,
        seen={1: 9},
        customers={"new": Customer("new", 1, wake=3)},
        identifiers={"user_id:new": "new"},
        touches=[touch("t3")],
        rows=[good, bad],
        flags={"stop:*": "no"},
    )
    with pytest.raises(IllegalMove, match="t1"), store.unit() as unit:
        unit.commit(changes)
    assert store.touches(["t1"])["t1"].state is at
    assert store.touches(["t2"])["t2"].state is S.PLANNED
    assert [store.touches(["t3"]), store.customers(["new"]), store.resolve(["user_id:new"]), store.seen([1])] == [
        {}
    ] * 4
    assert (store.position(), store.next_due(), store.flags()) == (0, 0, {})
    with store.unit() as unit:  # the writer's caches forgot it too
        assert [unit.customers(["new"]), unit.resolve(["user_id:new"]), unit.seen([1])] == [{}] * 3
        unit.commit(Changes(offset=1, customers={"other": Customer("other", 1)}, touches=[touch("t4")]))
    assert sorted(store.touches(["t3", "t4"])) == ["t4"]


def test_a_touch_that_was_never_planned_cannot_move(store: Store) -> None:
    with pytest.raises(IllegalMove, match="ghost"):
        write(store, Changes(rows=[TouchRow(touch("ghost"), S.READY, 1, 1)]))


def test_moves_in_one_unit_are_checked_one_after_the_other(store: Store) -> None:
    plan(store, touch("t1"))
    row = store.touches(["t1"])["t1"]
    steps = [msgspec.structs.replace(row, state=state) for state in (S.READY, S.IN_FLIGHT)]
    write(store, Changes(rows=steps))
    assert store.touches(["t1"])["t1"].state is S.IN_FLIGHT
    assert store.counts().touches == {("welcome", "email", "in_flight"): 1}


def test_a_touch_may_be_planned_and_dropped_in_one_unit(store: Store) -> None:
    write(store, Changes(touches=[touch("t1")], rows=[TouchRow(touch("t1"), S.DROPPED, 10, 1, reason="consent")]))
    assert store.touches(["t1"])["t1"].reason == "consent"
    assert store.sendable(99, 10) == []


def test_sendable_is_by_priority_then_due_and_only_what_may_be_leased(store: Store) -> None:
    plan(
        store,
        touch("late", due=30),
        touch("early", due=10),
        touch("urgent", due=20, priority=5),
        touch("future", due=500, priority=9),
        touch("sms", due=15, channel="sms"),
        touch("flying", due=1, priority=9),
        touch("again", due=11),
    )
    bring(store, "flying", S.IN_FLIGHT, lease_until=50)
    bring(store, "again", S.DEFERRED, due=25)
    assert ids(store.sendable(99, 10)) == ["urgent", "early", "sms", "again", "late"]
    assert ids(store.sendable(99, 2)) == ["urgent", "early"]
    assert ids(store.sendable(15, 10)) == ["early", "sms"]
    assert ids(store.sendable(99, 10, ["sms"])) == ["sms"]
    assert ids(store.sendable(99, 10, ["wechat", "sms", "sms"])) == ["sms"]
    assert store.sendable(99, 10, []) == []
    with store.unit() as unit:
        assert ids(unit.sendable(99, 3)) == ["urgent", "early", "sms"]


def test_next_send_is_the_earliest_due_of_the_channels_asked(store: Store) -> None:
    assert store.next_send() == 0
    plan(store, touch("t1", due=30), touch("t2", due=20, priority=9), touch("t3", due=25, channel="sms"))
    assert (store.next_send(), store.next_send(["sms"]), store.next_send(["wechat"])) == (20, 25, 0)
    bring(store, "t2", S.IN_FLIGHT)
    assert store.next_send() == 25


def test_lapsed_leases_come_longest_ago_first(store: Store) -> None:
    plan(store, touch("a"), touch("b"), touch("c"))
    bring(store, "a", S.IN_FLIGHT, lease_until=30)
    bring(store, "b", S.IN_FLIGHT, lease_until=20)
    bring(store, "c", S.UNCERTAIN, lease_until=10)
    assert ids(store.lapsed(30, 10)) == ["b"]
    assert ids(store.lapsed(31, 10)) == ["b", "a"]
    assert ids(store.lapsed(31, 1)) == ["b"]


def test_cancelling_a_run_stops_what_has_not_left(store: Store) -> None:
    plan(store, touch("planned"), touch("deferred"), touch("flying"), touch("sent"), touch("other", run="r2"))
    bring(store, "deferred", S.DEFERRED, due=40)
    bring(store, "flying", S.IN_FLIGHT)
    bring(store, "sent", S.SENT)
    write(store, Changes(now=77, touches=[touch("fresh")], cancelled=[("r1", "exited"), ("r1", "again"), ("r9", "")]))
    rows = store.touches(["planned", "deferred", "flying", "sent", "other", "fresh"])
    assert {name: row.state for name, row in rows.items()} == {
        "planned": S.CANCELLED,
        "deferred": S.CANCELLED,
        "flying": S.IN_FLIGHT,
        "sent": S.SENT,
        "other": S.PLANNED,
        "fresh": S.CANCELLED,
    }
    assert (rows["planned"].reason, rows["planned"].updated) == ("exited", 77)
    assert store.counts().touches["welcome", "email", "cancelled"] == 3
    assert ids(store.sendable(99, 10)) == ["other"]


def test_an_outcome_and_a_cancellation_in_one_unit_end_cancelled(store: Store) -> None:
    plan(store, touch("t1"))
    row = bring(store, "t1", S.IN_FLIGHT)
    write(store, Changes(rows=[msgspec.structs.replace(row, state=S.DEFERRED)], cancelled=[("r1", "exited")]))
    assert store.touches(["t1"])["t1"].state is S.CANCELLED


def test_a_provider_names_a_touch_by_its_own_id_and_the_address(store: Store) -> None:
    plan(store, touch("t1", address="a"), touch("t2", address="b"), touch("t3", address="c"))
    bring(store, "t1", S.SENT, provider="aliyun", provider_id="batch")
    bring(store, "t2", S.SENT, provider="aliyun", provider_id="batch")
    bring(store, "t3", S.SENT, provider="aliyun", provider_id="single")

    def named(provider: str, provider_id: str, recipient: str = "") -> str:
        row = store.touch_by_provider(provider, provider_id, recipient)
        return row.touch.id if row else ""

    assert named("aliyun", "batch", "b") == "t2"
    assert named("aliyun", "batch") == named("aliyun", "batch", "z") == ""  # two could be meant
    assert named("aliyun", "single") == named("aliyun", "single", "another spelling of c") == "t3"
    assert named("smtp", "single") == named("aliyun", "") == named("aliyun", "nothing") == ""


def test_the_delivery_log_is_found_by_every_field_newest_first(store: Store) -> None:
    write(store, Changes(runs={"r1": ("c1", Run("r1", "welcome", "v1", 1)), "r2": ("c2", Run("r2", "win", "v1", 1))}))
    plan(
        store,
        touch("t1", planned=1),
        touch("t2", planned=2, channel="sms", template="bye"),
        touch("t3", planned=3, journey="win", run="r2", customer="c2"),
    )
    bring(store, "t2", S.READY)

    def found(**fields: object) -> list[str]:
        return ids(store.find_touches(msgspec.structs.replace(TouchQuery(), **fields)))

    assert found() == ["t3", "t2", "t1"]
    assert found(limit=1) == ["t3"]
    assert found(journey="welcome") == ["t2", "t1"]
    assert found(channel="sms") == found(template="bye") == found(state="ready") == ["t2"]
    assert found(customer="c2") == found(run="r2") == ["t3"]
    assert found(since=2) == ["t3", "t2"]
    assert found(journey="welcome", channel="email") == ["t1"]
    assert found(customer="nobody") == found(run="none") == []


def test_a_merged_customers_past_is_found_under_the_winner(store: Store) -> None:
    write(
        store,
        Changes(
            customers={"anon": Customer("anon", 1), "user": Customer("user", 1)},
            runs={"r1": ("anon", Run("r1", "welcome", "v1", 1))},
            touches=[touch("t1", customer="anon")],
        ),
    )
    write(store, Changes(merged={"anon": "user"}, touches=[touch("t2", customer="anon")]))
    assert ids(store.find_touches(TouchQuery(customer="user"))) == ["t2", "t1"]
    assert ids(store.find_touches(TouchQuery(customer="anon"))) == ["t2", "t1"]


def test_attempts_are_kept_by_token(store: Store) -> None:
    first, second = Attempt("t1", 1, started=5), Attempt("t1", 2, started=9)
    write(store, Changes(attempts=[second, first]))
    ended = msgspec.structs.replace(first, ended=6, outcome="deferred", reason="transient")
    write(store, Changes(attempts=[ended, Attempt("t2", 1, started=1)]))
    assert store.attempts("t1") == [ended, second]
    assert store.attempts("t9") == []


def test_a_receipt_is_kept_once_and_in_order(store: Store) -> None:
    opened = FactRow("f2", "t1", "opened", at=9)
    write(store, Changes(facts=[opened, FactRow("f1", "t1", "delivered", at=4)]))
    write(store, Changes(facts=[FactRow("f2", "", "opened", at=10), FactRow("f2", "t1", "opened", at=11)]))
    assert [fact.id for fact in store.facts("t1")] == ["f1", "f2"]
    assert store.facts("t1")[1] == opened
    assert (store.has_fact("f1"), store.has_fact("f9")) == (True, False)
    assert store.facts("") == []


def test_a_parked_receipt_waits_for_its_touch(store: Store) -> None:
    early = FactRow("f1", "", "delivered", at=4, provider="aliyun", provider_id="x")
    write(store, Changes(facts=[early, FactRow("f2", "", "opened", at=5, provider="smtp", provider_id="x")]))
    assert store.parked("aliyun", "x") == [early]
    assert store.counts().parked == 2
    write(store, Changes(facts=[msgspec.structs.replace(early, touch="t1")]))
    assert store.parked("aliyun", "x") == []
    assert [fact.id for fact in store.facts("t1")] == ["f1"]
    assert store.counts().parked == 1
    assert store.has_fact("f2")

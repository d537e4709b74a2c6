"""Several processes work on one store: who may, who waits for whom, and who must do it again."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.errors import BadSetting, Conflict, Fenced, RulesMoved, StoreAway
from engine.core.state import Account, Customer
from engine.ports import Changes, JobRow, ScheduleRow, TouchRow, Turn
from engine.ports.partitions import home_of, pack
from engine.store.postgres import PostgresStore
from tests.contracts.writing import customer, save, write
from tests.store_postgres.conftest import Opener

P = 4


def at_home(partition: int, n: int = 0, **fields: object) -> Customer:
    """Return the nth customer of a name that lives in the partition."""
    names = (f"c{k}" for k in range(10_000))
    return customer([name for name in names if home_of(name, P) == partition][n], **fields)


def change(store: PostgresStore, terms: Turn, changes: Changes) -> None:
    with store.turn(terms) as turn:
        assert turn is not None
        with turn.unit() as unit:
            unit.customers(changes.customers)
            unit.resolve(changes.identifiers)
            unit.commit(changes)


def beside(work: Any) -> "Future[Any]":
    """Let a thread do it."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def until(is_so: Callable[[], bool]) -> None:
    """Wait, not for ever, until another thread got somewhere."""
    for _ in range(2_000):
        if is_so():
            return
        threading.Event().wait(0.01)
    pytest.fail("the other thread got nowhere")


# --- partitions -------------------------------------------------------------------------------------


def test_customers_get_the_home_that_every_program_reckons(store: PostgresStore) -> None:
    before = [customer(f"c{n}", wake=n + 1) for n in range(20)]
    save(store, *before)
    store.arrange(P)
    after = [customer(f"d{n}", wake=n + 1) for n in range(20)]
    write(store, Changes(customers={one.id: one for one in after}))
    for partition in range(1, P + 1):
        store.take(partition, "me", 1)
        with store.turn(Turn(partition, "me")) as turn:
            assert turn is not None
            mine = {one.id for one in [*before, *after] if home_of(one.id, P) == partition}
            assert {name for name, _ in turn.due(99, 99)} == mine
            assert {one.id for one in turn.scan("", 99)} == mine
    assert len(store.due(99, 99)) == 40
    assert store.next_due() == 1


def test_a_store_keeps_the_number_of_partitions_it_was_begun_with(store: PostgresStore, another: Opener) -> None:
    store.arrange(P)
    another().arrange(P)
    with pytest.raises(BadSetting, match="4 partitions"):
        another().arrange(P + 1)


def test_each_partition_has_its_own_position_and_time(store: PostgresStore) -> None:
    store.arrange(P)
    assert store.take(1, "me", 5) == 0
    change(store, Turn(1, "me"), Changes(offset=pack(1, 0, 1), now=70))
    write(store, Changes(offset=3, now=80))
    rows = {row.partition: row for row in store.partitions()}
    assert (rows[1].position, rows[1].time, rows[1].owner) == (pack(1, 0, 1), 70, "me")
    assert (rows[2].position, rows[2].time, rows[2].owner) == (0, 0, "")
    assert (store.position(), store.lived()) == (3, 0)
    assert store.take(1, "other", 9) == pack(1, 0, 1)


def test_only_the_owner_says_up_to_when_a_partition_is_lived_through(store: PostgresStore) -> None:
    store.arrange(2)
    for partition in (1, 2):
        store.take(partition, "me", 1)
    store.beat("me", {1: 50, 2: 60}, 7)
    store.beat("somebody else", {1: 90, 2: 90}, 8)
    store.beat("me", {1: 40}, 9)
    assert store.lived() == 50
    assert [(row.time, row.beat) for row in store.partitions()[1:]] == [(50, 9), (60, 7)]


def test_a_zombie_is_fenced(store: PostgresStore, another: Opener) -> None:
    store.arrange(P)
    store.take(1, "old", 1)
    another().take(1, "new", 2)
    with pytest.raises(Fenced, match="belongs to new"), store.turn(Turn(1, "old")):
        pytest.fail("it has no turn")


def test_a_takeover_waits_for_the_turn_that_is_under_way(store: PostgresStore, another: Opener) -> None:
    store.arrange(P)
    store.take(1, "old", 1)
    with store.turn(Turn(1, "old")) as turn:
        taken = beside(lambda: another().take(1, "new", 2))
        assert turn is not None
        with turn.unit() as unit:
            unit.commit(Changes(offset=pack(1, 8, 1), now=3))
    assert taken.result(timeout=20) == pack(1, 8, 1)


def test_schedules_are_every_partitions_own(store: PostgresStore) -> None:
    write(store, Changes(schedules=[ScheduleRow("spring", "v1", 10, expanding=10, cursor="c4")]))
    store.arrange(2)
    change(store, Turn(1), Changes(schedules=[ScheduleRow("spring", "v1", 99)]))
    with store.turn(Turn(1)) as one, store.turn(Turn(2)) as two:
        assert one is not None
        assert two is not None
        assert one.schedules() == [ScheduleRow("spring", "v1", 99)]
        assert two.schedules() == [ScheduleRow("spring", "v1", 10, expanding=10, cursor="c4")]
    assert store.schedules() == [ScheduleRow("spring", "v1", 10, expanding=10, cursor="c4")]
    write(store, Changes(schedules=[ScheduleRow("summer", "v1", 5)]))
    with store.turn(Turn(2)) as two:
        assert two is not None
        assert [row.journey for row in two.schedules()] == ["summer", "spring"]
    assert [row.journey for row in store.schedules()] == ["summer", "spring"]
    write(store, Changes(gone=["spring", "summer"]))
    assert store.schedules() == []


def test_what_was_applied_is_kept_as_history(store: PostgresStore) -> None:
    store.arrange(P)
    with store.turn(Turn(1)) as turn:
        assert turn is not None
        turn.keep(lambda upto: [(place, 7, b"body") for place in (pack(1, 0, 1), pack(1, 0, 2)) if place <= upto])
        with turn.unit() as unit:
            unit.commit(Changes(offset=pack(1, 0, 1), now=7))
    assert store.database.select("SELECT place, at, body FROM entries", ()) == [(pack(1, 0, 1), 7, b"body")]


# --- the gate, duties and rules ---------------------------------------------------------------------


def test_who_works_alone_waits_for_everybody_and_keeps_everybody_out(store: PostgresStore, another: Opener) -> None:
    order: list[str] = []
    first, second = another(), another()

    def alone() -> None:
        with first.unit():
            order.append("alone")

    def after() -> None:
        with second.turn(Turn()):
            order.append("after")

    with store.turn(Turn()):
        waiting = beside(alone)
        until(lambda: _waiting(store) == 1)
        queued = beside(after)
        until(lambda: _waiting(store) == 2)
        order.append("first")
    waiting.result(timeout=20)
    queued.result(timeout=20)
    assert order == ["first", "alone", "after"]


def _waiting(store: PostgresStore) -> int:
    found = store.database.select(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (),
    )
    return int(found[0][0])


def test_a_duty_is_one_workers_at_a_time(store: PostgresStore, another: Opener) -> None:
    other = another()
    with store.turn(Turn(duty="jobs")) as mine, other.turn(Turn(duty="jobs")) as theirs:
        assert mine is not None
        assert theirs is None
        with other.turn(Turn(duty="sweep")) as sweep:
            assert sweep is not None
    with other.turn(Turn(duty="jobs")) as now_theirs:
        assert now_theirs is not None


def test_each_change_of_the_rules_is_a_new_epoch(store: PostgresStore) -> None:
    store.arrange(P)
    epoch = store.epoch()
    change(store, Turn(1, epoch=epoch), Changes(offset=pack(1, 0, 1)))
    assert store.epoch() == epoch
    for changes in (
        Changes(flags={"stop:*": "why"}),
        Changes(gone=["spring"]),
        Changes(jobs=[JobRow("fill", "scan")]),
        Changes(jobs=[JobRow("fill", "")]),
    ):
        write(store, changes)
        epoch += 1
        assert store.epoch() == epoch
    write(store, Changes(jobs=[JobRow("unheard of", "")], offset=4))
    assert store.epoch() == epoch
    with pytest.raises(RulesMoved), store.turn(Turn(1, epoch=epoch - 1)):
        pytest.fail("the rules are others")


# --- two at the same thing --------------------------------------------------------------------------


def test_two_who_meet_the_same_newcomer_do_not_make_two_of_it(store: PostgresStore, another: Opener) -> None:
    name, other = "email:mei@brand.example", another()
    with pytest.raises(Conflict), store.turn(Turn()) as turn:
        assert turn is not None
        with turn.unit() as unit:
            assert unit.resolve([name]) == {}
            change(other, Turn(), Changes(customers={"c1": customer("c1")}, identifiers={name: "c1"}))
            unit.commit(Changes(customers={"c2": customer("c2")}, identifiers={name: "c2"}))
    assert store.resolve([name]) == {name: "c1"}
    assert store.customers(["c2"]) == {}
    assert store.counts().customers == 1


@pytest.mark.parametrize(
    "changes",
    [
        Changes(customers={"c1": customer("c1")}),
        Changes(accounts={"acme": Account("acme")}),
        Changes(seen={7: 1}, now=5),
    ],
    ids=["customer", "account", "entry"],
)
def test_what_was_not_there_when_asked_must_still_not_be_there(
    store: PostgresStore, another: Opener, changes: Changes
) -> None:
    other = another()
    with pytest.raises(Conflict), store.turn(Turn()) as turn:
        assert turn is not None
        with turn.unit() as unit:
            assert (unit.customers(["c1"]), unit.accounts(["acme"]), unit.seen([7])) == ({}, {}, {})
            change(other, Turn(), changes)
            unit.commit(changes)


def test_an_entry_that_came_by_two_partitions_is_applied_once(store: PostgresStore, another: Opener) -> None:
    store.arrange(2)
    other = another()
    with pytest.raises(Conflict), store.turn(Turn(1)) as turn:
        assert turn is not None
        with turn.unit() as unit:
            unit.seen([7])
            with other.turn(Turn(2)) as theirs:
                assert theirs is not None
                with theirs.unit() as their_unit:
                    their_unit.seen([7])
                    their_unit.commit(Changes(offset=pack(2, 0, 1), seen={7: pack(2, 0, 1)}, now=10**15))
            unit.commit(Changes(offset=pack(1, 0, 1), seen={7: pack(1, 0, 1)}, now=5))
    assert store.seen([7]) == {7: pack(2, 0, 1)}


def test_who_reads_a_customer_to_change_it_waits_for_whoever_does(store: PostgresStore, another: Opener) -> None:
    save(store, customer("c1", stage="acquire"))
    other = another()
    read: list[str] = []

    def add() -> None:
        with other.turn(Turn()) as turn:
            assert turn is not None
            with turn.unit() as unit:
                found = unit.customers(["c1"])["c1"]
                read.append(found.stage)
                unit.commit(Changes(customers={"c1": customer("c1", stage=found.stage + "+")}))

    with store.turn(Turn()) as turn:
        assert turn is not None
        with turn.unit() as unit:
            assert unit.customers(["c1"])["c1"].stage == "acquire"
            adding = beside(add)
            until(lambda: _waits_for_a_row(store))
            assert another().customers(["c1"])["c1"].stage == "acquire"  # who only looks waits for nobody
            unit.commit(Changes(customers={"c1": customer("c1", stage="activate")}))
    adding.result(timeout=20)
    assert read == ["activate"]
    assert store.customers(["c1"])["c1"].stage == "activate+"


def _waits_for_a_row(store: PostgresStore) -> bool:
    waiting = (
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
    )
    return bool(store.database.select(waiting, ())[0][0])


def test_an_identifier_that_is_merged_meanwhile_is_followed(store: PostgresStore, another: Opener) -> None:
    name, other = "email:mei@brand.example", another()
    known = {"c1": customer("c1"), "c2": customer("c2", stage="retain")}
    write(store, Changes(customers=known, identifiers={name: "c1"}))

    def look() -> tuple[dict[str, str], str]:
        with other.turn(Turn()) as turn:
            assert turn is not None
            with turn.unit() as unit:
                return unit.resolve([name]), unit.customers(["c1"])["c1"].stage

    with store.turn(Turn()) as turn:
        assert turn is not None
        with turn.unit() as unit:
            unit.customers(["c1", "c2"])
            looking = beside(look)
            until(lambda: _waits_for_a_row(store))
            unit.commit(Changes(customers={"c2": known["c2"]}, merged={"c1": "c2"}))
    assert looking.result(timeout=20) == ({name: "c2"}, "retain")


def test_two_who_wait_for_each_other_are_told_so(store: PostgresStore, another: Opener) -> None:
    save(store, customer("c1"), customer("c2"))
    meet = threading.Barrier(2)

    def lock(mine: PostgresStore, names: list[str]) -> str:
        try:
            with mine.turn(Turn()) as turn:
                assert turn is not None
                with turn.unit() as unit:
                    unit.customers(names[:1])
                    meet.wait(20)
                    unit.customers(names[1:])
                    unit.commit(Changes())
        except Conflict:
            return "conflict"
        return "done"

    one, two = beside(lambda: lock(store, ["c1", "c2"])), beside(lambda: lock(another(), ["c2", "c1"]))
    assert sorted([one.result(timeout=30), two.result(timeout=30)]) == ["conflict", "done"]


def test_a_code_that_somebody_is_taking_is_nobody_elses(store: PostgresStore, another: Opener) -> None:
    write(store, Changes(stock=[("P", ["a", "b", "c"])]))
    with store.turn(Turn()) as mine, another().turn(Turn()) as theirs:
        assert mine is not None
        assert theirs is not None
        assert mine.codes("P", 2) == ["a", "b"]
        assert theirs.codes("P", 2) == ["c"]
    assert store.codes("P", 3) == ["a", "b", "c"]


def test_a_turn_that_is_left_without_a_commit_wrote_nothing(store: PostgresStore) -> None:
    with store.turn(Turn()) as turn:
        assert turn is not None
        with turn.unit() as unit:
            unit.customers(["c1"])
    assert store.counts().customers == 0
    save(store, customer("c1"))
    assert store.counts().customers == 1


def test_totals_add_up_whoever_wrote(store: PostgresStore, another: Opener) -> None:
    store.arrange(2)
    for partition, mine in ((1, store), (2, another())):
        people = {one.id: one for one in (at_home(partition, n, stage="acquire") for n in range(3))}
        change(mine, Turn(partition), Changes(customers=people))
    assert store.counts().stages == {"acquire": 6}


# --- what ends, comes back or is newer --------------------------------------------------------------


def test_a_stopped_workers_transaction_is_ended_by_the_server(store: PostgresStore, another: Opener) -> None:
    store.arrange(P)
    store.take(1, "old", 1)
    with pytest.raises(StoreAway), store.turn(Turn(1, "old")) as turn:
        assert turn is not None
        store_session(turn, "SET idle_in_transaction_session_timeout = '200ms'")
        taken = beside(lambda: another().take(1, "new", 2))
        assert taken.result(timeout=20) == 0
        turn.position()
        turn.flags()
    with pytest.raises(Fenced), store.turn(Turn(1, "old")):
        pytest.fail("it has no turn")


def store_session(turn: Any, statement: str) -> None:
    """Set something for the turn's connection alone."""
    turn._session.connection.execute(statement.encode())
    turn._session.connection.execute(b"SELECT 1")


def test_a_dispatcher_looks_at_customers_and_does_not_overwrite_what_came_meanwhile(
    store: PostgresStore, another: Opener
) -> None:
    touch = Touch("t1", "r1", "welcome", "v1", "1", "c1", "sms", "hi", "+86", "marketing", 1, due=1)
    write(store, Changes(customers={"c1": customer("c1")}, touches=[touch]))
    sender = another().claiming("d1", 1000, lambda: 10)
    other = another()
    dropped = TouchRow(touch, TouchState.DROPPED, 1, 2)
    with pytest.raises(Conflict), sender.unit() as unit:
        assert unit.customers(["c1"]) == {"c1": customer("c1")}
        change(other, Turn(), Changes(customers={"c1": customer("c1", stage="retain")}, rows=[dropped]))
        unit.commit(Changes(customers={"c1": customer("c1", stage="acquire")}))
    assert store.customers(["c1"])["c1"].stage == "retain"

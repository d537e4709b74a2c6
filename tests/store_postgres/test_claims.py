"""Dispatchers anywhere: what one is about to send nobody else is told to send, until its claim is over."""

from msgspec.structs import replace

from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.ports import Changes, TouchRow
from engine.store.postgres import PostgresStore
from tests.contracts.writing import customer, write
from tests.store_postgres.conftest import Opener


class Hands:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.at = 100

    def now(self) -> int:
        return self.at


def plan(store: PostgresStore, count: int, *, due: int = 10) -> list[Touch]:
    made = [
        Touch(f"t{n}", f"r{n}", "welcome", "v1", "1", "c1", "sms", "hi", "+86", "marketing", 1, due=due + n)
        for n in range(count)
    ]
    write(store, Changes(customers={"c1": customer("c1")}, touches=made))
    return made


def names(rows: list[TouchRow]) -> list[str]:
    return [row.touch.id for row in rows]


def test_two_dispatchers_get_different_touches(store: PostgresStore, another: Opener) -> None:
    plan(store, 5)
    clock = Hands()
    one, two = (another().claiming(name, 50, clock.now) for name in ("d1", "d2"))
    assert names(one.sendable(100, 3)) == ["t0", "t1", "t2"]
    assert names(two.sendable(100, 3)) == ["t3", "t4"]
    assert names(one.sendable(100, 9)) == ["t0", "t1", "t2"]  # its own it gets again
    assert (one.next_send(), two.next_send()) == (10, 13)


def test_a_claim_ends_by_itself(store: PostgresStore, another: Opener) -> None:
    plan(store, 2)
    clock = Hands()
    one, two = (another().claiming(name, 50, clock.now) for name in ("d1", "d2"))
    assert names(one.sendable(100, 9)) == ["t0", "t1"]
    assert two.sendable(100, 9) == []
    assert two.next_send() == 150
    clock.at = 150
    assert names(two.sendable(150, 9)) == ["t0", "t1"]
    assert one.next_send() == 200


def test_a_touch_that_was_put_off_is_anybodys_again(store: PostgresStore, another: Opener) -> None:
    (touch,) = plan(store, 1)
    clock = Hands()
    one, two = (another().claiming(name, 1_000, clock.now) for name in ("d1", "d2"))
    (row,) = one.sendable(100, 9)
    with one.unit() as unit:
        assert unit.touches([touch.id]) == {touch.id: row}
        unit.commit(Changes(rows=[replace(row, state=TouchState.READY, due=120, updated=100)]))
    assert two.next_send() == 120
    clock.at = 120
    assert names(two.sendable(120, 9)) == [touch.id]


def test_dispatchers_work_beside_partitions(store: PostgresStore, another: Opener) -> None:
    plan(store, 1)
    sender = another().claiming("d1", 50, Hands().now)
    with sender.unit() as first, sender.unit() as second:
        assert first.flags() == second.flags() == {}
    assert names(sender.sendable(100, 9, ["email"])) == []
    assert names(sender.sendable(100, 9, ["sms"])) == ["t0"]

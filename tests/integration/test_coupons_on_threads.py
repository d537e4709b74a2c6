"""Many customers, several threads, one store: every code issued is distinct and none is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.core.decide import Called
from engine.core.plan import Coupon, Manual, Plan, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import Changes, PoolRow, Store
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from engine.usecases.apply import happen
from engine.usecases.work import Work

THREADS, UNITS, CUSTOMERS = 6, 15, 10
PLAN = seal(
    Plan("gift", "Gift", "monetize", Manual(), (Coupon("1", "P", "2", next="2"), Stop("2")), purpose="transactional")
)
PLAYBOOK = Playbook([PLAN])


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield made
    made.close()


def enter(store: Store, thread: int) -> None:
    """Let the thread's customers enter the journey, some per unit; every third unit is given up at its end."""
    for number in range(UNITS):
        for attempt in range(2 if number % 3 == 0 else 1, 0, -1):
            with store.unit() as unit:
                work = Work(unit, 10)
                for place in range(CUSTOMERS):
                    customer = Customer(f"c{thread}-{number}-{place}", 1)
                    happen(work, PLAYBOOK, customer, Called("gift", "once"), 10)
                if attempt == 1:
                    unit.commit(work.flush())


def test_threads_that_issue_from_one_pool_never_share_a_code_and_lose_none(store: Store) -> None:
    everybody = THREADS * UNITS * CUSTOMERS
    with store.unit() as unit:
        unit.commit(Changes(stock=[("P", [f"CODE-{n:05}" for n in range(everybody - 50)])]))
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda thread: enter(store, thread), range(THREADS)))
    rows = store.coupons(limit=10 * everybody)
    assert {row.code for row in rows} == {f"CODE-{n:05}" for n in range(everybody - 50)}
    assert len(rows) == len({row.customer for row in rows}) == everybody - 50
    assert store.pools() == [PoolRow("P", 0, everybody - 50)]
    assert store.counts().customers == everybody

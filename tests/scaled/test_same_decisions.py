"""The same history through one embedded engine and through many workers: the same decisions, touches and customers."""

from collections.abc import Iterator, Sequence

import pytest

from config.scaled import Storage
from config.settings import Settings
from engine.bootstrap.database import opened
from engine.core.events import Entry, encode
from engine.core.ids import Micros
from engine.ports import Reader
from engine.runtime.engine import Engine
from engine.runtime.stream.engine import Logs
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.memory.shared import SharedMemoryStore
from engine.usecases.publish import in_force
from tests.scaled import cdnow
from tests.scaled.facts import Facts, differences, facts_of
from tests.scaled.herd import Herd, Pasture

CUSTOMERS = 120


def alone(entries: Sequence[Entry], until: Micros) -> Reader:
    """Return what one engine makes of the entries."""
    log, store = MemoryLog(), MemoryStore()
    log.append([encode(entry) for entry in entries])
    Engine(store, log, lambda: until, lambda: in_force(store, cdnow.audience())).drain()
    return store


@pytest.fixture(params=["memory", "postgres"])
def pasture(request: pytest.FixtureRequest, embedded: Facts) -> Iterator[Pasture]:
    """A store and logs that several share, empty."""
    sent_to = {id_: row.touch.customer for id_, row in embedded["touches"].items()}
    if request.param == "memory":
        memory = SharedMemoryStore()
        logs = Logs(memory.desk, memory.history, memory.history.find)
        yield Pasture(memory, logs, lambda: in_force(memory, cdnow.audience()), sent_to=sent_to)
        return
    opening = opened(Settings(store=Storage(url=request.getfixturevalue("postgres_url"))))
    try:
        yield Pasture(opening.store, opening.logs, lambda: in_force(opening.store, cdnow.audience()), sent_to=sent_to)
    finally:
        opening.store.close()


@pytest.fixture(scope="module")
def embedded() -> Facts:
    life = cdnow.live(CUSTOMERS)
    return facts_of(alone(life.entries, life.until))


def test_the_year_meets_what_it_is_meant_to_meet(embedded: Facts) -> None:
    journeys = {run.journey for _, run in embedded["runs"].values()}
    assert {"first-order", "second-order", "win-back", "sleeping"} <= journeys
    assert len(embedded["touches"]) > CUSTOMERS
    assert embedded["dead"] == {}


@pytest.mark.parametrize("seed", range(3))
def test_workers_in_any_order_decide_what_one_engine_decides(seed: int, embedded: Facts, pasture: Pasture) -> None:
    life = cdnow.live(CUSTOMERS)
    herd = Herd(pasture, seed)
    herd.live(life.entries, life.until)
    assert differences(embedded, facts_of(pasture.store)) == []
    assert herd.deaths > 0 and herd.rebalances > 2

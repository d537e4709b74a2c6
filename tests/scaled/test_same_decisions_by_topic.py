"""A slice of the year through a broker: worker processes decide from the topic what one engine decides from its log."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from engine.bootstrap.database import Opening, opened
from engine.core.events import Directive, Entry, Outcome, Receipt, encode
from engine.core.ids import Micros
from engine.ports.partitions import home_of, pack
from engine.runtime.stream import envelope
from engine.runtime.stream.keys import Keys
from engine.usecases.publish import in_force
from tests.crash.forked import nursery
from tests.scaled import cdnow
from tests.scaled.facts import differences, facts_of
from tests.scaled.ground import PARTITIONS, Field, Services, prepare
from tests.scaled.pastures import alone
from tests.scaled.roles import Role

CUSTOMERS: Final = 60
PATIENCE: Final = 120.0


@pytest.fixture
def field(tmp_path: Path, services: Services) -> Field:
    return prepare(tmp_path, services)


@pytest.fixture
def opening(field: Field) -> Iterator[Opening]:
    found = opened(field.ground.workspace().settings)
    yield found
    found.store.close()


@pytest.mark.slow
def test_workers_on_a_broker_decide_what_one_engine_decides(field: Field, opening: Opening) -> None:
    life = cdnow.live(CUSTOMERS)
    embedded = facts_of(alone(life.entries, life.until, cdnow.audience()))
    sent_to = {id_: row.touch.customer for id_, row in embedded["touches"].items()}
    history = History(field, opening, sent_to)
    history.begin(life.entries[0])
    nursery()
    workers = [Role(field.ground.root, "worker") for _ in range(2)]
    try:
        assert all(worker.wait_ready(60) for worker in workers)
        history.live(life.entries[1:], life.until)
    finally:
        for worker in workers:
            worker.close()
    assert differences(embedded, facts_of(opening.store)) == []


class History:
    """Puts a history into the topic and onto the desk, virtual time standing still meanwhile."""

    def __init__(self, field: Field, opening: Opening, sent_to: dict[str, str]) -> None:
        self._field, self._opening, self._sent_to = field, opening, sent_to
        self._places = dict.fromkeys(range(1, PARTITIONS + 1), 0)
        opening.store.arrange(PARTITIONS)

    def begin(self, publish: Entry) -> None:
        """Say the first word before there is any worker: what the folder holds is not published then."""
        self._opening.store.tide(publish.received)
        self._opening.logs.desk.append([encode(publish)])

    def live(self, entries: Sequence[Entry], until: Micros) -> None:
        """Let everything happen up to an instant, the operators' words each between the entries round it."""
        self._wait(self._is_desk_empty)
        waiting: list[Entry] = []
        for entry in entries:
            if isinstance(entry, Directive):
                self._pass(waiting, entry.received)
                waiting = []
                self._opening.logs.desk.append([encode(entry)])
                self._wait(self._is_desk_empty)
            else:
                waiting.append(entry)
        self._pass(waiting, until)

    def _pass(self, entries: Sequence[Entry], until: Micros) -> None:
        asyncio.run(self._produce(entries))
        self._wait(self._is_applied)
        self._opening.store.tide(until)
        self._wait(lambda: self._opening.store.lived() >= until)

    async def _produce(self, entries: Sequence[Entry]) -> None:
        store = self._opening.store
        keys = Keys(store, lambda: in_force(store).identity, PARTITIONS)
        parts: dict[int, list[bytes]] = {}
        for entry, partition in zip(entries, keys.partitions_of(entries, entries[-1].received), strict=True):
            home = partition
            if isinstance(entry, Outcome | Receipt):  # whoever sends knows the touch; here it may not be planned yet
                home = home_of(self._sent_to[entry.touch], PARTITIONS) - 1
            parts.setdefault(home, []).append(encode(entry))
        producer = AIOKafkaProducer(bootstrap_servers=self._field.broker, acks="all")
        await producer.start()
        try:
            for partition, bodies in parts.items():
                for start in range(0, len(bodies), 7):
                    (one,) = envelope.pack(bodies[start : start + 7])
                    sent = await producer.send_and_wait(self._field.topic, one.value, partition=partition)
                    self._places[partition + 1] = pack(partition + 1, sent.offset, one.entries)
        finally:
            await producer.stop()

    def _is_applied(self) -> bool:
        return all(row.position >= self._places.get(row.partition, 0) for row in self._opening.store.partitions())

    def _is_desk_empty(self) -> bool:
        return self._opening.store.position() >= self._opening.logs.desk.tail()

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, f"it does not get on: {self._opening.store.partitions()}"
            threading.Event().wait(0.05)

"""Whatever stands in the topic, a partition goes on: what cannot be applied becomes a dead letter that says why."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from engine.core.events import Directive, Event, Outcome, encode
from engine.core.ids import DAY, derive
from engine.ports import SharedStore
from engine.runtime.clock import SystemClock
from engine.runtime.stream import envelope
from engine.store.postgres import PostgresStore
from tests.crash.forked import nursery
from tests.scaled.ground import STEPPED, Field, Services, prepare
from tests.scaled.roles import Role
from tests.scaled.topic import set_marks

NOW: Final = SystemClock().now()
FAR: Final = 9_000_000_000_000_000_000
LONG: Final = "".join(derive("long", number) for number in range(800))
"""Twenty thousand characters that no index can make small."""


def event(**said: Any) -> bytes:
    """Return one event as a foreign producer writes it."""
    whole = {"type": "event", "id": "m", "name": STEPPED, "at": NOW, "identifiers": {"user_id": "somebody"}}
    return msgspec.json.encode(whole | said)


def ours(**said: Any) -> bytes:
    """Return an envelope of one event as our own producers write it, with whatever they let through."""
    known: dict[str, Any] = {"id": "o", "name": STEPPED, "at": NOW, "received": NOW, "identifiers": {"user_id": "own"}}
    return envelope.pack([encode(Event(**known | said))])[0].value


def nested(depth: int) -> bytes:
    return b'{"type":"event","name":"deep","at":1,"properties":{"p":' + b"[" * depth + b"]" * depth + b"}}"


REFUSED: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "garbage": bytes(range(256)),
    "text": b"a stray line of a log file",
    "a list": b"[1, 2, 3]",
    "half an object": b'{"type": "event", "name": "half',
    "an unknown version": bytes((0xC1, 99)) + b"\x91\xc4\x01x",
    "an envelope cut short": ours()[:-7],
    "an unknown kind": event(type="frobnicated"),
    "an outcome": encode(Outcome("t", 1, "sent", NOW, NOW)),
    "a word": encode(Directive("d", "stop", NOW, NOW, subject="*")),
    "a word in an envelope": envelope.pack([encode(Directive("d", "stop", NOW, NOW, subject="*"))])[0].value,
    "a giant": event(properties={"text": "x" * 3_000_000}),
    "depths": nested(100_000),
    "a name with NUL": event(id="n1", name="step\0ped"),
    "an identifier with NUL": event(id="n2", identifiers={"user_id": "some\0body"}),
    "an endless identifier": event(id="n3", identifiers={"user_id": LONG}),
    "nobody": event(id="n4", identifiers={}),
    "an instant that is none": event(id="n5", at=-FAR),
    "an instant beyond numbers": event(id="n6", at=FAR),
    "a text with NUL": event(id="n7", properties={"text": "a\0b"}),
    "a trait with NUL": event(id="n8", traits={"city": "a\0b"}),
    "half a character": event(id="n9", name="half").replace(b"half", b"\\ud800"),
    "a number too big": event(id="n10", properties={"m": 2**63}),
    "our own with NUL": ours(id="o1", identifiers={"user_id": "own\0er"}),
    "our own, endless": ours(id="o2", identifiers={"user_id": LONG}),
    "our own of nobody": ours(id="o3", identifiers={}),
}
"""What becomes a dead letter."""

TAKEN: Final[Mapping[str, bytes]] = {
    "long ago": event(id="t1", at=1, identifiers={"user_id": "t1"}),
    "received far ahead": ours(id="t2", received=NOW + 300 * DAY, identifiers={"user_id": "t2"}),
    "received long ago": ours(id="t3", received=1, identifiers={"user_id": "t3"}),
    "somebody else's key": event(id="t4", identifiers={"user_id": "t4"}),
    "a long text": event(id="t5", properties={"text": LONG}, traits={"text": LONG}, identifiers={"user_id": "t5"}),
    "a Segment message": b'{"type":"track","messageId":"t6","userId":"t6","event":"stepped","properties":{}}',
    "no number at all": ours(id="t7", properties={"n": float("nan")}, identifiers={"user_id": "t7"}),
    "an hour fast": event(id="t8", at=NOW + DAY // 24, identifiers={"user_id": "t8"}),
}
"""What is odd and is taken."""


@pytest.fixture
def field(tmp_path: Path, services: Services) -> Field:
    return prepare(tmp_path, services)


@pytest.fixture
def store(field: Field) -> Iterator[SharedStore]:
    opened = PostgresStore(field.database, connections=2)
    yield opened
    opened.close()


@pytest.mark.slow
def test_garbage_is_dead_lettered_with_its_reason_and_stops_nobody(field: Field, store: SharedStore) -> None:
    nursery()
    worker = Role(field.ground.root, "worker")
    try:
        assert worker.wait_ready(60)
        asyncio.run(_send(field, [*REFUSED.values(), *TAKEN.values()]))
        marks = set_marks(field)
        deadline = time.monotonic() + 60
        while not _are_past(store, marks):
            assert time.monotonic() < deadline, f"a partition is stuck: {store.partitions()}"
            assert not worker.wait_dead(0.2), "the worker died of what it read"
    finally:
        worker.close()
    letters = store.dead_letters(1_000)
    assert all(letter.reason for letter in letters)
    assert len(letters) == len(REFUSED) + 1, sorted(letter.reason for letter in letters)  # and the tombstone
    names = {f"user_id:t{number}" for number in range(1, len(TAKEN) + 1)}
    assert store.resolve(names).keys() == names
    assert store.flags() == {}, "a word in the topic was obeyed"
    assert store.resolve(["user_id:audit"]), "what came behind it was not applied"
    now = SystemClock().now()
    assert all(row.time <= now + DAY for row in store.partitions()), "somebody's clock took a partition ahead"


async def _send(field: Field, values: Sequence[bytes]) -> None:
    """Put everything into the topic, one partition after the other, under a key that means nothing, and a tombstone."""
    producer = AIOKafkaProducer(bootstrap_servers=field.broker, acks="all", max_request_size=20_000_000)
    await producer.start()
    try:
        for number, value in enumerate(values):
            await producer.send_and_wait(field.topic, value, key=b"\xff\x00 whose?", partition=number % 12)
        await producer.send_and_wait(field.topic, None, key=b"a tombstone", partition=4)
    finally:
        await producer.stop()


def _are_past(store: SharedStore, marks: Mapping[int, int]) -> bool:
    positions = {row.partition: row.position for row in store.partitions()}
    return all(positions[partition] >= place for partition, place in marks.items())

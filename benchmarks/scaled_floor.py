"""The bare floors of the scaled runtime: read the topic and upsert one row per event, a transaction per batch.

No identity, journeys, timers, touches or traces: the ceiling of any design with PostgreSQL behind a topic. Once by
a plain aiokafka loop whose partitions are dealt out by hand and whose offsets commit with the rows, once by a Faust
agent, the way its documentation teaches, and by a Faust agent that writes nothing at all.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import psycopg

from benchmarks.scaled_herd import Herd, Orders
from benchmarks.scaled_traffic import End, contents
from engine.core.events import Event

BATCH: Final = 500
"""Events, about, that one transaction of a floor writes: as many as one of the product's."""

_SCHEMA: Final = """
CREATE TABLE events (id text PRIMARY KEY, customer text NOT NULL, name text NOT NULL, body bytea NOT NULL);
CREATE TABLE positions (partition int PRIMARY KEY, next bigint NOT NULL);
"""
_UPSERT: Final = """
INSERT INTO events SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, name = excluded.name, body = excluded.body
"""
_ADVANCE: Final = """
INSERT INTO positions SELECT * FROM unnest(%s::int[], %s::bigint[])
ON CONFLICT (partition) DO UPDATE SET next = excluded.next
"""


class Read(NamedTuple):
    """A message of the topic."""

    partition: int
    offset: int
    value: bytes


def prepare(database: str) -> None:
    """Make the tables."""
    with psycopg.connect(database) as connection:
        connection.execute(_SCHEMA)


class Counted:
    """A round of a floor: its workers count what they have written; every event must be there, once."""

    def __init__(self, herd: Herd, database: str, goal: Sequence[End], distinct: int) -> None:
        self._herd, self._database, self._goal, self._distinct = herd, database, goal, distinct

    def is_ready(self) -> bool:
        """Workers of a floor are ready when they say so."""
        return True

    def is_done(self) -> bool:
        """Say whether the workers' counts have reached the ends."""
        return all(applied >= end.messages for applied, end in zip(self._herd.applied, self._goal, strict=True))

    def judge(self) -> tuple[bool, str]:
        """Count the events; a floor that keeps nothing is not judged."""
        if not self._distinct:
            return True, "nothing kept, nothing judged"
        with psycopg.connect(self._database) as connection:
            row = connection.execute("SELECT count(*) FROM events").fetchone()
        kept = 0 if row is None else int(row[0])
        return kept == self._distinct, f"{kept} of {self._distinct} events kept"

    def close(self) -> None:
        """Nothing is open."""


def _upsert(connection: psycopg.Connection[Any], found: Sequence[Read]) -> None:
    events: dict[str, tuple[Event, bytes]] = {}
    for read in found:
        for event, body in contents(read.value):
            events[event.id] = (event, body)
    ids = sorted(events)  # one order, or two workers lock each other's rows
    rows = [events[id_] for id_ in ids]
    whose = [entry.identifiers["user_id"] for entry, _ in rows]
    reached = {read.partition: read.offset + 1 for read in found}
    with connection.transaction():
        connection.execute(_UPSERT, (ids, whose, [entry.name for entry, _ in rows], [body for _, body in rows]))
        connection.execute(_ADVANCE, (list(reached), list(reached.values())))


def _count(orders: Orders, found: Sequence[Read]) -> None:
    for read in found:
        orders.applied[read.partition] = read.offset + 1


# --- aiokafka ----------------------------------------------------------------------------------------


def by_hand(orders: Orders) -> None:
    """Read with aiokafka and upsert."""
    asyncio.run(_by_hand(orders))


async def _by_hand(orders: Orders) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    with psycopg.connect(orders.database) as connection:
        consumer: Any = AIOKafkaConsumer(bootstrap_servers=orders.brokers, enable_auto_commit=False)
        await consumer.start()
        mine = [TopicPartition(orders.topic, number) for number in orders.mine()]
        consumer.assign(mine)
        for partition in mine:
            consumer.seek(partition, 0)
        orders.ready()
        limit = max(BATCH // orders.wish, 1)
        while not orders.told_to_stop():
            found = await consumer.getmany(timeout_ms=50, max_records=limit)
            reads = [Read(at.partition, one.offset, one.value) for at, records in found.items() for one in records]
            if reads:
                await asyncio.to_thread(_upsert, connection, reads)
                _count(orders, reads)
        await consumer.stop()
    orders.line.send("")


# --- Faust -------------------------------------------------------------------------------------------


def faust_upserting(orders: Orders) -> None:
    """Take batches with a Faust agent and upsert."""
    with psycopg.connect(orders.database) as connection:

        async def agent(stream: Any) -> None:
            async for events in stream.take_events(max(BATCH // orders.wish, 1), within=0.05):
                reads = [Read(one.message.partition, one.message.offset, one.value) for one in events]
                await asyncio.to_thread(_upsert, connection, reads)
                _count(orders, reads)

        asyncio.run(_under_faust(orders, agent))
    orders.line.send("")


def faust_reading(orders: Orders) -> None:
    """Pass every message through a Faust agent and do nothing with it."""

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            orders.applied[event.message.partition] = event.message.offset + 1

    asyncio.run(_under_faust(orders, agent))
    orders.line.send("")


async def _under_faust(orders: Orders, agent: Callable[[Any], Any]) -> None:
    import faust

    app: Any = faust.App(
        f"bench-{orders.topic}",
        datadir=tempfile.gettempdir(),
        broker=f"kafka://{orders.brokers}",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=0.5,
        consumer_auto_offset_reset="earliest",
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    app.agent(app.topic(orders.topic, **raw))(agent)
    rebalanced = asyncio.Event()

    async def hear(*_: Any, **__: Any) -> None:
        rebalanced.set()

    app.on_rebalance_complete.connect(hear)
    async with app:
        await rebalanced.wait()
        orders.ready()
        await asyncio.to_thread(orders.wait)
        with suppress(asyncio.CancelledError):
            await app.stop()

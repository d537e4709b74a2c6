"""The traffic of `workload.py` as messages of a topic: at home in its customer's partition, alone or in envelopes.

It is laid out before anything is timed, so that producing costs no more than handing bytes to the broker. Every
system of the scaled part reads the same messages.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.workload import Shape, accepted_at, messages, read, to_event, user_of
from engine.core.audience.identity import begin
from engine.core.events import Event, decode, encode
from engine.core.ids import MILLISECOND, Micros
from engine.ports.partitions import home_of
from engine.runtime.stream.envelope import pack, unpack

PARTITIONS: Final = 12
ENVELOPE: Final = 100
"""Entries in a full envelope. The last of each partition holds fewer."""

_IN_FLIGHT: Final = 500


class Packet(NamedTuple):
    """One message to produce; `events` counts what is in it, `at` is its timestamp (the last one's, for several)."""

    partition: int
    value: bytes
    events: int
    at: Micros


def partition_of(user: str) -> int:
    """Return the topic's partition (from 0) that a shop's user is at home in."""
    return home_of(begin({"user_id": user}, 0).id, PARTITIONS) - 1


def events_of(bodies: Sequence[bytes]) -> Iterator[Event]:
    """Yield the traffic as the HTTP face would make it."""
    return (to_event(read(body), accepted_at(number)) for number, body in enumerate(bodies))


def laid_out(shape: Shape, per_message: int) -> list[Packet]:
    """Return the traffic as envelopes of up to `per_message` entries, or (1) as one JSON event a message."""
    homes = [partition_of(user_of(number)) for number in range(shape.customers)]
    filling: list[list[Event]] = [[] for _ in range(PARTITIONS)]
    packets: list[Packet] = []
    for event in events_of(messages(shape)):
        partition = homes[int(event.identifiers["user_id"][1:])]
        filling[partition].append(event)
        if len(filling[partition]) == per_message:
            packets.append(_packed(partition, filling[partition], per_message))
            filling[partition] = []
    return packets + [_packed(partition, left, per_message) for partition, left in enumerate(filling) if left]


def _packed(partition: int, events: list[Event], per_message: int) -> Packet:
    last = events[-1]
    if per_message == 1:
        return Packet(partition, msgspec.json.encode(last), 1, last.received)
    (envelope,) = pack([encode(event) for event in events])
    return Packet(partition, envelope.value, envelope.entries, last.received)


_as_json: Final = msgspec.json.Decoder(Event)


def contents(value: bytes) -> list[tuple[Event, bytes]]:
    """Return what a message holds, read as directly as can be: for the floors."""
    if value[:1] == b"{":
        return [(_as_json.decode(value), value)]
    return [(entry, body) for body in unpack(value, 0).entries if isinstance(entry := decode(body), Event)]


class End(NamedTuple):
    """Where a partition ends: how many messages it gets, and how many entries are in the last of them."""

    messages: int
    entries: int


def ends(packets: Sequence[Packet]) -> list[End]:
    """Return where each partition will end."""
    found = [End(0, 0)] * PARTITIONS
    for packet in packets:
        found[packet.partition] = End(found[packet.partition].messages + 1, packet.events)
    return found


def produce(brokers: str, topic: str, packets: Sequence[Packet]) -> None:
    """Hand all of it to the broker, in order within each partition, as fast as it takes it."""

    async def send() -> None:
        from aiokafka import AIOKafkaProducer

        producer: Any = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=2)
        await producer.start()
        waiting = []
        for packet in packets:
            at = packet.at // MILLISECOND
            waiting.append(await producer.send(topic, packet.value, partition=packet.partition, timestamp_ms=at))
            if len(waiting) >= _IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting = []
        await asyncio.gather(*waiting)
        await producer.stop()

    asyncio.run(send())

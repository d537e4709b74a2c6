"""What stands in one message of the topic: many entries of ours in an envelope, or one event of a foreign producer.

An envelope is 0xC1 (which begins neither msgpack nor JSON), a version, and a msgpack array of encoded entries. Pure; it
never raises over what it reads: what cannot be read is a reason. Called by the producer and by the worker's backlog.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from engine.core.errors import BadInput
from engine.core.events import Event, Identifiers, encode
from engine.core.ids import MINUTE, Micros, derive
from engine.ports.partitions import ENTRIES

LIMIT: Final = 900_000
"""Bytes of a message of ours: below the megabyte that a broker takes unless it is told otherwise."""

MOST: Final = ENTRIES - 1
"""Entries in one envelope."""

_MAGIC: Final = 0xC1
_VERSION: Final = 1
_HEAD: Final = bytes((_MAGIC, _VERSION))
_ROOM: Final = len(_HEAD) + 3
"""What the head and the array's own header take."""

_ENTRY_ROOM: Final = 5
"""What msgpack puts before bytes, at most."""

_LONGEST: Final = 16_000_000
_FOREIGN_LONGEST: Final = 256_000
_TEXT: Final = 256
_AHEAD: Final = 5 * MINUTE

_entries: Final = msgspec.msgpack.Decoder(list[bytes])
_array: Final = msgspec.msgpack.Encoder()


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A message to send, and how many entries it holds."""

    value: bytes
    entries: int


class Unpacked(msgspec.Struct, frozen=True, gc=False):
    """What one message holds: encoded entries, in order, and why what could not be read was not, in words."""

    entries: list[bytes]
    refused: list[str] = []


class Foreign(msgspec.Struct, frozen=True):
    """How the edge reads what others write; handed in, since the HTTP face is no business of the runtime's.

    `segment` (JSON object, received, id for one that has none) returns a Segment message's event; raises `BadInput`.
    `spell` returns identifiers in their normal form, without those that name nobody. `parse` reads JSON and
    raises `BadInput` for what cannot be stored, compared and rendered anywhere.
    """

    segment: Callable[[bytes, Micros, str], Event]
    spell: Callable[[Identifiers], Identifiers]
    parse: Callable[[bytes], Any]


def pack(bodies: Sequence[bytes], limit: int = LIMIT) -> list[Envelope]:
    """Return the envelopes that hold these encoded entries, in order, each of up to `limit` bytes.

    Raises `BadInput` for an entry that no envelope of the size can hold.

    >>> [unpack(one.value, 0).entries for one in pack([b"one", b"two"])]
    [[b'one', b'two']]
    """
    packed: list[Envelope] = []
    taken: list[bytes] = []
    room = limit - _ROOM
    for body in bodies:
        size = len(body) + _ENTRY_ROOM
        if not fits(body, limit):
            raise too_large(len(body), limit)
        if size > room or len(taken) == MOST:
            packed.append(_sealed(taken))
            taken, room = [], limit - _ROOM
        taken.append(body)
        room -= size
    return [*packed, _sealed(taken)] if taken else packed


def _sealed(bodies: list[bytes]) -> Envelope:
    return Envelope(_HEAD + _array.encode(bodies), len(bodies))


def fits(body: bytes, limit: int = LIMIT) -> bool:
    """Can an envelope hold this entry?"""
    return len(body) + _ENTRY_ROOM + _ROOM <= limit


def too_large(size: int, limit: int) -> BadInput:
    """Return what is said of an entry that no envelope can hold."""
    return BadInput(
        f"The entry has {size:,} bytes; a message of the stream holds {limit:,}",
        "Send less in one event, or raise stream.max_message and the broker's message.max.bytes together",
    )


def unpack(value: bytes, at: Micros, foreign: Foreign | None = None) -> Unpacked:
    """Return what a message that the broker got at the instant `at` holds.

    Entries of envelopes are not decoded here. Of others, one event is read: ours as msgpack or JSON (`received` is
    `at`), and a Segment message where `foreign` says how. Everything else is refused with the reason.
    """
    try:
        if not value:
            return _refuse("the message is empty")
        if len(value) > _LONGEST:
            return _refuse(f"the message has {len(value):,} bytes; {_LONGEST:,} are read at most")
        if value[0] == _MAGIC:
            return _open(value)
        return Unpacked([encode(_read(value, at, foreign))])
    except (BadInput, msgspec.MsgspecError) as problem:
        return _refuse(str(problem))
    except Exception as problem:  # a message that breaks its reader must not stop those behind it
        return _refuse(f"the message cannot be read: {type(problem).__name__}: {problem}")


def _refuse(reason: str) -> Unpacked:
    return Unpacked([], [reason[:500]])


def _open(value: bytes) -> Unpacked:
    if len(value) < len(_HEAD) or value[1] != _VERSION:
        version = value[1] if len(value) > 1 else "none"
        return _refuse(f"an envelope of version {version}; this journeyd reads version {_VERSION}: upgrade it")
    try:
        entries = _entries.decode(memoryview(value)[len(_HEAD) :])
    except msgspec.MsgspecError as problem:
        return _refuse(f"the envelope is broken: {problem}")
    if len(entries) > MOST:
        return _refuse(f"the envelope holds {len(entries):,} entries; {MOST:,} are read at most")
    return Unpacked(entries)


# --- one event of a foreign producer ---------------------------------------------------------------


def _read(value: bytes, at: Micros, foreign: Foreign | None) -> Event:
    if len(value) > _FOREIGN_LONGEST:
        raise BadInput(f"the event has {len(value):,} bytes; {_FOREIGN_LONGEST:,} are read at most", "send less")
    said = _object(value)
    kind = said.get("type")
    name = derive("message", at, sha256(value).hexdigest())
    is_json = value.lstrip().startswith(b"{")
    if kind == "event":
        if foreign is not None:
            said = foreign.parse(value if is_json else msgspec.json.encode(said))
        return _ours(said, at, name, foreign)
    if kind in ("outcome", "receipt", "directive", "erased"):
        raise BadInput(f"a single {kind} is not read from the topic", "only events are: type event, or Segment's")
    if foreign is None or not is_json:
        raise BadInput("the message is no event", 'write {"type": "event", "name": ..., "identifiers": {...}}')
    return foreign.segment(value, at, name)


def _object(value: bytes) -> dict[str, Any]:
    try:
        if value.lstrip()[:1] in (b"{", b"["):
            said = msgspec.json.decode(value)
        else:  # through JSON: a date or bytes of msgpack's own would be values that no rule knows
            said = msgspec.json.decode(msgspec.json.encode(msgspec.msgpack.decode(value)))
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise BadInput(f"the message is neither an envelope nor JSON nor msgpack: {problem}") from None
    if not isinstance(said, dict):
        raise BadInput("the message is not an object", 'write {"type": "event", ...}, or a Segment message')
    return said


def _ours(said: dict[str, Any], at: Micros, name: str, foreign: Foreign | None) -> Event:
    """Return an `Event` written as the core has it; its `received` is the broker's, its future is now."""
    event = msgspec.convert({"id": name, "at": at, "source": "stream", **said, "received": at}, Event)
    for text, field in ((event.id, "id"), (event.name, "name"), (event.source, "source")):
        if not text or len(text) > _TEXT or not text.isprintable():
            raise BadInput(f"{field} is not one line of up to {_TEXT} characters", "write a short text", field)
    if event.at <= 0:
        raise BadInput("at is not an instant", "write microseconds since 1970-01-01T00:00Z", "at")
    identifiers = event.identifiers if foreign is None else foreign.spell(event.identifiers)
    happened = at if event.at > at + _AHEAD else event.at
    return msgspec.structs.replace(event, at=happened, identifiers=identifiers)

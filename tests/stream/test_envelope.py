"""What one message of the topic holds: whatever bytes stand in it, entries or a reason come out, never a surprise."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bootstrap.foreign import foreign_of
from engine.core.audience.identity import RULES
from engine.core.errors import BadInput
from engine.core.events import Directive, Event, Outcome, Receipt, decode, encode
from engine.core.policy import Identity
from engine.runtime.stream.envelope import MOST, Foreign, pack, unpack

AT = 1_700_000_000_000_000
BODIES = st.lists(st.binary(max_size=200), max_size=60)


FOREIGN = foreign_of(Identity, "CN")


def as_json(**said: Any) -> bytes:
    return msgspec.json.encode({"type": "event", "name": "seen", "identifiers": {"user_id": "u1"}, **said})


def only(value: bytes, foreign: Foreign | None = FOREIGN) -> Event:
    unpacked = unpack(value, AT, foreign)
    assert unpacked.refused == []
    (body,) = unpacked.entries
    entry = decode(body)
    assert isinstance(entry, Event)
    return entry


def reason(value: bytes, foreign: Foreign | None = FOREIGN) -> str:
    unpacked = unpack(value, AT, foreign)
    assert unpacked.entries == []
    (said,) = unpacked.refused
    return said


# --- envelopes


@given(BODIES)
def test_what_is_packed_comes_out_in_order(bodies: list[bytes]) -> None:
    assert [body for one in pack(bodies) for body in unpack(one.value, AT).entries] == bodies


@given(BODIES, st.integers(min_value=300, max_value=2_000))
def test_no_envelope_is_larger_than_asked_for_and_each_says_how_many_it_holds(bodies: list[bytes], limit: int) -> None:
    packed = pack(bodies, limit)
    assert all(len(one.value) <= limit for one in packed)
    assert [len(unpack(one.value, AT).entries) for one in packed] == [one.entries for one in packed]
    assert [body for one in packed for body in unpack(one.value, AT).entries] == bodies


def test_more_entries_than_places_go_into_a_second_envelope() -> None:
    assert [one.entries for one in pack([b"x"] * (MOST + 5))] == [MOST, 5]


def test_an_entry_that_no_envelope_can_hold_is_bad_input() -> None:
    with pytest.raises(BadInput, match="10,000 bytes"):
        pack([b"x" * 10_000], 5_000)


def test_an_envelope_with_more_entries_than_places_is_refused() -> None:
    value = b"\xc1\x01" + msgspec.msgpack.encode([b"x"] * (MOST + 1))
    assert reason(value) == "the envelope holds 4,096 entries; 4,095 are read at most"


def test_an_envelope_of_a_later_version_asks_for_an_upgrade() -> None:
    assert "version 2" in reason(b"\xc1\x02whatever")
    assert "version none" in reason(b"\xc1")


def test_a_torn_envelope_is_refused_as_a_whole() -> None:
    (one,) = pack([b"one", b"two", b"three"])
    assert "broken" in reason(one.value[:-1])
    assert "broken" in reason(one.value + b"\0")


# --- whatever else


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_are_a_surprise(value: bytes) -> None:
    for foreign in (None, FOREIGN):
        unpacked = unpack(value, AT, foreign)
        assert len(unpacked.entries) + len(unpacked.refused) == 1 or value[:1] == b"\xc1"


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = ("type", "name", "at", "id", "identifiers", "properties", "received", "source", "event", "userId", "traits")


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(_FIELDS), _VALUES | st.sampled_from(["event", "track", "identify"])))
def test_no_object_is_a_surprise(said: dict[str, Any]) -> None:
    value = msgspec.json.encode(said) if all(_is_text(one) for one in said.values()) else b"{}"
    for foreign in (None, FOREIGN):
        for body in unpack(value, AT, foreign).entries:
            entry = decode(body)
            assert isinstance(entry, Event)
            assert entry.received == AT
            msgspec.json.encode(entry)


def _is_text(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return False
    return True


def test_a_tower_of_brackets_does_not_break_the_reader() -> None:
    assert reason(b"[" * 100_000)
    assert reason(b'{"type":' * 20_000)
    assert reason(b"\x81\xa1x" * 50_000)


@pytest.mark.parametrize("value", [b"", b" ", b"null", b"7", b'"text"', b"[]", b"\xc0", b"{}", b'{"type": "event"}'])
def test_what_is_no_event_is_refused(value: bytes) -> None:
    assert reason(value)


def test_a_giant_message_is_refused_by_its_size() -> None:
    assert "are read at most" in reason(as_json(properties={"x": "." * 300_000}))
    assert "are read at most" in reason(b"\xc1" + b"x" * 16_000_000)


# --- foreign producers


def test_an_event_in_json_is_read_and_received_when_the_broker_got_it() -> None:
    event = only(as_json(id="m1", at=AT - 5, received=AT * 2, properties={"total": 9.5}))
    assert (event.id, event.at, event.received, event.properties) == ("m1", AT - 5, AT, {"total": 9.5})


def test_an_event_without_id_and_instant_gets_both_and_the_same_ones_again() -> None:
    event = only(as_json())
    assert event.at == AT
    assert event.id
    assert only(as_json()).id == event.id
    assert only(as_json(properties={"x": 1})).id != event.id


def test_an_event_from_the_future_happened_now() -> None:
    assert only(as_json(at=AT + 400_000_000)).at == AT
    assert only(as_json(at=AT + 1_000_000)).at == AT + 1_000_000


def test_identifiers_are_spelled_as_the_edge_spells_them() -> None:
    event = only(as_json(identifiers={"email": " Mei@Brand.Example ", "phone": "13800138000", "shoe": "38"}))
    assert event.identifiers == {"email": "mei@brand.example", "phone": "+8613800138000"}
    assert RULES.usable(event.identifiers) == event.identifiers


def test_an_entry_of_ours_in_msgpack_is_read_alone() -> None:
    assert only(encode(Event("m1", "seen", 5, 6, identifiers={"user_id": "u1"}))).received == AT


def test_dates_and_bytes_of_msgpack_become_texts() -> None:
    value = msgspec.msgpack.encode({"type": "event", "name": "seen", "properties": {"x": b"\0\1", "n": float("nan")}})
    assert only(value).properties == {"x": "AAE=", "n": None}


def test_a_message_of_segments_shape_is_read_where_the_edge_lends_its_reader() -> None:
    value = b'{"type": "track", "event": "Order Paid", "userId": "u1", "properties": {"total": 5}}'
    event = only(value)
    assert (event.name, event.identifiers, event.received) == ("order_paid", {"user_id": "u1"}, AT)
    assert event.id == only(value).id
    assert "no event" in reason(value, None)


def test_what_the_edge_would_refuse_is_refused_with_its_words() -> None:
    assert "beyond" in reason(as_json(properties={"x": 1 << 60}))
    assert "type is not known" in reason(b'{"type": "greet", "userId": "u1"}')
    assert "needs the name" in reason(b'{"type": "track", "userId": "u1"}')
    assert "stands twice" in reason(b'{"type": "track", "type": "track"}')


@pytest.mark.parametrize(
    "entry",
    [
        Directive("d", "stop", 1, 1, subject="*"),
        Outcome("t", 1, "sent", 1, 1),
        Receipt("r", "OPENED", 1, 1, touch="t"),
    ],
)
def test_only_events_may_come_alone(entry: Directive | Outcome | Receipt) -> None:
    assert "is not read from the topic" in reason(encode(entry))
    assert "is not read from the topic" in reason(msgspec.json.encode(entry))


@pytest.mark.parametrize("wrong", [{"id": "x" * 300}, {"name": "two\nlines"}, {"at": -5}, {"at": "today"}, {"id": ""}])
def test_a_field_that_cannot_be_is_said(wrong: dict[str, Any]) -> None:
    assert reason(as_json(**wrong))

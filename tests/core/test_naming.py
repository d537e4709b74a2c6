"""How identifiers are spelled at the edges: one person written in two ways is one, and what cannot be names nobody."""

from hashlib import sha256
from typing import Any

import pytest

from engine.core.errors import BadInput
from engine.core.events import KINDS, Event
from engine.core.policy import KINDS as RULES
from engine.core.policy import IdentifierRule, Identity
from engine.http.mapping import to_event
from engine.http.naming import Naming, as_national_id

NAMING = Naming.of(
    Identity(
        (
            *RULES,
            IdentifierRule("member_card", like="user_id"),
            IdentifierRule("work_phone", like="phone"),
            IdentifierRule("passport", like="national_id"),
        )
    ),
    "CN",
)
ID = "11010519491231002X"
HASH = sha256(ID.encode()).hexdigest()


def event_of(message: dict[str, Any], naming: Naming = NAMING) -> Event:
    return to_event(message, kind="identify", source="shop", received=9, mint=lambda: "m", naming=naming)


def external(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"context": {"externalIds": [{"type": kind, "id": value} for kind, value in pairs]}}


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("user_id", " u1 ", "u1"),
        ("unionid", " oUnion ", "oUnion"),
        ("openid", "oA-1 ", "oA-1"),
        ("phone", "138 0013 8000", "+8613800138000"),
        ("phone", "0086-138-0013-8000", "+8613800138000"),
        ("phone", "+1 (650) 253-0000", "+16502530000"),
        ("phone", "12", ""),
        ("email", "Mei.Lin@Brand.EXAMPLE", "mei.lin@brand.example"),
        ("email", "mei@@brand", ""),
        ("national_id", ID.lower(), HASH),
        ("national_id", "110105 19491231 002X", HASH),
        ("national_id", HASH.upper(), HASH),
        ("member_card", " M1 ", "M1"),
        ("work_phone", "13800138000", "+8613800138000"),
        ("passport", "e1234567 8", sha256(b"E12345678").hexdigest()),
        ("shoe_size", "38", ""),
    ],
)
def test_each_kind_has_one_spelling(kind: str, given: str, expected: str) -> None:
    assert NAMING.normal(kind, given) == expected


@pytest.mark.parametrize(
    "given", ["", "null", "0", "unknown", "n/a", "110105194912310021", "1" * 18, "A" * 30, "身份证号码"]
)
def test_what_is_no_id_document_has_no_hash(given: str) -> None:
    assert as_national_id(given) == ""


def test_a_message_names_the_customer_by_kinds_of_the_workspace_too() -> None:
    event = event_of(external(("member_card", "M1"), ("work_phone", "13800138000"), ("shoe_size", "38"), ("openid", 7)))
    assert event.identifiers == {"member_card": "M1", "work_phone": "+8613800138000", "openid": "7"}
    plain = event_of(external(("member_card", "M1"), ("openid", "o1")), Naming())
    assert plain.identifiers == {"openid": "o1"}


@pytest.mark.parametrize("given", [ID, ID.lower(), f" {ID} "])
def test_the_number_of_an_id_document_never_gets_past_the_edge(given: str) -> None:
    event = event_of({"userId": "u1", "traits": {"national_id": given, "city": "Wuhan"}})
    assert event.identifiers == {"national_id": HASH, "user_id": "u1"}
    assert event.traits == {"national_id": HASH, "city": "Wuhan"}
    assert event_of(external(("national_id", given))).identifiers == {"national_id": HASH}


def test_a_slip_in_the_number_of_an_id_document_is_forgotten_and_refuses_nothing() -> None:
    event = event_of({"userId": "u1", "traits": {"national_id": "110105194912310021"}})
    assert (event.identifiers, event.traits) == ({"user_id": "u1"}, {})


def test_a_phone_that_came_as_a_number_is_one() -> None:
    event = event_of({"traits": {"phone": 13800138000, "email": True}})
    assert event.identifiers == {"phone": "+8613800138000"}
    assert event.traits == {"phone": "+8613800138000", "email": True}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (external(("openid", "o" * 257)), "id"),
        (external(("openid", "o\x00")), "id"),
        (external(("openid", ["o"])), "id"),
        ({"context": {"externalIds": {"openid": "o"}}}, "context.externalIds"),
        ({"context": {"externalIds": ["o"]}}, "context.externalIds[0]"),
        (external(("phone", "no phone")), "userId"),
        ({"traits": {"national_id": "none"}}, "userId"),
    ],
)
def test_identifiers_that_cannot_be_are_told_by_their_place(message: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        event_of(message)
    assert refused.value.field == field


def test_a_name_is_looked_for_as_its_kind_or_as_any() -> None:
    assert NAMING.keys("work_phone:13800138000") == ["work_phone:+8613800138000"]
    assert NAMING.keys("phone:none") == []
    assert set(NAMING.keys("13800138000")) > {"phone:+8613800138000", "user_id:13800138000", "member_card:13800138000"}


def test_without_rules_the_built_in_kinds_are_taken() -> None:
    assert list(Naming().kinds) == list(KINDS) == [rule.kind for rule in RULES]
    assert Naming.of(Identity(), "CN") == Naming()

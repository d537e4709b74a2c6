"""Operators' words about addresses and consents over HTTP: read strictly, all or none, in their normal form."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from engine.core.events import Directive, Event
from engine.core.ids import SECOND
from engine.core.policy import PURPOSES, Policy
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW: Final = 1_767_225_600 * SECOND
LINKS: Final = SignedLinks("http://test", KeyRing([Key(1, b"0123456789abcdef")]))


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    gateway.rules_of_consent = Policy(purposes={**PURPOSES, "newsletter": "opt_in"})
    return gateway


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(gateway, HttpSettings(ops_key_hash=hash_key("ops")), links=LINKS, mint=mint_id)
    headers = {"Authorization": "Bearer ops"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


async def say(client: httpx.AsyncClient, **word: Any) -> httpx.Response:
    return await client.post("/v1/ops/directives", json=word)


async def test_an_address_is_suppressed_in_its_normal_form(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    for subject in ("email:Mei@Brand.Example ", "sms:138 0013 8000", "phone:+8613800138000"):
        assert (await say(client, verb="suppress", subject=subject, value="asked")).status_code == 202
    assert (await say(client, verb="unsuppress", subject="email:MEI@brand.example")).status_code == 202
    said = [(entry.verb, entry.subject) for entry in gateway.entries if isinstance(entry, Directive)]
    assert said == [
        ("suppress", "email:mei@brand.example"),
        ("suppress", "phone:+8613800138000"),
        ("suppress", "phone:+8613800138000"),
        ("unsuppress", "email:mei@brand.example"),
    ]


async def test_many_addresses_travel_in_one_word(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    many = {"addresses": ["email:A@b.example", "sms:13800138000"]}
    assert (await say(client, verb="suppress", subject="old.csv", properties=many)).status_code == 202
    [word] = gateway.entries
    assert isinstance(word, Directive)
    assert word.properties == {"addresses": ["email:a@b.example", "phone:+8613800138000"]}


@pytest.mark.parametrize(
    "word",
    [
        {"verb": "suppress", "subject": "mei@brand.example"},
        {"verb": "suppress", "subject": "email:mei"},
        {"verb": "suppress", "subject": "shoe:38"},
        {"verb": "suppress", "subject": "*"},
        {"verb": "suppress", "subject": "email:a@b.example", "value": "x" * 201},
        {"verb": "suppress", "subject": "f", "properties": {"addresses": ["email:a@b.example", "email:b"]}},
        {"verb": "suppress", "subject": "f", "properties": {"addresses": []}},
        {"verb": "suppress", "subject": "f", "properties": {"addresses": [7]}},
        {"verb": "suppress", "subject": "f", "properties": {"adresses": []}},
        {"verb": "unsuppress", "subject": "f", "properties": {"addresses": ["email:a@b.example"]}},
    ],
)
async def test_what_is_no_address_is_refused(
    client: httpx.AsyncClient, gateway: MemoryGateway, word: dict[str, Any]
) -> None:
    answer = await say(client, **word)
    assert answer.status_code == 400, answer.text
    assert gateway.entries == []


async def tell(client: httpx.AsyncClient, *words: Any) -> httpx.Response:
    return await client.post("/v1/ops/consents", json={"words": list(words)})


WORD: Final = {
    "id": "w1",
    "identifiers": {"email": "Mei@Brand.Example", "phone": "13800138000"},
    "consents": {"newsletter": True, "newsletter:sms": False},
    "at": "2024-05-01T09:30:00+08:00",
    "source": "paper",
    "proof": "card 17, signed",
    "confirmed": True,
}


async def test_consents_keep_their_own_time_source_and_proof(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    assert (await tell(client, WORD)).json() == {"accepted": 1, "offset": 1}
    [word] = gateway.entries
    assert word == Event(
        id="w1",
        name="consents_imported",
        at=1_714_527_000 * SECOND,
        received=NOW,
        source="paper",
        identifiers={"email": "mei@brand.example", "phone": "+8613800138000"},
        consents={"newsletter": True, "newsletter:sms": False},
        backfill=True,
        proof="card 17, signed",
        confirmed=True,
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identifiers": {}}, "words[1].identifiers"),
        ({"identifiers": {"email": "mei"}}, "words[1].identifiers.email"),
        ({"identifiers": {"shoe": "38"}}, "words[1].identifiers.shoe"),
        ({"consents": {}}, "words[1].consents"),
        ({"consents": {"letters": True}}, "words[1].consents"),
        ({"consents": {"newsletter:fax": True}}, "words[1].consents"),
        ({"at": ""}, "words[1].at"),
        ({"at": "2999-01-01T00:00:00Z"}, "words[1].at"),
        ({"at": "yesterday"}, "words[1].at"),
        ({"proof": "x" * 501}, "words[1].proof"),
        ({"confirmed": "yes"}, "words[1].confirmed"),
        ({"backfill": False}, "words[1].backfill"),
    ],
)
async def test_a_word_that_cannot_be_refuses_them_all_and_says_where(
    client: httpx.AsyncClient, gateway: MemoryGateway, change: dict[str, Any], field: str
) -> None:
    answer = await tell(client, WORD, {**WORD, **change})
    assert answer.status_code == 400, answer.text
    assert field in answer.text
    assert gateway.entries == []


async def test_consents_need_the_ops_key_and_a_list(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    wrong = {"Authorization": "Bearer other"}
    assert (await client.post("/v1/ops/consents", json={"words": [WORD]}, headers=wrong)).status_code == 401
    bodies: tuple[Any, ...] = ({}, [], {"words": []}, {"words": [WORD] * 501}, {"words": [7]})
    for body in bodies:
        assert (await client.post("/v1/ops/consents", json=body)).status_code == 400
    assert (await client.post("/v1/ops/consents", content=b"{")).status_code == 400
    assert gateway.entries == []

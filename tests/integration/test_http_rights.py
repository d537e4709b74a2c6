"""Erasing and readmitting over HTTP: whoever is named stands in the log by OneID and fingerprints alone."""

from collections.abc import AsyncIterator
from typing import Any, Final, Literal, TypeAlias

import httpx
import pytest

from engine.core.events import Directive, encode
from engine.core.ids import SECOND
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Reader
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing
from engine.usecases.card import Card

Traits: TypeAlias = Literal["none", "all"] | tuple[str, ...]

NOW: Final = 1_767_225_600 * SECOND
PATH: Final = "/v1/ops/directives"
MAIL: Final = "canary@brand.example"


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    gateway.people = {"c1": "c1", "user_id:u1": "c1", f"email:{MAIL}": "c1"}
    seen = {"name": "Mei", "size": 38}
    gateway.cards = {"c1": Card("c1", "retain", {}, {}, {}, [], {}, {}, seen)}
    gateway.erased = {gateway.fingerprint("email:gone@brand.example")}
    return gateway


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    links = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))
    traits: dict[str, Traits] = {"none": "none", "some": ("size",), "all": "all"}
    readers = tuple(
        Reader(name=name, key_hash=hash_key(name), traits=seen, rate=1.0, burst=3.0) for name, seen in traits.items()
    )
    settings = HttpSettings(ops_key_hash=hash_key("ops-key"), readers=readers)
    app = make_app(gateway, settings, links=links, mint=mint_id)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client


async def say(client: httpx.AsyncClient, **word: Any) -> httpx.Response:
    return await client.post(PATH, json=word, headers={"Authorization": "Bearer ops-key"})


async def test_an_erasure_stands_in_the_log_by_one_id_and_fingerprints(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    answer = await say(client, verb="erase", subject=f"email:{MAIL.upper()}", value="ticket 7", by="dpo")
    assert answer.status_code == 202
    (word,) = gateway.entries
    assert isinstance(word, Directive)
    names = ("user_id:u1", f"email:{MAIL}")
    assert (word.subject, word.value, word.by) == ("c1", "ticket 7", "dpo")
    assert sorted(word.properties["keys"]) == sorted(gateway.fingerprint(name) for name in names)
    assert MAIL.encode() not in encode(word)


async def test_somebody_is_readmitted_by_a_name_or_by_a_fingerprint(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    (key,) = gateway.erased
    for subject in ("email:Gone@brand.example", key):
        assert (await say(client, verb="readmit", subject=subject)).status_code == 202
    assert [entry.subject for entry in gateway.entries if isinstance(entry, Directive)] == [key, key]


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ({"verb": "erase", "subject": "user_id:nobody"}, 404, "unknown_customer"),
        ({"verb": "erase", "subject": "c1", "properties": {"keys": []}}, 400, "bad_input"),
        ({"verb": "erase", "subject": "c1", "identifiers": {"user_id": "u2"}}, 400, "bad_input"),
        ({"verb": "erase", "subject": "*"}, 400, "bad_input"),
        ({"verb": "readmit", "subject": "user_id:u1"}, 404, "unknown_erasure"),
        ({"verb": "readmit", "subject": "0" * 32}, 404, "unknown_erasure"),
        ({"verb": "readmit", "subject": "nonsense"}, 400, "bad_input"),
    ],
)
async def test_a_word_about_nobody_is_refused_and_nothing_is_logged(
    client: httpx.AsyncClient, gateway: MemoryGateway, word: dict[str, Any], status: int, code: str
) -> None:
    answer = await say(client, **word)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert gateway.entries == []


async def test_without_the_ops_key_nobody_is_erased(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    assert (await client.post(PATH, json={"verb": "erase", "subject": "c1"})).status_code == 401
    assert gateway.entries == []


@pytest.mark.parametrize(
    ("key", "traits"), [("none", {}), ("some", {"size": 38}), ("all", {"name": "Mei", "size": 38})]
)
async def test_a_card_shows_the_traits_that_the_key_may_see(
    client: httpx.AsyncClient, key: str, traits: dict[str, Any]
) -> None:
    for auth in ({"headers": {"Authorization": f"Bearer {key}"}}, {"auth": (key, "")}):
        answer = await client.get("/v1/customers/c1", **auth)
        assert (answer.status_code, answer.json()["traits"]) == (200, traits)
        assert "access-control-allow-origin" not in answer.headers


async def test_looking_for_names_at_speed_is_held_up_whether_they_exist_or_not(client: httpx.AsyncClient) -> None:
    answers = [await client.get(f"/v1/customers/c{n}", headers={"Authorization": "Bearer none"}) for n in range(5)]
    assert [answer.status_code for answer in answers[3:]] == [429, 429]

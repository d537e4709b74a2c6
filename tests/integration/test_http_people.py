"""Who is one, said over HTTP: people are found before the word is taken, and stand in the log by OneID."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from engine.core.events import Directive
from engine.core.ids import SECOND
from engine.core.policy import KINDS, IdentifierRule, Identity
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings
from engine.ports import MergeRow
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW: Final = 1_767_225_600 * SECOND
OPS: Final = {"Authorization": "Bearer ops-key"}
PATH: Final = "/v1/ops/directives"


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    gateway.rules = Identity((*KINDS, IdentifierRule("member_card", like="user_id")))
    gateway.people = {
        "c1": "c1",
        "c2": "c2",
        "c3": "c1",
        "c4": "c5",
        "user_id:u1": "c1",
        "phone:+8613800138000": "c1",
        "email:mei@brand.example": "c2",
        "member_card:M7": "c2",
    }
    gateway.united = [
        MergeRow("m1", "c1", "c3", NOW),
        MergeRow("m2", "c1", "c2", NOW, undone=NOW + 1),
        MergeRow("m3", "c6", "c4", NOW),
    ]
    return gateway


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    links = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))
    settings = HttpSettings(ops_key_hash=hash_key("ops-key"))
    app = make_app(gateway, settings, links=links, mint=mint_id)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeyd.example", headers=OPS) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "subject", "value"),
    [
        ({"verb": "merge", "subject": "user_id:u1", "value": "email:Mei@Brand.example"}, "c1", "c2"),
        ({"verb": "merge", "subject": "c2", "value": "phone:138 0013 8000"}, "c2", "c1"),
        ({"verb": "apart", "subject": "c1", "value": "member_card:M7", "properties": {"why": "twins"}}, "c1", "c2"),
        ({"verb": "unmerge", "subject": "c3"}, "c3", ""),
    ],
)
async def test_people_are_named_by_their_oneid_in_the_log(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: dict[str, Any], subject: str, value: str
) -> None:
    answer = await client.post(PATH, json={**body, "by": "mei"})
    assert answer.status_code == 202
    (said,) = gateway.entries
    assert isinstance(said, Directive)
    assert (said.verb, said.subject, said.value, said.by) == (body["verb"], subject, value, "mei")
    assert said.properties == body.get("properties", {})


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"verb": "merge", "subject": "user_id:u1"}, 400, "Only one customer is named"),
        ({"verb": "merge", "subject": "user_id:nobody", "value": "c1"}, 404, "Nobody is known as user_id:nobody"),
        ({"verb": "merge", "subject": "c9", "value": "c1"}, 404, "Nobody is known as c9"),
        ({"verb": "merge", "subject": "shoe_size:38", "value": "c1"}, 400, "shoe_size is no kind of identifier"),
        ({"verb": "merge", "subject": "phone:none", "value": "c1"}, 400, "The phone is none"),
        ({"verb": "merge", "subject": "*", "value": "c1"}, 400, "* is not something to merge"),
        ({"verb": "merge", "subject": "c1", "value": "c3"}, 400, "c1 and c3 are one customer, c1"),
        ({"verb": "apart", "subject": "user_id:u1", "value": "c1"}, 400, "are one customer"),
        ({"verb": "merge", "subject": "c1", "value": "c2", "properties": {"who": "me"}}, 400, "properties.who"),
        ({"verb": "merge", "subject": "c1", "value": "c2", "properties": {"why": "x" * 201}}, 400, "why is over 200"),
        ({"verb": "merge", "subject": "c1", "value": "c2", "properties": {"why": ["x"]}}, 400, "why is not a text"),
        ({"verb": "merge", "subject": "a" * 290, "value": "c2"}, 400, "subject is over 289"),
        ({"verb": "merge", "subject": "a\x07", "value": "c2"}, 400, "control characters"),
        ({"verb": "unmerge", "subject": "c2"}, 400, "c2 was merged into nobody"),
        ({"verb": "unmerge", "subject": "user_id:u1"}, 400, "user_id:u1 was merged into nobody"),
        ({"verb": "unmerge", "subject": "c4"}, 400, "c4 was merged into c6, which was merged into c5"),
    ],
)
async def test_what_cannot_be_is_refused_with_what_to_write(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: dict[str, Any], status: int, told: str
) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == status
    said = answer.json()
    assert told in said["detail"]
    assert said["remedy"]
    assert gateway.entries == []

"""Tags, proofs and confirmations on messages: a server may say them, strictly and within bounds."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from engine.core.events import Event, Mark
from engine.core.ids import DAY, HOUR
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.runtime.clock import ManualClock
from tests.integration.http_face import NOW, client_of

SETTINGS = HttpSettings(sources=(Source(name="shop", key_hash=hash_key("server-key")),))


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway(ManualClock(NOW))


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway, SETTINGS) as client:
        yield client


async def identify(client: httpx.AsyncClient, **said: Any) -> httpx.Response:
    return await client.post("/v1/identify", json={"userId": "u1", **said}, auth=("server-key", ""))


async def test_a_server_gives_and_takes_tags(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    tags = {
        "churn-high": {"by": "mined:churn", "until": "2026-02-01T00:00:00Z", "score": 0.87, "version": "2026-01"},
        "高价值": {"until": "P30D"},
        "hot": {"until": "P1DT12H", "score": 3},
        "list:fair": {"by": "import:fair.csv"},
        "old-tag": None,
    }
    assert (await identify(client, tags=tags, timestamp="2025-12-31T00:00:00Z")).status_code == 200
    (event,) = gateway.entries
    assert isinstance(event, Event)
    assert event.tags == {
        "churn-high": Mark("mined:churn", NOW + 31 * DAY, 0.87, "2026-01"),
        "高价值": Mark("source:shop", NOW + 29 * DAY),
        "hot": Mark("source:shop", NOW - DAY + 36 * HOUR, 3.0),
        "list:fair": Mark("import:fair.csv"),
        "old-tag": None,
    }


async def test_a_consent_comes_with_its_proof_and_its_confirmation(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    said = {"traits": {"consents": {"marketing": True}}, "proof": "门店表单 7，2025-12-30", "confirmed": True}
    assert (await identify(client, **said)).status_code == 200
    (event,) = gateway.entries
    assert isinstance(event, Event)
    assert (event.consents, event.proof, event.confirmed) == ({"marketing": True}, "门店表单 7，2025-12-30", True)


async def test_what_is_not_said_is_empty(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    assert (await identify(client, tags=None, proof=None, confirmed=None)).status_code == 200
    (event,) = gateway.entries
    assert isinstance(event, Event)
    assert (event.tags, event.proof, event.confirmed) == ({}, "", False)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"tags": ["vip"]}, "tags"),
        ({"tags": {str(n): {} for n in range(51)}}, "tags"),
        ({"tags": {"": {}}}, "tags"),
        ({"tags": {" vip": {}}}, "tags"),
        ({"tags": {"x" * 65: {}}}, "tags"),
        ({"tags": {"a\x1bb": {}}}, "tags"),
        ({"tags": {"vip": True}}, "tags.vip"),
        ({"tags": {"vip": {"til": "2027-01-01"}}}, "tags.vip"),
        ({"tags": {"vip": {"by": "rule"}}}, "tags.vip"),
        ({"tags": {"vip": {"by": "journey:welcome"}}}, "tags.vip"),
        ({"tags": {"vip": {"by": 1.5}}}, "tags.vip.by"),
        ({"tags": {"vip": {"by": "x" * 65}}}, "tags.vip.by"),
        ({"tags": {"vip": {"version": []}}}, "tags.vip.version"),
        ({"tags": {"vip": {"score": "high"}}}, "tags.vip.score"),
        ({"tags": {"vip": {"score": True}}}, "tags.vip.score"),
        ({"tags": {"vip": {"score": 1e300}}}, "tags.vip.score"),
        ({"tags": {"vip": {"until": "soon"}}}, "tags.vip.until"),
        ({"tags": {"vip": {"until": "P"}}}, "tags.vip.until"),
        ({"tags": {"vip": {"until": "PT"}}}, "tags.vip.until"),
        ({"tags": {"vip": {"until": "P99999W"}}}, "tags.vip.until"),
        ({"tags": {"vip": {"until": 5}}}, "tags.vip.until"),
        ({"proof": "x" * 501}, "proof"),
        ({"proof": {"form": 7}}, "proof"),
        ({"confirmed": "yes"}, "confirmed"),
    ],
)
async def test_a_wrong_mark_is_refused_by_its_name(
    client: httpx.AsyncClient, gateway: MemoryGateway, said: Any, field: str
) -> None:
    answer = await identify(client, **said)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert answer.json()["remedy"]
    assert gateway.entries == []

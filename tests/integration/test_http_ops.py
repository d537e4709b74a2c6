"""Callbacks, health and the ops API: secrets guard them, entries are durable before the answer."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx
import pytest

from engine.core import release as releases
from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.errors import BadInput
from engine.core.events import Directive, Event, Receipt
from engine.core.ids import SECOND, Micros
from engine.core.plan import Audience, OnEvent, Plan, Stop, seal
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.gateway import Answer, Callback
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.ports import TouchRow
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW: Final = 1_767_225_600 * SECOND
OPS: Final = {"Authorization": "Bearer ops-key"}
SETTINGS: Final = HttpSettings(
    sources=(
        Source(name="shop", key_hash=hash_key("server-key")),
        Source(name="web", key_hash=hash_key("browser-key"), scope="browser"),
    ),
    ops_key_hash=hash_key("ops-key"),
    callback_secrets={"sms/aliyun": "s3cret", "wechat/official": "other", "email/gone": "third"},
)


def on_aliyun(method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, now: Micros) -> Answer:
    """Read reports as the real adapter does: a list of dictionaries."""
    if headers.get("x-forged"):
        raise BadInput("The signature is wrong", "Sign with the shared key", "signature")
    facts = [
        Receipt(id=report["biz_id"], fact="DELIVERED", at=now, received=0, provider="aliyun", touch=report["out_id"])
        for report in json.loads(body)
    ]
    return 200, "application/json", b'{"code": 0}', facts


async def on_wechat(
    method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, now: Micros
) -> Answer:
    return 200, "text/plain", query["echostr"].encode(), []


@pytest.fixture
def gateway() -> MemoryGateway:
    gateway = MemoryGateway(ManualClock(NOW))
    touch = Touch(
        id="t1",
        run="r1",
        journey="welcome",
        version="v",
        step="1",
        customer="c1",
        channel="email",
        template="hello",
        address="mei@brand.example",
        purpose="marketing",
        planned=NOW,
        due=NOW,
    )
    gateway.rows["t1"] = TouchRow(touch=touch, state=TouchState.UNCERTAIN, due=NOW, updated=NOW, content=b"secret body")
    gateway.published = {"welcome", "vip-call"}
    return gateway


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    links = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))
    callbacks: dict[str, Callback] = {"sms/aliyun": on_aliyun, "wechat/official": on_wechat}
    app = make_app(gateway, SETTINGS, links=links, mint=mint_id, callbacks=callbacks)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


# --- callbacks


async def test_a_callback_is_in_the_log_with_the_logs_time_when_answered(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    answer = await client.post("/callbacks/sms/aliyun/s3cret", json=[{"biz_id": "b1", "out_id": "t1"}])
    assert (answer.status_code, answer.json()) == (200, {"code": 0})
    (receipt,) = gateway.entries
    assert isinstance(receipt, Receipt)
    assert (receipt.id, receipt.touch, receipt.received) == ("b1", "t1", NOW)


async def test_a_provider_may_check_the_address_with_a_get(client: httpx.AsyncClient) -> None:
    assert (await client.get("/callbacks/wechat/official/other?echostr=42")).text == "42"


@pytest.mark.parametrize(
    "path",
    ["sms/aliyun/wrong", "sms/aliyun/", "sms/unknown/s3cret", "sms/unknown/", "email/gone/third", "sms/aliyun/密"],
)
async def test_a_wrong_secret_and_an_unknown_provider_look_the_same(
    client: httpx.AsyncClient, gateway: MemoryGateway, path: str
) -> None:
    assert (await client.post(f"/callbacks/{path}", json=[])).status_code == 404
    assert gateway.entries == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"<xml>", {}, 400),
        (b"\xff", {}, 400),
        (b"[{}]", {}, 400),
        (b"[]", {"X-Forged": "1"}, 400),
        (b"x" * 600_000, {}, 413),
    ],
)
async def test_a_broken_or_forged_callback_is_a_4xx_and_applies_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/callbacks/sms/aliyun/s3cret", content=body, headers=headers)
    assert answer.status_code == status
    assert gateway.entries == []


# --- health


async def test_readiness_says_why_not(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "reasons": []}
    gateway.reasons.append("the log is 70,000 entries behind")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["the log is 70,000 entries behind"])
    assert (await client.get("/healthz")).status_code == 200


async def test_metrics_count_requests_by_route_and_not_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/t/c/some-secret-token")
    await client.get("/some/strange/path")
    text = (await client.get("/metrics")).text
    assert 'journeyd_http_requests_total{route="/t/c",status="404"} 1.0' in text
    assert 'route="other"' in text
    assert "secret" not in text
    assert "strange" not in text


# --- ops


async def test_ops_need_the_ops_key(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic ops-key"}):
        for method, path in [("GET", "/v1/ops/touches"), ("GET", "/v1/ops/touches/t1"), ("POST", "/v1/ops/directives")]:
            assert (await client.request(method, path, headers=headers)).status_code == 401
    assert gateway.entries == []


async def test_the_delivery_log_is_filtered_and_hides_bodies(client: httpx.AsyncClient) -> None:
    found = await client.get("/v1/ops/touches?state=uncertain&journey=welcome", headers=OPS)
    (row,) = found.json()["touches"]
    assert (row["touch"]["id"], row["state"]) == ("t1", "uncertain")
    assert "content" not in row
    assert (await client.get("/v1/ops/touches?state=sent", headers=OPS)).json() == {"touches": []}
    assert (await client.get("/v1/ops/touches/t1", headers=OPS)).json() == row
    assert (await client.get("/v1/ops/touches/t2", headers=OPS)).status_code == 404


@pytest.mark.parametrize("query", ["state=lost", "limit=-1", "limit=²", "since=1e9", "color=red", "limit=" + "9" * 30])
async def test_a_wrong_filter_is_named(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/ops/touches?{query}", headers=OPS)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "body",
    [
        {"verb": "stop", "subject": "*", "value": "wrong price", "by": "mei"},
        {"verb": "resume", "subject": "welcome"},
        {"verb": "resolve", "subject": "t1", "value": "sent"},
        {"verb": "enter", "subject": "vip-call", "identifiers": {"email": "Mei@Brand.Example"}},
        {"verb": "stock", "subject": "SPRING10", "properties": {"codes": [f"CODE-{n:09}" for n in range(5_000)]}},
    ],
)
async def test_an_operators_word_takes_its_place_in_the_log(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: dict[str, Any]
) -> None:
    answer = await client.post("/v1/ops/directives", json=body, headers=OPS)
    assert answer.status_code == 202
    (directive,) = gateway.entries
    assert isinstance(directive, Directive)
    assert answer.json() == {"id": directive.id, "offset": 1}
    assert (directive.verb, directive.subject, directive.received) == (body["verb"], body["subject"], NOW)
    assert directive.by == body.get("by", "ops")
    assert directive.verb != "enter" or directive.identifiers == {"email": "mei@brand.example"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"verb": "delete", "subject": "*"}, 400),
        ({"verb": "stop"}, 400),
        ({"verb": "stop", "subject": "*", "colour": "red"}, 400),
        ({"verb": "stop", "subject": "unknown"}, 404),
        ({"verb": "resolve", "subject": "*", "value": "sent"}, 400),
        ({"verb": "resolve", "subject": "t1", "value": "perhaps"}, 400),
        ({"verb": "resolve", "subject": "t2", "value": "sent"}, 404),
        ({"verb": "enter", "subject": "vip-call"}, 400),
        ({"verb": "enter", "subject": "vip-call", "identifiers": {"email": "mei@"}}, 400),
        ({"verb": "enter", "subject": "vip-call", "identifiers": {"shoe": "42"}}, 400),
        ({"verb": "stock", "subject": "*", "properties": {"codes": ["A"]}}, 400),
        ({"verb": "stock", "subject": "a pool", "properties": {"codes": ["A"]}}, 400),
        ({"verb": "stock", "subject": "SPRING10"}, 400),
        ({"verb": "stock", "subject": "SPRING10", "properties": {"codes": ["A B"]}}, 400),
        ({"verb": "stop", "subject": "*", "value": "why", "properties": {"x": ["long"] * 9_000}}, 413),
    ],
)
async def test_a_wrong_word_changes_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: Any, status: int
) -> None:
    assert (await client.post("/v1/ops/directives", json=body, headers=OPS)).status_code == status
    assert gateway.entries == []


async def test_a_server_enters_a_customer_into_a_manual_journey(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    body = {"userId": "u1", "traits": {"vip": True}, "properties": {"why": "called us"}, "messageId": "m1"}
    path = "/v1/journeys/vip-call/enter"
    assert (await client.post(path, json=body, auth=("browser-key", ""))).status_code == 403
    assert (await client.post("/v1/journeys/none/enter", json=body, auth=("server-key", ""))).status_code == 404
    assert (await client.post(path, json={}, auth=("server-key", ""))).status_code == 400
    assert gateway.entries == []
    answer = await client.post(path, json=body, auth=("server-key", ""))
    assert (answer.status_code, answer.json()) == (202, {"id": "m1", "offset": 2})
    said, entered = gateway.entries
    assert isinstance(said, Event)
    assert isinstance(entered, Directive)
    assert said.traits == {"vip": True}
    assert (entered.subject, entered.identifiers, entered.properties) == (
        *("vip-call", {"user_id": "u1"}),
        {"why": "called us"},
    )


# --- publishing


def a_release() -> releases.Release:
    plan = seal(Plan("welcome", "Welcome", "acquire", OnEvent(("signed_up",)), (Stop("1"),)))
    return releases.seal(releases.Release((plan,), Audience(), {"hi/subject": b"Hello"}, by="mei"))


async def test_a_release_is_a_word_in_the_log_as_it_came(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    body = releases.encode(a_release())
    assert (await client.post("/v1/ops/publish", content=body)).status_code == 401
    answer = await client.post("/v1/ops/publish", content=body, headers=OPS)
    assert (answer.status_code, answer.json()["release"]) == (202, a_release().id)
    (word,) = gateway.entries
    assert isinstance(word, Directive)
    assert (word.verb, word.body, word.by, word.received) == ("publish", body, "mei", NOW)


async def test_the_idempotency_key_of_a_publish_is_the_id_of_its_word(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    body = releases.encode(a_release())
    for key, status in (("try-1", 202), ("try-1", 202), ("k" * 257, 400)):
        answer = await client.post("/v1/ops/publish", content=body, headers={**OPS, "Idempotency-Key": key})
        assert answer.status_code == status
    assert [word.id for word in gateway.entries if isinstance(word, Directive)] == ["try-1", "try-1"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"\xc1", 400), (b"{}", 400), (b"x" * (releases.LIMIT + 1), 413)],
    ids=["nothing", "noise", "json", "too big"],
)
async def test_what_is_no_release_is_refused_and_logged_nowhere(
    client: httpx.AsyncClient, gateway: MemoryGateway, body: bytes, status: int
) -> None:
    answer = await client.post("/v1/ops/publish", content=body, headers=OPS)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert gateway.entries == []


async def test_a_journey_that_is_gone_can_be_stopped_but_not_entered(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.gone = {"old-one"}
    word = {"verb": "stop", "subject": "old-one"}
    assert (await client.post("/v1/ops/directives", json=word, headers=OPS)).status_code == 202
    word = {"verb": "pause", "subject": "welcome", "value": "out of stock"}
    assert (await client.post("/v1/ops/directives", json=word, headers=OPS)).status_code == 202
    entering = {"verb": "enter", "subject": "old-one", "identifiers": {"user_id": "u1"}}
    assert (await client.post("/v1/ops/directives", json=entering, headers=OPS)).status_code == 404

"""Segment's API: good messages are in the log when the 2xx comes, bad ones get a clear 4xx and leave nothing."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from engine.core.events import Event
from engine.core.ids import DAY, HOUR, SECOND
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.runtime.clock import ManualClock
from tests.integration.http_face import NOW, client_of

SETTINGS = HttpSettings(
    sources=(
        Source(name="shop", key_hash=hash_key("server-key")),
        Source(name="web", key_hash=hash_key("browser-key"), scope="browser"),
        Source(name="slow", key_hash=hash_key("slow-key"), rate=0.5, burst=2),
    )
)
AUTH = ("server-key", "")


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway(ManualClock(NOW))


@pytest.fixture
async def client(gateway: MemoryGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway, SETTINGS) as client:
        yield client


async def take(client: httpx.AsyncClient, kind: str, body: Any, key: str = "server-key") -> httpx.Response:
    return await client.post(f"/v1/{kind}", json=body, auth=(key, ""))


def only(gateway: MemoryGateway) -> Event:
    (entry,) = gateway.entries
    assert isinstance(entry, Event)
    return entry


async def test_a_track_is_in_the_log_when_its_200_comes(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    body = {"userId": "u1", "event": "Order Paid", "messageId": "m1", "properties": {"total": 29.9}}
    answer = await take(client, "track", body)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 1}
    event = only(gateway)
    assert (event.id, event.name, event.source, event.received) == ("m1", "order_paid", "shop", NOW)
    assert event.properties == {"total": 29.9, "original_name": "Order Paid"}
    assert event.identifiers == {"user_id": "u1"}


async def test_an_identify_carries_traits_addresses_and_consents(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    body = {
        "userId": 42,
        "anonymousId": "a1",
        "traits": {"email": "Mei@Brand.Example", "phone": "138 0013 8000", "vip": True, "consents": {"sms": False}},
        "context": {
            "timezone": "Asia/Shanghai",
            "locale": "zh-CN",
            "consent": {"categoryPreferences": {"marketing": True}},
            "externalIds": [{"type": "openid", "id": "o6_bm"}, {"type": "braze_id", "id": "x"}],
        },
    }
    assert (await take(client, "identify", body)).status_code == 200
    event = only(gateway)
    assert event.name == "identified"
    assert event.identifiers == {
        **{"user_id": "42", "anonymous_id": "a1", "openid": "o6_bm"},
        **{"email": "mei@brand.example", "phone": "+8613800138000"},
    }
    assert event.consents == {"marketing": True, "sms": False}
    assert event.traits["timezone"] == "Asia/Shanghai"
    assert event.traits["locale"] == "zh-CN"
    assert "consents" not in event.traits
    assert len(event.id) == 32  # minted


@pytest.mark.parametrize(
    ("kind", "body", "name", "properties"),
    [
        ("page", {"name": "Cart", "properties": {"url": "/c"}}, "page_viewed", {"url": "/c", "name": "Cart"}),
        ("screen", {"name": "Home"}, "screen_viewed", {"name": "Home"}),
        (
            "group",
            {"groupId": "acme", "traits": {"plan": "pro"}},
            "account_joined",
            {"plan": "pro", "account_id": "acme"},
        ),
        ("alias", {"previousId": "a9"}, "aliased", {"previous_id": "a9"}),
    ],
)
async def test_each_kind_becomes_its_event(
    client: httpx.AsyncClient, gateway: MemoryGateway, kind: str, body: Any, name: str, properties: Any
) -> None:
    assert (await take(client, kind, {"userId": "u1", **body})).status_code == 200
    event = only(gateway)
    assert (event.name, event.properties) == (name, properties)
    assert event.identifiers["user_id"] == "u1"
    assert kind != "alias" or event.identifiers["anonymous_id"] == "a9"
    assert (event.account, event.account_traits) == (("acme", {"plan": "pro"}) if kind == "group" else ("", {}))
    assert event.traits == {}


async def test_an_address_that_is_none_stays_a_trait_and_refuses_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    body = {"userId": "u1", "traits": {"email": "mei@", "phone": "call me", "age": 30}}
    assert (await take(client, "identify", body)).status_code == 200
    assert only(gateway).identifiers == {"user_id": "u1"}
    assert only(gateway).traits == body["traits"]


@pytest.mark.parametrize(
    ("timestamp", "sent", "at"),
    [
        ("2025-12-31T23:59:50Z", None, NOW - 10 * SECOND),
        ("2025-12-31T23:59:50Z", "2025-12-31T23:59:58Z", NOW - 10 * SECOND),  # the network, not the clock
        ("2025-12-31T22:59:50Z", "2025-12-31T23:00:00Z", NOW - 10 * SECOND),  # the clock is an hour slow
        ("2026-01-01T09:00:00+08:00", "2026-01-01T09:00:00+08:00", NOW),  # an hour fast
        ("2027-01-01", None, NOW),  # the future is now
        ("2026-01-01T00:04:00", None, NOW + 240 * SECOND),  # a little future is a little future
    ],
)
async def test_a_wrong_clock_is_corrected_as_segment_does(
    client: httpx.AsyncClient, gateway: MemoryGateway, timestamp: str, sent: str | None, at: int
) -> None:
    body = {"userId": "u1", "event": "seen", "timestamp": timestamp, "sentAt": sent}
    assert (await take(client, "track", body)).status_code == 200
    assert only(gateway).at == at


async def test_a_batch_is_taken_whole_and_shares_its_sent_at(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    messages = [
        {"type": "track", "userId": f"u{n}", "event": "seen", "timestamp": "2025-12-31T00:00:00Z", "backfill": n == 1}
        for n in range(3)
    ]
    answer = await take(client, "batch", {"batch": messages, "sentAt": "2025-12-31T01:00:00Z"})
    assert answer.json() == {"success": True, "accepted": 3}
    events = [entry for entry in gateway.entries if isinstance(entry, Event)]
    assert [event.at for event in events] == [NOW - HOUR] * 3
    assert [event.backfill for event in events] == [False, True, False]


async def test_one_bad_message_refuses_the_batch_and_is_named(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    messages = [
        {"type": "track", "userId": "u1", "event": "seen"},
        {"type": "track", "userId": "u1", "event": "seen", "timestamp": "yesterday"},
        {"type": "track", "event": "seen"},
        {"type": "tracks", "userId": "u1"},
        7,
    ]
    answer = await take(client, "import", {"batch": messages})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert [error["field"] for error in document["errors"]] == [
        *("batch[1].timestamp", "batch[2].userId", "batch[3].type", "batch[4]"),
    ]
    assert all(error["remedy"] for error in document["errors"])
    assert gateway.entries == []


BAD = {
    "bad_utf8": b'{"userId": "\xff"}',
    "bad_json": b'{"userId": ',
    "not_a_number": b'{"userId": "u1", "event": "a", "properties": {"x": NaN}}',
    "duplicate_key": b'{"userId": "u1", "userId": "u2", "event": "a"}',
    "lone_surrogate": b'{"userId": "u1", "event": "a", "properties": {"x": "\\ud800"}}',
    "nul": b'{"userId": "u1", "event": "a\\u0000"}',
    "number_too_big": b'{"userId": "u1", "event": "a", "properties": {"x": 9007199254740993}}',
    "too_deep": b'{"userId": "u1", "event": "a", "properties": ' + b'{"x": ' * 40 + b"1" + b"}" * 41,
    "too_many_keys": json.dumps({"userId": "u1", "event": "a", "properties": {str(n): n for n in range(301)}}).encode(),
}
WORSE = {
    "not_a_number": b'{"a": -Infinity}',
    "number_too_big": b'{"a": 1e999}',
    "too_deep": b"[" * 100_000,
    "bad_json": b"",
    "lone_surrogate": b'{"\\udfff": {"a": "\\udfff"}}',
}


@pytest.mark.parametrize(
    ("code", "body"), [*BAD.items(), *WORSE.items(), ("number_too_big", b"[" + b"9" * 5000 + b"]")]
)
async def test_bad_json_is_a_400_that_says_what_to_do(
    client: httpx.AsyncClient, gateway: MemoryGateway, code: str, body: bytes
) -> None:
    answer = await client.post("/v1/track", content=body, auth=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["remedy"]
    assert gateway.entries == []


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("track", {"event": "a"}, "userId"),
        ("track", {"userId": " ", "event": "a"}, "userId"),
        ("track", {"userId": "u1"}, "event"),
        ("track", {"userId": "u1", "event": "--"}, "event"),
        ("track", {"userId": "u1", "event": "a\nb"}, "event"),
        ("track", {"userId": True, "event": "a"}, "userId"),
        ("track", {"userId": "u" * 257, "event": "a"}, "userId"),
        ("track", {"userId": "u1", "event": "a", "properties": []}, "properties"),
        ("track", {"userId": "u1", "event": "a", "timestamp": "2026-13-01"}, "timestamp"),
        ("track", {"userId": "u1", "event": "a", "timestamp": 5}, "timestamp"),
        ("track", {"userId": "u1", "event": "a", "sentAt": "0001-01-01T00:00:00+23:59"}, "sentAt"),
        ("track", {"userId": "u1", "event": "a", "backfill": "yes"}, "backfill"),
        ("track", {"userId": "u1", "event": "a", "context": {"externalIds": {}}}, "context.externalIds"),
        ("identify", {"userId": "u1", "traits": {"consents": {"sms": "no"}}}, "traits.consents.sms"),
        ("group", {"userId": "u1"}, "groupId"),
        ("alias", {"userId": "u1"}, "previousId"),
        ("alias", {"anonymousId": "u1", "previousId": "a"}, "userId"),
        ("batch", {"batch": []}, "batch"),
        ("batch", {"messages": []}, "batch"),
    ],
)
async def test_a_wrong_field_is_named(
    client: httpx.AsyncClient, gateway: MemoryGateway, kind: str, body: Any, field: str
) -> None:
    answer = await take(client, kind, body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert gateway.entries == []


async def test_gzip_is_unpacked_and_bombs_are_not(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    good = json.dumps({"userId": "u1", "event": "seen"}).encode()
    half = len(good) // 2
    bodies = {
        200: [gzip.compress(good), gzip.compress(good[:half]) + gzip.compress(good[half:])],
        400: [good, gzip.compress(good)[:-4], gzip.compress(good) + b"tail", b"", gzip.compress(b"") * 20],
        413: [gzip.compress(b" " * 100_000_000), gzip.compress(b" " * 200_000), gzip.compress(b" " * 600_000, 0)],
    }
    for status, packed in bodies.items():
        for body in packed:
            answer = await client.post("/v1/track", content=body, auth=AUTH, headers={"Content-Encoding": "gzip"})
            assert answer.status_code == status, answer.text
    deflated = await client.post(
        "/v1/track", content=zlib.compress(good), auth=AUTH, headers={"Content-Encoding": "deflate"}
    )
    assert deflated.status_code == 415
    assert len(gateway.entries) == 2


async def test_big_bodies_messages_and_batches_are_413(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    message = {"type": "track", "userId": "u1", "event": "seen"}
    fat = {**message, "properties": {"x": "x" * 33_000}}
    for kind, body in [
        ("track", {**message, "properties": {"x": "x" * 600_000}}),
        ("track", fat),
        ("batch", {"batch": [message, fat]}),
        ("batch", {"batch": [message] * 1_001}),
        ("batch", {"batch": [message], "x": "x" * 501_000}),
    ]:
        answer = await take(client, kind, body)
        assert (answer.status_code, answer.json()["remedy"] != "") == (413, True)
    assert gateway.entries == []


async def test_only_known_keys_may_send(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    body = {"userId": "u1", "event": "seen"}
    for headers in ({}, {"Authorization": "Basic !!"}, {"Authorization": "Bearer server-key"}):
        answer = await client.post("/v1/track", json=body, headers=headers)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers
    assert (await take(client, "track", body, key="wrong")).status_code == 401
    assert (await client.post("/v1/track", json={**body, "writeKey": "wrong"})).status_code == 401
    assert gateway.entries == []
    # The official browser client sends its key in the body.
    assert (await client.post("/v1/track", json={**body, "writeKey": "browser-key"})).status_code == 200
    assert only(gateway).source == "web"


@pytest.mark.parametrize(
    "extra",
    [
        {"context": {"consent": {"categoryPreferences": {"marketing": True}}}},
        {"context": {"traits": {"consents": {"marketing": True}}}},
        {"backfill": True},
        {"tags": {"vip": {}}},
        {"tags": {"vip": None}},
        {"proof": "form 7"},
        {"confirmed": True},
        {"event": "Link Clicked"},
    ],
)
async def test_a_browser_key_may_not_say_what_only_a_server_knows(
    client: httpx.AsyncClient, gateway: MemoryGateway, extra: dict[str, Any]
) -> None:
    body = {"type": "track", "userId": "u1", "event": "seen", **extra}
    for kind, sent in (("track", body), ("batch", {"batch": [body]})):
        answer = await take(client, kind, sent, key="browser-key")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope")
        assert gateway.entries == []
    assert (await take(client, "track", body)).status_code == 200


async def test_a_flood_is_told_to_come_back_before_its_body_is_read(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    bodies_read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal bodies_read
        bodies_read += 1
        yield b'{"userId": "u1", "event": "seen"}'

    answers = [await client.post("/v1/track", content=body(), auth=("slow-key", "")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 2
    assert len(gateway.entries) == bodies_read == 2
    assert isinstance(gateway.clock, ManualClock)
    gateway.clock.advance(DAY)
    assert (await take(client, "track", {"userId": "u1", "event": "a"}, key="slow-key")).status_code == 200


async def test_a_full_or_busy_engine_answers_503_or_429_and_takes_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.capacity = 0
    full = await take(client, "track", {"userId": "u1", "event": "seen"})
    assert (full.status_code, full.json()["code"]) == (503, "store_full")
    gateway.closed = True
    busy = await take(client, "track", {"userId": "u1", "event": "seen"})
    assert (busy.status_code, busy.json()["code"]) == (429, "overloaded")
    assert int(full.headers["retry-after"]) >= 1
    assert int(busy.headers["retry-after"]) >= 1
    assert gateway.entries == []


async def test_a_body_that_never_ends_is_cut_off(gateway: MemoryGateway) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield b'{"userId": '
        await asyncio.Event().wait()

    async with client_of(gateway, replace(SETTINGS, body_timeout=0.01)) as client:
        answer = await client.post("/v1/track", content=drip(), auth=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (408, "body_slow")


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing, method = await client.post("/v1/tracks"), await client.get("/v1/track")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["code"], method.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_browsers_on_any_site_may_post_and_every_answer_is_guarded(client: httpx.AsyncClient) -> None:
    preflight = await client.options("/v1/track", headers={"Origin": "https://shop.example"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    health = await client.get("/healthz")
    assert health.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in health.headers

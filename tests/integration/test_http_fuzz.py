"""Any bytes at all: never a 5xx, and the log holds exactly what was answered with a 2xx."""

import gzip
import json
from typing import Any, Final
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.ids import SECOND
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

SETTINGS: Final = HttpSettings(
    sources=(Source(name="shop", key_hash=hash_key("k"), rate=1e9, burst=1e9),), ops_key_hash=hash_key("o")
)
LINKS: Final = SignedLinks("http://test", KeyRing([Key(1, b"0123456789abcdef")]))
KINDS: Final = ("identify", "track", "page", "screen", "group", "alias", "batch", "import")

texts = st.text(max_size=20) | st.sampled_from(["u1", "2026-01-01T00:00:00Z", "mei@brand.example", "+8613800138000"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
FIELDS: Final = (
    *("userId", "anonymousId", "event", "messageId", "timestamp", "sentAt", "originalTimestamp", "properties"),
    *("traits", "context", "groupId", "previousId", "name", "category", "backfill", "writeKey", "batch", "type"),
    *("tags", "proof", "confirmed"),
)
plausible: Final[dict[str, Any]] = {
    "userId": "u1",
    "event": "Order Paid",
    "groupId": "acme",
    "previousId": "a1",
    "context": {"traits": {"email": "mei@brand.example"}, "externalIds": [{"type": "openid", "id": "o1"}]},
    "timestamp": "2026-01-01T00:00:00Z",
}
messages = st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=6).map(lambda odd: {**plausible, **odd})
typed = st.tuples(messages, st.sampled_from(KINDS[:6])).map(lambda pair: {**pair[0], "type": pair[1]})
batches = st.lists(typed | values, max_size=4).map(lambda many: {"batch": many})
parts = st.binary(max_size=40).map(quote) | st.text(st.characters(codec="utf-8"), max_size=40).map(quote)
"""Any bytes as a piece of a path, percent-encoded."""
bodies = (
    st.binary(max_size=200)
    | (values | messages | batches).map(lambda value: json.dumps(value).encode())
    | messages.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | messages.map(lambda value: gzip.compress(json.dumps(value).encode()))
)


def fresh() -> tuple[MemoryGateway, httpx.AsyncClient]:
    gateway = MemoryGateway(ManualClock(1_767_225_600 * SECOND))
    app = make_app(gateway, SETTINGS, links=LINKS, mint=mint_id)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return gateway, httpx.AsyncClient(transport=transport, base_url="http://test")


@given(st.sampled_from(KINDS), bodies, st.sampled_from(["", "gzip", "br"]))
@settings(max_examples=400, deadline=None)
async def test_no_body_makes_a_5xx_and_every_2xx_is_in_the_log(kind: str, body: bytes, encoding: str) -> None:
    gateway, client = fresh()
    async with client:
        headers = {"Content-Encoding": encoding} if encoding else {}
        answer = await client.post(f"/v1/{kind}", content=body, auth=("k", ""), headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        assert answer.json()["accepted"] == len(gateway.entries) > 0
    else:
        assert gateway.entries == []
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


@given(messages)
@settings(max_examples=200, deadline=None)
async def test_messages_that_are_nearly_right_are_taken_or_refused_by_name(message: dict[str, Any]) -> None:
    gateway, client = fresh()
    async with client:
        answer = await client.post("/v1/track", content=json.dumps(message).encode(), auth=("k", ""))
    assert answer.status_code in {200, 400}
    assert len(gateway.entries) == (answer.status_code == 200)


@given(
    st.sampled_from(["GET", "HEAD"]),
    st.sampled_from(
        ["/t/c/", "/t/u/", "/t/o/", "/v1/track", "/v1/ops/directives", "/v1/journeys/x/enter", "/callbacks/"]
    ),
    parts,
)
@settings(max_examples=200, deadline=None)
async def test_no_get_or_head_writes_to_the_log(method: str, path: str, rest: str) -> None:
    gateway, client = fresh()
    async with client:
        for address in (path + rest, LINKS.unsubscribe("t1")):
            assert (await client.request(method, address, headers={"Authorization": "Bearer o"})).status_code < 500
    assert gateway.entries == []


@given(st.binary(max_size=300), parts)
@settings(max_examples=200, deadline=None)
async def test_no_words_to_ops_or_callbacks_make_a_5xx(body: bytes, part: str) -> None:
    gateway, client = fresh()
    async with client:
        for path in (
            "/v1/ops/directives",
            f"/callbacks/sms/{part}/{part}",
            f"/t/u/{part}",
            f"/v1/journeys/{part}/enter",
        ):
            answer = await client.post(path, content=body, headers={"Authorization": "Bearer o"})
            assert 400 <= answer.status_code < 500
    assert gateway.entries == []

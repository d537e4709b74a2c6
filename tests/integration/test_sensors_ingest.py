"""The address of the Sensors SDKs: what their forms hold is in the log, what cannot be read is kept apart."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import REFUSED, Event
from engine.core.ids import DAY, MILLISECOND, MINUTE, SECOND
from engine.core.policy import KINDS, IdentifierRule, Identity
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.runtime.clock import ManualClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW = 1_767_225_600 * SECOND  # 2026-01-01T00:00Z
MS = NOW // MILLISECOND
SETTINGS = HttpSettings(
    sources=(
        Source(name="app", key_hash=hash_key("server-key"), rate=1e9, burst=1e9),
        Source(name="web", key_hash=hash_key("browser-key"), scope="browser", rate=1e9, burst=1e9),
        Source(name="slow", key_hash=hash_key("slow-key"), rate=0.5, burst=1),
    )
)
LINKS = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))


def fresh() -> tuple[MemoryGateway, httpx.AsyncClient]:
    gateway = MemoryGateway(ManualClock(NOW))
    app = make_app(gateway, SETTINGS, links=LINKS, mint=mint_id)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return gateway, httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def served() -> AsyncIterator[tuple[MemoryGateway, httpx.AsyncClient]]:
    gateway, client = fresh()
    async with client:
        yield gateway, client


Served = tuple[MemoryGateway, httpx.AsyncClient]


def packed(value: Any) -> str:
    return base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()


def plain(value: Any) -> str:
    return base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


def track(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "ViewProduct", "distinct_id": "a1", "time": MS, "properties": {}, **more}


async def send(client: httpx.AsyncClient, *messages: Any, key: str = "server-key") -> httpx.Response:
    return await client.post(f"/sa?token={key}", data={"data_list": packed(list(messages)), "gzip": "1"})


def events(gateway: MemoryGateway) -> list[Event]:
    return [entry for entry in gateway.entries if isinstance(entry, Event)]


async def only(served: Served, message: Any) -> Event:
    gateway, client = served
    answer = await send(client, message)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "refused": 0, "ignored": 0})
    (event,) = events(gateway)
    return event


async def test_a_track_is_an_event_by_our_names(served: Served) -> None:
    properties = {"$is_login_id": True, "$lib": "python", "$city": "西安", "total": 29.9, "city": "长安", "$os": "iOS"}
    event = await only(served, track(distinct_id="u1", properties=properties, time=MS - 60_000, project="shop"))
    assert (event.name, event.source, event.at) == ("view_product", "app", NOW - MINUTE)
    assert event.identifiers == {"user_id": "u1"}
    assert event.properties == {"total": 29.9, "city": "长安", "os": "iOS", "original_name": "ViewProduct"}


@pytest.mark.parametrize(
    ("said", "identifiers"),
    [
        ({}, {"anonymous_id": "a1"}),
        ({"login_id": "u1", "anonymous_id": "a1", "distinct_id": "u1"}, {"user_id": "u1", "anonymous_id": "a1"}),
        (
            {"distinct_id": "u1", "identities": {"$identity_login_id": "u1", "$identity_cookie_id": "c1"}},
            {"user_id": "u1", "anonymous_id": "c1"},
        ),
        (
            {
                "distinct_id": "$identity_mobile+13800138000",
                "identities": {"$identity_mobile": "138 0013 8000", "$identity_email": "Mei@Brand.Example"},
            },
            {"phone": "+8613800138000", "email": "mei@brand.example"},
        ),
        (
            {"identities": {"$identity_mp_openid": "o1", "$identity_mp_unionid": "n1", "$identity_android_id": "d1"}},
            {"openid": "o1", "unionid": "n1", "device_id": "d1"},
        ),
        (
            {"distinct_id": "member_id+7", "login_id": "member_id+7", "identities": {"member_id": "7"}},
            {"member_id": "7"},
        ),
        (
            {"type": "track_signup", "event": "$SignUp", "distinct_id": "u1", "original_id": "a1"},
            {"user_id": "u1", "anonymous_id": "a1"},
        ),
        ({"distinct_id": "x1", "identities": {"$identity_mobile": "none"}}, {"anonymous_id": "x1"}),
    ],
)
async def test_identities_are_identifiers(served: Served, said: Any, identifiers: dict[str, str]) -> None:
    served[0].rules = Identity(kinds=(*KINDS, IdentifierRule("member_id")))
    assert (await only(served, track(**said))).identifiers == identifiers


@pytest.mark.parametrize(
    ("kind", "properties", "words"),
    [
        ("profile_set", {"$name": "Mei", "vip": True}, {"traits": {"name": "Mei", "vip": True}}),
        ("profile_set_once", {"via": "fair"}, {"once": {"via": "fair"}}),
        ("profile_append", {"likes": ["tea"]}, {"adds": {"likes": ["tea"]}}),
        ("profile_increment", {"points": 5}, {"adds": {"points": 5}}),
        ("profile_unset", {"vip": True}, {"traits": {"vip": None}}),
    ],
)
async def test_profile_words_are_traits(served: Served, kind: str, properties: Any, words: dict[str, Any]) -> None:
    event = await only(served, {"type": kind, "distinct_id": "a1", "time": MS, "properties": properties})
    assert event.name == "identified"
    said = {"traits": event.traits, "once": event.once, "adds": event.adds}
    assert {name: value for name, value in said.items() if value} == words


async def test_an_address_among_the_traits_names_its_owner(served: Served) -> None:
    properties = {"email": "Mei@Brand.Example", "phone": "138 0013 8000"}
    event = await only(served, {"type": "profile_set", "distinct_id": "a1", "time": MS, "properties": properties})
    assert event.identifiers == {"anonymous_id": "a1", "email": "mei@brand.example", "phone": "+8613800138000"}
    assert event.traits == {"email": "mei@brand.example", "phone": "+8613800138000"}


async def test_a_deleted_profile_keeps_what_is_known(served: Served) -> None:
    event = await only(served, {"type": "profile_delete", "distinct_id": "a1", "time": MS, "properties": {}})
    assert (event.name, event.traits) == ("profile_deleted", {})


async def test_preset_events_have_our_names(served: Served) -> None:
    gateway, client = served
    names = ["$pageview", "$MPViewScreen", "$AppStart", "$SignUp", "付款 完成"]
    assert (await send(client, *[track(event=name) for name in names])).status_code == 200
    assert [event.name for event in events(gateway)] == [
        *("page_viewed", "screen_viewed", "app_start", "sign_up", "付款_完成"),
    ]


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"time": MS // 1_000 - 60}, NOW - MINUTE),  # seconds
        ({"time": MS + 86_400_000}, NOW),  # the future is now
        ({"time": MS - 60_000.5}, NOW - MINUTE - 500),
        ({"time": MS - 3_660_000, "_flush_time": MS - 3_600_000}, NOW - MINUTE),  # the device is an hour slow
        ({"time": MS - 86_400_000, "_flush_time": MS}, NOW - DAY),  # offline for a day
        ({"time": None}, NOW),
    ],
)
async def test_it_happened_when_the_device_says_its_clock_corrected(served: Served, said: Any, at: int) -> None:
    assert (await only(served, track(**said))).at == at


async def test_items_are_taken_and_ignored(served: Served) -> None:
    gateway, client = served
    item = {"type": "item_set", "item_type": "book", "item_id": "7", "time": MS, "properties": {"title": "Q"}}
    answer = await send(client, item, track())
    assert answer.json() == {"accepted": 1, "refused": 0, "ignored": 1}
    assert len(gateway.entries) == 1
    assert b'journeyd_sensors_messages_total{fate="ignored"} 1.0' in gateway.metrics()


async def test_every_way_of_packing_is_understood(served: Served) -> None:
    gateway, client = served
    message = track(properties={"名": "茶>>>???"})
    forms: list[dict[str, str]] = [
        {"data": packed(message), "gzip": "1", "crc": "123"},
        {"data": plain(message)},
        {"data": plain(message).rstrip("="), "ext": "crc=-812"},
        {"data_list": plain([message])},
        {"data_list": packed([message])},  # gzip unsaid
    ]
    for form in forms:
        assert (await client.post("/sa?project=default&token=server-key", data=form)).status_code == 200
        headers = {"Content-Type": "text/plain;charset=UTF-8"}  # a beacon
        sent = await client.post("/sa?token=server-key", content=urlencode(form), headers=headers)
        assert sent.status_code == 200
        seen = await client.get(f"/sa.gif?project=default&token=server-key&{urlencode(form)}")
        assert (seen.status_code, seen.headers["content-type"]) == (200, "image/gif")
        assert seen.content.startswith(b"GIF89a")
    unescaped = await client.post("/sa", content="data=" + plain(message), auth=("server-key", ""))
    assert unescaped.status_code == 200
    assert len({event.id for event in events(gateway)}) == 1
    assert {event.properties["名"] for event in events(gateway)} == {"茶>>>???"}


async def test_repeats_have_one_id_and_neighbours_their_own(served: Served) -> None:
    gateway, client = served
    ours = [track(), track(), track(_track_id=7), track(_track_id=8), track(_track_id=7, _flush_time=MS)]
    for flushed in (MS, MS + 5):
        await send(client, *[{**message, "_flush_time": flushed} for message in ours])
    ids = [event.id for event in events(gateway)]
    assert ids[:5] == ids[5:]
    assert len(set(ids)) == 4  # two equal clicks are two; one track id is one


async def test_one_bad_message_is_kept_apart_and_its_neighbours_are_taken(served: Served) -> None:
    gateway, client = served
    answer = await send(
        client, track(), track(distinct_id=["a"]), track(properties={"x": "y" * 40_000}), track(event="")
    )
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "refused": 3, "ignored": 0})
    good, *bad = events(gateway)
    nan = await send(client, track(properties={"rate": float("nan")}), track(event="Seen"))
    assert nan.json() == {"accepted": 1, "refused": 1, "ignored": 0}
    assert good.name == "view_product"
    assert [event.name for event in bad] == [REFUSED] * 3
    assert all(event.identifiers == {} for event in bad)
    assert [event.properties["field"] for event in bad] == ["distinct_id", "", "event"]
    assert bad[0].properties["reason"].startswith("distinct_id is not a text")
    assert all(len(event.properties["message"]) <= 2_000 for event in bad)


BAD: list[Any] = [
    7,
    "x",
    [],
    {},
    {"type": "explode", "distinct_id": "a"},
    track(time="soon"),
    track(time=-5),
    track(time=1e305),
    track(time=True),
    track(identities=["a"]),
    track(identities={"$identity_login_id": {"a": 1}}),
    track(properties=[]),
    track(event=None),
    track(distinct_id=""),
    track(distinct_id="x" * 300),
    track(distinct_id="a\x00b"),
    {**track(), "type": "profile_increment", "properties": {"points": "5"}},
    {**track(), "type": "profile_append", "properties": {"likes": "tea"}},
    track(properties={str(n): n for n in range(301)}),
    track(properties={"n": 1 << 60}),
    track(login_id=5.5),
]


@pytest.mark.parametrize("message", BAD)
async def test_what_cannot_be_read_says_why(served: Served, message: Any) -> None:
    gateway, client = served
    answer = await send(client, message)
    assert (answer.status_code, answer.json()["refused"]) == (200, 1)
    (event,) = events(gateway)
    assert event.name == REFUSED
    assert event.properties["reason"]


async def test_unreadable_requests_are_refused_whole(served: Served) -> None:
    gateway, client = served
    deep = base64.b64encode(b"[" * 100_000).decode()
    bomb = base64.b64encode(gzip.compress(b" " * 50_000_000)).decode()
    many = packed([1] * 1_001)
    for status, form in [
        (400, {}),
        (400, {"data": ""}),
        (400, {"data_list": "!!!"}),
        (400, {"data_list": "A"}),
        (400, {"data_list": deep}),
        (400, {"data_list": base64.b64encode(b"[1,").decode()}),
        (400, {"data_list": packed([])[:-12], "gzip": "1"}),
        (400, {"data": packed({"ekey": "k", "payloads": "p"}), "gzip": "9"}),
        (413, {"data_list": bomb}),
        (413, {"data_list": many}),
        (413, {"data_list": "A" * 600_000}),
    ]:
        answer = await client.post("/sa?token=server-key", data=form)
        assert (answer.status_code, answer.json()["remedy"] != "") == (status, True), form
    assert (await client.post("/sa?token=server-key", content=b"\xff=\xff")).status_code == 400
    assert (await client.post("/sa?token=server-key", content=b"&a=1" * 50)).status_code == 400
    assert gateway.entries == []


async def test_an_unknown_key_and_a_flood_are_answered_so_that_apps_keep_their_messages(served: Served) -> None:
    gateway, client = served
    for path in ("/sa", "/sa?token=wrong", "/sa.gif?token="):
        assert (await client.post(path, data={"data": packed(track())})).status_code == 403
    answers = [await send(client, track(), key="slow-key") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 503, 503]
    assert int(answers[-1].headers["retry-after"]) >= 1
    gateway.closed = True
    assert (await send(client, track())).status_code == 503
    assert len(gateway.entries) == 1


async def test_a_browser_may_not_pretend_the_engines_events(served: Served) -> None:
    gateway, client = served
    assert (await send(client, track(event="LinkClicked"), key="browser-key")).json()["refused"] == 1
    assert (await send(client, track(), key="browser-key")).json()["accepted"] == 1
    assert [event.name for event in events(gateway)] == [REFUSED, "view_product"]
    answer = await client.options("/sa", headers={"Origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


texts = st.text(max_size=20) | st.sampled_from(["u1", "track", "profile_set", "$identity_login_id", "13800138000"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("type", "event", "distinct_id", "login_id", "anonymous_id", "original_id", "identities", "time", "properties"),
    *("_track_id", "_flush_time", "lib", "project", "item_id"),
)
messages = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6).map(lambda odd: {**track(), **odd}) | values
bodies = (
    st.binary(max_size=300)
    | st.lists(messages, max_size=4).map(lambda many: urlencode({"data_list": plain(many)}).encode("utf-8", "replace"))
    | messages.map(lambda one: urlencode({"data": packed(one), "gzip": "1"}).encode())
    | st.binary(max_size=80).map(lambda raw: urlencode({"data": base64.b64encode(raw)}).encode())
    | st.binary(max_size=80).map(lambda raw: urlencode({"data": base64.b64encode(gzip.compress(raw))}).encode())
)


@given(bodies, st.sampled_from(["server-key", "browser-key"]), st.booleans())
@settings(max_examples=300, deadline=None)
async def test_no_body_makes_a_5xx_and_every_200_is_in_the_log(body: bytes, key: str, is_get: bool) -> None:
    gateway, client = fresh()
    async with client:
        if is_get:
            answer = await client.get(f"/sa.gif?token={key}&{quote(body, safe='=&%+')}")
        else:
            answer = await client.post(f"/sa?token={key}", content=body)
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert gateway.entries == []
    elif not is_get:
        assert answer.json()["accepted"] + answer.json()["refused"] == len(gateway.entries)

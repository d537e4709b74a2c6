"""The callback server's reading: signatures and encryption against vectors, then what each event means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.reply import Callback
from channels.secret import Secret
from channels.wechat.official import crypto
from channels.wechat.official.callback import parse_callback
from channels.wechat.official.settings import WechatSettings
from engine.core.events import Event, Receipt
from engine.core.ids import MINUTE, SECOND

STAMP = 1_735_786_245
NOW = STAMP * SECOND
PLAIN = WechatSettings("wx0123456789abcdef", Secret("s"), token=Secret("mytoken"))
KEY = Secret("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
SECURE = WechatSettings("wx0123456789abcdef", Secret("s"), token=Secret("mytoken"), aes_key=KEY)
FOLLOW = (
    b"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oABC]]></FromUserName>"
    b"<CreateTime>1735786245</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>"
    b"<EventKey><![CDATA[qrscene_camp_42]]></EventKey><Ticket><![CDATA[TICKET]]></Ticket></xml>"
)
ENCRYPTED = (
    "Q3stYC6hdFzMh9T8HCvyDCQyqpkMFMj9MOk+gEzHaZIXPIkbtASWwl1fZ6kOnrlqROR4D1tXsE46zXpcoHKUZvZezSKisALvEFy5TZwOFpAq"
    "p0g5AfCmie7YAnXGwUyU8HaR2OGrfH7H1EOhbJwLaA1g6sUtQFtGzn0QRxhghftbgSiJWo5o4OjXdeIwFc5SFbOHvcPX4zjmX6eZEZC6c+pd"
    "qUhnCAzLmkQQRG3xOLibqLLZlGLviTKKNhqls5fBKfQMR/oxGsWY1HK8/yILPzCc/6SA9JT/KUjULLQwgko85TXTAfHlOEKpWDPbJw6Tv6vy"
    "zlSgfC0Dil7QZcAiw7MX0D1T5KTgaCQZcY5/5Lt3c/FzXFcF5xFm3MFMVtWsDbDjikeiB8rnurxFxSm6dnCuNWAPl5WZPAC0TwWN36k8a409"
    "g4EhlqqmIl56HL4E6DWg1e2BxBmGXkBspIuCQA=="
)


def _query(**more: str) -> dict[str, str]:
    signature = crypto.signature(Secret("mytoken"), str(STAMP), "nonce123")
    return {"timestamp": str(STAMP), "nonce": "nonce123", "signature": signature, **more}


def _post(body: bytes, settings: WechatSettings = PLAIN, now: int = NOW) -> tuple[int, list[Receipt | Event]]:
    reply, entries = parse_callback(Callback("POST", _query(), {}, body, now), settings)
    return reply.status, entries


def _xml(**fields: str) -> bytes:
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return f"<xml><FromUserName>oABC</FromUserName><CreateTime>{STAMP}</CreateTime>{inner}</xml>".encode()


def test_the_published_url_check_and_ours_have_their_signatures() -> None:
    published = crypto.signature(Secret("AAAAA"), "1714036504", "1514711492")
    assert published == "f464b24fc39322e44b38aa78f5edd27bd1441696"
    assert _query()["signature"] == "0dc848c5dd313a6337fed876a5ef0e9879173413"


def test_the_url_check_echoes_only_when_signed() -> None:
    reply, _ = parse_callback(Callback("GET", _query(echostr="<b>42"), {}, b"", NOW), PLAIN)
    assert (reply.status, reply.body) == (200, b"<b>42")
    assert reply.media_type.startswith("text/plain")
    forged = _query(echostr="42", signature="0" * 40)
    assert parse_callback(Callback("GET", forged, {}, b"", NOW), PLAIN)[0].status == 403


def test_the_encrypted_vector_verifies_and_reads() -> None:
    signature = crypto.signature(Secret("mytoken"), str(STAMP), "nonce123", ENCRYPTED)
    assert signature == "67f8b711b12a3e8d6a111cfeb8dbab44f8e6e4c0"
    assert crypto.decrypt(KEY, ENCRYPTED, "wx0123456789abcdef") == FOLLOW
    assert crypto.encrypt(KEY, FOLLOW, "wx0123456789abcdef", prefix=b"0123456789abcdef") == ENCRYPTED


def test_an_encrypted_follow_becomes_an_event_with_its_scene() -> None:
    query = _query(msg_signature="67f8b711b12a3e8d6a111cfeb8dbab44f8e6e4c0", encrypt_type="aes")
    body = f"<xml><ToUserName>gh_1</ToUserName><Encrypt>{ENCRYPTED}</Encrypt></xml>".encode()
    reply, (event,) = parse_callback(Callback("POST", query, {}, body, NOW), SECURE)
    assert (reply.status, reply.body) == (200, b"success")
    assert isinstance(event, Event)
    assert (event.name, event.identifiers, event.at) == ("wechat_followed", {"openid": "oABC"}, NOW)
    assert event.properties == {"scene": "camp_42", "ticket": "TICKET"}
    assert event.consents == {"wechat": True}


def test_with_a_key_set_a_plain_message_does_not_count() -> None:
    assert _post(FOLLOW, SECURE) == (403, [])


def test_a_message_encrypted_for_another_account_is_refused() -> None:
    other = crypto.encrypt(KEY, FOLLOW, "wx_other", prefix=b"0123456789abcdef")
    query = _query(msg_signature=crypto.signature(Secret("mytoken"), str(STAMP), "nonce123", other))
    body = f"<xml><Encrypt>{other}</Encrypt></xml>".encode()
    assert parse_callback(Callback("POST", query, {}, body, NOW), SECURE)[0].status == 400


def test_an_old_request_is_refused_and_a_repeat_of_five_seconds_is_not() -> None:
    assert _post(FOLLOW, now=NOW + 11 * MINUTE)[0] == 403
    assert _post(FOLLOW, now=NOW + 15 * SECOND)[0] == 200


def test_without_a_token_nothing_is_believed() -> None:
    assert _post(FOLLOW, WechatSettings("wx", Secret("s")))[0] == 403


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        ("success", "DELIVERED"),
        ("failed:user block", "REJECTED"),
        ("failed: system failed", "SOFT_BOUNCE"),
        ("failed:freq limit", "SOFT_BOUNCE"),
    ],
)
def test_a_template_result_becomes_a_receipt_under_the_message_id(status: str, fact: str) -> None:
    body = _xml(MsgType="event", Event="TEMPLATESENDJOBFINISH", MsgID="200163836", Status=status)
    _, (receipt,) = _post(body)
    assert isinstance(receipt, Receipt)
    assert (receipt.fact, receipt.provider, receipt.provider_id) == (fact, "wechat", "200163836")
    assert receipt.recipient == "oABC"


@pytest.mark.parametrize(
    ("fields", "name", "said", "consents"),
    [
        ({"MsgType": "event", "Event": "unsubscribe"}, "wechat_unfollowed", {}, {"wechat": False}),
        ({"MsgType": "event", "Event": "SCAN", "EventKey": "s1"}, "qr_scanned", {"scene": "s1", "ticket": ""}, {}),
        (
            {"MsgType": "text", "Content": "hi", "MsgId": "9"},
            "wechat_message_received",
            {"type": "text", "text": "hi"},
            {},
        ),
    ],
)
def test_what_people_do_becomes_events(
    fields: dict[str, str], name: str, said: dict[str, str], consents: dict[str, bool]
) -> None:
    _, (event,) = _post(_xml(**fields))
    assert isinstance(event, Event)
    assert (event.name, event.properties, event.consents) == (name, said, consents)


def test_a_repeated_callback_has_the_same_id() -> None:
    assert [entry.id for entry in _post(FOLLOW)[1]] == [entry.id for entry in _post(FOLLOW, now=NOW + SECOND)[1]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml>",
        b"<html></html>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><FromUserName>&a;</FromUserName></xml>',
        b"<xml>" + b"<a>1</a>" * 200 + b"</xml>",
        b"<xml>" + b"x" * 70_000 + b"</xml>",
        b'<?xml version="1.0" encoding="no-such"?><xml/>',
        b"\xff\xfe<xml/>",
    ],
)
def test_hostile_xml_is_a_bad_request(body: bytes) -> None:
    assert _post(body) == (400, [])


@given(
    st.binary(max_size=300), st.dictionaries(st.sampled_from(["timestamp", "nonce", "signature", "echostr"]), st.text())
)
def test_no_request_is_a_surprise(body: bytes, query: dict[str, Any]) -> None:
    for method in ("GET", "POST", "PUT"):
        for settings in (PLAIN, SECURE):
            assert parse_callback(Callback(method, {**_query(), **query}, {}, body, NOW), settings)[0].status < 500

"""The sandbox's SMS and WeChat providers, their receipts, and its own pages, over real HTTP."""

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.sandbox.dials import Dial, Fault
from channels.sandbox.httphost import HttpHost
from channels.sandbox.record import RecordQuery, read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import AliyunAccount, Receipts, SandboxSettings, WechatAccount
from engine.core.errors import BadSetting
from engine.core.ids import HOUR, MINUTE, SECOND

TOUCH = "selld2kaqytwf6tljvalb5snci"


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000 * SECOND

    def now(self) -> int:
        return self.at


class Daemon:
    """Stands where journeyd's callbacks are: refuses the first `refusals` posts, keeps everything."""

    def __init__(self, url: str, refusals: int = 0) -> None:
        self.url, self.refusals = url, refusals
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    async def take(self, request: Request) -> Response:
        self.posts.append((request.url.path, dict(request.query_params), await request.body()))
        if self.refusals:
            self.refusals -= 1
            return Response("no", 500)
        return Response('{"code":0,"msg":"ok"}' if request.url.path == "/aliyun" else "success")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    host, here = HttpHost(), Daemon("")
    port = await host.start(Starlette(routes=[Route("/{name}", here.take, methods=["POST"])]), "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{port}"
    yield here
    await host.stop()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: Clock, daemon: Daemon) -> AsyncIterator[Sandbox]:
    receipts = Receipts(aliyun_url=f"{daemon.url}/aliyun", wechat_url=f"{daemon.url}/wechat", delay=0, hurry=1e6)
    sms = AliyunAccount(templates={"SMS_1": "您好${name}，拒收请回复R"}, signs=("小店",))
    settings = SandboxSettings(
        record=str(tmp_path / "record.db"), receipts=receipts, aliyun=sms, wechat=WechatAccount(window=True)
    )
    running = Sandbox(settings, clock.now)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.address.url, trust_env=False) as made:
        yield made


# --- SMS: an own signer, written from the scheme


SENDS = iter(range(1_000_000))


async def call(client: httpx.AsyncClient, clock: Clock, action: str = "SendSms", **given: str) -> httpx.Response:
    body = {
        "PhoneNumbers": "13800138000",
        "SignName": "小店",
        "TemplateCode": "SMS_1",
        "TemplateParam": '{"name":"小明"}',
    }
    body |= given
    query = "&".join(f"{name}={quote(body[name], safe='-_.~')}" for name in sorted(body))
    at = datetime.fromtimestamp(clock.at / SECOND, UTC)
    headers = {
        "host": client.base_url.netloc.decode(),
        "x-acs-action": action,
        "x-acs-content-sha256": sha256(b"").hexdigest(),
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": f"nonce-{next(SENDS)}",
        "x-acs-version": "2017-05-25",
    }
    names = ";".join(sorted(headers))
    block = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{query}\n{block}\n{names}\n{headers['x-acs-content-sha256']}"
    to_sign = f"ACS3-HMAC-SHA256\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(b"sandbox-key-secret", to_sign.encode(), sha256).hexdigest()
    headers["authorization"] = f"ACS3-HMAC-SHA256 Credential=sandbox-key-id,SignedHeaders={names},Signature={signature}"
    return await client.post(f"/?{query}", headers=headers)


async def test_a_signed_sms_is_recorded_and_its_report_comes_back(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, daemon: Daemon
) -> None:
    answer = (await call(client, clock, OutId=f"{TOUCH}.sig")).json()
    assert answer["Code"] == "OK"
    (line,) = read_record(sandbox.settings.record)
    assert (line.key, line.recipient, line.provider_id) == (TOUCH, "+8613800138000", answer["BizId"])
    assert line.text == "【小店】您好小明，拒收请回复R"
    await sandbox.settled()
    ((path, _, body),) = daemon.posts
    (report,) = json.loads(body)
    assert path == "/aliyun"
    assert (report["out_id"], report["biz_id"], report["success"]) == (f"{TOUCH}.sig", answer["BizId"], True)
    assert (report["phone_number"], report["send_time"]) == ("13800138000", "2027-01-15 16:00:00")


async def test_an_unsigned_sms_gets_the_vendors_error_and_is_not_recorded(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/?PhoneNumbers=13800138000")
    assert answer.status_code == 400
    assert answer.json()["Code"] == "IncompleteSignature"
    assert read_record(sandbox.settings.record) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"PhoneNumbers": "12"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": ",".join(["13800138000"] * 1001)}, "isv.MOBILE_COUNT_OVER_LIMIT"),
        ({"SignName": "别家"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"TemplateCode": "SMS_2"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ({"TemplateParam": '{"name":1}'}, "isv.INVALID_JSON_PARAM"),
        ({"TemplateParam": "["}, "isv.INVALID_JSON_PARAM"),
        ({"TemplateParam": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"TemplateParam": '{"name":"看 https://x.cn/a"}'}, "isv.PARAM_NOT_SUPPORT_URL"),
        ({"TemplateParam": '{"name":"' + "长" * 36 + '"}'}, "isv.PARAM_LENGTH_LIMIT"),
        ({"OutId": "x" * 256}, "isv.INVALID_PARAMETERS"),
        ({"PhoneNumbers": "+8613800000001"}, "isv.MOBILE_NUMBER_ILLEGAL"),
        ({"PhoneNumbers": "13800000002"}, "isv.BUSINESS_LIMIT_CONTROL"),
    ],
)
async def test_business_errors_are_http_200_with_a_code(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, given: dict[str, str], code: str
) -> None:
    answer = await call(client, clock, **given)
    assert (answer.status_code, answer.json()["Code"]) == (200, code)
    assert read_record(sandbox.settings.record) == []


@pytest.mark.parametrize(
    ("phone", "status", "kept"), [("13800000003", 429, 0), ("13800000004", 503, 0), ("13800000005", 503, 1)]
)
async def test_gateway_errors_come_before_or_after_accepting(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, phone: str, status: int, kept: int
) -> None:
    assert (await call(client, clock, PhoneNumbers=phone)).status_code == status
    assert len(read_record(sandbox.settings.record)) == kept


async def test_a_dropped_reply_leaves_the_sms_accepted(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    with pytest.raises(httpx.TransportError):
        await call(client, clock, PhoneNumbers="13800000006")
    assert [line.fault for line in read_record(sandbox.settings.record)] == ["drop_reply"]
    assert (await call(client, clock)).json()["Code"] == "OK"


async def test_a_provider_that_is_down_accepts_nothing_and_the_others_go_on(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.dials.turn(Dial(provider="aliyun", fault=Fault.DOWN))
    with pytest.raises(httpx.TransportError):
        await call(client, clock)
    assert (await client.post("/cgi-bin/stable_token", content=b"{}")).status_code == 200
    assert read_record(sandbox.settings.record) == []


async def test_reports_are_retried_until_the_daemon_answers_with_a_number(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, daemon: Daemon
) -> None:
    daemon.refusals = 2
    await call(client, clock)
    await sandbox.settled()
    assert len(daemon.posts) == 3
    assert len({body for _, _, body in daemon.posts}) == 1
    daemon.refusals = 9
    await call(client, clock)
    await sandbox.settled()
    assert sandbox.couriers["aliyun"].tally.given_up == 1


async def test_reports_can_come_twice_in_another_order_early_or_never(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, daemon: Daemon
) -> None:
    await client.post("/_receipts", json={"duplicate": 1.0, "reorder": True})
    await call(client, clock, PhoneNumbers="13800138000,13800138001,13800000012,13800000014")
    await sandbox.settled()
    reports = [json.loads(body) for _, _, body in daemon.posts]
    assert [report["phone_number"] for report in reports[0]] == ["13800000012", "13800138001", "13800138000"]
    assert reports[0][0]["err_code"] == "MOBILE_IN_BLACK"
    assert len(reports[1]) == 3
    await client.post("/_receipts", json={"duplicate": 0, "early": True})
    await call(client, clock)
    assert len(daemon.posts) == 3
    await client.post("/_receipts", json={"lost": 1})
    await call(client, clock)
    await sandbox.settled()
    assert len(daemon.posts) == 3


async def test_query_send_details_finds_a_send_by_its_phone_and_day(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    await call(client, clock, OutId="o1")
    await call(client, clock, PhoneNumbers="13800138001")
    asked = {"PhoneNumber": "13800138000", "SendDate": "20270115", "PageSize": "10", "CurrentPage": "1"}
    found = (await call(client, clock, "QuerySendDetails", **asked)).json()
    assert found["TotalCount"] == 1
    (detail,) = found["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert (detail["OutId"], detail["SendStatus"]) == ("o1", 3)
    assert (await call(client, clock, "DeleteEverything")).status_code == 404


async def test_a_phone_answers_when_told_to(sandbox: Sandbox, client: httpx.AsyncClient, daemon: Daemon) -> None:
    answer = {"phone": "+8613800138000", "content": "R"}
    await client.post("/_aliyun/reply", json=answer)
    await sandbox.settled()
    assert daemon.posts == []
    await client.post("/_receipts", json={"aliyun_replies_url": f"{daemon.url}/aliyun"})
    await client.post("/_aliyun/reply", json=answer)
    await sandbox.settled()
    ((_, _, body),) = daemon.posts
    (up,) = json.loads(body)
    assert (up["phone_number"], up["content"]) == ("13800138000", "R")


# --- WeChat


APP = {"grant_type": "client_credential", "appid": WechatAccount().appid, "secret": WechatAccount().secret}


async def token_of(client: httpx.AsyncClient, **more: Any) -> str:
    return str((await client.post("/cgi-bin/stable_token", json=APP | more)).json()["access_token"])


async def template(client: httpx.AsyncClient, token: str, **changes: Any) -> dict[str, Any]:
    said = {"touser": "oAnna", "template_id": "T1", "client_msg_id": TOUCH, "data": {"thing1": {"value": "你好"}}}
    raw = json.dumps(said | changes, ensure_ascii=False).encode()
    answer = await client.post("/cgi-bin/message/template/send", params={"access_token": token}, content=raw)
    assert answer.status_code == 200
    return dict(answer.json())


async def test_a_template_message_is_recorded_and_its_signed_event_comes_back(
    sandbox: Sandbox, client: httpx.AsyncClient, daemon: Daemon
) -> None:
    answer = await template(client, await token_of(client))
    assert answer["errcode"] == 0
    (line,) = read_record(sandbox.settings.record)
    assert (line.key, line.recipient, line.provider_id) == (TOUCH, "oAnna", str(answer["msgid"]))
    await sandbox.settled()
    ((path, query, body),) = daemon.posts
    parts = sorted([WechatAccount().token, query["timestamp"], query["nonce"]])
    assert query["signature"] == sha1("".join(parts).encode()).hexdigest()
    event = ElementTree.fromstring(body)
    assert path == "/wechat"
    assert [event.findtext(name) for name in ("Event", "MsgID", "Status", "FromUserName")] == [
        "TEMPLATESENDJOBFINISH", str(answer["msgid"]), "success", "oAnna",
    ]  # fmt: skip


async def test_the_same_client_msg_id_is_sent_once_within_ten_minutes_also_after_a_restart(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, daemon: Daemon
) -> None:
    token = await token_of(client)
    first, second = await asyncio.gather(template(client, token), template(client, token))
    other = await template(client, token, touser="oBen")
    assert first["msgid"] == second["msgid"] != other["msgid"]
    assert [line.deduped for line in read_record(sandbox.settings.record)] == [False, True, False]
    await sandbox.settled()
    assert len(daemon.posts) == 2
    await sandbox.stop()
    clock.at += 9 * MINUTE
    await sandbox.start()
    async with httpx.AsyncClient(base_url=sandbox.address.url, trust_env=False) as again:
        token = await token_of(again)
        assert (await template(again, token))["msgid"] == first["msgid"]
        clock.at += 2 * MINUTE
        assert (await template(again, token))["msgid"] != first["msgid"]


async def test_a_hundred_parallel_refreshes_get_one_stable_token(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    first = await token_of(client)
    await client.post("/_wechat/tokens", json={"expire": True})
    assert (await template(client, first))["errcode"] == 42001
    assert len(set(await asyncio.gather(*(token_of(client) for _ in range(100))))) == 1
    assert (await client.get("/_dials")).json()["tokens_issued"] == 2


async def test_tokens_expire_are_renewed_near_their_end_and_force_refresh_ends_the_old(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    first = await token_of(client)
    clock.at += 2 * HOUR - 6 * MINUTE
    assert await token_of(client) == first
    clock.at += 2 * MINUTE
    second = await token_of(client)
    assert second != first
    assert (await template(client, first))["errcode"] == 0
    clock.at += 5 * MINUTE
    assert (await template(client, first))["errcode"] == 42001
    third = await token_of(client, force_refresh=True)
    assert (await template(client, second))["errcode"] == 40001
    assert (await client.post("/cgi-bin/stable_token", json=APP | {"force_refresh": True})).json()["errcode"] == 45011
    plain = (await client.get("/cgi-bin/token", params=APP)).json()
    assert plain["expires_in"] == 7200
    assert (await template(client, plain["access_token"], touser="oC"))["errcode"] == 0
    assert (await template(client, third, touser="oD"))["errcode"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"touser": ""}, 40003),
        ({"touser": "o_bounce"}, 40003),
        ({"touser": "o_unfollowed+3"}, 43004),
        ({"touser": "o_busy"}, 45011),
        ({"touser": "o_error"}, -1),
        ({"template_id": None}, 40037),
        ({"data": {}}, 47003),
        ({"data": {"thing1": {"value": "x" * 21}}}, 47003),
        ({"data": {"thing1": {"value": 3}}}, 47003),
        ({"client_msg_id": 7}, 47001),
    ],
)
async def test_template_messages_that_are_wrong_get_the_platforms_errcode(
    sandbox: Sandbox, client: httpx.AsyncClient, changes: dict[str, Any], code: int
) -> None:
    assert (await template(client, await token_of(client), **changes))["errcode"] == code
    assert read_record(sandbox.settings.record) == []


@pytest.mark.parametrize(
    ("token", "raw", "code"),
    [
        ("", b"{}", 41001),
        ("nonsense", b"{}", 40001),
        ("right", b'{"touser":"o\\u4f60"}', 40033),
        ("right", b"\xff{", 47001),
        ("right", b"[" * 5_000, 47001),
        ("right", b"x" * 1_000_001, 45002),
        ("right", b'{"touser":"oA","msgtype":"text","text":{"content":"C:\\\\users"}}', 45015),
        ("right", b'{"touser":"oA","msgtype":"text","text":{}}', 44004),
        ("right", b'{"touser":"oA","msgtype":[]}', 40008),
    ],
)
async def test_bad_calls_get_an_errcode_and_never_a_5xx(
    client: httpx.AsyncClient, token: str, raw: bytes, code: int
) -> None:
    given = {"access_token": await token_of(client) if token == "right" else token}
    answer = await client.post("/cgi-bin/message/custom/send", params=given, content=raw)
    assert (answer.status_code, answer.json()["errcode"]) == (200, code)


async def test_a_customer_service_message_needs_the_window_that_a_follower_opened(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, daemon: Daemon
) -> None:
    token = await token_of(client)

    async def say() -> int:
        said = {"touser": "oAnna", "msgtype": "text", "text": {"content": "hi"}}
        headers = {"x-touch": TOUCH}
        answer = await client.post(
            "/cgi-bin/message/custom/send", params={"access_token": token}, json=said, headers=headers
        )
        return int(answer.json()["errcode"])

    assert await say() == 45015
    event = {"openid": "oAnna", "event": "subscribe", "key": "qrscene_7"}
    assert (await client.post("/_wechat/event", json=event)).status_code == 200
    assert await say() == 0
    assert [(line.key, line.text) for line in read_record(sandbox.settings.record)] == [(TOUCH, "hi")]
    await sandbox.settled()
    assert ElementTree.fromstring(daemon.posts[0][2]).findtext("EventKey") == "qrscene_7"
    await client.post("/_wechat/event", json={"openid": "oAnna", "event": "unsubscribe"})
    assert await say() == 45015


async def test_encrypted_mode_seals_the_event_and_signs_what_is_sealed(tmp_path: Path, daemon: Daemon) -> None:
    receipts = Receipts(wechat_url=f"{daemon.url}/wechat?from=sandbox", delay=0)
    settings = SandboxSettings(record=str(tmp_path / "r.db"), receipts=receipts, wechat=WechatAccount(encrypted=True))
    sandbox = Sandbox(settings, Clock().now)
    await sandbox.start()
    await sandbox.wechat.follower("oAnna", "subscribe")
    await sandbox.settled()
    await sandbox.stop()
    ((_, query, body),) = daemon.posts
    sealed = ElementTree.fromstring(body).findtext("Encrypt") or ""
    parts = sorted([WechatAccount().token, query["timestamp"], query["nonce"], sealed])
    assert query["msg_signature"] == sha1("".join(parts).encode()).hexdigest()
    assert (query["encrypt_type"], query["from"]) == ("aes", "sandbox")


# --- the sandbox's own face


async def test_the_inbox_lists_and_opens_messages_and_escapes_what_strangers_wrote(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    assert "Nothing was accepted" in (await client.get("/")).text
    await template(client, await token_of(client), data={"x": {"value": "<script>alert(1)</script>"}})
    page = (await client.get("/", params={"recipient": "oAnna"})).text
    assert "oAnna" in page
    assert "<script" not in page
    opened = await client.get("/_inbox/1")
    assert "&lt;script&gt;" in opened.text
    assert "<script" not in opened.text
    assert "default-src 'none'" in opened.headers["content-security-policy"]
    assert (await client.get("/_inbox/99")).status_code == 404
    assert json.loads((await client.get("/_accepted/1")).content)["touser"] == "oAnna"
    (line,) = (await client.get("/_accepted", params={"provider": "wechat"})).json()
    assert (line["key"], line["deduped"]) == (TOUCH, False)
    assert (await client.get("/_accepted", params={"since": "1"})).json() == []
    assert len(read_record(sandbox.settings.record, RecordQuery(provider="wechat"))) == 1


async def test_dials_are_turned_over_http(client: httpx.AsyncClient) -> None:
    dials = [
        {"provider": "*", "fault": "stall", "probability": 0.5},
        {"provider": "smtp", "fault": "refuse", "count": 3},
    ]
    shown = (await client.post("/_dials", json=dials)).json()["dials"]
    assert {(dial["provider"], dial["fault"]) for dial in shown} == {
        ("smtp", "stall"), ("aliyun", "stall"), ("wechat", "stall"), ("wecom", "stall"), ("webhook", "stall"),
        ("fcm", "stall"), ("smtp", "refuse"),
    }  # fmt: skip
    await client.delete("/_dials", params={"provider": "smtp"})
    assert len((await client.get("/_dials")).json()["dials"]) == 5


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_dials", b"{"),
        ("/_dials", b'{"provider":"fax","fault":"stall"}'),
        ("/_dials", b'{"provider":"smtp","fault":"explode"}'),
        ("/_dials", b'{"provider":"smtp","fault":"stall","probability":2}'),
        ("/_receipts", b'{"dleay":1}'),
        ("/_receipts", b'{"delay":"soon"}'),
        ("/_receipts", b'{"hurry":0}'),
        ("/_wechat/event", b'{"openid":"o","event":"dance"}'),
        ("/_wechat/tokens", b'{"expires":true}'),
    ],
)
async def test_bad_orders_are_answered_with_the_problem_and_the_remedy(
    client: httpx.AsyncClient, path: str, body: bytes
) -> None:
    answer = await client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["problem"]


async def test_a_port_that_is_taken_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        settings = SandboxSettings(record=str(tmp_path / "r.db"), http_port=holder.getsockname()[1])
        with pytest.raises(BadSetting, match="cannot listen"):
            await Sandbox(settings, Clock().now).start()

"""The sandbox's receiver of webhooks, WeCom and push: what they refuse, without any of the product's adapters."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import SandboxSettings, WebhookAccount, WecomAccount
from engine.core.ids import HOUR, SECOND
from engine.runtime.clock import ManualClock

NOW = 1_800_000_000
KEY = b64decode(WebhookAccount().secret.removeprefix("whsec_"))
BODY = b'{"type":"journey.webhook","data":{"a":1}}'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW * SECOND)


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Sandbox]:
    running = Sandbox(SandboxSettings(record=str(tmp_path / "record.db")), clock.now)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.address.url, trust_env=False) as made:
        yield made


def _signed(body: bytes = BODY, id_: str = "m1", at: int = NOW, key: bytes = KEY) -> dict[str, str]:
    mine = b64encode(hmac.digest(key, f"{id_}.{at}.".encode() + body, "sha256")).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": f"v1,AAAA v1,{mine}"}


async def test_a_signed_webhook_is_taken_once_and_its_repeats_are_answered(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    for _ in range(3):
        assert (await client.post("/hooks/crm/x?a=1", content=BODY, headers=_signed())).status_code == 200
    lines = read_record(sandbox.settings.record)
    assert [line.deduped for line in lines] == [False, True, True]
    assert {(line.provider, line.key, line.text) for line in lines} == {("webhook", "m1", '{"a":1}')}
    assert lines[0].recipient == f"{sandbox.address.url}/hooks/crm/x?a=1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _signed(id_="has.dot"),
        _signed(at=NOW - 301),
        _signed(at=NOW + 301),
        _signed(key=b"x" * 32),
        _signed(body=b"{}"),
        {**_signed(), "webhook-timestamp": "soon"},
        {**_signed(), "webhook-id": "m2"},
        {**_signed(), "webhook-signature": "v2,abc"},
    ],
)
async def test_a_webhook_that_is_not_signed_for_this_body_and_minute_is_refused(
    sandbox: Sandbox, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await client.post("/hooks/crm", content=BODY, headers=headers)).status_code == 401
    assert read_record(sandbox.settings.record) == []


@pytest.mark.parametrize(
    ("name", "status"), [("bounce", 410), ("busy", 429), ("error+7", 503), ("late-error", 500), ("redirect", 302)]
)
async def test_a_path_with_a_temper_always_shows_it(client: httpx.AsyncClient, name: str, status: int) -> None:
    assert (await client.post(f"/hooks/{name}", content=BODY, headers=_signed())).status_code == status


async def test_a_webhook_that_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/hooks/x", content=b"no", headers=_signed(b"no"))).status_code == 400


# --- WeCom

TEXT = {"touser": "LiLei", "msgtype": "text", "agentid": WecomAccount().agent_id, "text": {"content": "hi"}}
TEMPLATE = {"chat_type": "single", "external_userid": ["wm1"], "sender": "LiLei", "text": {"content": "hi"}}


async def _token(client: httpx.AsyncClient) -> str:
    asked = {"corpid": WecomAccount().corp_id, "corpsecret": WecomAccount().secret}
    return str((await client.get("/cgi-bin/gettoken", params=asked)).json()["access_token"])


async def _post(client: httpx.AsyncClient, path: str, body: object) -> dict[str, Any]:
    answer = await client.post(f"/cgi-bin/{path}", params={"access_token": await _token(client)}, json=body)
    said: dict[str, Any] = answer.json()
    return said


@pytest.mark.parametrize(
    ("path", "body", "errcode"),
    [
        ("message/send", {**TEXT, "touser": ""}, 40003),
        ("message/send", {**TEXT, "agentid": 1}, 40056),
        ("message/send", {**TEXT, "msgtype": "fax"}, 40008),
        ("message/send", {**TEXT, "text": {}}, 44004),
        ("message/send", {**TEXT, "text": {"content": "长" * 700}}, 45002),
        ("message/send", {**TEXT, "duplicate_check_interval": 20_000}, 40058),
        ("message/send", [], 47001),
        ("externalcontact/add_msg_template", {**TEMPLATE, "sender": ""}, 40058),
        ("externalcontact/add_msg_template", {**TEMPLATE, "external_userid": []}, 40096),
        ("externalcontact/add_msg_template", {**TEMPLATE, "text": {"content": "长" * 1_400}}, 45002),
        ("externalcontact/add_msg_template", {**TEMPLATE, "attachments": [{"msgtype": "link"}]}, 40058),
    ],
)
async def test_wecom_refuses_what_the_platform_refuses(
    sandbox: Sandbox, client: httpx.AsyncClient, path: str, body: object, errcode: int
) -> None:
    assert (await _post(client, path, body))["errcode"] == errcode
    assert read_record(sandbox.settings.record) == []


async def test_wecom_says_who_gets_nothing_inside_its_answer(client: httpx.AsyncClient) -> None:
    assert (await _post(client, "message/send", {**TEXT, "touser": "bounce"}))["invaliduser"] == "bounce"
    refused = await _post(client, "externalcontact/add_msg_template", {**TEMPLATE, "external_userid": ["wm_bounce"]})
    assert (refused["errcode"], refused["fail_list"]) == (0, ["wm_bounce"])


async def test_wecom_collapses_the_same_request_within_its_interval_only(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    checked = {**TEXT, "enable_duplicate_check": 1, "duplicate_check_interval": 3_600}
    for _ in range(2):
        await _post(client, "message/send", checked)
    clock.advance(HOUR)
    await _post(client, "message/send", checked)
    await _post(client, "message/send", TEXT)
    assert [line.deduped for line in read_record(sandbox.settings.record)] == [False, True, False, False]


async def test_wecom_knows_its_secret_and_its_tokens(client: httpx.AsyncClient) -> None:
    for asked, errcode in (({"corpid": "x"}, 40013), ({"corpid": WecomAccount().corp_id, "corpsecret": "x"}, 40001)):
        assert (await client.get("/cgi-bin/gettoken", params=asked)).json()["errcode"] == errcode
    answer = await client.post("/cgi-bin/message/send", params={"access_token": "old"}, json=TEXT)
    assert answer.json()["errcode"] == 40014


# --- push


@pytest.mark.parametrize("assertion", ["", "a.b.c", "e30.e30.e30"])
async def test_push_gives_no_token_for_a_claim_that_nobody_signed(client: httpx.AsyncClient, assertion: str) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    answer = await client.post("/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_push_takes_nothing_without_a_token(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    message = {"message": {"token": "d1", "notification": {"title": "a", "body": "b"}}}
    answer = await client.post("/v1/projects/sandbox-project/messages:send", content=json.dumps(message))
    assert (answer.status_code, read_record(sandbox.settings.record)) == (401, [])

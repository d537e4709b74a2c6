"""The push client over a real socket: the signed claim, the token, FCM's errors and what they mean for a device."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from channels import content as contents
from channels.content import PushContent
from channels.push.account import SCOPE, ServiceAccount
from channels.push.client import Fcm
from channels.push.settings import FcmSettings
from channels.secret import Secret
from engine.core.delivery import Retry
from engine.core.errors import BadSetting
from engine.core.ids import MINUTE, SECOND
from engine.ports import Message, NotSent, Sent, Unclear
from engine.runtime.clock import ManualClock

NOW = 1_772_328_600_000_000
KEY = rsa.generate_private_key(65_537, 2_048)
CONTENT = PushContent("您好", "Your tea is here", {"screen": "orders"})
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _account(url: str, **changes: str) -> Secret:
    said = {"type": "service_account", "client_email": "push@p.example", "private_key": _pem(KEY)}
    return Secret(json.dumps({**said, "token_uri": f"{url}/token", **changes}))


class Google:
    """FCM as the tests need it: hands out tokens t1, t2 ... and answers sends from a list."""

    def __init__(self) -> None:
        self.claims: list[str] = []
        self.sends: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str] | None] = []
        self.stale: set[str] = set()

    def answer(self, asked: Any) -> tuple[int, str] | None:
        if asked.target == "/token":
            self.claims.append(parse_qs(asked.body.decode())["assertion"][0])
            return 200, json.dumps({"access_token": f"t{len(self.claims)}", "expires_in": 3599})
        assert asked.target == "/v1/projects/shop-1/messages:send"
        if asked.headers["authorization"].removeprefix("Bearer ") in self.stale:
            return 401, '{"error":{"code":401,"status":"UNAUTHENTICATED","message":"expired"}}'
        self.sends.append(json.loads(asked.body))
        return self.answers.pop(0) if self.answers else (200, '{"name":"projects/shop-1/messages/9"}')


@pytest.fixture
def google(http_script: Any) -> Google:
    google = Google()
    http_script.answer = google.answer
    return google


@pytest.fixture
async def push(http_script: Any) -> AsyncIterator[Fcm]:
    settings = FcmSettings("shop-1", _account(http_script.url), http_script.url, timeout=0.3)
    channel = Fcm(settings, ManualClock(NOW))
    await channel.open()
    yield channel
    await channel.close()


def _message() -> Message:
    return Message("touch01", "push", "device-1", "hello", contents.encode(CONTENT))


def _error(status: int, code: str, word: str = "X") -> tuple[int, str]:
    details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    return status, json.dumps({"error": {"code": status, "status": word, "message": "no", "details": details}})


async def test_a_notification_reaches_one_device_and_tells_the_app_which_touch_it_is(push: Fcm, google: Google) -> None:
    assert await push.send(_message()) == Sent("projects/shop-1/messages/9", delivered=True)
    notification = {"title": "您好", "body": "Your tea is here"}
    data = {"screen": "orders", "touch": "touch01"}
    assert google.sends == [{"message": {"token": "device-1", "notification": notification, "data": data}}]


def test_the_claim_is_signed_by_the_account_for_an_hour() -> None:
    claim = ServiceAccount(_account("https://g.example"), ManualClock(NOW)).claim()
    head, body, signature = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in claim.split("."))
    KEY.public_key().verify(signature, claim.rpartition(".")[0].encode(), PKCS1v15(), SHA256())
    now = NOW // SECOND
    assert json.loads(head) == {"alg": "RS256", "typ": "JWT"}
    assert json.loads(body) == {
        **{"iss": "push@p.example", "scope": SCOPE, "aud": "https://g.example/token"},
        **{"iat": now, "exp": now + 3_600},
    }
    assert "=" not in claim


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{}",
        "not json",
        json.dumps({"client_email": "x", "private_key": "no key"}),
        _account("https://g.example", private_key=_pem(ec.generate_private_key(ec.SECP256R1()))).reveal(),
    ],
)
def test_a_document_that_is_no_service_account_is_refused_without_being_shown(document: str) -> None:
    with pytest.raises(BadSetting, match=r"push\.fcm\.credentials") as refused:
        ServiceAccount(Secret(document), ManualClock(NOW))
    assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "retry", "code"),
    [
        (_error(404, "UNREGISTERED"), Retry.PERMANENT, "UNREGISTERED"),
        (_error(400, "INVALID_ARGUMENT"), Retry.CONTENT, "INVALID_ARGUMENT"),
        (_error(400, ""), Retry.CONTENT, "400"),
        (_error(403, "SENDER_ID_MISMATCH"), Retry.CONFIGURATION, "SENDER_ID_MISMATCH"),
        (_error(403, "", "PERMISSION_DENIED"), Retry.CONFIGURATION, "403"),
        (_error(401, "THIRD_PARTY_AUTH_ERROR"), Retry.CONFIGURATION, "THIRD_PARTY_AUTH_ERROR"),
        (_error(404, ""), Retry.CONFIGURATION, "404"),
        (_error(429, "QUOTA_EXCEEDED"), Retry.RATE_LIMITED, "QUOTA_EXCEEDED"),
        (_error(503, "UNAVAILABLE"), Retry.TRANSIENT, "UNAVAILABLE"),
    ],
)
async def test_a_refusal_keeps_its_class(
    push: Fcm, google: Google, answer: tuple[int, str], retry: Retry, code: str
) -> None:
    google.answers = [answer]
    result = await push.send(_message())
    assert isinstance(result, NotSent) and (result.retry, result.code) == (retry, code)
    assert result.retry_after == (MINUTE if retry is Retry.RATE_LIMITED else 0)


@pytest.mark.parametrize("answer", [None, _error(500, "INTERNAL"), (500, "oops"), (200, "{}"), (200, "<html>")])
async def test_silence_nonsense_or_an_inner_error_is_unclear(
    push: Fcm, google: Google, answer: tuple[int, str] | None
) -> None:
    google.answers = [answer]
    assert isinstance(await push.send(_message()), Unclear)
    assert len(google.sends) == 1


async def test_a_hundred_sends_fetch_one_token_and_one_more_when_it_is_stale(push: Fcm, google: Google) -> None:
    results = await asyncio.gather(*(push.send(_message()) for _ in range(100)))
    assert all(isinstance(result, Sent) for result in results) and len(google.claims) == 1
    google.stale = {"t1"}
    assert isinstance(await push.send(_message()), Sent)
    assert len(google.claims) == 2
    google.stale = {"t2", "t3"}
    result = await push.send(_message())
    assert isinstance(result, NotSent) and result.retry is Retry.CONFIGURATION


@pytest.mark.parametrize(
    ("answer", "retry"),
    [
        ((400, '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'), Retry.CONFIGURATION),
        ((401, '{"error":"invalid_client"}'), Retry.CONFIGURATION),
        ((503, "{}"), Retry.TRANSIENT),
        ((500, "oops"), Retry.TRANSIENT),
        (None, Retry.TRANSIENT),
    ],
)
async def test_without_a_token_nothing_was_sent(
    push: Fcm, http_script: Any, answer: tuple[int, str] | None, retry: Retry
) -> None:
    http_script.answer = lambda asked: answer
    result = await push.send(_message())
    assert isinstance(result, NotSent) and result.retry is retry


async def test_a_closed_channel_says_so(push: Fcm) -> None:
    await push.close()
    await push.close()
    assert isinstance(await push.send(_message()), NotSent)

"""SMS through Aliyun SendSms: one signed request per message; QuerySendDetails answers what became of a doubtful one.

Aliyun collapses nothing: `OutId` (the touch id) is a correlation, so `key_window` is 0 and silence after the request
left is `Unclear`. Nothing is retried here.
"""

from typing import Any, Final

import httpx
import msgspec

from channels import content as contents
from channels.connection import CLOSED, connect, unanswered
from channels.content import SmsContent
from channels.sms.aliyun import codes, details, signing
from channels.sms.aliyun.numbers import is_number, to_provider
from channels.sms.aliyun.settings import AliyunSettings
from engine.core.delivery import Retry
from engine.core.ids import MINUTE, Micros, derive
from engine.ports import Clock, Message, NotSent, Result, Sent, Unclear

_VERSION: Final = "2017-05-25"
_params = msgspec.json.Encoder()


class AliyunSms:
    """The SMS channel over Aliyun. `clock` stamps the signature (the gateway allows 15 minutes of difference)."""

    provider: str = "aliyun"
    channel: str = "sms"
    key_window: Micros = 0

    def __init__(self, settings: AliyunSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._base = httpx.URL(settings.base_url)
        self._host = self._base.netloc.decode("ascii")
        self._client: httpx.AsyncClient | None = None
        self._questions = 0

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        if self._client is None:
            self._client = connect(self._settings)

    async def close(self) -> None:
        """Release the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send(self, message: Message) -> Result:
        """Hand the message over; never raises for what the provider does."""
        if self._client is None:
            return CLOSED
        if not is_number(message.address):
            return NotSent(Retry.PERMANENT, f"{message.address!r} is not a phone number", "bad_address")
        try:
            content = contents.decode(message.content, SmsContent)
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        if not content.template_code or not (content.sign_name or self._settings.sign_name):
            lacks = "sms.yaml names no aliyun: template_code, or neither it nor sms.aliyun a sign_name"
            return NotSent(Retry.CONTENT, lacks, "bad_content")
        request = self._request(message, content)
        try:
            response = await self._client.send(request)
        except httpx.HTTPError as failed:
            return unanswered(failed)
        return _read(response)

    async def look_up(self, message_key: str, address: str, at: Micros) -> Sent | None:
        """Ask QuerySendDetails (30 days back) for the message; None when it is not listed or nobody answers."""
        if self._client is None or not is_number(address):
            return None
        for question in details.questions(address, at):
            for page in range(1, details.PAGES + 1):
                self._questions += 1
                asked = {**question, "CurrentPage": str(page)}
                nonce = derive("nonce", message_key, "question", self._questions, self._clock.now())
                try:
                    answer = _answer(await self._client.send(self._signed("QuerySendDetails", asked, nonce)))
                except httpx.HTTPError:
                    return None
                found = details.find(answer, message_key)
                if found is not None:
                    return found
                if not details.has_more(answer, page):
                    break
        return None

    def _request(self, message: Message, content: SmsContent) -> httpx.Request:
        query = {
            "PhoneNumbers": to_provider(message.address),
            "SignName": content.sign_name or self._settings.sign_name,
            "TemplateCode": content.template_code,
            "OutId": message.key,
        }
        if content.params:
            query["TemplateParam"] = _params.encode(content.params).decode()
        return self._signed("SendSms", query, derive("nonce", message.key, message.attempt, self._clock.now()))

    def _signed(self, action: str, query: dict[str, str], nonce: str) -> httpx.Request:
        encoded = signing.canonical_query(query)
        headers = {
            "host": self._host,
            "x-acs-action": action,
            "x-acs-version": _VERSION,
            "x-acs-date": signing.timestamp(self._clock.now()),
            "x-acs-signature-nonce": nonce,
            "x-acs-content-sha256": signing.body_hash(b""),
        }
        secret = self._settings.access_key_secret.encode()
        canonical = signing.canonical_request("POST", encoded, headers)
        headers["authorization"] = signing.authorization(self._settings.access_key_id, secret, canonical, dict(headers))
        headers["accept"] = "application/json"
        url = self._base.copy_with(raw_path=b"/?" + encoded.encode("ascii"))
        return httpx.Request("POST", url, headers=headers, content=b"")


def _read(response: httpx.Response) -> Result:
    """Turn the answer into a result: only a code that says no is a no."""
    answer = _answer(response)
    code, words = str(answer.get("Code", "")), str(answer.get("Message", ""))
    detail = f"{code or response.status_code}: {words}"[:300]
    if response.status_code == 200 and code == "OK":
        return Sent(provider_id=str(answer.get("BizId", "")), detail=f"request {answer.get('RequestId', '')}")
    if code in codes.UNCLEAR or not code:
        if response.status_code == 429:
            return NotSent(Retry.RATE_LIMITED, detail, "429", MINUTE)
        return Unclear(f"HTTP {response.status_code}, {detail}")
    if response.status_code >= 500 and not code.startswith("Throttling"):
        return Unclear(f"HTTP {response.status_code}, {detail}")  # it may have failed after it took the message
    retry, wait = codes.retry_of(code, words)
    if not wait and response.headers.get("x-acs-retry-after", "").isdigit():
        wait = MINUTE  # the unit of the header is not documented: it says "throttled", we wait a minute
    return NotSent(retry, detail, code, wait)


def _answer(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}

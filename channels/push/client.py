"""Firebase Cloud Messaging, HTTP v1: one notification to one device token.

FCM collapses no repeats and sends no receipts: taken is all that will be known. The touch's id travels in `data.touch`,
so that an app can say which notification was opened.
"""

from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from channels import content as contents
from channels.access_token import AccessToken, TokenRefused
from channels.connection import CLOSED, connect, unanswered
from channels.content import PushContent
from channels.push.account import ServiceAccount
from channels.push.settings import FcmSettings
from engine.core.delivery import Retry
from engine.core.ids import DAY, MINUTE, SECOND, Micros
from engine.ports import Clock, Message, NotSent, Result, Sent, Unclear

_RETRY: Final = {
    "UNREGISTERED": Retry.PERMANENT,
    "INVALID_ARGUMENT": Retry.CONTENT,
    "SENDER_ID_MISMATCH": Retry.CONFIGURATION,
    "THIRD_PARTY_AUTH_ERROR": Retry.CONFIGURATION,
    "QUOTA_EXCEEDED": Retry.RATE_LIMITED,
    "UNAVAILABLE": Retry.TRANSIENT,
}
_BY_STATUS: Final = {
    400: Retry.CONTENT,
    401: Retry.CONFIGURATION,
    403: Retry.CONFIGURATION,
    404: Retry.CONFIGURATION,
    413: Retry.CONTENT,
    429: Retry.RATE_LIMITED,
    503: Retry.TRANSIENT,
}


class Fcm:
    """The push channel. `clock` dates the account's claims and ages the access token."""

    provider: str = "fcm"
    channel: str = "push"
    key_window: Micros = 0

    def __init__(self, settings: FcmSettings, clock: Clock) -> None:
        self._settings = settings
        self._token = AccessToken(ServiceAccount(settings.credentials, clock).fetch, clock)
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        if self._client is None:
            self._client = connect(self._settings)

    async def close(self) -> None:
        """Release the connections."""
        client, self._client = self._client, None
        await self._token.close()
        if client is not None:
            await client.aclose()

    async def send(self, message: Message) -> Result:
        """Hand the notification over; never raises for what FCM does."""
        try:
            body = _request(message, contents.decode(message.content, PushContent))
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        result, stale = await self._call(body)
        if stale:
            # Refused for its token, so it was not taken: one more time with a new one.
            self._token.drop(stale)
            result, _ = await self._call(body)
        return result

    async def _call(self, body: bytes) -> tuple[Result, str]:
        """Return the result, and the token if it was refused as stale."""
        client = self._client
        if client is None:
            return CLOSED, ""
        try:
            token = await self._token.get(client)
        except TokenRefused as refused:
            retry = Retry.CONFIGURATION if refused.errcode else Retry.TRANSIENT
            return NotSent(retry, refused.detail, str(refused.errcode)), ""
        settings = self._settings
        url = f"{settings.base_url.rstrip('/')}/v1/projects/{quote(settings.project, safe='')}/messages:send"
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            response = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError as failed:
            return unanswered(failed), ""
        result = _read(response)
        is_stale = response.status_code == 401 and isinstance(result, NotSent) and result.code == "401"
        return result, token if is_stale else ""


def _request(message: Message, content: PushContent) -> bytes:
    notification = {"title": content.title, "body": content.body}
    data = {**content.data, "touch": message.key}
    return msgspec.json.encode({"message": {"token": message.address, "notification": notification, "data": data}})


def _read(response: httpx.Response) -> Result:
    try:
        answer: Any = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        answer = None
    status = response.status_code
    if status == 200 and isinstance(answer, dict) and isinstance(answer.get("name"), str):
        return Sent(answer["name"], delivered=True)  # no receipt ever follows
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return Unclear(f"HTTP {status} without a readable answer")
    code = _code(error)
    retry = _RETRY.get(code) or _BY_STATUS.get(status)
    detail = f"{code or error.get('status', '')} {error.get('message', '')}"[:300]
    if retry is None:
        return Unclear(f"HTTP {status} {detail}"[:300])
    return NotSent(retry, detail, code or str(status), _wait(response) if retry in _PATIENT else 0)


_PATIENT: Final = {Retry.TRANSIENT, Retry.RATE_LIMITED}


def _code(error: dict[str, Any]) -> str:
    details = error.get("details")
    for one in details if isinstance(details, list) else []:
        if isinstance(one, dict) and isinstance(one.get("errorCode"), str):
            return str(one["errorCode"])
    return ""


def _wait(response: httpx.Response) -> Micros:
    said = response.headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return min(int(said[:9]) * SECOND, DAY)
    return MINUTE if response.status_code == 429 else 0

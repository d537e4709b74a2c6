"""WeChat official account: template messages under a provider key, and customer-service messages without one.

A template message is collapsed by (openid, client_msg_id) for ten minutes; customer-service messages are not, and
no receipt follows them: the renderer marks them as not keyed (`Rendered.keyed`).
"""

from typing import Any, Final

import httpx
import msgspec

from channels import content as contents
from channels.content import WechatContent
from channels.wechat.official import codes
from channels.wechat.official.settings import WechatSettings
from channels.wechat.official.token import AccessToken, TokenRefused
from engine.core.delivery import Retry
from engine.core.ids import MINUTE, Micros
from engine.ports import Clock, Message, NotSent, Result, Sent, Unclear

_TEMPLATE: Final = "/cgi-bin/message/template/send"
_SERVICE: Final = "/cgi-bin/message/custom/send"
_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class WechatOfficial:
    """The wechat channel. `clock` ages the access token. `key_window` is a minute short of WeChat's ten."""

    provider: str = "wechat"
    channel: str = "wechat"
    key_window: Micros = 9 * MINUTE

    def __init__(self, settings: WechatSettings, clock: Clock) -> None:
        self._settings = settings
        self._token = AccessToken(settings, clock)
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        if self._client is None:
            settings = self._settings
            self._client = httpx.AsyncClient(
                trust_env=False,
                timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
                limits=httpx.Limits(max_connections=settings.connections, keepalive_expiry=10),
            )

    async def close(self) -> None:
        """Release the connections."""
        client, self._client = self._client, None
        await self._token.close()
        if client is not None:
            await client.aclose()

    async def send(self, message: Message) -> Result:
        """Hand the message over; never raises for what WeChat does."""
        if self._client is None:
            return NotSent(Retry.TRANSIENT, "the channel is closed", "closed")
        try:
            content = contents.decode(message.content, WechatContent)
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        path, body = _request(message, content)
        result, stale = await self._call(path, body, message)
        if stale:
            # The call was refused for its token, so it was not taken: one more time with a new one.
            self._token.drop(stale)
            result, _ = await self._call(path, body, message)
        return result

    async def _call(self, path: str, body: bytes, message: Message) -> tuple[Result, str]:
        """Return the result, and the token if it was refused as stale."""
        client = self._client
        if client is None:
            return NotSent(Retry.TRANSIENT, "the channel is closed", "closed"), ""
        try:
            token = await self._token.get(client)
        except TokenRefused as refused:
            return _no_token(refused), ""
        try:
            response = await client.post(
                f"{self._settings.base_url.rstrip('/')}{path}",
                params={"access_token": token},
                content=body,
                headers={"content-type": "application/json; charset=utf-8"},
            )
        except _NEVER_LEFT as failed:
            return NotSent(Retry.TRANSIENT, f"{type(failed).__name__}: {failed}"[:300], "connect"), ""
        except httpx.HTTPError as failed:
            return Unclear(f"{type(failed).__name__}"), ""
        result = _read(response, message, is_keyed=path == _TEMPLATE)
        is_stale = isinstance(result, NotSent) and result.code.isdigit() and int(result.code) in codes.TOKEN
        return result, token if is_stale else ""


def _request(message: Message, content: WechatContent) -> tuple[str, bytes]:
    """Return the path and the body: raw UTF-8 JSON, for WeChat refuses \\u escapes."""
    body: dict[str, Any] = {"touser": message.address}
    match content.type:
        case "template":
            body |= {"template_id": content.template_id, "client_msg_id": message.key}
            body |= {"url": content.url} if content.url else {}
            body["data"] = {name: {"value": value} for name, value in content.data.items()}
            return _TEMPLATE, msgspec.json.encode(body)
        case "text":
            body |= {"msgtype": "text", "text": {"content": content.text}}
        case "news":
            article = {
                "title": content.data.get("title", ""),
                "description": content.data.get("description", ""),
                "url": content.url,
                "picurl": content.data.get("picture", ""),
            }
            body |= {"msgtype": "news", "news": {"articles": [article]}}
    return _SERVICE, msgspec.json.encode(body)


def _read(response: httpx.Response, message: Message, *, is_keyed: bool) -> Result:
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        answer = None
    if response.status_code == 429:
        return NotSent(Retry.RATE_LIMITED, "HTTP 429", "429", MINUTE)
    if response.status_code != 200 or not isinstance(answer, dict):
        return Unclear(f"HTTP {response.status_code} without a readable answer")
    code = answer.get("errcode", 0)
    if not isinstance(code, int):
        return Unclear(f"HTTP 200 with errcode {code!r}"[:300])
    if code == 0:
        # No receipt ever follows a customer-service message: taken is all that will be known.
        return Sent(provider_id=str(answer.get("msgid", "")), delivered=not is_keyed)
    detail = f"{code} {answer.get('errmsg', '')}"[:300]
    if code in codes.DUPLICATE and is_keyed and message.attempt > 1:
        return Sent(detail=detail)
    retry, wait = codes.retry_of(code)
    return NotSent(retry, detail, str(code), wait)


def _no_token(refused: TokenRefused) -> NotSent:
    retry, wait = codes.retry_of(refused.errcode) if refused.errcode else (Retry.TRANSIENT, 0)
    if retry not in {Retry.TRANSIENT, Retry.RATE_LIMITED}:
        retry = Retry.CONFIGURATION  # whatever WeChat has against the account is nothing the customer did
    return NotSent(retry, refused.detail, str(refused.errcode), wait)

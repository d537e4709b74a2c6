"""WeChat official account: template messages under a provider key, and customer-service messages without one.

A template message is collapsed by (openid, client_msg_id) for ten minutes; customer-service messages are not, and
no receipt follows them: the renderer marks them as not keyed (`Rendered.keyed`).
"""

from functools import partial
from typing import Any, Final

import msgspec

from channels import content as contents
from channels.access_token import AccessToken
from channels.content import WechatContent
from channels.wechat.official import codes, token
from channels.wechat.official.settings import WechatSettings
from channels.wechat.platform import Answer, Codes, Platform
from engine.core.delivery import Retry
from engine.core.ids import MINUTE, Micros
from engine.ports import Clock, Message, NotSent, Result, Sent

_TEMPLATE: Final = "/cgi-bin/message/template/send"
_SERVICE: Final = "/cgi-bin/message/custom/send"


class WechatOfficial:
    """The wechat channel. `clock` ages the access token. `key_window` is a minute short of WeChat's ten."""

    provider: str = "wechat"
    channel: str = "wechat"
    key_window: Micros = 9 * MINUTE

    def __init__(self, settings: WechatSettings, clock: Clock) -> None:
        access = AccessToken(partial(token.fetch, settings=settings), clock)
        self._platform = Platform(settings, Codes(codes.TOKEN, codes.retry_of), access)

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        await self._platform.open()

    async def close(self) -> None:
        """Release the connections."""
        await self._platform.close()

    async def send(self, message: Message) -> Result:
        """Hand the message over; never raises for what WeChat does."""
        try:
            content = contents.decode(message.content, WechatContent)
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        path, body = _request(message, content)
        answer = await self._platform.call(path, body)
        return _read(answer, message, is_keyed=path == _TEMPLATE) if isinstance(answer, Answer) else answer


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


def _read(answer: Answer, message: Message, *, is_keyed: bool) -> Result:
    if answer.code == 0:
        # No receipt ever follows a customer-service message: taken is all that will be known.
        return Sent(provider_id=str(answer.said.get("msgid", "")), delivered=not is_keyed)
    if answer.code in codes.DUPLICATE and is_keyed and message.attempt > 1:
        return Sent(detail=answer.detail)
    retry, wait = codes.retry_of(answer.code)
    return NotSent(retry, answer.detail, str(answer.code), wait)

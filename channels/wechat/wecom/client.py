"""WeCom: app messages to colleagues under WeCom's duplicate check, and messages to customers that a member confirms.

A colleague's message is collapsed when the same request comes again within four hours; it carries the touch's number,
so that two messages never are the same. A customer's is a task for the member `sender`: taken is not delivered.
"""

from functools import partial
from typing import Any, Final

import httpx
import msgspec

from channels import content as contents
from channels.access_token import AccessToken
from channels.content import WecomContent
from channels.wechat.platform import Answer, Codes, Platform, token_in
from channels.wechat.wecom import codes
from channels.wechat.wecom.settings import WecomSettings
from engine.core.delivery import Retry
from engine.core.ids import HOUR, MINUTE, SECOND, Micros
from engine.ports import Clock, Message, NotSent, Result, Sent

_COLLEAGUE: Final = "/cgi-bin/message/send"
_CUSTOMER: Final = "/cgi-bin/externalcontact/add_msg_template"
_CHECKED: Final = 4 * HOUR  # the longest that WeCom's duplicate check looks back


class Wecom:
    """The wecom channel. `clock` ages the access token. `key_window` is ten minutes short of the duplicate check's."""

    provider: str = "wecom"
    channel: str = "wecom"
    key_window: Micros = _CHECKED - 10 * MINUTE

    def __init__(self, settings: WecomSettings, clock: Clock) -> None:
        self._agent = settings.agent_id
        access = AccessToken(partial(_fetch, settings=settings), clock)
        self._platform = Platform(settings, Codes(codes.TOKEN, codes.retry_of), access)

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        await self._platform.open()

    async def close(self) -> None:
        """Release the connections."""
        await self._platform.close()

    async def send(self, message: Message) -> Result:
        """Hand the message over; never raises for what WeCom does."""
        try:
            content = contents.decode(message.content, WecomContent)
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        if content.to == "colleague":
            answer = await self._platform.call(_COLLEAGUE, _to_colleague(message.address, content, self._agent))
        else:
            answer = await self._platform.call(_CUSTOMER, _to_customer(message.address, content))
        return _read(answer, message.address, content) if isinstance(answer, Answer) else answer


def _to_colleague(member: str, content: WecomContent, agent: int) -> bytes:
    return msgspec.json.encode({
        "touser": member,
        "msgtype": "text",
        "agentid": agent,
        "text": {"content": content.text},
        "enable_duplicate_check": 1,
        "duplicate_check_interval": _CHECKED // SECOND,
    })  # fmt: skip


def _to_customer(customer: str, content: WecomContent) -> bytes:
    link = content.link
    body: dict[str, Any] = {
        "chat_type": "single",
        "external_userid": [customer],
        "sender": content.sender,
        "text": {"content": content.text},
    }
    if link:
        shown = {"title": link.get("title", ""), "url": link.get("url", "")}
        more = {"desc": link.get("description", ""), "picurl": link.get("picture", "")}
        filled = {name: value for name, value in more.items() if value}
        body["attachments"] = [{"msgtype": "link", "link": {**shown, **filled}}]
    return msgspec.json.encode(body)


def _read(answer: Answer, address: str, content: WecomContent) -> Result:
    """Return the result; a recipient who gets nothing stands in a list inside a success."""
    said = answer.said
    if answer.code != 0:
        retry, wait = codes.retry_of(answer.code)
        return NotSent(retry, answer.detail, str(answer.code), wait)
    if content.to == "customer":
        if address in (said.get("fail_list") or []):
            # No friend of the member any more, or the month's four messages are used up: WeCom does not say which.
            return NotSent(Retry.UNREACHABLE, "WeCom cannot send to this customer (fail_list)", "fail_list")
        return Sent(str(said.get("msgid", "")), f"{content.sender} has to confirm it in WeCom")
    if address.lower() in _listed(said, "invaliduser"):
        return NotSent(
            Retry.PERMANENT, "no such member, or the app is not visible to them (invaliduser)", "invaliduser"
        )
    if address.lower() in _listed(said, "unlicenseduser"):
        return NotSent(Retry.UNREACHABLE, "the member has no licence (unlicenseduser)", "unlicenseduser")
    # No receipt ever follows an app message: taken is all that will be known.
    return Sent(str(said.get("msgid", "")), delivered=True)


def _listed(said: dict[str, Any], name: str) -> set[str]:
    return {one.lower() for one in str(said.get(name) or "").split("|") if one}


async def _fetch(client: httpx.AsyncClient, settings: WecomSettings) -> tuple[str, int]:
    url = f"{settings.base_url.rstrip('/')}/cgi-bin/gettoken"
    asked = {"corpid": settings.corp_id, "corpsecret": settings.secret.reveal()}
    return await token_in(client.get(url, params=asked))

"""The WeChat official account: tokens, template messages, customer-service messages, and their pushed receipts.

A template message with a `client_msg_id` seen for the same follower within ten minutes is answered with the first
msgid and recorded as deduped, never sent twice. Errors are HTTP 200 with an errcode, as the platform's are.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.sandbox.dials import Dials, magic_name
from channels.sandbox.exchange import conclude, read_body
from channels.sandbox.receipts import Courier
from channels.sandbox.record import Draft, Recorder, RecordQuery, touch_key
from channels.sandbox.settings import WechatAccount
from channels.sandbox.wechatpush import Push
from channels.sandbox.wechatrules import custom_message, errors_of_trouble, template_message
from channels.sandbox.wechattokens import Tokens
from engine.core.ids import HOUR, MINUTE, Micros

BAD_RECEIPTS: Final = {"o_blocked": "failed:user block", "o_system": "failed: system failed", "o_silent": ""}
"""Followers whose template messages are accepted and then fail; an empty status never gets a receipt."""

_DEDUPE: Final = 10 * MINUTE
_WINDOW: Final = 48 * HOUR
_OPENING: Final = ("subscribe", "SCAN", "CLICK", "MESSAGE")
_ESCAPED: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")
_BAD_GATEWAY: Final = 502


class WechatAccountServer:
    """The platform's side of one official account."""

    def __init__(
        self, account: WechatAccount, dials: Dials, recorder: Recorder, courier: Courier, now: Callable[[], Micros]
    ) -> None:
        self.tokens = Tokens(account.token_life, now)
        self._account, self._dials, self._recorder, self._courier, self._now = account, dials, recorder, courier, now
        self._known: dict[tuple[str, str], tuple[str, Micros]] = {}
        self._windows: dict[str, Micros] = {}
        self._minted = now()

    def recall(self) -> None:
        """Read the last ten minutes of the record, so that a restart does not forget what was sent."""
        query = RecordQuery(provider="wechat", from_at=self._now() - _DEDUPE, bodies=True)
        for line in self._recorder.read(query):
            said = msgspec.json.decode(line.body) if line.size == len(line.body) else {}
            if isinstance(said, dict) and said.get("client_msg_id") and not line.deduped:
                self._known[line.recipient, said["client_msg_id"]] = (line.provider_id, line.at)

    async def token(self, request: Request) -> Response | None:
        """GET /cgi-bin/token."""
        if self._dials.is_down("wechat"):
            return None
        return self._refused(request.query_params) or self._issued(self.tokens.plain())

    async def stable_token(self, request: Request) -> Response | None:
        """POST /cgi-bin/stable_token."""
        if self._dials.is_down("wechat"):
            return None
        said = _read(await read_body(request))
        if isinstance(said, Response):
            return said
        refused = self._refused(said)
        if refused is not None:
            return refused
        issued = self.tokens.stable(force=said.get("force_refresh") is True)
        return _error(45011, "force_refresh again within 30 seconds") if issued is None else self._issued(issued)

    async def template(self, request: Request) -> Response | None:
        """POST /cgi-bin/message/template/send."""
        said = await self._opened(request)
        if not isinstance(said, dict):
            return said
        wrong = template_message(said)
        if wrong is not None:
            return _error(*wrong)
        return await self._send(said, request, "template")

    async def custom(self, request: Request) -> Response | None:
        """POST /cgi-bin/message/custom/send."""
        said = await self._opened(request)
        if not isinstance(said, dict):
            return said
        wrong = custom_message(said)
        if wrong is not None:
            return _error(*wrong)
        if self._account.window and self._windows.get(said["touser"], 0) <= self._now():
            return _error(45015, "response out of time limit or subscription is canceled")
        return await self._send(said, request, "custom")

    async def follower(self, openid: str, event: str, key: str = "") -> None:
        """Let a follower do something: it is pushed to the callback and may open the 48-hour window."""
        now = self._now()
        if event in _OPENING:
            self._windows[openid] = now + _WINDOW
        elif event == "unsubscribe":
            self._windows.pop(openid, None)
        if self._courier.rules.wechat_url:
            await self._courier.send(f"{openid}:{event}:{now}", Push(openid, event, now, (("EventKey", key),)))

    # --- one call

    def _refused(self, said: Any) -> Response | None:
        if said.get("grant_type") != "client_credential":
            return _error(40002, "invalid grant_type")
        if said.get("appid") != self._account.appid:
            return _error(40013, "invalid appid")
        return _error(40125, "invalid appsecret") if said.get("secret") != self._account.secret else None

    def _issued(self, issued: tuple[str, int]) -> Response:
        return JSONResponse({"access_token": issued[0], "expires_in": issued[1]})

    async def _opened(self, request: Request) -> dict[str, Any] | Response | None:
        if self._dials.is_down("wechat"):
            return None
        body = await read_body(request)
        wrong = self.tokens.error(request.query_params.get("access_token", ""))
        return _error(*wrong) if wrong is not None else _read(body)

    async def _send(self, said: dict[str, Any], request: Request, kind: str) -> Response | None:
        openid, client_id = said["touser"], str(said.get("client_msg_id") or "") if kind == "template" else ""
        trouble = magic_name(openid.removeprefix("o_")) or self._dials.pick("wechat")
        wrong = errors_of_trouble(trouble)
        if wrong is not None:
            return _error(*wrong)
        msgid, deduped = self._number(openid, client_id)
        draft = Draft(
            provider="wechat",
            key=touch_key(request.headers.get("x-touch") or client_id),
            recipient=openid,
            provider_id=msgid,
            subject=said["template_id"] if kind == "template" else said["msgtype"],
            text=_words(said, kind),
            body=msgspec.json.encode(said),
            deduped=deduped,
            fault=trouble.fault.value if trouble else "",
        )
        try:
            await self._recorder.append([draft])
        except OSError:
            if not deduped:
                self._known.pop((openid, client_id), None)
            return _error(-1, "system error")
        if kind == "template" and not deduped:
            await self._report(openid, msgid)
        answer = {"errcode": 0, "errmsg": "ok"} | ({"msgid": int(msgid)} if kind == "template" else {})
        return await conclude(trouble, JSONResponse(answer), Response("bad gateway", _BAD_GATEWAY))

    def _number(self, openid: str, client_id: str) -> tuple[str, bool]:
        now = self._now()
        while self._known and next(iter(self._known.values()))[1] <= now - _DEDUPE:
            del self._known[next(iter(self._known))]
        known = self._known.get((openid, client_id)) if client_id else None
        if known is not None:
            return known[0], True
        self._minted = max(self._minted + 1, now)
        if client_id:
            self._known[openid, client_id] = (str(self._minted), now)
        return str(self._minted), False

    async def _report(self, openid: str, msgid: str) -> None:
        status = BAD_RECEIPTS.get(openid.partition("+")[0], "success")
        if status and self._courier.rules.wechat_url:
            fields = (("MsgID", msgid), ("Status", status))
            await self._courier.send(msgid, Push(openid, "TEMPLATESENDJOBFINISH", self._now(), fields))


def _read(body: bytes | None) -> dict[str, Any] | Response:
    if body is None:
        return _error(45002, "content size out of limit")
    if _ESCAPED.search(body):
        return _error(40033, "invalid charset. please check your request, if include \\uxxxx will create fail!")
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _error(47001, "data format error")
    return said if isinstance(said, dict) else _error(47001, "data format error")


def _words(said: dict[str, Any], kind: str) -> str:
    if kind == "template":
        return " · ".join(str(field["value"]) for field in said["data"].values())[:500]
    content = said[said["msgtype"]]
    return str(content.get("content") or content.get("title") or content)[:500]


def _error(code: int, message: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": message})

"""WeCom: app messages to members, and messages to customers that a member has to confirm.

Errors are HTTP 200 with an errcode, and a member or customer who cannot be reached stands in a list inside a success.
With `enable_duplicate_check` the same request within its interval is answered and not sent again.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.sandbox.dials import Dials, Fault, Trouble, magic_name
from channels.sandbox.exchange import conclude, read_body
from channels.sandbox.record import Draft, Recorder, RecordQuery
from channels.sandbox.settings import WecomAccount
from channels.sandbox.wechattokens import Tokens
from engine.core.ids import SECOND, Micros, derive

_MEMBER: Final = re.compile(r"[\w@.-]{1,64}", re.ASCII)
_TOUCH: Final = re.compile(r"([a-z2-7]{26})\s*\Z")
_TEXT, _CUSTOMER_TEXT, _LONGEST = 2_048, 4_000, 14_400


class WecomServer:
    """One company's side of the platform, for one app."""

    def __init__(self, account: WecomAccount, dials: Dials, recorder: Recorder, now: Callable[[], Micros]) -> None:
        self.tokens = Tokens(account.token_life, now)
        self._account, self._dials, self._recorder, self._now = account, dials, recorder, now
        self._known: dict[str, tuple[str, Micros]] = {}
        self._minted = now()

    def recall(self) -> None:
        """Read the last hours of the record, so that a restart does not forget what was sent."""
        query = RecordQuery(provider="wecom", from_at=self._now() - _LONGEST * SECOND, bodies=True)
        for line in self._recorder.read(query):
            if not line.deduped and line.subject == "message" and line.size == len(line.body):
                self._remember(line.body, line.provider_id, line.at)

    async def token(self, request: Request) -> Response | None:
        """GET /cgi-bin/gettoken."""
        if self._dials.is_down("wecom"):
            return None
        asked = request.query_params
        if asked.get("corpid") != self._account.corp_id:
            return _error(40013, "invalid corpid")
        if asked.get("corpsecret") != self._account.secret:
            return _error(40001, "invalid credential")
        issued = self.tokens.stable(force=False)
        assert issued is not None
        return JSONResponse({"errcode": 0, "errmsg": "ok", "access_token": issued[0], "expires_in": issued[1]})

    async def message(self, request: Request) -> Response | None:
        """POST /cgi-bin/message/send."""
        opened = await self._opened(request)
        if not isinstance(opened, tuple):
            return opened
        body, said = opened
        wrong = _wrong_message(said, self._account.agent_id)
        if wrong is not None:
            return _error(*wrong)
        trouble = magic_name(said["touser"]) or self._dials.pick("wecom")
        if trouble is not None and trouble.fault is Fault.REFUSE and not trouble.code:
            return JSONResponse(
                {"errcode": 81013, "errmsg": "user & party & tag all invalid", "invaliduser": said["touser"]}
            )
        refused = _refused(trouble)
        if refused is not None:
            return refused
        known = self._known_as(body) if said.get("enable_duplicate_check") == 1 else ""
        msgid = known or self._mint()
        answer = JSONResponse({"errcode": 0, "errmsg": "ok", "msgid": msgid})
        text = said["text"]["content"]
        found = _TOUCH.search(text)
        draft = Draft(
            provider="wecom",
            key=found[1] if found else "",
            recipient=said["touser"],
            provider_id=msgid,
            subject="message",
            text=text[:500],
            body=body,
            deduped=bool(known),
            fault=trouble.fault.value if trouble else "",
        )
        self._remember(body, msgid, self._now())
        return await self._keep(draft, trouble, answer)

    async def template(self, request: Request) -> Response | None:
        """POST /cgi-bin/externalcontact/add_msg_template."""
        opened = await self._opened(request)
        if not isinstance(opened, tuple):
            return opened
        body, said = opened
        wrong = _wrong_template(said)
        if wrong is not None:
            return _error(*wrong)
        customer = said["external_userid"][0]
        trouble = magic_name(customer.removeprefix("wm_")) or self._dials.pick("wecom")
        if trouble is not None and trouble.fault is Fault.REFUSE and not trouble.code:
            return JSONResponse({"errcode": 0, "errmsg": "ok", "fail_list": [customer], "msgid": ""})
        refused = _refused(trouble)
        if refused is not None:
            return refused
        msgid = self._mint()
        draft = Draft(
            provider="wecom",
            key="",
            recipient=customer,
            provider_id=msgid,
            subject=f"to be confirmed by {said['sender']}",
            text=said["text"]["content"][:500],
            body=body,
            fault=trouble.fault.value if trouble else "",
        )
        answer = JSONResponse({"errcode": 0, "errmsg": "ok", "fail_list": [], "msgid": msgid})
        return await self._keep(draft, trouble, answer)

    # --- one call

    async def _opened(self, request: Request) -> tuple[bytes, dict[str, Any]] | Response | None:
        if self._dials.is_down("wecom"):
            return None
        body = await read_body(request)
        wrong = self.tokens.error(request.query_params.get("access_token", ""))
        if wrong is not None:
            # WeCom says 40014 of a token it does not know; 40001 is its word for a wrong secret.
            return _error(40014 if wrong[0] == 40001 else wrong[0], "invalid access_token")
        try:
            said = msgspec.json.decode(body or b"")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            said = None
        return (body or b"", said) if isinstance(said, dict) else _error(47001, "data format error")

    async def _keep(self, draft: Draft, trouble: Trouble | None, answer: Response) -> Response | None:
        try:
            await self._recorder.append([draft])
        except OSError:
            if not draft.deduped:
                self._known.pop(sha256(draft.body).hexdigest(), None)
            return _error(-1, "system busy")
        return await conclude(trouble, answer, Response("bad gateway", 502))

    def _mint(self) -> str:
        self._minted = max(self._minted + 1, self._now())
        return derive("wecom", self._minted)

    def _known_as(self, body: bytes) -> str:
        msgid, until = self._known.get(sha256(body).hexdigest(), ("", 0))
        return msgid if self._now() < until else ""

    def _remember(self, body: bytes, msgid: str, at: Micros) -> None:
        said = msgspec.json.decode(body)
        if said.get("enable_duplicate_check") == 1:
            interval = min(int(said.get("duplicate_check_interval", 1_800)), _LONGEST)
            self._known.setdefault(sha256(body).hexdigest(), (msgid, at + interval * SECOND))


def _wrong_message(said: dict[str, Any], agent_id: int) -> tuple[int, str] | None:
    to, text = said.get("touser"), said.get("text")
    if not isinstance(to, str) or not _MEMBER.fullmatch(to):
        return 40003, "invalid userid"
    if said.get("agentid") != agent_id:
        return 40056, "invalid agentid"
    if said.get("msgtype") != "text":
        return 40008, "invalid message type"
    content = text.get("content") if isinstance(text, dict) else None
    if not isinstance(content, str) or not content:
        return 44004, "empty content"
    if len(content.encode()) > _TEXT:
        return 45002, "content size out of limit"
    interval = said.get("duplicate_check_interval", 1_800)
    return None if isinstance(interval, int) and 0 < interval <= _LONGEST else (40058, "invalid Request Parameter")


def _wrong_template(said: dict[str, Any]) -> tuple[int, str] | None:
    customers, text = said.get("external_userid"), said.get("text")
    if said.get("chat_type") != "single" or not isinstance(said.get("sender"), str) or not said["sender"]:
        return 40058, "invalid Request Parameter"
    if not isinstance(customers, list) or len(customers) != 1 or not isinstance(customers[0], str) or not customers[0]:
        return 40096, "invalid external userid"
    content = text.get("content") if isinstance(text, dict) else None
    if not isinstance(content, str) or not content:
        return 44004, "empty content"
    if len(content.encode()) > _CUSTOMER_TEXT:
        return 45002, "content size out of limit"
    attachments = said.get("attachments", [])
    if not isinstance(attachments, list) or len(attachments) > 9:
        return 40058, "invalid Request Parameter"
    for one in attachments:
        link = one.get("link") if isinstance(one, dict) and one.get("msgtype") == "link" else None
        if not isinstance(link, dict) or not link.get("title") or not link.get("url"):
            return 40058, "invalid Request Parameter"
    return None


def _refused(trouble: Trouble | None) -> Response | None:
    if trouble is None or trouble.fault not in (Fault.REFUSE, Fault.RATE_LIMIT, Fault.ERROR_BEFORE):
        return None
    if re.fullmatch(r"-?\d{1,6}", trouble.code, re.ASCII):
        return _error(int(trouble.code), "refused by the sandbox")
    if trouble.fault is Fault.REFUSE:
        return _error(40003, "invalid userid")
    return _error(45009, "api freq out of limit") if trouble.fault is Fault.RATE_LIMIT else _error(-1, "system busy")


def _error(code: int, message: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": message})

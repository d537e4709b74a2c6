"""The sandbox's own HTTP face: read what was accepted, turn dials, change receipts, let a follower act.

These paths start with `_` and belong to no provider. Bad input answers 400 with the problem and the remedy.
"""

from typing import Any, Literal, TypeAlias

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from channels.sandbox import pages
from channels.sandbox.dials import Dial, Dials
from channels.sandbox.exchange import read_body
from channels.sandbox.receipts import Courier
from channels.sandbox.record import Recorder, RecordQuery
from channels.sandbox.settings import Receipts
from channels.sandbox.smsup import Phones
from channels.sandbox.wechat import WechatAccountServer
from engine.core.errors import BadInput
from engine.core.ids import SECOND

_MOST = 10_000


class FollowerEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a follower does: subscribe, unsubscribe, SCAN, CLICK, MESSAGE."""

    openid: str
    event: Literal["subscribe", "unsubscribe", "SCAN", "CLICK", "MESSAGE"]
    key: str = ""


class PhoneAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a phone sends back, such as R or 退订."""

    phone: str
    content: str


class TokenOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to the access tokens; `life` is in seconds and counts for new ones."""

    expire: bool = False
    revoke: bool = False
    life: float = 0.0


_Dials: TypeAlias = Dial | list[Dial]


class Control:
    """Handlers over the parts of one sandbox."""

    def __init__(
        self,
        recorder: Recorder,
        dials: Dials,
        couriers: dict[str, Courier],
        wechat: WechatAccountServer,
        phones: Phones,
    ) -> None:
        self._recorder, self._dials, self._couriers = recorder, dials, couriers
        self._wechat, self._phones = wechat, phones

    def routes(self) -> list[Route]:
        """Return the paths."""
        return [
            Route("/", self.inbox, methods=["GET"]),
            Route("/_inbox/{seq:int}", self.message, methods=["GET"]),
            Route("/_accepted", self.accepted, methods=["GET"]),
            Route("/_accepted/{seq:int}", self.raw, methods=["GET"]),
            Route("/_dials", self.show_dials, methods=["GET"]),
            Route("/_dials", self.turn_dials, methods=["POST"]),
            Route("/_dials", self.clear_dials, methods=["DELETE"]),
            Route("/_receipts", self.show_receipts, methods=["GET"]),
            Route("/_receipts", self.change_receipts, methods=["POST"]),
            Route("/_aliyun/reply", self.phone, methods=["POST"]),
            Route("/_wechat/event", self.follower, methods=["POST"]),
            Route("/_wechat/tokens", self.order_tokens, methods=["POST"]),
        ]

    async def inbox(self, request: Request) -> HTMLResponse:
        """Show what was accepted, newest first, of one provider or customer when asked."""
        asked = request.query_params
        query = RecordQuery(
            provider=asked.get("provider", ""),
            recipient=asked.get("recipient", ""),
            before=_number(asked, "before"),
            limit=pages.PAGE,
            newest=True,
        )
        return pages.inbox(self._recorder.read(query), query)

    async def message(self, request: Request) -> HTMLResponse:
        """Show one message."""
        line = self._recorder.one(request.path_params["seq"])
        return pages.message(line) if line is not None else pages.missing("There is no message of that number.")

    async def accepted(self, request: Request) -> Response:
        """Return the record after seq `since` as JSON, without bodies."""
        asked = request.query_params
        query = RecordQuery(
            provider=asked.get("provider", ""),
            recipient=asked.get("recipient", ""),
            since=_number(asked, "since"),
            limit=min(_number(asked, "limit") or 1_000, _MOST),
        )
        return _json(self._recorder.read(query))

    async def raw(self, request: Request) -> Response:
        """Return one body as it came."""
        line = self._recorder.one(request.path_params["seq"])
        if line is None:
            return JSONResponse({"problem": "there is no message of that number"}, 404)
        return Response(
            line.body, media_type="text/plain; charset=utf-8", headers={"x-content-type-options": "nosniff"}
        )

    async def show_dials(self, request: Request) -> Response:  # noqa: ARG002 - a route handler's signature
        """Return the dials that are on and how often each fault fired."""
        return _json({
            "dials": self._dials.settings(),
            "fired": self._dials.fired,
            "tokens_issued": self._wechat.tokens.issued,
        })  # fmt: skip

    async def turn_dials(self, request: Request) -> Response:
        """Set one dial or a list of them."""
        try:
            said = await _said(request, _Dials)
            for dial in said if isinstance(said, list) else [said]:
                self._dials.turn(dial)
        except BadInput as bad:
            return _bad(bad)
        return await self.show_dials(request)

    async def clear_dials(self, request: Request) -> Response:
        """Turn all dials off, or those of `?provider=`."""
        self._dials.clear(request.query_params.get("provider", "*"))
        return await self.show_dials(request)

    async def show_receipts(self, request: Request) -> Response:  # noqa: ARG002 - a route handler's signature
        """Return the rules of receipts and what became of them, per provider."""
        rules = next(iter(self._couriers.values())).rules
        return _json({"rules": rules, "tally": {name: courier.tally for name, courier in self._couriers.items()}})

    async def change_receipts(self, request: Request) -> Response:
        """Change some of the rules of receipts; what is not named stays."""
        rules = next(iter(self._couriers.values())).rules
        try:
            said = await _said(request, dict[str, Any])
            changed = msgspec.convert(msgspec.to_builtins(rules) | said, Receipts)
        except msgspec.ValidationError as wrong:
            return _bad(BadInput(str(wrong), "GET /_receipts shows the rules and their types"))
        except BadInput as bad:
            return _bad(bad)
        unknown = sorted(set(said) - set(Receipts.__struct_fields__))
        if unknown or changed.hurry <= 0 or changed.delay < 0:
            problem = f"there is no rule {unknown[0]!r}" if unknown else "hurry or delay is out of range"
            return _bad(BadInput(problem, "GET /_receipts shows the rules; hurry is above 0, delay 0 or more"))
        for courier in self._couriers.values():
            courier.rules = changed
        return await self.show_receipts(request)

    async def follower(self, request: Request) -> Response:
        """Let a follower act: pushes the event to the callback and may open the 48-hour window."""
        try:
            said = await _said(request, FollowerEvent)
        except BadInput as bad:
            return _bad(bad)
        await self._wechat.follower(said.openid, said.event, said.key)
        return _json({"ok": True})

    async def phone(self, request: Request) -> Response:
        """Let a phone answer an SMS: pushes SmsUp to the callback of replies."""
        try:
            said = await _said(request, PhoneAnswer)
        except BadInput as bad:
            return _bad(bad)
        await self._phones.answer(said.phone, said.content)
        return _json({"ok": True})

    async def order_tokens(self, request: Request) -> Response:
        """Expire or revoke the access tokens, or set how long new ones live."""
        try:
            said = await _said(request, TokenOrder)
        except BadInput as bad:
            return _bad(bad)
        if said.life > 0:
            self._wechat.tokens.life = int(said.life * SECOND)
        if said.expire:
            self._wechat.tokens.expire()
        if said.revoke:
            self._wechat.tokens.revoke()
        return _json({"issued": self._wechat.tokens.issued})


async def _said(request: Request, shape: Any) -> Any:
    body = await read_body(request)
    try:
        return msgspec.json.decode(body or b"", type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise BadInput(
            f"the body is not what was expected: {wrong}", "Send the JSON that the documentation shows"
        ) from wrong


def _number(asked: QueryParams, name: str) -> int:
    value = asked.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _bad(bad: BadInput) -> Response:
    return JSONResponse({"problem": bad.problem, "remedy": bad.remedy}, 400)

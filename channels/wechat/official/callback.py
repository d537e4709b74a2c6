"""Reads what WeChat tells the callback server: the URL check, template results, follows, scans, messages.

Every request must be signed with the token; with an AES key set, only encrypted ones count, because the plain
signature does not cover the body. WeChat waits five seconds and repeats three times: ids collapse the repeats.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from channels.reply import Callback, Parsed, Reply
from channels.wechat.official import crypto
from channels.wechat.official.settings import WechatSettings
from engine.core.delivery import Fact
from engine.core.errors import BadInput
from engine.core.events import Event, Receipt
from engine.core.ids import DAY, SECOND, Micros, derive

BODY_LIMIT: Final = 64_000
_FIELDS: Final = 100
_TEXT: Final = "text/plain; charset=utf-8"
_DONE: Final = Reply(200, b"success", _TEXT)
_FORBIDDEN: Final = Reply(403, b"the signature, its age or the mode is wrong", _TEXT)
_BAD: Final = Reply(400, b"the body is not a message of WeChat", _TEXT)

Fields = Mapping[str, str]


def parse_callback(callback: Callback, settings: WechatSettings) -> Parsed:
    """Read one request. GET answers the URL check; POST gives receipts and events and answers `success`."""
    if not _is_fresh(callback, settings):
        return _FORBIDDEN, []
    if callback.method == "GET":
        return _check_url(callback, settings), []
    if callback.method != "POST":
        return Reply(405, b"GET or POST", _TEXT), []
    try:
        fields = _fields(callback.body)
        if settings.aes_key:
            encrypted = fields.get("Encrypt", "")
            if not encrypted or not _is_signed(callback, settings, "msg_signature", encrypted):
                return _FORBIDDEN, []
            fields = _fields(crypto.decrypt(settings.aes_key, encrypted, settings.app_id))
        elif not _is_signed(callback, settings, "signature"):
            return _FORBIDDEN, []
    except BadInput:
        return _BAD, []
    return _DONE, list(_entries(fields, callback.now))


def _is_fresh(callback: Callback, settings: WechatSettings) -> bool:
    stamp = callback.query.get("timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    return abs(callback.now - int(stamp) * SECOND) <= settings.max_age * SECOND


def _is_signed(callback: Callback, settings: WechatSettings, name: str, *more: str) -> bool:
    query = callback.query
    parts = (query.get("timestamp", ""), query.get("nonce", ""), *more)
    return crypto.is_signed(query.get(name, ""), settings.token, *parts)


def _check_url(callback: Callback, settings: WechatSettings) -> Reply:
    """Answer the echo; it is text, never markup, whatever a stranger puts into it."""
    echo = callback.query.get("echostr", "")
    return (
        Reply(200, echo.encode("utf-8", "replace"), _TEXT)
        if _is_signed(callback, settings, "signature")
        else _FORBIDDEN
    )


def _fields(body: bytes) -> dict[str, str]:
    """Return the flat fields of `<xml>`; raises `BadInput` for entities, size, depth and everything else."""
    if len(body) > BODY_LIMIT:
        raise BadInput("The message is too large", f"WeChat's are under {BODY_LIMIT} bytes")
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise BadInput("The body is not plain XML", "send what WeChat sends") from None
    if root.tag != "xml" or len(root) > _FIELDS:
        raise BadInput("The body is not a message of WeChat", "send what WeChat sends")
    return {child.tag: (child.text or "").strip() for child in root}


def _entries(fields: Fields, now: Micros) -> Iterator[Receipt | Event]:
    openid = fields.get("FromUserName", "")
    if not openid or len(openid) > 64:
        return
    if fields.get("MsgType") != "event":
        said = {"type": fields.get("MsgType", ""), "text": fields.get("Content", "")[:2000]}
        yield _event("wechat_message_received", fields, said, now)
        return
    match fields.get("Event", ""):
        case "TEMPLATESENDJOBFINISH":
            yield from _template_result(fields, openid, now)
        case "subscribe":
            yield _event("wechat_followed", fields, _scene(fields), now, {"wechat": True})
        case "unsubscribe":
            yield _event("wechat_unfollowed", fields, {}, now, {"wechat": False})
        case "SCAN":
            yield _event("qr_scanned", fields, _scene(fields), now)
        case "CLICK" | "VIEW":
            yield _event("wechat_menu_clicked", fields, {"key": fields.get("EventKey", "")}, now)
        case _:
            return


def _template_result(fields: Fields, openid: str, now: Micros) -> Iterator[Receipt]:
    message, status = fields.get("MsgID", ""), fields.get("Status", "")
    if not message:
        return
    refused = Fact.REJECTED if "block" in status else Fact.SOFT_BOUNCE
    fact = Fact.DELIVERED if status.startswith("success") else refused
    yield Receipt(
        id=derive("wechat", message, openid, str(fact.name)),
        fact=str(fact.name),
        at=_instant(fields, now),
        received=now,
        provider="wechat",
        provider_id=message,
        recipient=openid,
        detail=status[:300],
    )


def _scene(fields: Fields) -> dict[str, str]:
    """Return the parametric QR code's scene: prefixed when it made somebody follow, bare for a follower."""
    scene = fields.get("EventKey", "").removeprefix("qrscene_")
    return {"scene": scene, "ticket": fields.get("Ticket", "")} if scene else {}


def _event(
    name: str, fields: Fields, said: dict[str, str], now: Micros, consents: dict[str, bool] | None = None
) -> Event:
    key = fields.get("MsgId") or "/".join(fields.get(part, "") for part in ("CreateTime", "Event", "EventKey"))
    return Event(
        id=derive("wechat", fields["FromUserName"], key),
        name=name,
        at=_instant(fields, now),
        received=now,
        source="wechat",
        identifiers={"openid": fields["FromUserName"]},
        properties=said,
        consents=consents or {},
    )


def _instant(fields: Fields, now: Micros) -> Micros:
    stamp = fields.get("CreateTime", "")
    at = int(stamp) * SECOND if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 else now
    return at if now - 30 * DAY < at <= now else now

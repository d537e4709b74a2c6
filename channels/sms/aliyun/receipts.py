"""Reads Aliyun's callbacks: delivery reports (SmsReport) and replies of people (SmsUp), both JSON arrays.

Aliyun signs nothing, so the URL carries a key; the answer must come within 700 ms and says a number under `code`.
Times are UTC+8 without saying so. A bad item is skipped: it must not make Aliyun repeat the good ones.
"""

import hmac
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from channels.reply import Callback, Parsed, Reply
from channels.sms.aliyun import codes
from channels.sms.aliyun.numbers import is_number, to_e164
from channels.sms.aliyun.settings import AliyunSettings
from engine.core.events import Event, Receipt
from engine.core.ids import DAY, SECOND, Micros, derive

BODY_LIMIT: Final = 2_000_000
_ITEMS: Final = 10_000
_CHINA: Final = timezone(timedelta(hours=8))
_OK: Final = Reply(200, '{"code":0,"msg":"成功"}'.encode())
_FORBIDDEN: Final = Reply(403, b'{"code":403,"msg":"wrong key"}')
_BAD: Final = Reply(400, b'{"code":400,"msg":"the body is not a JSON array of objects"}')


def parse_reports(callback: Callback, settings: AliyunSettings) -> Parsed:
    """Read SmsReport: a receipt per item, and an opt-out event where the carrier's code says so."""
    items = _items(callback, settings)
    if isinstance(items, Reply):
        return items, []
    return _OK, [entry for item in items for entry in _report(item, callback.now)]


def parse_replies(callback: Callback, settings: AliyunSettings) -> Parsed:
    """Read SmsUp: `sms_opted_out` (and no consent to SMS) for an opt-out word, else `sms_replied`."""
    items = _items(callback, settings)
    if isinstance(items, Reply):
        return items, []
    return _OK, [entry for item in items for entry in _uplink(item, settings.opt_out_words, callback.now)]


def is_opt_out(text: str, words: tuple[str, ...]) -> bool:
    """Is the whole reply one of the opt-out words, however it is typed?

    >>> is_opt_out(" ｔｄ。", ("TD",)), is_opt_out("不退订", ("退订",))
    (True, False)
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    return "".join(c for c in plain if unicodedata.category(c)[0] not in "PZSC") in words


def _items(callback: Callback, settings: AliyunSettings) -> list[dict[str, Any]] | Reply:
    if callback.method in {"GET", "HEAD"}:
        return []  # the console's probe of the URL
    key = callback.query.get("key", "").encode("utf-8", "replace")
    if settings.callback_key and not hmac.compare_digest(key, settings.callback_key.encode()):
        return _FORBIDDEN
    if len(callback.body) > BODY_LIMIT:
        return _BAD
    try:
        decoded = msgspec.json.decode(callback.body)
    except (msgspec.DecodeError, RecursionError):
        return _BAD
    if not isinstance(decoded, list):
        return _BAD
    return [item for item in decoded[:_ITEMS] if isinstance(item, dict)]


def _report(item: dict[str, Any], now: Micros) -> Iterator[Receipt | Event]:
    biz, out, number = (_text(item, name) for name in ("biz_id", "out_id", "phone_number"))
    if not (biz or out) or not is_number(number):
        return
    code = _text(item, "err_code")
    success = item.get("success") is True or _text(item, "success").lower() == "true"
    fact = codes.fact_of(success=success, code=code)
    at = _instant(_text(item, "report_time"), now)
    key = derive("aliyun", biz, out, number, str(fact.name), code)
    yield Receipt(
        id=key,
        fact=str(fact.name),
        at=at,
        received=now,
        provider="aliyun",
        provider_id=biz,
        touch=out,
        recipient=to_e164(number),
        detail=" ".join(f"{code} {_text(item, 'err_msg')}".split()),
    )
    if not success and codes.is_opt_out(code):
        yield _opted_out(key, to_e164(number), {"code": code}, at, now)


def _uplink(item: dict[str, Any], words: tuple[str, ...], now: Micros) -> Iterator[Event]:
    number, content = _text(item, "phone_number"), _text(item, "content")
    if not is_number(number):
        return
    at = _instant(_text(item, "send_time"), now)
    sequence = _text(item, "sequence_id")
    key = derive("aliyun-up", sequence) if sequence else derive("aliyun-up", number, content, _text(item, "send_time"))
    said = {"text": content, "to": _text(item, "dest_code")}
    if is_opt_out(content, words):
        yield _opted_out(key, to_e164(number), said, at, now)
        return
    yield Event(key, "sms_replied", at, now, source="aliyun", identifiers={"phone": to_e164(number)}, properties=said)


def _opted_out(key: str, number: str, said: dict[str, Any], at: Micros, now: Micros) -> Event:
    return Event(
        id=derive("opt-out", key),
        name="sms_opted_out",
        at=at,
        received=now,
        source="aliyun",
        identifiers={"phone": number},
        properties=said,
        consents={"sms": False},
    )


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return str(value)[:500] if isinstance(value, str | int | bool) else ""


def _instant(text: str, now: Micros) -> Micros:
    """Return the instant of "2026-03-01 09:30:00" in UTC+8; a missing, odd or future one is `now`."""
    try:
        stamp = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_CHINA)
        at = int(stamp.timestamp()) * SECOND
    except (ValueError, OverflowError):
        return now
    return at if now - 30 * DAY < at <= now else now

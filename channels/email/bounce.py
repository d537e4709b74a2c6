"""Reads what comes back by mail: delivery reports (RFC 3464) and abuse reports (RFC 5965), into receipts.

Anybody can send us mail, so a report counts only when it carries one of our signed names: the bounce address it was
sent to, or the original's Message-ID. Automatic answers and everything else are ignored.
"""

import email
import email.policy
from collections.abc import Iterator
from email.message import Message
from typing import Final

from channels.email.replies import judge
from channels.email.settings import SmtpSettings
from channels.email.verp import read_bounce_address, read_message_id
from channels.reply import Callback, Parsed, Reply
from engine.core.delivery import Fact, Retry
from engine.core.events import Receipt
from engine.core.ids import Micros, derive

BODY_LIMIT: Final = 1_000_000
_DONE: Final = Reply(200, b'{"ok":true}')
_TOO_LARGE: Final = Reply(413, b'{"ok":false,"detail":"a report is at most 1 MB"}')
_PARTS: Final = 20

_ACTIONS: Final = {"delayed": Fact.DEFERRED, "delivered": Fact.DELIVERED}


def parse_bounce(callback: Callback, settings: SmtpSettings) -> Parsed:
    """Read one raw message. `query["to"]` (or the header X-Original-To) may name the address it was delivered to."""
    if callback.method != "POST":
        return Reply(405, b'{"ok":false,"detail":"POST the raw message"}'), []
    if len(callback.body) > BODY_LIMIT:
        return _TOO_LARGE, []
    delivered_to = f"{callback.query.get('to', '')} {callback.headers.get('x-original-to', '')}"
    try:
        message = email.message_from_bytes(callback.body, policy=email.policy.compat32)
        return _DONE, list(_receipts(message, delivered_to, settings, callback.now))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # The standard parser raises oddly on hostile input; what it cannot read is not a report of ours.
        return _DONE, []


def _receipts(message: Message, delivered_to: str, settings: SmtpSettings, now: Micros) -> Iterator[Receipt]:
    kind = str(message.get_param("report-type") or "").lower()
    if message.get_content_type() != "multipart/report" or kind not in {"delivery-status", "feedback-report"}:
        return
    parts = [part for part, _ in zip(message.walk(), range(_PARTS), strict=False)]
    touch = _touch(message, parts, delivered_to, settings)
    if not touch:
        return
    if kind == "feedback-report":
        yield from _complaint(parts, touch, now)
        return
    for group in _status_groups(parts):
        yield _status(group, touch, now)


def _touch(message: Message, parts: list[Message], delivered_to: str, settings: SmtpSettings) -> str:
    """Return the touch named by a proof of ours: the VERP address first, then the original's Message-ID."""
    envelope = [delivered_to, str(message.get("To", "")), str(message.get("Delivered-To", ""))]
    inner = [_fields_text(part) for part in parts]
    for text in [*envelope, *inner]:
        if touch := read_bounce_address(settings.key, text):
            return touch
    return next((touch for text in inner if (touch := read_message_id(settings.key, text))), "")


def _fields_text(part: Message) -> str:
    """Return what a report part quotes of the original: fields of the machine part, headers of the returned mail."""
    kind = part.get_content_type()
    if kind == "text/rfc822-headers":
        raw = part.get_payload(decode=True)
        return raw[:20_000].decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    if kind not in {"message/delivery-status", "message/feedback-report", "message/rfc822"}:
        return ""
    return "\n".join(f"{name}: {value}" for inner in _inner(part) for name, value in inner.items())


def _inner(part: Message) -> list[Message]:
    """Return the field groups of a `message/*` part; some senders leave a feedback report as plain text."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [group for group in payload if isinstance(group, Message)]
    return [email.message_from_string(str(payload)[:20_000])]


def _status_groups(parts: list[Message]) -> Iterator[Message]:
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            yield from (group for group in _inner(part) if group.get("Final-Recipient") and group.get("Action"))


def _status(group: Message, touch: str, now: Micros) -> Receipt:
    status = str(group.get("Status", "")).strip()
    said = str(group.get("Diagnostic-Code", "")).rpartition(";")[2].strip()
    action = str(group["Action"]).strip().lower()
    fact = _ACTIONS.get(action) or (_failure(status, said) if action == "failed" else Fact.ACCEPTED)
    # The final recipient may be where a forwarder sent it on: it is told, not matched; the proof names the touch.
    recipient = str(group["Final-Recipient"]).rpartition(";")[2].strip()
    return _receipt(touch, fact, " ".join(f"{status} {said} ({recipient})".split())[:300], now)


def _failure(status: str, said: str) -> Fact:
    digits = said[:3]
    code = int(digits) if digits.isascii() and digits.isdigit() else (550 if status.startswith("5") else 450)
    text = said if status in said else f"{status} {said}"
    return Fact.HARD_BOUNCE if judge(code, text).retry is Retry.PERMANENT else Fact.SOFT_BOUNCE


def _complaint(parts: list[Message], touch: str, now: Micros) -> Iterator[Receipt]:
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        for group in _inner(part):
            kind = str(group.get("Feedback-Type", "")).strip().lower()
            if kind in {"abuse", "fraud", "virus"}:
                yield _receipt(touch, Fact.COMPLAINED, kind, now)


def _receipt(touch: str, fact: Fact, detail: str, now: Micros) -> Receipt:
    return Receipt(
        id=derive("smtp", touch, str(fact.name), detail),
        fact=str(fact.name),
        at=now,
        received=now,
        provider="smtp",
        provider_id=touch,
        touch=touch,
        detail=detail,
    )

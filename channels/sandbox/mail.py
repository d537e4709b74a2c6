"""What a mail says of itself: its touch, its subject, its words. Reads bytes that a stranger wrote; never raises.

`summarise` is on the path of every accepted mail and looks no further than it must; `opened` parses the whole mail
when somebody reads it in the inbox.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from email import message_from_bytes, policy
from email.errors import HeaderParseError, MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from quopri import decodestring
from typing import Final

import msgspec

from channels.sandbox.bounces import Mailed
from channels.sandbox.record import Draft, touch_key

_EXCERPT: Final = 500
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_WANTED: Final = re.compile(rb"^(x-touch|message-id|subject):[ \t]*(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_PLAIN: Final = re.compile(rb"^content-type:[ \t]*text/plain", re.IGNORECASE | re.MULTILINE)
_ENCODING: Final = re.compile(rb"^content-transfer-encoding:[ \t]*([a-z0-9-]+)", re.IGNORECASE | re.MULTILINE)


class Summary(msgspec.Struct, frozen=True):
    """A mail in a line."""

    key: str
    subject: str
    text: str


class Opened(msgspec.Struct, frozen=True):
    """A mail unfolded for a reader: decoded headers in order, the plain words, the page."""

    headers: list[tuple[str, str]]
    text: str
    html: str


def summarise(raw: bytes) -> Summary:
    """Return touch id (X-Touch, else from the Message-ID), decoded subject, and the first words of the plain part.

    >>> summarise(b"Message-ID: <t1.abc@shop.cn>\\r\\nSubject: =?utf-8?b?5L2g5aW9?=\\r\\n\\r\\nhello\\r\\n")
    Summary(key='t1', subject='你好', text='hello')
    """
    head, _, body = raw.partition(b"\r\n\r\n")
    head = _FOLD.sub(b" ", head)
    found = {name.lower(): value for name, value in reversed(_WANTED.findall(head))}
    carried = found.get(b"x-touch") or found.get(b"message-id", b"").strip(b" <>").partition(b"@")[0]
    return Summary(
        touch_key(carried.decode("utf-8", "replace")), _words(found.get(b"subject", b"")), _excerpt(head, body)
    )


def drafts_of(body: bytes, mailed: Mailed, fault: str) -> list[Draft]:
    """Return the lines of the record for an accepted mail, one for each recipient."""
    summary = summarise(body)
    return [
        Draft(
            provider="smtp",
            key=summary.key,
            recipient=recipient,
            provider_id=mailed.queued,
            subject=summary.subject,
            text=summary.text,
            body=body,
            fault=fault,
        )
        for recipient in mailed.recipients
    ]


def opened(raw: bytes) -> Opened:
    """Return the whole mail, decoded, for the inbox page."""
    try:
        mail = message_from_bytes(raw, policy=policy.default)
        headers = [(name, str(value)) for name, value in mail.items()]
        return Opened(headers, _part(mail, "plain"), _part(mail, "html"))
    except (MessageError, ValueError, LookupError, IndexError):
        return Opened([], raw.decode("utf-8", "replace"), "")


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _words(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        return text


def _excerpt(head: bytes, body: bytes) -> str:
    if b"multipart/" in head.lower():
        start = _PLAIN.search(body)
        if start is None:
            return ""
        part, _, body = body[start.start() :].partition(b"\r\n\r\n")
        head, body = part, body.partition(b"\r\n--")[0]
    encoding = _ENCODING.search(head)
    name = encoding.group(1).lower() if encoding else b""
    cut = body[: _EXCERPT * 6]
    try:
        if name == b"base64":
            cut = b"".join(cut.split())
            cut = b64decode(cut[: len(cut) // 4 * 4])
        elif name == b"quoted-printable":
            cut = decodestring(cut)
    except (Base64Error, ValueError):
        return ""
    return cut.decode("utf-8", "replace").strip()[:_EXCERPT]

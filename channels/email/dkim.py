"""DKIM (RFC 6376), relaxed/relaxed, signed with `cryptography`: RSA-2048 or Ed25519 (RFC 8463).

It covers List-Unsubscribe-Post, without which one-click unsubscribe does not count at the large receivers, and lists
From once more than it occurs, so that a second From cannot be added. Only `smtp.py` calls this.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from channels.email.settings import DkimSettings
from engine.core.errors import BadSetting
from engine.core.ids import SECOND, Micros

Sign: TypeAlias = Callable[[bytes, Micros], bytes]

_SIGNED: Final = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "feedback-id",
)
_BLANKS: Final = re.compile(rb"[ \t]+")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")


def signer(settings: DkimSettings) -> Sign:
    """Return a function from (message, its date) to the message with its signature on top; raises `BadSetting`."""
    try:
        key = load_pem_private_key(settings.key.encode(), password=None)
    except (ValueError, TypeError):
        raise BadSetting("The DKIM key cannot be read: give a PEM private key without a password") from None
    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 signs the digest of the data.
        return _signing(settings, "ed25519-sha256", lambda data: key.sign(sha256(data).digest()))
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        return _signing(settings, "rsa-sha256", lambda data: key.sign(data, PKCS1v15(), SHA256()))
    raise BadSetting("The DKIM key is neither RSA of 2048 bits or more nor Ed25519: make one of these")


def _signing(settings: DkimSettings, algorithm: str, raw: Callable[[bytes], bytes]) -> Sign:
    def sign(message: bytes, date: Micros) -> bytes:
        head, _, body = message.partition(b"\r\n\r\n")
        fields = _fields(head)
        names = [name for name in _SIGNED if name in fields]
        tags = (
            f"v=1; a={algorithm}; c=relaxed/relaxed; d={settings.domain}; s={settings.selector}; "
            f"t={date // SECOND};\r\n h={':'.join(['from', *names])};\r\n"
            f" bh={b64encode(sha256(_relaxed_body(body)).digest()).decode()};\r\n b="
        )
        unsigned = b"dkim-signature:" + _relaxed(tags.encode())
        # "from" is listed twice and occurs once: the surplus one stands for nothing and adds nothing.
        lines = [name.encode() + b":" + _relaxed(fields[name]) for name in names]
        signature = b64encode(raw(b"\r\n".join([*lines, unsigned]))).decode()
        folded = "\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72))
        return f"DKIM-Signature: {tags}{folded}\r\n".encode("ascii") + message

    return sign


def _fields(head: bytes) -> dict[str, bytes]:
    """Return lower-case name -> raw value, for headers that occur once, as ours do."""
    fields: dict[str, bytes] = {}
    for line in _FOLD.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        fields[name.decode("ascii").lower()] = value
    return fields


def _relaxed(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" \t")


def _relaxed_body(body: bytes) -> bytes:
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)

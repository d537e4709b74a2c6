"""Names that come back: the Message-ID and the bounce address carry the touch id and a proof that we made them.

Bounces and complaints are forgeable by anyone who can send mail, so a token is believed only with its HMAC.
"""

import hmac
import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

from channels.secret import Secret

_MAC: Final = 16  # base32 characters: 80 bits
_TOUCH: Final = r"[a-z0-9_-]{1,40}"
_VERP: Final = re.compile(rf"b\+(?P<touch>{_TOUCH})=(?P<mac>[a-z2-7]{{{_MAC}}})@", re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(rf"<(?P<touch>{_TOUCH})\.(?P<mac>[a-z2-7]{{{_MAC}}})@", re.IGNORECASE)


def message_id(key: Secret, touch: str, domain: str) -> str:
    """Return the touch's Message-ID: the same on every retry, so that receivers and we recognise a repeat."""
    return f"<{touch}.{_mac(key, 'message-id', touch)}@{domain}>"


def bounce_address(key: Secret, touch: str, domain: str) -> str:
    """Return the envelope sender (VERP) of the touch, e.g. b+<touch>=<mac>@bounce.brand.example."""
    return f"b+{touch}={_mac(key, 'verp', touch)}@{domain}"


def read_bounce_address(key: Secret, text: str) -> str:
    """Return the touch id of a bounce address found in `text` if its proof holds, else ""."""
    return _read(key, "verp", _VERP, text)


def read_message_id(key: Secret, text: str) -> str:
    """Return the touch id of a Message-ID found in `text` if its proof holds, else ""."""
    return _read(key, "message-id", _MESSAGE_ID, text)


def _read(key: Secret, use: str, pattern: re.Pattern[str], text: str) -> str:
    for found in pattern.finditer(text):
        touch = found["touch"].lower()  # some relays change the case of local parts
        if hmac.compare_digest(_mac(key, use, touch), found["mac"].lower()):
            return touch
    return ""


def _mac(key: Secret, use: str, touch: str) -> str:
    digest = hmac.new(key.encode(), f"{use}:{touch}".encode(), sha256).digest()
    return b32encode(digest[:10]).decode("ascii").lower()

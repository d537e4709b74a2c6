"""Standard Webhooks signatures (v1, HMAC-SHA256): pure functions and the form of a secret.

Signed is `id.timestamp.body`, the exact bytes that are sent. Several keys sign side by side while one is replaced.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from typing import Final

from channels.secret import Secret
from engine.core.errors import BadSetting

PREFIX: Final = "whsec_"
_LEAST, _MOST = 24, 64


def key_of(secret: Secret) -> bytes:
    """Return the key of a secret written as whsec_ and base64 of 24 to 64 bytes; raises `BadSetting`, never showing it.

    >>> len(key_of(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
    24
    """
    try:
        key = b64decode(secret.reveal().strip().removeprefix(PREFIX), validate=True)
    except (Error, ValueError):
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise BadSetting(
            "webhook.secret is no secret of a webhook: write whsec_ and the base64 of 24 to 64 random bytes"
        )
    return key


def sign(keys: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: a signature per key, parted by spaces. `timestamp` is in seconds.

    >>> key = key_of(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    >>> sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{id_}.{timestamp}.".encode() + body
    return " ".join("v1," + b64encode(hmac.digest(key, signed, "sha256")).decode("ascii") for key in keys)

"""The callback server's signature and encryption (AES-256-CBC, WeChat's framing): pure functions.

The padding is PKCS#7 with a block of 32, which ordinary unpadders refuse; it is checked by hand. The same scheme
serves WeCom with the corp id in place of the app id.
"""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha1
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from channels.secret import Secret
from engine.core.errors import BadInput

_BLOCK: Final = 32
_RANDOM: Final = 16


def signature(token: Secret, *parts: str) -> str:
    """Return the hex SHA-1 of the token and the parts, sorted and joined: what WeChat's `signature` is.

    >>> signature(Secret("AAAAA"), "1714036504", "1514711492")
    'f464b24fc39322e44b38aa78f5edd27bd1441696'
    """
    # WeChat's protocol fixes SHA-1; the secret token is inside.
    return sha1("".join(sorted([token.reveal(), *parts])).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def is_signed(given: str, token: Secret, *parts: str) -> bool:
    """Does `given` prove that the sender knows the token? Constant time; never without a token."""
    return bool(token) and hmac.compare_digest(given.encode("utf-8", "replace"), signature(token, *parts).encode())


def decrypt(aes_key: Secret, encrypted: str, receiver: str) -> bytes:
    """Return the message inside `encrypted`; raises `BadInput` unless it is well-formed and meant for `receiver`."""
    try:
        raw = b64decode(encrypted, validate=True)
        decryptor = _cipher(aes_key).decryptor()
        plain = decryptor.update(raw) + decryptor.finalize()
    except ValueError:
        raise BadInput("The encrypted message cannot be read", "check the EncodingAESKey") from None
    pad = plain[-1] if plain else 0
    if not 1 <= pad <= _BLOCK or plain[-pad:] != bytes([pad]) * pad:
        raise BadInput("The encrypted message has a wrong padding", "check the EncodingAESKey")
    framed = plain[_RANDOM:-pad]
    length = int.from_bytes(framed[:4], "big")
    message, tail = framed[4 : 4 + length], framed[4 + length :]
    if len(message) != length or not hmac.compare_digest(tail, receiver.encode()):
        raise BadInput("The encrypted message is for another account", "check the app id")
    return message


def encrypt(aes_key: Secret, message: bytes, receiver: str, *, prefix: bytes) -> str:
    """Return `message` as WeChat would send it; `prefix` is 16 random bytes. The sandbox and the tests call it."""
    framed = prefix + len(message).to_bytes(4, "big") + message + receiver.encode()
    pad = _BLOCK - len(framed) % _BLOCK
    encryptor = _cipher(aes_key).encryptor()
    return b64encode(encryptor.update(framed + bytes([pad]) * pad) + encryptor.finalize()).decode("ascii")


def _cipher(aes_key: Secret) -> Cipher[CBC]:
    key = b64decode(aes_key.reveal() + "=")
    return Cipher(AES(key), CBC(key[:16]))

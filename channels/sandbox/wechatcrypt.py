"""How WeChat signs and encrypts what it pushes: SHA-1 over sorted parts, AES-CBC with 32-byte padding.

Written from the published scheme, independent of the product's callback reader. Only the sending side is here.
"""

from base64 import b64decode, b64encode
from hashlib import sha1

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC


def signature(*parts: str) -> str:
    """Return the hex SHA-1 of the parts, sorted and joined.

    >>> signature("mytoken", "1735786245", "nonce123")
    '0dc848c5dd313a6337fed876a5ef0e9879173413'
    """
    return sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def encrypt(message: bytes, aes_key: str, appid: str, prefix: bytes) -> str:
    """Return the message as the `Encrypt` field; `prefix` is the 16 bytes that stand for random ones."""
    key = b64decode(aes_key + "=")
    plain = prefix + len(message).to_bytes(4, "big") + message + appid.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode("ascii")

"""Tokens of tracked links: what they say is readable, who said it is not forgeable.

A token is base64url(payload + tag); the tag is HMAC-SHA256 cut to 128 bits under a key derived for one purpose, so a
click's token never opens an unsubscribe page. No clock: tokens do not expire (an unsubscribe link must work for ever);
what a confirmation still means is asked of the customer's state.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from engine.core.errors import BadSetting

OfTouch: TypeAlias = Literal["click", "open", "unsubscribe"]
OfPerson: TypeAlias = Literal["confirm", "preferences"]
Purpose: TypeAlias = OfTouch | OfPerson

TOKEN_LIMIT: Final = 4096
_VERSION: Final = 1
_TAG: Final = 16
_PURPOSES: Final[dict[Purpose, int]] = {"click": 1, "open": 2, "unsubscribe": 3, "confirm": 4, "preferences": 5}


class Signed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a token says: which touch, and for a click which link of it and where it leads."""

    touch: str
    index: int = 0
    url: str = ""


class Person(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a token about a person says: which customer; for a confirmation which consent, and when it was asked."""

    customer: str
    scope: str = ""
    asked: int = 0


class Key(msgspec.Struct, frozen=True):
    """A signing key: `id` (0 to 255) names it inside tokens, `secret` has at least 16 bytes."""

    id: int
    secret: bytes


class KeyRing:
    """Signs with the first key, verifies with any: rotate by putting a new key in front."""

    def __init__(self, keys: Sequence[Key]) -> None:
        if not keys:
            raise BadSetting("Tracked links need a signing key: run `journeyd init`, or set the tracking secret")
        for key in keys:
            if len(key.secret) < 16 or not 0 <= key.id <= 255:
                raise BadSetting(
                    f"Tracking key {key.id}: it needs an id from 0 to 255 and a secret of 16 bytes or more"
                )
        if len({key.id for key in keys}) != len(keys):
            raise BadSetting("Two tracking keys share an id: give the new one another id")
        self._signing = keys[0].id
        self._subkeys = {
            (key.id, purpose): hmac.digest(key.secret, b"journeyd/tracking/1/" + purpose.encode(), "sha256")
            for key in keys
            for purpose in _PURPOSES
        }

    def sign(self, purpose: OfTouch, signed: Signed) -> str:
        """Return the token that says `signed` for `purpose`."""
        return self._close(purpose, _encoder.encode(signed))

    def sign_person(self, purpose: OfPerson, person: Person) -> str:
        """Return the token that says `person` for `purpose`."""
        return self._close(purpose, _encoder.encode(person))

    def read(self, purpose: OfTouch, token: str) -> Signed | None:
        """Return what `token` says, None unless we said exactly this for exactly this purpose."""
        body = self._open(purpose, token)
        return None if body is None else _decoder.decode(body)

    def read_person(self, purpose: OfPerson, token: str) -> Person | None:
        """Return whom `token` speaks of, None unless we said exactly this for exactly this purpose."""
        body = self._open(purpose, token)
        return None if body is None else _person_decoder.decode(body)

    def _close(self, purpose: Purpose, body: bytes) -> str:
        payload = bytes((_VERSION, self._signing, _PURPOSES[purpose])) + body
        tag = hmac.digest(self._subkeys[self._signing, purpose], payload, "sha256")[:_TAG]
        return urlsafe_b64encode(payload + tag).rstrip(b"=").decode("ascii")

    def _open(self, purpose: Purpose, token: str) -> bytes | None:
        raw = _unpack(token)
        if raw is None or len(raw) < 3 + _TAG or raw[0] != _VERSION or raw[2] != _PURPOSES[purpose]:
            return None
        subkey = self._subkeys.get((raw[1], purpose))
        if subkey is None:
            return None
        payload, tag = raw[:-_TAG], raw[-_TAG:]
        if not hmac.compare_digest(hmac.digest(subkey, payload, "sha256")[:_TAG], tag):
            return None
        return payload[3:]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Signed] = msgspec.msgpack.Decoder(Signed)
_person_decoder: msgspec.msgpack.Decoder[Person] = msgspec.msgpack.Decoder(Person)


def _unpack(token: str) -> bytes | None:
    """Decode base64url; only the one canonical spelling of the bytes passes, so no bit of a token is idle."""
    if not token.isascii() or len(token) > TOKEN_LIMIT:
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == token else None

"""Aliyun's side of ACS3-HMAC-SHA256: whether a request was signed with the account's secret, lately, and once.

Written from the published scheme, independent of the adapter that signs. The query is decoded and encoded again, as the
vendor's gateway does, so a client that signs one spelling and sends another is refused.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec

from channels.sandbox.settings import AliyunAccount
from engine.core.ids import MINUTE, SECOND, Micros

_WINDOW: Final = 15 * MINUTE
_SCHEME: Final = "ACS3-HMAC-SHA256"
_NEEDED: Final = ("x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
_CREDENTIALS: Final = re.compile(
    rf"{_SCHEME} +Credential=([^,\s]+),SignedHeaders=([a-z0-9;_-]+),Signature=([0-9a-f]{{64}})", re.ASCII
)


class SignedRequest(msgspec.Struct, frozen=True):
    """What came over the wire; header names are lower case, `query` is as sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Refusal(msgspec.Struct, frozen=True):
    """The vendor's answer to a request it does not believe."""

    status: int
    code: str
    message: str


class Gatekeeper:
    """Checks signatures of one account and remembers the nonces it has seen."""

    def __init__(self, account: AliyunAccount) -> None:
        self._account = account
        self._nonces: dict[str, Micros] = {}

    def check(self, request: SignedRequest, now: Micros) -> Refusal | None:
        """Return why the request is refused, None when it may pass."""
        found = _CREDENTIALS.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            return Refusal(
                400, "IncompleteSignature", f"Authorization must be `{_SCHEME} Credential=,SignedHeaders=,...`."
            )
        key_id, signed, signature = found.group(1), found.group(2).split(";"), found.group(3)
        if not compare_digest(key_id.encode(), self._account.access_key_id.encode()):
            return Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        refusal = _headers_refused(request, signed) or _date_refused(request.headers["x-acs-date"], now)
        if refusal is not None:
            return refusal
        right = signature_of(request, signed, self._account.access_key_secret)
        if not compare_digest(right, signature):
            ours = canonical(request, signed).replace("\n", "\\n")
            problem = f"Specified signature is not matched with our calculation. Canonical request: {ours}"
            return Refusal(400, "SignatureDoesNotMatch", problem)
        return self._nonce_refused(request.headers["x-acs-signature-nonce"], now)

    def _nonce_refused(self, nonce: str, now: Micros) -> Refusal | None:
        while self._nonces and next(iter(self._nonces.values())) < now - 2 * _WINDOW:
            del self._nonces[next(iter(self._nonces))]
        if nonce in self._nonces:
            return Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces[nonce] = now
        return None


def canonical(request: SignedRequest, signed: list[str]) -> str:
    """Return the canonical request over the signed headers."""
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    block = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed)
    payload = request.headers["x-acs-content-sha256"]
    return "\n".join([request.method, request.path, query, block, ";".join(signed), payload])


def signature_of(request: SignedRequest, signed: list[str], secret: str) -> str:
    """Return the signature the request ought to carry."""
    text = f"{_SCHEME}\n{sha256(canonical(request, signed).encode()).hexdigest()}"
    return hmac(secret.encode(), text.encode(), sha256).hexdigest()


def _headers_refused(request: SignedRequest, signed: list[str]) -> Refusal | None:
    missing = [name for name in _NEEDED if not request.headers.get(name)]
    if missing:
        return Refusal(400, "MissingParameter", f"Header {missing[0]} is missing.")
    ours = {name for name in request.headers if name.startswith("x-acs-")} | {"host"}
    if request.body:
        ours.add("content-type")
    unsigned = sorted(ours - set(signed))
    if unsigned or signed != sorted(signed) or not set(signed) <= set(request.headers):
        problem = f"{', '.join(unsigned)} must be signed" if unsigned else "SignedHeaders must be sorted and present"
        return Refusal(400, "IncompleteSignature", problem + ".")
    if not compare_digest(sha256(request.body).hexdigest(), request.headers["x-acs-content-sha256"].lower()):
        return Refusal(400, "SignatureDoesNotMatch", "x-acs-content-sha256 is not the hash of the body.")
    return None


def _date_refused(said: str, now: Micros) -> Refusal | None:
    try:
        at = datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return Refusal(400, "InvalidTimeStamp.Format", "x-acs-date must be yyyy-MM-ddTHH:mm:ssZ.")
    if abs(int(at.timestamp()) * SECOND - now) > _WINDOW:
        return Refusal(400, "InvalidTimeStamp.Expired", "x-acs-date is more than 15 minutes from our clock.")
    return None

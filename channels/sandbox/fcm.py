"""App push: Google's token endpoint, which verifies the service account's signed claim, and FCM's `messages:send`.

Written from the published scheme, apart from the product's signing. Device tokens may be magic names (`d_bounce`: no
longer registered). FCM has no receipts and collapses nothing.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.sandbox.dials import Dials, Fault, Trouble, magic_name
from channels.sandbox.exchange import conclude, read_body
from channels.sandbox.record import Draft, Recorder, touch_key
from channels.sandbox.settings import FcmAccount
from channels.sandbox.wechattokens import Tokens
from engine.core.ids import SECOND, Micros, derive

GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_PAYLOAD: Final = 4_096
_SKEW: Final = 300  # seconds
_ERRORS: Final = {
    Fault.REFUSE: (404, "NOT_FOUND", "UNREGISTERED"),
    Fault.RATE_LIMIT: (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    Fault.ERROR_BEFORE: (503, "UNAVAILABLE", "UNAVAILABLE"),
}
_STATUS: Final = {"INVALID_ARGUMENT": 400, "SENDER_ID_MISMATCH": 403, "UNREGISTERED": 404, "INTERNAL": 500}


class FcmServer:
    """One project, and Google's token endpoint for its service account."""

    def __init__(self, account: FcmAccount, dials: Dials, recorder: Recorder, now: Callable[[], Micros]) -> None:
        self.tokens = Tokens(3_600 * SECOND, now)
        self._account, self._dials, self._recorder, self._now = account, dials, recorder, now
        self._minted = now()

    async def token(self, request: Request) -> Response | None:
        """POST /token."""
        if self._dials.is_down("fcm"):
            return None
        given = parse_qs((await read_body(request) or b"").decode("ascii", "replace"))
        if given.get("grant_type") != [GRANT]:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        wrong = self._wrong_claim(given.get("assertion", [""])[0], str(request.url))
        if wrong:
            return JSONResponse({"error": "invalid_grant", "error_description": wrong}, 400)
        token, seconds = self.tokens.plain()
        return JSONResponse({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    async def send(self, request: Request) -> Response | None:
        """POST /v1/projects/{project}/messages:send."""
        if self._dials.is_down("fcm"):
            return None
        body = await read_body(request)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self.tokens.error(token) is not None:
            return _error(401, "UNAUTHENTICATED", "", "Request had invalid authentication credentials.")
        if request.path_params["project"] != self._account.project:
            return _error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "The project is not the account's.")
        message = _message(body)
        if message is None:
            return _error(400, "INVALID_ARGUMENT", "", "Invalid JSON payload received.")
        device = message["token"]
        trouble = magic_name(device.removeprefix("d_")) or self._dials.pick("fcm")
        refused = _refused(trouble)
        if refused is not None:
            return refused
        self._minted = max(self._minted + 1, self._now())
        name = f"projects/{self._account.project}/messages/{derive('fcm', self._minted)}"
        said = message["notification"]
        draft = Draft(
            provider="fcm",
            key=touch_key(message.get("data", {}).get("touch", "")),
            recipient=device,
            provider_id=name,
            subject=said["title"],
            text=said["body"],
            body=body or b"",
            fault=trouble.fault.value if trouble else "",
        )
        try:
            await self._recorder.append([draft])
        except OSError:
            return _error(503, "UNAVAILABLE", "UNAVAILABLE", "try again")
        return await conclude(trouble, JSONResponse({"name": name}), Response("bad gateway", 502))

    def _wrong_claim(self, assertion: str, audience: str) -> str:
        """Return what is wrong with the signed claim, "" for nothing."""
        try:
            head, claim, signature = assertion.split(".")
            header, claims = msgspec.json.decode(_plain(head)), msgspec.json.decode(_plain(claim))
            key = load_pem_public_key(self._account.public_key.encode())
            assert isinstance(key, RSAPublicKey)
            key.verify(_plain(signature), f"{head}.{claim}".encode(), PKCS1v15(), SHA256())
        except (ValueError, AssertionError, InvalidSignature, msgspec.DecodeError):
            return "Invalid JWT Signature."
        now = self._now() // SECOND
        if header.get("alg") != "RS256" or claims.get("iss") != self._account.client_email:
            return "Invalid issuer or algorithm."
        if claims.get("aud") != audience or claims.get("scope") != SCOPE:
            return "Invalid audience or scope."
        if not -_SKEW <= now - claims.get("iat", 0) <= 3_600 or not 0 < claims.get("exp", 0) - claims["iat"] <= 3_600:
            return "Invalid JWT: Token must be a short-lived token."
        return ""


def _plain(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _message(body: bytes | None) -> dict[str, Any] | None:
    """Return the message of a request that FCM would take."""
    try:
        message = msgspec.json.decode(body or b"")["message"]
        texts = [message["token"], message["notification"]["title"], message["notification"]["body"]]
        data = message.get("data", {})
        is_good = all(isinstance(one, str) for one in [*texts, *data, *data.values()]) and bool(message["token"])
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return message if is_good and len(body or b"") <= _PAYLOAD else None


def _refused(trouble: Trouble | None) -> Response | None:
    if trouble is None or trouble.fault not in _ERRORS:
        return None
    status, word, code = _ERRORS[trouble.fault]
    code = trouble.code if trouble.code in _STATUS else code
    return _error(_STATUS.get(code, status), word, code, f"refused by the sandbox: {trouble.fault.value}")


def _error(status: int, word: str, code: str, message: str) -> Response:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    details = [{"@type": kind, "errorCode": code}] if code else []
    headers = {"retry-after": "1"} if status in {429, 503} else None
    return JSONResponse(
        {"error": {"code": status, "message": message, "status": word, "details": details}}, status, headers
    )

"""A Google service account: its signed claim (a JWT, RS256), and the access token that it is exchanged for."""

from base64 import urlsafe_b64encode
from typing import Any, Final

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from channels.access_token import TokenRefused
from channels.secret import Secret
from engine.core.errors import BadSetting
from engine.core.ids import SECOND
from engine.ports import Clock

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE: Final = 3_600  # seconds
_REFUSED: Final = 401  # what a refusal of the account is called in `TokenRefused`


class _Document(msgspec.Struct):
    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


class ServiceAccount:
    """The account in the JSON document that Google hands out; raises `BadSetting`, which never shows it."""

    def __init__(self, document: Secret, clock: Clock) -> None:
        try:
            self._said = msgspec.json.decode(document.reveal(), type=_Document)
            key = load_pem_private_key(self._said.private_key.encode(), None)
        except (msgspec.MsgspecError, ValueError, TypeError):
            raise BadSetting(
                "push.fcm.credentials is no service account: give the JSON file that Google made"
            ) from None
        if not isinstance(key, RSAPrivateKey):
            raise BadSetting("push.fcm.credentials holds no RSA key: give the JSON file that Google made")
        self._key, self._clock = key, clock

    def claim(self) -> str:
        """Return the signed claim, good for an hour from now."""
        now = self._clock.now() // SECOND
        said = self._said
        claims = {"iss": said.client_email, "scope": SCOPE, "aud": said.token_uri, "iat": now, "exp": now + _LIFE}
        text = f"{_packed({'alg': 'RS256', 'typ': 'JWT'})}.{_packed(claims)}"
        signature = self._key.sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{_in_base64(signature)}"

    async def fetch(self, client: httpx.AsyncClient) -> tuple[str, int]:
        """Exchange the claim for an access token; raises `TokenRefused`: 401 when Google does not know the account."""
        form = {"grant_type": _GRANT, "assertion": self.claim()}
        try:
            response = await client.post(self._said.token_uri, data=form)
            answer: Any = msgspec.json.decode(response.content)
        except (httpx.HTTPError, msgspec.DecodeError) as failed:
            raise TokenRefused(0, f"no access token: {type(failed).__name__}: {failed}"[:300]) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            words = answer.get("error_description", answer.get("error", "")) if isinstance(answer, dict) else ""
            is_refusal = response.status_code in {400, 401, 403}
            detail = f"no access token: HTTP {response.status_code} {words}"[:300]
            raise TokenRefused(_REFUSED if is_refusal else 0, detail)
        lifetime = answer.get("expires_in")
        return token, lifetime if isinstance(lifetime, int) else _LIFE


def _packed(value: dict[str, Any]) -> str:
    return _in_base64(msgspec.json.encode(value))


def _in_base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

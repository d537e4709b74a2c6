"""What Tencent's two message platforms, official accounts and WeCom, have in common: a call under an access token.

HTTP 200 with an `errcode` in JSON, a token that may turn stale in mid-run, and errors that are theirs to classify.
Called by the two clients; it knows no message.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import httpx
import msgspec

from channels.access_token import AccessToken, TokenRefused
from channels.connection import CLOSED, Dials, connect, unanswered
from engine.core.delivery import Retry
from engine.core.ids import MINUTE, Micros
from engine.ports import NotSent, Unclear

LIFETIME: Final = 7_200  # seconds of a token that does not say

RetryOf: TypeAlias = Callable[[int], tuple[Retry, Micros]]


class Codes(msgspec.Struct, frozen=True):
    """The platform's errors: those of a stale token, and what each means for a message and for how long."""

    stale: frozenset[int]
    retry_of: RetryOf


class Answer(msgspec.Struct, frozen=True):
    """A readable answer."""

    code: int
    said: dict[str, Any]

    @property
    def detail(self) -> str:
        """The code and the platform's words."""
        return f"{self.code} {self.said.get('errmsg', '')}"[:300]


class Platform:
    """The calls of one account. `open` first; `call` never raises for what the platform does."""

    def __init__(self, dials: Dials, codes: Codes, token: AccessToken) -> None:
        self._dials, self._codes, self._token = dials, codes, token
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the HTTP client; proxies of the environment are ignored."""
        if self._client is None:
            self._client = connect(self._dials)

    async def close(self) -> None:
        """Release the connections."""
        client, self._client = self._client, None
        await self._token.close()
        if client is not None:
            await client.aclose()

    async def call(self, path: str, body: bytes) -> Answer | NotSent | Unclear:
        """Post the JSON and return the answer, whatever its code, or what else became of it."""
        answer, token = await self._call(path, body)
        if isinstance(answer, Answer) and answer.code in self._codes.stale:
            # The call was refused for its token, so it was not taken: one more time with a new one.
            self._token.drop(token)
            answer, _ = await self._call(path, body)
        return answer

    async def _call(self, path: str, body: bytes) -> tuple[Answer | NotSent | Unclear, str]:
        client = self._client
        if client is None:
            return CLOSED, ""
        try:
            token = await self._token.get(client)
        except TokenRefused as refused:
            return self._no_token(refused), ""
        try:
            response = await client.post(
                f"{self._dials.base_url.rstrip('/')}{path}",
                params={"access_token": token},
                content=body,
                headers={"content-type": "application/json; charset=utf-8"},
            )
        except httpx.HTTPError as failed:
            return unanswered(failed), ""
        return _read(response), token

    def _no_token(self, refused: TokenRefused) -> NotSent:
        retry, wait = self._codes.retry_of(refused.errcode) if refused.errcode else (Retry.TRANSIENT, 0)
        if retry not in {Retry.TRANSIENT, Retry.RATE_LIMITED}:
            retry = Retry.CONFIGURATION  # whatever they have against the account is nothing the customer did
        return NotSent(retry, refused.detail, str(refused.errcode), wait)


def _read(response: httpx.Response) -> Answer | NotSent | Unclear:
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        answer = None
    if response.status_code == 429:
        return NotSent(Retry.RATE_LIMITED, "HTTP 429", "429", MINUTE)
    if response.status_code != 200 or not isinstance(answer, dict):
        return Unclear(f"HTTP {response.status_code} without a readable answer")
    code = answer.get("errcode", 0)
    if not isinstance(code, int):
        return Unclear(f"HTTP 200 with errcode {code!r}"[:300])
    return Answer(code, answer)


async def token_in(asking: Awaitable[httpx.Response]) -> tuple[str, int]:
    """Return the token that an answer holds, and its seconds to live; raises `TokenRefused`."""
    try:
        response = await asking
        answer: Any = msgspec.json.decode(response.content)
    except (httpx.HTTPError, msgspec.DecodeError) as failed:
        raise TokenRefused(0, f"no access token: {type(failed).__name__}: {_without_query(failed)}"[:300]) from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        code = answer.get("errcode") if isinstance(answer, dict) else 0
        words = answer.get("errmsg") if isinstance(answer, dict) else response.status_code
        raise TokenRefused(code if isinstance(code, int) else 0, f"no access token: {code} {words}"[:300])
    lifetime = answer.get("expires_in")
    return token, lifetime if isinstance(lifetime, int) else LIFETIME


def _without_query(failed: Exception) -> str:
    """Return the failure's words; WeCom's secret stands in the address, should one ever be quoted."""
    return str(failed).partition("?")[0]

"""The access token of an official account (stable_token): cached, fetched once for all who wait, dropped when stale.

stable_token gives every process the same token while it is valid, so several daemons need no shared store.
"""

import asyncio
from typing import Any, Final

import httpx
import msgspec

from channels.wechat.official.settings import WechatSettings
from engine.core.ids import SECOND, Micros
from engine.ports import Clock

_OVERLAP: Final = 300  # seconds before its end at which WeChat starts to hand out the next one


class TokenRefused(Exception):
    """The token could not be had: `errcode` from WeChat, or 0 when no answer came. Nothing was sent."""

    def __init__(self, errcode: int, detail: str) -> None:
        super().__init__(detail)
        self.errcode, self.detail = errcode, detail


class AccessToken:
    """The one token of one account. All who ask while it is being fetched share one call, its failure as well."""

    def __init__(self, settings: WechatSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._token = ""
        self._until: Micros = 0
        self._fetching: asyncio.Task[str] | None = None

    async def get(self, client: httpx.AsyncClient) -> str:
        """Return a valid token; raises `TokenRefused`."""
        if self._token and self._clock.now() < self._until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(client))
            self._fetching.add_done_callback(self._fetched)
        # Shielded: one waiter that gives up must not take the call away from the others.
        return await asyncio.shield(self._fetching)

    def drop(self, token: str) -> None:
        """Forget `token` if it is still the cached one: many calls may find the same one stale."""
        if token == self._token:
            self._token, self._until = "", 0

    async def close(self) -> None:
        """Stop a fetch that nobody waits for any more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _fetched(self, task: asyncio.Task[str]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # read, so that a failure nobody waited for is not reported as lost

    async def _fetch(self, client: httpx.AsyncClient) -> str:
        settings = self._settings
        body = {"grant_type": "client_credential", "appid": settings.app_id, "secret": settings.secret.reveal()}
        try:
            response = await client.post(
                f"{settings.base_url.rstrip('/')}/cgi-bin/stable_token", content=msgspec.json.encode(body)
            )
            answer: Any = msgspec.json.decode(response.content)
        except (httpx.HTTPError, msgspec.DecodeError) as failed:
            raise TokenRefused(0, f"no access token: {type(failed).__name__}: {failed}"[:300]) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            code = answer.get("errcode") if isinstance(answer, dict) else 0
            words = answer.get("errmsg") if isinstance(answer, dict) else response.status_code
            raise TokenRefused(code if isinstance(code, int) else 0, f"no access token: {code} {words}"[:300])
        lifetime = answer.get("expires_in")
        seconds = lifetime if isinstance(lifetime, int) else 7200
        self._token, self._until = token, self._clock.now() + max(seconds - _OVERLAP, 1) * SECOND
        return token

"""A provider's access token: cached, fetched once for all who wait, dropped when stale. WeChat, WeCom, push.

How it is fetched is the adapter's; what a refusal means is, too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import httpx

from engine.core.ids import SECOND, Micros
from engine.ports import Clock

OVERLAP: Final = 300
"""Seconds before its end from which a token is not used any more: providers hand out the next one from then on."""

Fetch: TypeAlias = Callable[[httpx.AsyncClient], Awaitable[tuple[str, int]]]
"""Return a token and its seconds to live; raises `TokenRefused`."""


class TokenRefused(Exception):
    """The token could not be had: `errcode` from the provider, or 0 when no answer came. Nothing was sent."""

    def __init__(self, errcode: int, detail: str) -> None:
        super().__init__(detail)
        self.errcode, self.detail = errcode, detail


class AccessToken:
    """The one token of one account. All who ask while it is being fetched share one call, its failure as well."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._token = ""
        self._until: Micros = 0
        self._fetching: asyncio.Task[str] | None = None

    async def get(self, client: httpx.AsyncClient) -> str:
        """Return a valid token; raises `TokenRefused`."""
        if self._token and self._clock.now() < self._until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew(client))
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

    async def _renew(self, client: httpx.AsyncClient) -> str:
        token, seconds = await self._fetch(client)
        self._token, self._until = token, self._clock.now() + max(seconds - OVERLAP, 1) * SECOND
        return token

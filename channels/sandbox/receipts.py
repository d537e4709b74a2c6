"""The way back: receipts posted to the daemon's callbacks, late, twice, shuffled or lost as the rules say.

One `Courier` per provider. It gathers what ripens together, posts it, and retries as that vendor does, its waits
divided by `hurry`. `settled` lets a test wait until nothing is under way.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import httpx
import msgspec

from channels.sandbox.settings import Receipts
from engine.core.ids import share

_GATHER: Final = 0.02
_SECOND_COPY: Final = 0.05


class Posting(msgspec.Struct, frozen=True):
    """One HTTP request to a callback."""

    url: str
    query: dict[str, str]
    content_type: str
    body: bytes


class Manners(msgspec.Struct, frozen=True):
    """How a vendor delivers: receipts per request, seconds before each retry, seconds it waits for an answer."""

    batch: int
    retries: tuple[float, ...]
    timeout: float


class Tally(msgspec.Struct):
    """What became of the receipts: requests made, receipts taken, given up, never sent."""

    posts: int = 0
    taken: int = 0
    given_up: int = 0
    lost: int = 0


class Courier:
    """Carries one provider's receipts. `pack` makes the request of a batch, `is_taken` reads the daemon's answer.

    Several couriers share the `client`, which its maker closes after `stop`.
    """

    def __init__(
        self,
        manners: Manners,
        rules: Receipts,
        pack: Callable[[Receipts, Sequence[msgspec.Struct]], Posting],
        is_taken: Callable[[httpx.Response], bool],
        client: httpx.AsyncClient,
    ) -> None:
        self.rules = rules
        self.tally = Tally()
        self._manners, self._pack, self._is_taken = manners, pack, is_taken
        self._client = client
        self._ripe: list[msgspec.Struct] = []
        self._flushing = False
        self._stopped = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, key: str, receipt: msgspec.Struct) -> None:
        """Send a receipt after the delay; with `early`, return only when the daemon has it."""
        rules = self.rules
        if share(rules.seed, "lost", key) < rules.lost:
            self.tally.lost += 1
            return
        if rules.early:
            self._begin(1)
            await self._deliver([receipt])
        else:
            self._later(rules.delay, receipt)
        if share(rules.seed, "duplicate", key) < rules.duplicate:
            self._later(rules.delay + _SECOND_COPY, receipt)

    async def settled(self) -> None:
        """Wait until no receipt is waiting or being posted."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Drop what is under way."""
        self._stopped = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, number: int) -> None:
        self._under_way += number
        self._idle.clear()

    def _later(self, delay: float, receipt: msgspec.Struct) -> None:
        self._begin(1)
        asyncio.get_running_loop().call_later(delay, self._ripen, receipt)

    def _ripen(self, receipt: msgspec.Struct) -> None:
        self._ripe.append(receipt)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(_GATHER, self._flush)

    def _flush(self) -> None:
        ripe, self._ripe, self._flushing = self._ripe, [], False
        if self._stopped:
            return
        if self.rules.reorder:
            ripe.reverse()
        for start in range(0, len(ripe), self._manners.batch):
            task = asyncio.get_running_loop().create_task(self._deliver(ripe[start : start + self._manners.batch]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, batch: list[msgspec.Struct]) -> None:
        try:
            for wait in (0.0, *self._manners.retries):
                if wait:
                    await asyncio.sleep(wait / self.rules.hurry)
                if await self._post(batch):
                    self.tally.taken += len(batch)
                    return
            self.tally.given_up += len(batch)
        finally:
            self._under_way -= len(batch)
            if not self._under_way:
                self._idle.set()

    async def _post(self, batch: list[msgspec.Struct]) -> bool:
        posting = self._pack(self.rules, batch)
        self.tally.posts += 1
        try:
            answer = await self._client.post(
                httpx.URL(posting.url).copy_merge_params(posting.query),
                content=posting.body,
                headers={"content-type": posting.content_type},
                timeout=self.rules.timeout or self._manners.timeout,
            )
            return answer.status_code == httpx.codes.OK and self._is_taken(answer)
        except (httpx.HTTPError, httpx.InvalidURL, AttributeError):
            # AttributeError: anyio asks a socket for its peer that was reset in the same instant (a killed daemon).
            return False

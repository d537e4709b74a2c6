"""Opens and clicks on their way to the log: held for a moment so that a scanner's burst is seen whole, then appended.

A hit is worth less than a redirect: the buffer is bounded, and what does not fit is counted as lost. Unsubscribes do
not come through here: they are durable before they are answered.
"""

import asyncio
from collections import Counter, deque
from typing import Final

import structlog

from engine.core.events import Receipt
from engine.core.ids import SECOND, Micros
from engine.http.gateway import Gateway
from engine.http.segment import stamp
from engine.tracking.machine import Hit, classify
from engine.tracking.receipts import of_hit

_PENDING: Final = 10_000
_BATCH: Final = 500
_REMEMBERED: Final = 10_000
_log = structlog.get_logger("http")


class Recorder:
    """Buffers hits and appends them in batches. Lives on the event loop; `close` flushes."""

    def __init__(self, gateway: Gateway, hold: float) -> None:
        self._gateway, self._hold = gateway, hold
        self._pending: deque[Hit] = deque()
        self._recent: deque[Hit] = deque(maxlen=_REMEMBERED)
        self._task: asyncio.Task[None] | None = None

    def record(self, hit: Hit) -> None:
        """Take a hit; returns at once."""
        if len(self._pending) >= _PENDING:
            self._lose(1)
            return
        self._pending.append(hit)
        self._recent.append(hit)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def close(self) -> None:
        """Append what is held, whatever its age."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._pending:
            if not await self._append(self._take(until=None)):
                self._lose(len(self._pending))
                self._pending.clear()

    async def _drain(self) -> None:
        while self._pending:
            await asyncio.sleep(self._hold)
            ripe = self._take(until=self._gateway.clock.now() - int(self._hold * SECOND))
            while ripe:
                await self._append(ripe)
                ripe = self._take(until=self._gateway.clock.now() - int(self._hold * SECOND))

    def _take(self, until: Micros | None) -> list[Hit]:
        ripe: list[Hit] = []
        while self._pending and len(ripe) < _BATCH and (until is None or self._pending[0].at <= until):
            ripe.append(self._pending.popleft())
        return ripe

    async def _append(self, hits: list[Hit]) -> bool:
        """Classify and append; what cannot be taken is lost and counted (a click is not worth a stalled buffer)."""
        try:
            receipts = await self._judge(hits)
            await self._gateway.accept(stamp(receipts))
        except Exception as error:
            self._lose(len(hits), error)
            return False
        return True

    async def _judge(self, hits: list[Hit]) -> list[Receipt]:
        """Return the receipts of hits on touches that exist; the same hit twice is one."""
        sent: dict[str, Micros] = {}
        for touch in {hit.touch for hit in hits}:
            row = await self._gateway.touch(touch)
            if row is not None:
                sent[touch] = row.first_attempt
        near: dict[str, list[Hit]] = {touch: [] for touch in sent}
        for hit in self._recent:
            if hit.touch in near:
                near[hit.touch].append(hit)
        receipts: dict[str, Receipt] = {}
        tally: Counter[tuple[str, bool, str]] = Counter()
        for hit in hits:
            if hit.touch in sent:
                verdict = classify(hit, sent=sent[hit.touch], others=near[hit.touch])
                receipt = of_hit(hit, verdict)
                receipts.setdefault(receipt.id, receipt)
                tally[hit.fact.lower(), verdict.machine, verdict.why] += 1
        for (fact, machine, why), count in tally.items():
            verdict_name = "machine" if machine else "person"
            self._gateway.telemetry.count("journeyd_hits_total", count, fact=fact, verdict=verdict_name, why=why)
        return list(receipts.values())

    def _lose(self, count: int, error: Exception | None = None) -> None:
        self._gateway.telemetry.count("journeyd_hits_lost_total", count)
        _log.warning("hits_lost", count=count, exc_info=error)

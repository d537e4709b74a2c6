"""Asks providers what became of doubtful hand-overs, where they can be asked ("query first"). Sends no message.

A doubt is asked about at the ages of `doubt.LOOK_UPS` and then left alone. Only a positive answer counts: it goes
through the log as an `Outcome`, like any other end of a hand-over. An asyncio task of the dispatcher; it never polls.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from engine.core.events import Entry, Outcome, Receipt
from engine.core.ids import SECOND, Micros, derive
from engine.ports import Answering, Channel, Clock, Sent, TouchRow
from engine.runtime.dispatching import EngineCalls
from engine.usecases import doubt

LIMIT: Final = 20
"""Questions per turn; what is owed beyond them is asked a second later."""

REASON: Final = "looked_up"
"""The reason of a touch that is sent by its provider's later word."""


class Inquiry:
    """`run` it beside the dispatcher; `notice` when a hand-over ended in doubt."""

    def __init__(self, engine: EngineCalls, channels: Mapping[str, Channel], clock: Clock, time_out: Micros) -> None:
        self._engine, self._clock, self._time_out = engine, clock, time_out
        self._answering = {name: channel for name, channel in channels.items() if isinstance(channel, Answering)}
        self._providers = {name: channels[name].provider for name in self._answering}
        self._asked: dict[str, tuple[int, int]] = {}  # touch -> (token, times): a restart may ask once more
        self._next: Micros = 0
        self._moved = asyncio.Event()

    def notice(self, channel: str = "") -> None:
        """Expect a new doubt on this channel ("" = any): its first instant is computed, nobody looks before it."""
        if self._answering and channel in {"", *self._answering}:
            self._expect(self._clock.now() + doubt.LOOK_UPS[0])
            self._moved.set()

    async def run(self, trouble: Callable[[Exception], None]) -> None:
        """Ask whenever an instant has come, until cancelled; `trouble` gets what store, log or adapter raised."""
        while self._answering:
            self._next = 0
            try:
                self._expect(await self.turn(trouble))
            except Exception as problem:
                trouble(problem)
                self._expect(self._clock.now() + SECOND)
            await self._rest()

    async def turn(self, trouble: Callable[[Exception], None] | None = None) -> Micros:
        """Ask about the doubts whose instant has come, and return the next instant, 0 when nothing is left to ask."""
        if not self._answering:
            return 0
        found = await self._engine.call(lambda store, _: doubt.doubted(store, self._answering))
        alive = {row.touch.id for row, _ in found}
        self._asked = {touch: asked for touch, asked in self._asked.items() if touch in alive}
        now = self._clock.now()
        owed = [(row, begun) for row, begun in found if 0 < self._due(row) <= now]
        owed.sort(key=lambda one: self._due(one[0]))
        for row, begun in owed[:LIMIT]:
            await self._ask(row, begun, trouble)
        if len(owed) > LIMIT:
            return now + SECOND
        return min((at for row, _ in found if (at := self._due(row)) > now), default=0)

    def _due(self, row: TouchRow) -> Micros:
        token, times = self._asked.get(row.touch.id, (row.token, 0))
        return doubt.look_up_at(row, times if token == row.token else 0)

    async def _ask(self, row: TouchRow, begun: Micros, trouble: Callable[[Exception], None] | None) -> None:
        touch, limit = row.touch, self._time_out / SECOND
        found: Sent | None = None
        try:
            async with asyncio.timeout(limit):  # not wait_for: before 3.12 it may swallow the cancellation of `stop`
                found = await self._answering[touch.channel].look_up(touch.id, touch.address, begun)
        except TimeoutError:
            pass  # no word is no answer
        except Exception as problem:
            if trouble is not None:
                trouble(problem)
        now = self._clock.now()
        if found is not None:
            await self._engine.accept(partial(_entries, row, found, self._providers[touch.channel], (begun, now)))
        # Instants that passed meanwhile are answered by this question, too; a find leaves nothing to ask.
        passed = sum(1 for age in doubt.LOOK_UPS if row.updated + age <= now)
        self._asked[touch.id] = (row.token, passed if found is None else len(doubt.LOOK_UPS))

    # --- resting

    def _expect(self, at: Micros) -> None:
        self._next = min(at, self._next) if at and self._next else at or self._next

    async def _rest(self) -> None:
        """Wait until the next instant, which a notice may bring nearer."""
        while not 0 < self._next <= self._clock.now():
            self._moved.clear()
            wait = max(self._next - self._clock.now(), 1_000) / SECOND if self._next else None
            try:
                async with asyncio.timeout(wait):
                    await self._moved.wait()
            except TimeoutError:
                continue


def _entries(row: TouchRow, found: Sent, provider: str, told: tuple[Micros, Micros], stamp: Micros) -> list[Entry]:
    begun, at = told
    touch = row.touch.id
    outcome = Outcome(
        touch=touch,
        token=row.token,
        kind="sent",
        at=at,
        received=stamp,
        provider=provider,
        provider_id=found.provider_id,
        reason=REASON,
        detail=found.detail,
        latency=at - begun,
    )
    if not found.delivered:
        return [outcome]
    return [outcome, Receipt(derive("delivered", touch), "DELIVERED", at, stamp, provider, touch=touch)]

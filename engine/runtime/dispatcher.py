"""Sends what may leave: pick, render, commit in flight, hand over, report how it ended. An asyncio task per hand-over.

It owns no truth: what may leave is committed by `usecases/deliver.py` before the first byte, how it ended goes through
the log. Woken by commits, freed slots and due instants; it never polls. Started by `runtime/embedded.py`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from engine.core.delivery import Retry
from engine.core.errors import TemplateProblem
from engine.core.ids import SECOND, Micros
from engine.ports import Channel, Clock, NotSent, Rendered, Rendering, Result, TouchRow, Unclear
from engine.runtime.dispatching import Dispatching, EngineCalls, HandedOver, Make, Trip, entries_of
from engine.runtime.inquiry import Inquiry
from engine.runtime.rates import Lane, Pace
from engine.usecases import deliver, doubt
from engine.usecases.deliver import Candidate, Leased, Refused

__all__ = ["Dispatcher", "Dispatching", "EngineCalls", "Pace"]

PAUSE: Final = 1.0
"""Seconds to wait after the store or the log refused; everything is tried again."""


class Dispatcher:
    """`start`, then `wake` after every commit that may have planned touches; `stop` ends it in order.

    `trip` is called with the names of `POINTS`; `trouble` with whatever the store, the log or an adapter
    raised; `ended` with each hand-over.
    """

    def __init__(
        self,
        engine: EngineCalls,
        channels: Mapping[str, Channel],
        renderer: Rendering,
        clock: Clock,
        dials: Dispatching | None = None,
    ) -> None:
        self._engine, self._channels, self._renderer, self._clock = engine, channels, renderer, clock
        self._dials = dials or Dispatching()
        self.inquiry = Inquiry(engine, channels, clock, self._dials.time_out)
        self.lanes = {name: Lane(self._dials.paces.get(name, Pace())) for name in channels}
        self.trip: Trip = _pass
        self.trouble: Callable[[Exception], None] = _ignore
        self.ended: Callable[[HandedOver], None] = _unheard
        self._woken, self._progressed, self._reported = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turning = asyncio.Lock()
        self._reports: list[HandedOver] = []
        self._hand_overs: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Hand-overs whose outcome is not durable yet."""
        return sum(lane.in_flight for lane in self.lanes.values())

    async def start(self) -> None:
        """Open the channels and begin; touches left in flight by a crash become uncertain when their lease lapses."""
        self._stopping = False
        for channel in self._channels.values():
            await channel.open()
        self._tasks = [
            asyncio.create_task(self._run(), name="dispatcher"),
            asyncio.create_task(self._report(), name="dispatcher-outcomes"),
            asyncio.create_task(self._sweep(), name="dispatcher-sweep"),
            asyncio.create_task(self.inquiry.run(self.trouble), name="dispatcher-inquiry"),
        ]

    def wake(self) -> None:
        """Look again: something was committed. Call it in the loop (`call_soon_threadsafe` from elsewhere)."""
        self._woken.set()

    async def stop(self, deadline: float = 10.0) -> None:
        """Pick nothing more, wait up to `deadline` seconds for what is in flight, close the channels.

        What is still out then stays in flight and becomes uncertain: it is never sent again blindly.
        """
        self._stopping = True
        self.wake()
        try:
            async with asyncio.timeout(deadline):
                async with self._turning:
                    pass
                while self.in_flight:
                    await self._progress()
        except TimeoutError:
            pass
        left = [*self._hand_overs, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._tasks, self._reports = [], []
        for lane in self.lanes.values():
            lane.in_flight = 0
        for channel in self._channels.values():
            await channel.close()

    async def drain(self) -> None:
        """Return when nothing that may leave is due now and every outcome is applied. `start` comes first.

        Channels left alone by their breaker are not waited for.
        """
        while True:
            await self._engine.drained()
            if await self._turn():
                continue
            if self.in_flight:
                await self._progress()
                continue
            opens = await self._held_back_until()
            if not opens:
                return
            await asyncio.sleep(max(opens - self._clock.now(), 1_000) / SECOND)

    # --- picking

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                if not await self._turn():
                    await self._rest()
            except Exception as problem:
                self.trouble(problem)
                await asyncio.sleep(PAUSE)

    async def _turn(self) -> bool:
        """Let one group leave; False when nothing was found that may."""
        async with self._turning:
            now = self._clock.now()
            budget = {name: room for name, lane in self.lanes.items() if (room := lane.room(now))}
            if self._stopping or not budget:
                return False
            terms = self._dials.terms
            found = await self._engine.call(lambda store, _: deliver.pick(store, now, budget, terms))
            if not found:
                return False
            ready: list[tuple[TouchRow, Rendered]] = []
            refused: list[Refused] = []
            for candidate in found:
                prepared = self._prepare(candidate)
                if isinstance(prepared, Refused):
                    refused.append(prepared)
                else:
                    ready.append((candidate.row, prepared))
            if refused:
                await self._engine.call(lambda store, _: deliver.refuse(store, refused, self._clock.now()))
            if ready:
                await self._let_go(ready)
            return True

    def _prepare(self, candidate: Candidate) -> Rendered | Refused:
        row, customer, account, contact = candidate
        if customer is None:
            return Refused(row.touch.id, "no_customer", "")
        if row.content:
            return Rendered(row.content, row.body_hash)
        try:
            return self._renderer.render(row.touch, customer, account, contact)
        except TemplateProblem as problem:
            return Refused(row.touch.id, "template_problem", str(problem))
        except Exception as problem:
            # One touch that cannot be rendered must not stop the others.
            self.trouble(problem)
            return Refused(row.touch.id, "template_problem", f"{type(problem).__name__}: {problem}")

    async def _let_go(self, ready: Sequence[tuple[TouchRow, Rendered]]) -> None:
        terms = self._dials.terms
        self.trip("commit.before")
        # Read inside the call: the lease counts from the commit, however long the engine was busy before it.
        leased = await self._engine.call(
            lambda store, playbook: deliver.commit_in_flight(store, playbook, ready, self._clock.now(), terms)
        )
        self.trip("commit.after")
        for one in leased:
            self.lanes[one.message.channel].start(self._clock.now())
            task = asyncio.create_task(self._hand_over(one), name=f"send-{one.message.key}")
            self._hand_overs.add(task)
            task.add_done_callback(self._hand_overs.discard)

    async def _rest(self) -> None:
        """Sleep until woken, or until the first instant at which a lane opens or a touch is due."""
        now, terms = self._clock.now(), self._dials.terms
        free = [name for name, lane in self.lanes.items() if lane.room(now)]
        following = await self._engine.call(lambda store, _: deliver.next_pick(store, now, free, terms))
        instants = [following, *(lane.opens_at(now) for name, lane in self.lanes.items() if name not in free)]
        due = min((instant for instant in instants if instant), default=0)
        timer: asyncio.TimerHandle | None = None
        if due:
            timer = asyncio.get_running_loop().call_later(max(due - now, 2_000) / SECOND, self._woken.set)
        await self._woken.wait()
        if timer is not None:
            timer.cancel()

    async def _held_back_until(self) -> Micros:
        """Return when the first lane opens that only its rate holds back while something is due on it, 0 for none."""
        now, terms = self._clock.now(), self._dials.terms
        slow = {
            name: lane.opens_at(now)
            for name, lane in self.lanes.items()
            if not lane.breaker.is_open and not lane.room(now)
        }
        ask = partial(deliver.next_pick, now=now, channels=tuple(slow), terms=terms)
        following = await self._engine.call(lambda store, _: ask(store))
        return min((at for at in slow.values() if at), default=0) if 0 < following <= now else 0

    # --- handing over

    async def _hand_over(self, leased: Leased) -> None:
        started = self._clock.now()
        result = await self._send(leased, started)
        provider = self._channels[leased.message.channel].provider
        done = HandedOver(leased, result, provider, started, self._clock.now())
        self._reports.append(done)
        self.ended(done)
        self._reported.set()

    async def _send(self, leased: Leased, started: Micros) -> Result:
        limit = self._dials.time_out
        if started + limit >= leased.row.lease_until:
            # The process was stopped for a while: the lease may end during the send. No byte has left yet.
            return NotSent(Retry.TRANSIENT, "the lease was nearly over before the first byte")
        self.trip("send.before")
        try:
            async with asyncio.timeout(limit / SECOND):  # not wait_for: that is a second task per mail
                result = await self._channels[leased.message.channel].send(leased.message)
        except TimeoutError:
            result = Unclear(f"no answer within {limit / SECOND:g} s")
        except Exception as problem:
            self.trouble(problem)
            result = Unclear(f"the adapter raised {type(problem).__name__}: {problem}")
        self.trip("send.after")
        return result

    # --- reporting

    async def _report(self) -> None:
        """Write outcomes to the log in groups; a slot is free only when its outcome is durable."""
        while True:
            await self._reported.wait()
            self._reported.clear()
            taken, self._reports = self._reports, []
            self.trip("outcome.before")
            await self._append(partial(entries_of, taken, self._dials.backoff))
            self.trip("outcome.after")
            for done in taken:
                self.lanes[done.leased.message.channel].finish(done.result, done.ended)
                if isinstance(done.result, Unclear):
                    self.inquiry.notice(done.leased.message.channel)
            self._progressed.set()
            self.wake()

    async def _append(self, make: Make) -> None:
        """Append, however long the disk is full: what is known of a hand-over is not given up while we run."""
        while True:
            try:
                await self._engine.accept(make)
            except Exception as problem:
                self.trouble(problem)
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _progress(self) -> None:
        self._progressed.clear()
        if self.in_flight:
            await self._progressed.wait()

    async def _sweep(self) -> None:
        """Turn lapsed leases into doubt and close old doubts: at the start, then twice per lease."""
        terms = self._dials.terms
        while True:
            try:
                await self._engine.drained()
                if await self._engine.call(lambda store, _: doubt.sweep(store, self._clock.now(), terms)):
                    self.wake()
                    self.inquiry.notice()
            except Exception as problem:
                self.trouble(problem)
            await asyncio.sleep(terms.lease / 2 / SECOND)


def _pass(point: str) -> None:
    """Failpoints are off."""


def _ignore(problem: Exception) -> None:
    """Nobody listens for trouble."""


def _unheard(_done: HandedOver) -> None:
    """Nobody counts hand-overs."""

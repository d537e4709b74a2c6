"""The whole system in one process: the inbox, the engine's thread and the dispatcher round one log and one store.

`bootstrap/system.py` puts the parts in; `journeyd run` and the history import start it. The HTTP face speaks to it
through its `Gateway`, the dispatcher through `EngineCalls`: this class is both.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import structlog

from engine.core.ids import DAY, SECOND, Micros
from engine.core.playbook import Playbook
from engine.ports import Channel, Clock, History, Kept, Rendering, Store
from engine.ports.window import WINDOW
from engine.runtime.dispatcher import Dispatcher, Dispatching
from engine.runtime.dispatching import POINTS as HANDING_OVER
from engine.runtime.dispatching import Trip, tell_trouble
from engine.runtime.engine import Engine
from engine.runtime.gateway import Reception
from engine.runtime.inbox import Inbox, Make
from engine.runtime.meters import Meters
from engine.runtime.second_opinion import SecondOpinion
from engine.runtime.thread import EngineThread
from engine.telemetry import Telemetry
from engine.usecases.doubt import lapse
from engine.usecases.purge import POINTS as PURGING
from engine.usecases.retain import CHUNK, prune, retain

T = TypeVar("T")

POINTS: Final = (*HANDING_OVER, "journal.after", "step.after", "recover.before", "recover.after")
"""Where the trip wire of `arm` is called: the crash harness kills the process there."""

ERASING: Final = ("erase.ledger", *PURGING)
"""Where it is called besides while somebody is erased; the first by the ledger's file."""


class Parts(msgspec.Struct, frozen=True):
    """What an embedded system is made of. `keep`: how long applied entries stay in the log (µs, 0 for ever).

    `kept`: the same of what the store keeps, by kind. `dedupe_window` is the store's own; `opinion` looks at a share of
    the decisions once more. `renew` is called when the store was away: is it still ours?
    """

    store: Store
    log: History
    clock: Clock
    load: Callable[[], Playbook]
    channels: Mapping[str, Channel]
    renderer: Rendering
    dials: Dispatching
    telemetry: Telemetry
    keep: Micros = 0
    kept: Mapping[Kept, Micros] = {}
    dedupe_window: Micros = WINDOW
    opinion: SecondOpinion | None = None
    renew: Callable[[], None] | None = None


class Embedded(Reception):
    """Start it in a running loop; `failed` is set when the engine's thread has died."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.store, parts.clock, parts.telemetry, lambda: self.engine.playbook)
        self._parts = parts
        self.inbox = Inbox(parts.log, parts.clock)
        window = parts.dedupe_window
        self.engine = Engine(parts.store, parts.log, self.inbox.watermark, parts.load, dedupe_window=window)
        self.engine.committed = None if parts.opinion is None else parts.opinion.offer
        self.thread = EngineThread(self.engine, parts.clock, self._stepped)
        self.thread.renew = parts.renew or self.thread.renew
        self.dispatcher = Dispatcher(self, parts.channels, parts.renderer, parts.clock, parts.dials)
        self.meters = Meters(parts.telemetry)
        self.dispatcher.trouble = tell_trouble
        self.dispatcher.ended = self.meters.ended
        self.failed = asyncio.Event()
        self._progress = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trip: Trip = _pass

    def arm(self, trip: Trip) -> None:
        """Call `trip` with the names of `POINTS` as they are passed; before `start`."""
        self._trip = self.dispatcher.trip = self.engine.trip = trip
        self.inbox.appended = lambda: trip("journal.after")

    async def start(self) -> None:
        """Apply what the log still holds, settle what the last process left in flight, then begin to send.

        A back-fill may take long: events are accepted meanwhile, and sending begins after it.
        """
        self._loop = asyncio.get_running_loop()
        self._parts.log.on_append(self.thread.notice)
        if self._parts.opinion is not None:
            self._parts.opinion.start()
        self.inbox.start()
        self.thread.start()
        while not await self._is_drained():
            if await self.thread.call(self.engine.is_blocked_by_job):
                self._recovering = asyncio.create_task(self._recover_later(), name="recovery")
                return
            await self._progress.wait()
        await self._recover()

    async def _recover_later(self) -> None:
        try:
            await self.drained()
            await self._recover()
        except Exception:
            structlog.get_logger("daemon").exception("engine_failed")
            self.failed.set()

    async def _recover(self) -> None:
        # The lock says that nobody else sends: whatever is in flight now was cut off, and no word of it will come.
        forever = 1 << 62
        self._trip("recover.before")
        while lapsed := await self.call(lambda store, _: lapse(store, self.clock.now(), leased_before=forever)):
            structlog.get_logger("dispatcher").warning("lease_lapsed", count=lapsed)
        self._trip("recover.after")
        await self.dispatcher.start()
        self.dispatcher.wake()
        self._keeping = asyncio.create_task(self._keep(), name="retention")

    async def stop(self, deadline: float = 10.0) -> None:
        """Stop sending, write what waits, finish the step, in that order."""
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.gather(self._recovering, return_exceptions=True)
        if self._keeping is not None:
            self._keeping.cancel()
        await self.dispatcher.stop(deadline)
        await self.inbox.close()
        # What waits for a back-fill can wait for the next start as well: it is durable.
        if not self.failed.is_set() and not self.engine.is_blocked_by_job():
            await self.drained()
        await asyncio.to_thread(self.thread.stop)
        if self._parts.opinion is not None:
            await asyncio.to_thread(self._parts.opinion.stop)

    # --- what the dispatcher asks

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run it in the engine's thread, between two batches."""
        return await self.thread.call(lambda: use_case(self._parts.store, self.engine.playbook))

    async def drained(self) -> None:
        """Return once the log is applied up to the tail it has now."""
        tail = self._parts.log.tail()
        while not await self._is_drained(tail):
            await self._progress.wait()

    async def _is_drained(self, tail: int = 0) -> bool:
        """Is the log applied up to `tail` (0: the one it has now)? Else `_progress` will say when to ask again."""
        if self.failed.is_set():
            return True
        self._progress.clear()
        return await self.thread.call(self._parts.store.position) >= (tail or self._parts.log.tail())

    # --- what the HTTP face asks

    async def accept(self, make: Make) -> int:
        """Stamp, append durably and return the last offset."""
        return await self.inbox.accept(make)

    def ready(self) -> Sequence[str]:
        """Return the reasons why the engine is not ready; empty when it is."""
        if self.failed.is_set():
            return [f"the engine has stopped: {type(self.thread.failure).__name__}"]
        return [] if self._loop is not None else ["the engine is starting"]

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form, gauges brought up to date."""
        providers = {name: channel.provider for name, channel in self._parts.channels.items()}
        self.meters.lanes(self.dispatcher.lanes, providers)
        self.meters.totals(self._parts.store, self._parts.log)
        return self._parts.telemetry.render()

    async def _keep(self) -> None:
        """Let old entries go, at the start and once a day."""
        while True:
            if self._parts.keep:
                since = self.clock.now() - self._parts.keep
                await asyncio.to_thread(retain, self._parts.store, self._parts.log, since)
            while await self.call(self._prune_some):  # a chunk: the engine steps between two of them
                pass
            await asyncio.sleep(DAY / SECOND)

    def _prune_some(self, store: Store, _: Playbook) -> int:
        return prune(store, self._parts.kept, self.clock.now(), CHUNK)

    # --- called in the engine's thread

    def _stepped(self, seconds: float) -> None:
        self._trip("step.after")
        self.meters.stepped(self.engine, seconds)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if self.thread.failure is not None:
            self.failed.set()
        self._progress.set()
        self.dispatcher.wake()


def _pass(_point: str) -> None:
    """Failpoints are off."""

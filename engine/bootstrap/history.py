"""History in virtual time: what happened becomes the log at its own instants, and the engine lives through it.

Waits, quiet hours and caps act as they would have then. For a workspace whose log is empty or older; the daemon
must not run. With `deliver` the touches really leave, to the sandbox.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from typing import Final, TypeVar

import msgspec
import uvloop

from engine.bootstrap.providers import channels_of, dispatching_of
from engine.bootstrap.serve import start_sandbox
from engine.bootstrap.storage import Files
from engine.bootstrap.system import published, renderer_of
from engine.bootstrap.workspace import Workspace
from engine.core.errors import BadInput
from engine.core.events import Entry, Event, Outcome, encode
from engine.core.ids import HOUR, Micros
from engine.core.playbook import Playbook
from engine.ports import Store
from engine.runtime.clock import ManualClock, SystemClock
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.dispatching import HandedOver
from engine.runtime.engine import Engine
from engine.runtime.inbox import last_received
from engine.runtime.rates import Pace

T = TypeVar("T")

STRIDE: Final = 6 * HOUR
"""How far virtual time goes between two looks at what may leave; smaller is truer, larger is faster."""

ABREAST: Final = 64
"""Hand-overs at once on each channel: the past is crowded, and only the sandbox hears of it."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did."""

    events: int
    duplicates: int
    dead: int
    customers: int
    touches: int
    first: Micros
    last: Micros


def import_history(
    workspace: Workspace, messages: Iterable[Event], *, progress: Callable[[int], None], deliver: bool = True
) -> Imported:
    """Live through `messages`, given in the order of their `at`; `progress` gets the number of events done so far.

    Raises `AlreadyRunning` when a daemon holds the workspace, `BadInput` when the log is newer than the history.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_import(workspace, messages, progress, deliver=deliver))


async def _import(
    workspace: Workspace, messages: Iterable[Event], progress: Callable[[int], None], *, deliver: bool
) -> Imported:
    files = workspace.files()
    async with AsyncExitStack() as stack:
        stack.callback(files.close)
        start = last_received(files.log)
        stretches = _stretches(messages, start)
        earliest = next(stretches, [])
        past = _Past(workspace, files, max(start, earliest[0].at) if earliest else start)
        if deliver:
            # Receipts would be posted to a daemon that does not run.
            await start_sandbox(workspace, SystemClock(), stack, receipts=False)
            await past.open_channels()
            stack.push_async_callback(past.close_channels)
        done, first = 0, past.clock.now()
        for stretch in chain([earliest] if earliest else [], stretches):
            await past.live_through(stretch)
            done += len(stretch)
            progress(done)
        counts = files.store.counts()
        engine = past.engine
        touches = sum(counts.touches.values())
        return Imported(done, engine.duplicates, engine.dead, counts.customers, touches, first, past.clock.now())


class _Past:
    """A system that lives in the log's time: it is its own `EngineCalls`."""

    def __init__(self, workspace: Workspace, files: Files, start: Micros) -> None:
        self._workspace, self._files = workspace, files
        self.clock = ManualClock(start)
        self._renderer = renderer_of(workspace)
        load = published(workspace, files, self.clock, self._renderer)
        window = workspace.settings.log.dedupe_window
        self.engine = Engine(files.store, files.log, self.clock.now, load, dedupe_window=window)
        self._dispatcher: Dispatcher | None = None
        self._ended, self._durable, self._heard = 0, 0, asyncio.Event()

    async def open_channels(self) -> None:
        """Let touches leave. Providers live in the present, so signatures are made with the machine's clock."""
        channels = channels_of(self._workspace, SystemClock())
        paces = {name: Pace(concurrency=ABREAST) for name in channels}
        dials = msgspec.structs.replace(dispatching_of(self._workspace, channels), paces=paces)
        self._dispatcher = Dispatcher(self, channels, self._renderer, self.clock, dials)
        self._dispatcher.ended = self._note_end
        await self._dispatcher.start()

    async def close_channels(self) -> None:
        """Finish what is in flight."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()

    async def live_through(self, stretch: Sequence[Event]) -> None:
        """Log a stretch of history, fire what was due by its end, send what was planned."""
        await self._pass_the_time(stretch[0].at)
        self._files.log.append([encode(msgspec.structs.replace(event, received=event.at)) for event in stretch])
        self.clock.turn(stretch[-1].at)
        await self._settle()

    async def _pass_the_time(self, until: Micros) -> None:
        """Live through the strides before `until` in which no event falls but something is due: touches expire."""
        end = until - until % STRIDE - 1
        while 0 < (instant := self._next_instant()) <= end:
            self.clock.turn(instant - instant % STRIDE + STRIDE - 1)
            await self._settle()

    def _next_instant(self) -> Micros:
        """Return when the next timer, schedule or touch is due, 0 when none is."""
        channels = None if self._dispatcher is None else tuple(self._dispatcher.lanes)
        sends = 0 if self._dispatcher is None else self._files.store.next_send(channels)
        # What a breaker held back is due already: the next stride looks at it again.
        instants = [max(instant, self.clock.now() + 1) for instant in (self.engine.next_instant(), sends) if instant]
        return min(instants, default=0)

    async def _settle(self) -> None:
        self.engine.drain()
        if self._dispatcher is not None:
            await self._dispatcher.drain()

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        return use_case(self._files.store, self.engine.playbook)

    async def accept(self, make: Callable[[Micros], Sequence[Entry]]) -> int:
        await self._all_ended()
        entries = make(self.clock.now())
        offset = self._files.log.append([encode(entry) for entry in entries])
        self._durable += sum(isinstance(entry, Outcome) for entry in entries)
        self.engine.drain()
        return offset

    async def _all_ended(self) -> None:
        """Wait until nothing is out: time stands still, and the outcomes share two commits instead of many."""
        while self._dispatcher is not None and self._dispatcher.in_flight > self._ended - self._durable:
            self._heard.clear()
            await self._heard.wait()

    def _note_end(self, _done: HandedOver) -> None:
        self._ended += 1
        self._heard.set()

    async def drained(self) -> None:
        self.engine.drain()


def _stretches(messages: Iterable[Event], start: Micros) -> Iterator[list[Event]]:
    """Yield runs of messages that fall into the same stride of virtual time."""
    stretch: list[Event] = []
    last = start
    for event in messages:
        if event.at < last:
            raise BadInput(
                f"event {event.id} happened before what the log already holds",
                "sort the file by time; a history comes before the first start and the first publish of a workspace, "
                "later import it without --history",
            )
        if stretch and event.at // STRIDE != stretch[0].at // STRIDE:
            yield stretch
            stretch = []
        stretch.append(event)
        last = event.at
    if stretch:
        yield stretch

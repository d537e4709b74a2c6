"""History in virtual time: what happened becomes the log at its own instants, and the engine lives through it.

Waits, quiet hours and caps act as they would have then. For a workspace whose log is empty or older; the daemon
must not run. With `deliver` the touches really leave, to the sandbox.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

import msgspec
import uvloop

from engine.bootstrap.providers import channels_of, dispatching_of
from engine.bootstrap.serve import start_sandbox
from engine.bootstrap.system import published, renderer_of
from engine.bootstrap.workspace import Files, Workspace
from engine.core.errors import BadInput
from engine.core.events import Entry, Event, encode
from engine.core.ids import HOUR, Micros
from engine.core.playbook import Playbook
from engine.ports import Store
from engine.runtime.clock import ManualClock, SystemClock
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.engine import Engine
from engine.runtime.inbox import last_received

T = TypeVar("T")

STRIDE = 6 * HOUR
"""How far virtual time goes between two looks at what may leave; smaller is truer, larger is faster."""


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
        past = _Past(workspace, files)
        if deliver:
            await start_sandbox(workspace, SystemClock(), stack)
            await past.open_channels()
            stack.push_async_callback(past.close_channels)
        done, first = 0, 0
        for stretch in _stretches(messages, past.clock.now()):
            first = first or stretch[0].at
            await past.live_through(stretch)
            done += len(stretch)
            progress(done)
        counts = files.store.counts()
        engine = past.engine
        touches = sum(counts.touches.values())
        return Imported(done, engine.duplicates, engine.dead, counts.customers, touches, first, past.clock.now())


class _Past:
    """A system that lives in the log's time: it is its own `EngineCalls`."""

    def __init__(self, workspace: Workspace, files: Files) -> None:
        self._workspace, self._files = workspace, files
        self.clock = ManualClock(last_received(files.log))
        self.engine = Engine(files.store, files.log, self.clock.now, published(workspace, files, self.clock))
        self._dispatcher: Dispatcher | None = None

    async def open_channels(self) -> None:
        """Let touches leave. Providers live in the present, so signatures are made with the machine's clock."""
        channels = channels_of(self._workspace, SystemClock())
        dials = dispatching_of(self._workspace, channels)
        self._dispatcher = Dispatcher(self, channels, renderer_of(self._workspace), self.clock, dials)
        await self._dispatcher.start()

    async def close_channels(self) -> None:
        """Finish what is in flight."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()

    async def live_through(self, stretch: Sequence[Event]) -> None:
        """Log a stretch of history, fire what was due by its end, send what was planned."""
        self._files.log.append([encode(msgspec.structs.replace(event, received=event.at)) for event in stretch])
        self.clock.turn(stretch[-1].at)
        self.engine.drain()
        if self._dispatcher is not None:
            await self._dispatcher.drain()

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        return use_case(self._files.store, self.engine.playbook)

    async def accept(self, make: Callable[[Micros], Sequence[Entry]]) -> int:
        offset = self._files.log.append([encode(entry) for entry in make(self.clock.now())])
        self.engine.drain()
        return offset

    async def drained(self) -> None:
        self.engine.drain()


def _stretches(messages: Iterable[Event], start: Micros) -> Iterable[list[Event]]:
    """Yield runs of messages that fall into the same stride of virtual time."""
    stretch: list[Event] = []
    last = start
    for event in messages:
        if event.at < last:
            raise BadInput(
                f"event {event.id} happened before what the log already holds",
                "sort the file by time; into a workspace with newer events import it without --history",
            )
        if stretch and event.at // STRIDE != stretch[0].at // STRIDE:
            yield stretch
            stretch = []
        stretch.append(event)
        last = event.at
    if stretch:
        yield stretch

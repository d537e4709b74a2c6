"""History in virtual time: what happened becomes the log at its own instants, and the engine lives through it.

Waits, quiet hours and caps act as they would have then. For a workspace whose log is empty or older; the daemon
must not run. With `deliver` the touches really leave, to the sandbox.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from typing import Final, Protocol, TypeVar

import msgspec
import uvloop

from channels.render import Renderer
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
    async with AsyncExitStack() as stack:
        engine = await _begin(workspace, stack)
        stretches = _stretches(messages, engine.start)
        earliest = next(stretches, [])
        clock = ManualClock(max(engine.start, earliest[0].at) if earliest else engine.start)
        await engine.open(clock)
        past = _Past(workspace, engine, clock)
        if deliver:
            # Receipts would be posted to a daemon that does not run.
            await start_sandbox(workspace, SystemClock(), stack, receipts=False)
            await past.open_channels()
            stack.push_async_callback(past.close_channels)
        done, first = 0, clock.now()
        for stretch in chain([earliest] if earliest else [], stretches):
            await past.live_through(stretch)
            done += len(stretch)
            progress(done)
        counts = await asyncio.to_thread(engine.store.counts)
        touches = sum(counts.touches.values())
        return Imported(done, engine.duplicates, engine.dead, counts.customers, touches, first, clock.now())


async def _begin(workspace: Workspace, stack: AsyncExitStack) -> "Living":
    if workspace.is_shared:
        from engine.bootstrap.shared_history import begin

        return await begin(workspace, stack)
    files = workspace.files()
    stack.callback(files.close)
    return _Alone(workspace, files)


class Living(Protocol):
    """What lives through the past: the engine in this process, or workers on a shared store."""

    store: Store
    renderer: Renderer
    start: Micros
    """When the last entry that is there already was received, 0 for none."""

    @property
    def duplicates(self) -> int:
        """How many entries were repeats."""
        ...

    @property
    def dead(self) -> int:
        """How many could not be applied."""
        ...

    async def open(self, clock: ManualClock) -> None:
        """Begin at the clock's instant: what the folder holds is published then."""
        ...

    async def log(self, entries: Sequence[Entry]) -> int:
        """Put the entries, as they are, where they will be applied."""
        ...

    async def settle(self) -> None:
        """Apply what was logged, and let happen what is due by the clock's instant."""
        ...

    def next_instant(self) -> Micros:
        """Return when the next timer or schedule is due, 0 when none is."""
        ...

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run a use case of the dispatcher's."""
        ...


class _Alone:
    """The engine of one process, stepped by hand."""

    def __init__(self, workspace: Workspace, files: Files) -> None:
        self._workspace, self._files = workspace, files
        self.store: Store = files.store
        self.renderer = renderer_of(workspace)
        self.start = last_received(files.log)

    @property
    def duplicates(self) -> int:
        return self._engine.duplicates

    @property
    def dead(self) -> int:
        return self._engine.dead

    async def open(self, clock: ManualClock) -> None:
        load = published(self._workspace, self._files, clock, self.renderer)
        window = self._workspace.settings.log.dedupe_window
        self._engine = Engine(self._files.store, self._files.log, clock.now, load, dedupe_window=window)

    async def log(self, entries: Sequence[Entry]) -> int:
        return self._files.log.append([encode(entry) for entry in entries])

    async def settle(self) -> None:
        self._engine.drain()

    def next_instant(self) -> Micros:
        return self._engine.next_instant()

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        return use_case(self.store, self._engine.playbook)


class _Past:
    """A system that lives in the log's time: it is its own `EngineCalls`."""

    def __init__(self, workspace: Workspace, engine: Living, clock: ManualClock) -> None:
        self._workspace, self._engine, self.clock = workspace, engine, clock
        self._dispatcher: Dispatcher | None = None
        self._ended, self._durable, self._heard = 0, 0, asyncio.Event()

    async def open_channels(self) -> None:
        """Let touches leave. Providers live in the present, so signatures are made with the machine's clock."""
        channels = channels_of(self._workspace, SystemClock())
        paces = {name: Pace(concurrency=ABREAST) for name in channels}
        dials = msgspec.structs.replace(dispatching_of(self._workspace, channels), paces=paces)
        self._dispatcher = Dispatcher(self, channels, self._engine.renderer, self.clock, dials)
        self._dispatcher.ended = self._note_end
        await self._dispatcher.start()

    async def close_channels(self) -> None:
        """Finish what is in flight."""
        if self._dispatcher is not None:
            await self._dispatcher.stop()

    async def live_through(self, stretch: Sequence[Event]) -> None:
        """Log a stretch of history, fire what was due by its end, send what was planned."""
        await self._pass_the_time(stretch[0].at)
        await self._engine.log([msgspec.structs.replace(event, received=event.at) for event in stretch])
        self.clock.turn(stretch[-1].at)
        await self._settle()

    async def _pass_the_time(self, until: Micros) -> None:
        """Live through the strides before `until` in which no event falls but something is due: touches expire."""
        end = until - until % STRIDE - 1
        while 0 < (instant := await asyncio.to_thread(self._next_instant)) <= end:
            self.clock.turn(instant - instant % STRIDE + STRIDE - 1)
            await self._settle()

    def _next_instant(self) -> Micros:
        """Return when the next timer, schedule or touch is due, 0 when none is."""
        channels = None if self._dispatcher is None else tuple(self._dispatcher.lanes)
        sends = 0 if self._dispatcher is None else self._engine.store.next_send(channels)
        # What a breaker held back is due already: the next stride looks at it again.
        instants = [max(instant, self.clock.now() + 1) for instant in (self._engine.next_instant(), sends) if instant]
        return min(instants, default=0)

    async def _settle(self) -> None:
        await self._engine.settle()
        if self._dispatcher is not None:
            await self._dispatcher.drain()

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        return await self._engine.call(use_case)

    async def accept(self, make: Callable[[Micros], Sequence[Entry]]) -> int:
        await self._all_ended()
        entries = make(self.clock.now())
        offset = await self._engine.log(entries)
        self._durable += sum(isinstance(entry, Outcome) for entry in entries)
        await self._engine.settle()
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
        await self._engine.settle()


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

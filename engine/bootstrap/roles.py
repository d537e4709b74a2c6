"""The roles of a process where events travel by a topic: HTTP in `serve`, `worker`, `dispatcher`; `run` has all.

Puts the parts of `runtime/stream/` together, starts them in their order and stops them the other way round.
"""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from typing import Final, Literal, TypeAlias, TypeVar

import structlog
import uvloop
from starlette.applications import Starlette

from channels.render import Renderer
from engine.bootstrap.chaining import Primary
from engine.bootstrap.coupons import stock_on_start
from engine.bootstrap.database import Nobodys, Opening, held, opened
from engine.bootstrap.failpoints import arm
from engine.bootstrap.foreign import foreign_of
from engine.bootstrap.providers import channels_of, dispatching_of
from engine.bootstrap.release import InForce, publish_on_start
from engine.bootstrap.serve import listen, make_face, start_sandbox, until_told
from engine.bootstrap.shared_ledger import SharedLedger
from engine.bootstrap.storage import Files
from engine.bootstrap.streaming import door_to, stream_settings
from engine.bootstrap.system import kept_of, renderer_of, second_opinion_of
from engine.bootstrap.workspace import Workspace
from engine.core.errors import Conflict, LogAway, StoreAway
from engine.core.ids import SECOND, Micros
from engine.core.plan import Audience
from engine.http.health import make_health_app
from engine.ports import Turn
from engine.runtime.clock import SystemClock, mint_id
from engine.runtime.collector import calm
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.dispatching import Trip, tell_trouble
from engine.runtime.inbox import Inbox
from engine.runtime.kafka import KafkaReader
from engine.runtime.meters import Meters
from engine.runtime.stream.calls import SharedCalls
from engine.runtime.stream.dead import DeadTopic
from engine.runtime.stream.engine import Dials, StreamEngine
from engine.runtime.stream.following import Following
from engine.runtime.stream.keeping import Keeping, Letters
from engine.runtime.stream.serving import Serving
from engine.runtime.stream.site import Site
from engine.runtime.stream.topic import ensure_topic
from engine.runtime.stream.watching import Watch
from engine.runtime.stream.worker import StreamWorker
from engine.telemetry import Telemetry
from engine.usecases.publish import newest
from journeys.words.phrases import counted

T = TypeVar("T")

Role: TypeAlias = Literal["serve", "worker", "dispatcher"]
EVERY: Final[frozenset[Role]] = frozenset({"serve", "worker", "dispatcher"})

PATIENCE: Final = 60
"""Seconds that a start waits for the database and the brokers: they may be starting, too."""

STOPPING: Final = 25.0
"""Seconds that a stop may take; what is not finished then is as it would be after a crash, which loses nothing."""

HOLD: Final = 15 * SECOND
"""How long what a dispatcher has picked is nobody else's: long enough to render it, short if the dispatcher dies."""

WAKE: Final = 5.0
"""Seconds until a dispatcher looks again unasked: what a dead one had picked comes free without a word."""


def run_roles(
    workspace: Workspace, roles: Collection[Role], *, port: int | None = None, on_ready: Callable[[str], None]
) -> int:
    """Run these roles until SIGTERM or SIGINT; return 0, or 1 when one of them failed and is to be started again.

    `port`: where a process without `serve` answers for its health (None: nowhere). `on_ready` gets the address, "" for
    none. Raises what `opened` does, and `LogAway`.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(workspace, frozenset(roles), port, on_ready))


async def _run(workspace: Workspace, roles: frozenset[Role], port: int | None, on_ready: Callable[[str], None]) -> int:
    async with AsyncExitStack() as stack:
        listener = listen(workspace, port) if "serve" in roles or port is not None else None
        if listener is not None:
            stack.callback(listener.close)
        process = await begin(workspace, stack)
        if "serve" in roles:
            await start_sandbox(workspace, process.site.clock, stack)
        told = asyncio.Event()
        if "worker" in roles:
            # A worker that dies without leaving the group holds the others up: it stops in order even while it starts.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
            await process.work()
        ending = [*process.failing, told]
        if "dispatcher" in roles:
            await process.dispatch()
        calm()
        if listener is None:
            await _until_signal(ending, on_ready)
        else:
            app = process.face() if "serve" in roles else make_health_app(process.watch)
            await until_told(app, listener, ending, on_ready)
        _leave_at_last()
        structlog.get_logger("daemon").info("daemon_stopped")
        return 1 if any(failed.is_set() for failed in process.failing) else 0


async def begin(workspace: Workspace, stack: AsyncExitStack) -> "Process":
    """Open what every role needs; `stack` closes it, and whatever the roles start, the other way round."""
    clock, telemetry, settings = SystemClock(), Telemetry(), workspace.settings
    hold = await _patiently(lambda: asyncio.to_thread(held, settings, "with_others"))
    stack.callback(hold.release)
    stream = stream_settings(settings)
    opening = await _patiently(lambda: asyncio.to_thread(opened, settings))
    stack.callback(opening.store.close)
    await _patiently(lambda: ensure_topic(stream))
    await asyncio.to_thread(opening.store.arrange, settings.stream.partitions)
    renderer = renderer_of(workspace)
    load = InForce(opening.store, _fallback(workspace, opening), renderer)
    following = Following(opening.store, load)
    words = Inbox(opening.logs.desk, clock)
    door = door_to(settings, opening.store, lambda: following.playbook.audience.identity, (clock, telemetry, words))
    words.start()
    stack.push_async_callback(words.close)
    door.start()
    stack.push_async_callback(door.close)
    await following.start()
    stack.push_async_callback(following.stop)
    trip = arm(os.environ)
    door.appended = lambda: trip("journal.after")
    site = Site(opening.store, opening.logs.desk, words, door, following, clock, telemetry)
    return Process(workspace, stack, opening, site, (renderer, trip))


class Process:
    """One process and the roles in it. `failing`: events that say that it is to end with 1. `owner` is its name."""

    def __init__(
        self,
        workspace: Workspace,
        stack: AsyncExitStack,
        opening: Opening,
        site: Site,
        handing: tuple[Renderer, Trip],
    ) -> None:
        self._workspace, self._stack, self._opening, self.site = workspace, stack, opening, site
        self._renderer, self._trip = handing
        self._meters = Meters(site.telemetry)
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{mint_id()[:8]}"
        self.watch = Watch(site, self._meters)
        self.failing: list[asyncio.Event] = []
        self.worker: StreamWorker | None = None

    def face(self) -> Starlette:
        """Return the application of the workspace's port."""
        self.watch.is_counting = True
        return make_face(self._workspace, Serving(self.site, self.watch))

    # --- worker

    async def work(self, now: Micros = 0) -> Audience:
        """Apply partitions of the topic, as many as the group deals us; return the rules that it begins with.

        `now`: when what the folder holds is published, else by the clock.
        """
        workspace, site, settings = self._workspace, self.site, self._workspace.settings
        audience = await asyncio.to_thread(self.publish, now or site.clock.now())
        infer = Primary() if settings.rules.chainer == "durable" else None
        # A renderer of its own, that renders nothing: the dispatcher's follows the rules by another thread.
        load = InForce(site.store, audience, renderer_of(workspace), infer)
        foreign = foreign_of(lambda: site.following.playbook.audience.identity, settings.default_region)
        dials = Dials(settings.stream.slack, settings.stream.batch, settings.log.dedupe_window, foreign)
        engine = await asyncio.to_thread(
            StreamEngine, site.store, self._opening.logs, load, site.clock, self.owner, dials
        )
        ledger = SharedLedger(workspace.data, site.store, site.desk)
        await asyncio.to_thread(ledger.compare)
        worker = StreamWorker(engine, site.clock)
        engine.trip = worker.trip = self._trip
        opinion = second_opinion_of(workspace, site.telemetry)
        opinion.start()
        self._stack.push_async_callback(asyncio.to_thread, opinion.stop)
        engine.committed = opinion.offer
        await worker.start()
        self._stack.push_async_callback(worker.stop)
        self.worker = worker
        await self._read(worker, ledger)
        return audience

    async def _read(self, worker: StreamWorker, ledger: SharedLedger) -> None:
        site, stream = self.site, stream_settings(self._workspace.settings)
        letters = Letters(site.store, worker.engine, DeadTopic(stream))
        self._stack.push_async_callback(letters.close)

        def stepped(engine: StreamEngine, seconds: float) -> None:
            self._meters.stepped(engine, seconds)
            letters.look()
            ledger.look(engine.erasures)

        worker.stepped = stepped
        reader = KafkaReader(stream, worker, site.clock, site.telemetry)
        await _patiently(reader.start)
        self._stack.push_async_callback(reader.stop)
        keeping = Keeping(site.store, worker.engine, kept_of(self._workspace), site.clock, self._opening.months)
        keeping.start()
        self._stack.push_async_callback(keeping.stop)
        self.failing += [worker.failed, reader.failed]
        owned = site.telemetry.gauge
        self.watch.gauges.append(lambda: owned("journeyd_partitions_owned", len(worker.engine.shares)))
        self.watch.reasons.append(lambda: "the database cannot be reached" if worker.is_away() else "")
        self.watch.reasons.append(lambda: _left_out(worker.engine.unserved))

    def publish(self, now: Micros) -> Audience:
        """Publish what the folder holds, as the settings say, unless another worker is about it; return the rules."""
        site, workspace = self.site, self._workspace
        with site.store.turn(Turn(duty="publish")) as mine:
            if mine is None:
                return _fallback(workspace, self._opening)
            files = Files(Nobodys(), site.desk, site.store)
            release = publish_on_start(workspace, files, now)
            stock_on_start(workspace, files, now)
            return release.audience

    # --- dispatcher

    async def dispatch(self) -> None:
        """Send what may leave, beside whatever other dispatchers there are."""
        site, workspace = self.site, self._workspace
        channels = channels_of(workspace, site.clock)
        claimed = site.store.claiming(self.owner, HOLD, site.clock.now)
        calls = SharedCalls(site, claimed)
        dispatcher = Dispatcher(calls, channels, self._renderer, site.clock, dispatching_of(workspace, channels))
        dispatcher.trip, dispatcher.trouble, dispatcher.ended = self._trip, tell_trouble, self._meters.ended
        site.following.moved = lambda _what: dispatcher.wake()
        await dispatcher.start()
        self._stack.push_async_callback(dispatcher.stop)
        looking = asyncio.create_task(_look_again(dispatcher), name="dispatcher-look")
        self._stack.callback(looking.cancel)
        providers = {name: channel.provider for name, channel in channels.items()}
        self.watch.gauges.append(lambda: self._meters.lanes(dispatcher.lanes, providers))


# --- what they share


def _fallback(workspace: Workspace, opening: Opening) -> Audience:
    """Return the rules in force; before anything is published, the folder's."""
    release = newest(opening.store)
    return workspace.audience() if release is None else release.audience


async def _look_again(dispatcher: Dispatcher) -> None:
    while True:
        await asyncio.sleep(WAKE)
        dispatcher.wake()


async def _patiently(do: Callable[[], Awaitable[T]]) -> T:
    """Do it, again while the database or the brokers are away, for up to `PATIENCE` seconds."""
    loop = asyncio.get_running_loop()
    end, is_said = loop.time() + PATIENCE, False
    while True:
        try:
            return await do()
        except (StoreAway, LogAway, Conflict) as away:
            if loop.time() > end:
                raise
            if not is_said:
                event = "stream_away" if isinstance(away, LogAway) else "store_away"
                structlog.get_logger("daemon").warning(event, problem=type(away).__name__)
            is_said = True
        await asyncio.sleep(1)


def _left_out(unserved: int) -> str:
    said = counted(unserved, "partition is", "partitions are")
    return f"{said} nobody's, and the group does not deal this worker any" if unserved else ""


def _leave_at_last() -> None:
    """End the process in a while, whatever still holds it up: Faust may wait for ever for what it has lost."""
    last = threading.Timer(STOPPING, os._exit, (1,))
    last.daemon = True
    last.start()


async def _until_signal(failing: Sequence[asyncio.Event], on_ready: Callable[[str], None]) -> None:
    """Return when a signal comes, or one of the events that say that something has failed."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waiting = [asyncio.create_task(event.wait()) for event in (told, *failing)]
    structlog.get_logger("daemon").info("daemon_started")
    on_ready("")
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()

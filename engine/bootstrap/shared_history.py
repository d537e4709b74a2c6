"""History in virtual time where events travel by a topic: workers live through it, this process turns the tide.

A worker is started here when none lives; others that do take their part. Touches leave from here alone: dispatchers
rest while the tide stands. Called by `history.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from engine.bootstrap.attendance import is_attended
from engine.bootstrap.release import InForce
from engine.bootstrap.roles import Process
from engine.bootstrap.roles import begin as begin_process
from engine.bootstrap.streaming import keys_of, stream_settings
from engine.bootstrap.system import renderer_of
from engine.bootstrap.workspace import Workspace
from engine.core.events import Entry
from engine.core.ids import HOUR, Micros
from engine.core.playbook import Playbook
from engine.ports import Store
from engine.runtime.clock import ManualClock
from engine.runtime.stream.past import PastTopic, Tide
from engine.runtime.stream.tide import Turning

T = TypeVar("T")


async def begin(workspace: Workspace, stack: AsyncExitStack) -> "Together":
    """Return what lives through the past; `stack` lets time run again at the end."""
    process = await begin_process(workspace, stack)
    return Together(workspace, process, stack)


class Together:
    """A `Living` of workers on a shared store."""

    def __init__(self, workspace: Workspace, process: Process, stack: AsyncExitStack) -> None:
        self._workspace, self._process, self._stack = workspace, process, stack
        site = process.site
        self.store: Store = site.store
        self.renderer = renderer_of(workspace)
        self.start = max((row.time for row in site.store.partitions()), default=0)
        self._dead = site.store.counts().dead
        keys = keys_of(workspace.settings, site.store, lambda: site.following.playbook.audience.identity)
        self._topic = PastTopic(stream_settings(workspace.settings), keys)
        stack.push_async_callback(self._topic.close)

    @property
    def duplicates(self) -> int:
        """How many entries were repeats, as far as they were applied here."""
        worker = self._process.worker
        return 0 if worker is None else worker.engine.duplicates

    @property
    def dead(self) -> int:
        """How many could not be applied."""
        return self.store.counts().dead - self._dead

    async def open(self, clock: ManualClock) -> None:
        """Let time stand at the clock's instant, and start a worker unless one lives."""
        site = self._process.site
        turning = Turning(site.store, site.clock, self._process.owner)
        await asyncio.to_thread(turning.begin, clock.now())
        self._stack.push_async_callback(asyncio.to_thread, turning.end)
        rows = await asyncio.to_thread(site.store.partitions)
        if is_attended(rows, site.clock.now()):
            audience = await asyncio.to_thread(self._process.publish, clock.now())
        else:
            audience = await self._process.work(clock.now())
        load = InForce(site.store, audience, self.renderer)
        self._tide = Tide(site.store, self._topic, clock, load, check=turning.check)
        self._claimed = site.store.claiming("history", HOUR, clock.now)
        await self._tide.turn(site.desk.tail())

    async def log(self, entries: Sequence[Entry]) -> int:
        """Send the entries into the topic."""
        await self._topic.send(entries, self._process.site.clock.now())
        return max(self._topic.last.values(), default=0)

    async def settle(self) -> None:
        """Wait until workers have lived up to the clock's instant."""
        await self._tide.turn()

    def next_instant(self) -> Micros:
        """Return when the next timer or schedule is due, 0 when none is."""
        return self._tide.next_instant()

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run a use case of the dispatcher's."""
        return await self._tide.call(self._claimed, use_case)

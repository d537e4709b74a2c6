"""What a worker does now and then, besides applying: let go of what is old, and copy dead letters into their topic.

Who owns the first partition keeps house; every worker tells of its own dead letters. Started by `bootstrap/roles.py`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from engine.core.errors import Conflict, StoreAway
from engine.core.ids import Micros
from engine.ports import Clock, Kept, SharedStore
from engine.ports.partitions import unpack
from engine.runtime.stream.dead import DeadTopic
from engine.runtime.stream.engine import FIRST, StreamEngine
from engine.usecases.retain import CHUNK, prune

EVERY: Final = 3_600.0
"""Seconds between two looks at what is old."""

SOON: Final = 60.0
"""Seconds until the first of them: a start has better things to do."""

_MOST: Final = 1_000


class Keeping:
    """Prunes what is older than it is kept. `months` lets whole months of the history go, by the clock's time."""

    def __init__(
        self,
        store: SharedStore,
        engine: StreamEngine,
        kept: Mapping[Kept, Micros],
        clock: Clock,
        months: Callable[[Micros], None],
    ) -> None:
        self._store, self._engine, self._kept = store, engine, kept
        self._clock, self._months = clock, months
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name="retention")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        await asyncio.sleep(SOON)
        while True:
            if FIRST in self._engine.shares:
                with suppress(StoreAway, Conflict):  # in an hour again
                    await asyncio.to_thread(self.let_go)
            await asyncio.sleep(EVERY)

    def let_go(self) -> None:
        """Prune, unless history is being imported: it is old by the clock, and nobody has looked at it yet."""
        if self._store.tide_at() is not None:
            return
        now = self._clock.now()
        while prune(self._store, self._kept, now, CHUNK):
            pass
        self._months(now)


class Letters:
    """Hears of a worker's dead letters: `look` after each step, in the loop."""

    def __init__(self, store: SharedStore, engine: StreamEngine, topic: DeadTopic) -> None:
        self._store, self._engine, self._topic = store, engine, topic
        self._told = 0
        self._telling: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """Copy what has died since the last look."""
        fresh, self._told = self._engine.dead - self._told, self._engine.dead
        if fresh:
            task = asyncio.create_task(self._tell(min(fresh, _MOST)), name="dead-letters-told")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._topic.close()

    async def _tell(self, fresh: int) -> None:
        with suppress(StoreAway, Conflict):  # the store has them: the copies are for convenience
            letters = await asyncio.to_thread(self._store.dead_letters, _MOST)
            ours = [one for one in letters if one.offset > 0 and unpack(one.offset).partition in self._engine.shares]
            self._topic.tell(ours[:fresh])

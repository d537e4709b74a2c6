"""The rules in force, in a process that decides nothing itself: loaded anew when the store says that they moved.

Also its ear for everything else that the store tells, and its word on whether the database is there. Used by `serve`
and by dispatchers; a worker's engine compares the epoch in each turn instead.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from engine.core.errors import Conflict, StoreAway
from engine.core.playbook import Playbook
from engine.ports import SharedStore

LOOK: Final = 1.0
"""Seconds between two looks at the number of the rules: a notice may be lost with its connection."""


class Following:
    """`playbook` is the one in force. `moved` is called in the loop with what the store tells of: "touches", "tide"."""

    def __init__(self, store: SharedStore, load: Callable[[], Playbook]) -> None:
        self._store, self._load = store, load
        self._epoch = store.epoch()
        self.playbook = load()
        self.moved: Callable[[str], None] = _unheard
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = _end
        self.is_away = False
        self.is_tidal = store.tide_at() is not None
        """Time is virtual for now: history is being imported, and nothing happens by the clock."""

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()

        def hear(what: str) -> None:
            with suppress(RuntimeError):  # the loop is gone: we are stopping
                loop.call_soon_threadsafe(self._hear, what)

        self._stop_listening = await asyncio.to_thread(self._store.listen, hear)
        self._task = asyncio.create_task(self._follow(), name="rules")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._stop_listening)

    def rules(self) -> Playbook:
        """Return the playbook in force."""
        return self.playbook

    async def refresh(self) -> None:
        """Load the rules now; raises `StoreAway`."""
        self._epoch, self.playbook = await asyncio.to_thread(self._loaded)

    def _hear(self, what: str) -> None:
        if what in {"rules", "tide"}:
            self._woken.set()
        self.moved(what)

    async def _follow(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._store.epoch) != self._epoch:
                    await self.refresh()
                self.is_tidal = await asyncio.to_thread(self._store.tide_at) is not None
                self.is_away = False
            except (StoreAway, Conflict) as problem:
                if not self.is_away:
                    structlog.get_logger("daemon").warning("store_away", error=str(problem))
                self.is_away = True
            await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _loaded(self) -> tuple[int, Playbook]:
        epoch = self._store.epoch()  # before the rules: what moves between the two is loaded once more
        return epoch, self._load()


def _unheard(_what: str) -> None:
    """Nobody asks for more than the rules."""


def _end() -> None:
    """Nobody listens."""

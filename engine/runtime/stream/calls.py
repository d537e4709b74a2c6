"""What a dispatcher asks of a store that it shares with others: use cases in threads, outcomes into the topic.

The claims on touches, not this process, keep two dispatchers apart. Started by `bootstrap`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from engine.core.errors import Conflict, RulesMoved, StoreAway
from engine.core.playbook import Playbook
from engine.ports import Store
from engine.runtime.inbox import Make
from engine.runtime.stream.site import Site

T = TypeVar("T")

CONFLICTS: Final = 0.005
"""Seconds until what met somebody else is tried again; as many more as it was tried in vain."""

LOOK: Final = 0.25
"""Seconds between two looks at how far the partitions are lived through."""


class SharedCalls:
    """The dispatcher's `EngineCalls`. `claimed` is the store as `SharedStore.claiming` gave it to this dispatcher."""

    def __init__(self, site: Site, claimed: Store) -> None:
        self._site, self._claimed = site, claimed

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run it in a thread, again where somebody else was there first; raises `StoreAway`.

        While history is imported nothing is asked: what that plans is sent by whoever imports.
        """
        tried = 0
        while self._site.following.is_tidal:  # noqa: ASYNC110 - another process turns the tide
            await asyncio.sleep(LOOK)
        while True:
            try:
                return await asyncio.to_thread(use_case, self._claimed, self._site.following.playbook)
            except Conflict:
                tried += 1
                await asyncio.sleep(min(CONFLICTS * tried, 1.0))
            except RulesMoved:
                await self._site.following.refresh()

    async def accept(self, make: Make) -> int:
        """Produce how hand-overs ended; returns once the brokers have confirmed."""
        return await self._site.door.accept(make)

    async def drained(self) -> None:
        """Return once every partition is lived through up to now: no outcome said before still waits in the topic.

        A lease may be declared lapsed only then. While no worker lives, it does not return.
        """
        now = self._site.clock.now()
        while not await self._has_lived(now):  # noqa: ASYNC110 - other processes live through it
            await asyncio.sleep(LOOK)

    async def _has_lived(self, until: int) -> bool:
        try:
            return await asyncio.to_thread(self._site.store.lived) >= until
        except (StoreAway, Conflict):
            return False

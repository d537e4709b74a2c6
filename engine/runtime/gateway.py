"""What the HTTP face asks and a store can answer: who is known, which touches there are, the rules in force.

Half of `http.gateway.Gateway`, without a door for what comes in. `Embedded` and `stream/serving.py` build on it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from engine.core.playbook import Playbook
from engine.core.policy import Identity, Policy
from engine.core.state import Customer
from engine.ports import Clock, MergeRow, Store, TouchQuery, TouchRow
from engine.telemetry import Telemetry
from engine.usecases.card import Card, Traits, card
from engine.usecases.erase import marks_of
from engine.usecases.fingerprints import fingerprint


class Reception:
    """Answers from the store's last commit; `rules` gives the playbook in force."""

    def __init__(self, store: Store, clock: Clock, telemetry: Telemetry, rules: Callable[[], Playbook]) -> None:
        self._store, self._clock, self._telemetry, self._rules = store, clock, telemetry, rules

    @property
    def clock(self) -> Clock:
        """Return the process's clock."""
        return self._clock

    @property
    def telemetry(self) -> Telemetry:
        """Return the process's metrics."""
        return self._telemetry

    def identity(self) -> Identity:
        """Return the rules of identity in force."""
        return self._rules().audience.identity

    def policy(self) -> Policy:
        """Return the rules of consent in force."""
        return self._rules().policy

    async def person(self, customer: str) -> Customer | None:
        """Return the customer by OneID (whoever took it in, for a merged one), None when unknown."""
        found = await asyncio.to_thread(self._store.customers, [customer])
        return found.get(customer)

    async def known(self, names: Sequence[str]) -> dict[str, str]:
        """Return name ("kind:value", or a OneID) -> OneID of the customer it leads to."""
        return await asyncio.to_thread(_known, self._store, names)

    async def merges(self, customer: str) -> list[MergeRow]:
        """Return the merge log of a customer, newest first."""
        return await asyncio.to_thread(self._store.merges, customer)

    async def card(self, name: str, traits: Traits) -> Card | None:
        """Return what other channels may know of the customer, as of the store's last commit."""
        return await asyncio.to_thread(card, self._store, self.policy(), name, traits, self._clock.now())

    async def marks(self, customer: str) -> list[str]:
        """Return the fingerprints of every identifier that was ever known to be the customer's."""
        return await asyncio.to_thread(marks_of, self._store, customer)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of "kind:value"."""
        return fingerprint(self._store.pepper(), name)

    async def is_erased(self, key: str) -> bool:
        """Say whether the erasure ledger holds the fingerprint."""
        return bool(await asyncio.to_thread(self._store.erased, [key]))

    async def journeys(self) -> Collection[str]:
        """Return the names of the published journeys."""
        return [journey for journey, version in self._rules().current.items() if version]

    async def travelled(self) -> Collection[str]:
        """Return the names of the journeys that are published, or that runs still travel."""
        return self._rules().current.keys()

    async def touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, newest first."""
        return await asyncio.to_thread(self._store.find_touches, query)

    async def touch(self, touch_id: str) -> TouchRow | None:
        """Return one touch, None when unknown."""
        found = await asyncio.to_thread(self._store.touches, [touch_id])
        return found.get(touch_id)


def _known(store: Store, names: Sequence[str]) -> dict[str, str]:
    direct = store.customers([name for name in names if ":" not in name])
    resolved = store.resolve([name for name in names if ":" in name])
    return {name: customer.id for name, customer in direct.items()} | resolved

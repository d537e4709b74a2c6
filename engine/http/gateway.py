"""What the HTTP face asks of the running engine. The runtime implements it; tests do with memory adapters.

It is not a store and not a log: it is the narrow door between the event loop and the engine.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from engine.core.events import Entry
from engine.core.ids import Micros
from engine.core.policy import Identity, Policy
from engine.core.state import Customer
from engine.ports import Clock, MergeRow, TouchQuery, TouchRow
from engine.telemetry import Telemetry
from engine.usecases.card import Card, Traits

Make: TypeAlias = Callable[[Micros], Sequence[Entry]]
"""Makes the entries once their `received` stamp is known. Pure and quick: it may run on the log's thread."""

Answer: TypeAlias = tuple[int, str, bytes, Sequence[Entry]]
"""(status, content type, body, entries): what a callback adapter wants answered and logged."""

Callback: TypeAlias = Callable[
    [str, Mapping[str, str], Mapping[str, str], bytes, Micros],
    Answer | Awaitable[Answer],
]
"""(method, query, headers in lower case, body, now) -> Answer. Raises `BadInput` or `ValueError` for a forged or
broken call. Entries may carry any `received`: the door restamps them."""


class Gateway(Protocol):
    """The running engine, as the HTTP face sees it."""

    @property
    def clock(self) -> Clock:
        """Return the process's clock."""
        ...

    @property
    def telemetry(self) -> Telemetry:
        """Return the process's metrics."""
        ...

    async def accept(self, make: Make) -> int:
        """Stamp, append durably and return the last offset; an empty sequence writes nothing and returns 0.

        Returns only after the commit. Raises `StoreFull` or `StoreAway` (503) or `Overloaded` (429), then nothing was
        written, and `LogAway` (503) when nobody knows whether it was.
        """
        ...

    def ready(self) -> Sequence[str]:
        """Return the reasons why the engine is not ready; empty when it is."""
        ...

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form, gauges brought up to date."""
        ...

    def identity(self) -> Identity:
        """Return the rules of identity in force; the same object until they change."""
        ...

    async def known(self, names: Sequence[str]) -> dict[str, str]:
        """Return name ("kind:value", or a OneID) -> OneID of the customer it leads to; unknown ones are absent."""
        ...

    async def merges(self, customer: str) -> list[MergeRow]:
        """Return the merge log of a customer, newest first."""
        ...

    async def card(self, name: str, traits: Traits) -> Card | None:
        """Return what other channels may know of the customer (a OneID or "kind:value"), None when nobody is known."""
        ...

    def policy(self) -> Policy:
        """Return the rules of consent in force."""
        ...

    async def person(self, customer: str) -> Customer | None:
        """Return the customer by OneID (whoever took it in, for a merged one), None when unknown."""
        ...

    async def marks(self, customer: str) -> list[str]:
        """Return the fingerprints of every identifier that was ever known to be the customer's."""
        ...

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of "kind:value"."""
        ...

    async def is_erased(self, key: str) -> bool:
        """Say whether the erasure ledger holds the fingerprint."""
        ...

    async def journeys(self) -> Collection[str]:
        """Return the names of the published journeys."""
        ...

    async def travelled(self) -> Collection[str]:
        """Return the names of the journeys that are published, or that runs still travel."""
        ...

    async def touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, newest first."""
        ...

    async def touch(self, touch_id: str) -> TouchRow | None:
        """Return one touch, None when unknown."""
        ...

"""A gateway that keeps everything in memory: for tests of the HTTP face and for trying it without an engine.

It decides and sends nothing; what was accepted stands in `entries`, in order.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from engine.core.errors import Overloaded, StoreFull
from engine.core.events import Entry, decode, encode
from engine.core.policy import Identity, Policy
from engine.core.state import Customer
from engine.http.gateway import Make
from engine.ports import Clock, MergeRow, TouchQuery, TouchRow
from engine.telemetry import Telemetry
from engine.usecases.card import Card, Traits
from engine.usecases.fingerprints import fingerprint


class MemoryGateway:
    """A `Gateway` over lists. `capacity` entries fill it (`StoreFull`); `closed` makes it refuse (`Overloaded`)."""

    def __init__(self, clock: Clock, *, capacity: int = 1_000_000) -> None:
        self.clock, self.telemetry, self.capacity = clock, Telemetry(), capacity
        self.entries: list[Entry] = []
        self.rows: dict[str, TouchRow] = {}
        self.published: set[str] = set()
        self.gone: set[str] = set()
        self.rules = Identity()
        self.people: dict[str, str] = {}
        self.united: list[MergeRow] = []
        self.cards: dict[str, Card] = {}
        self.erased: set[str] = set()
        self.rules_of_consent = Policy()
        self.customers: dict[str, Customer] = {}
        self.reasons: list[str] = []
        self.closed = False

    async def accept(self, make: Make) -> int:
        """Keep the entries (through the journal's codec, so that what cannot be stored fails here too)."""
        if self.closed:
            raise Overloaded(2.0)
        made = [decode(encode(entry)) for entry in make(self.clock.now())]
        if len(self.entries) + len(made) > self.capacity:
            raise StoreFull("The memory is full")
        self.entries += made
        return len(self.entries) if made else 0

    def ready(self) -> Sequence[str]:
        """Return `reasons`."""
        return self.reasons

    def metrics(self) -> bytes:
        """Return the metrics."""
        return self.telemetry.render()

    def identity(self) -> Identity:
        """Return `rules`."""
        return self.rules

    def policy(self) -> Policy:
        """Return `rules_of_consent`."""
        return self.rules_of_consent

    async def person(self, customer: str) -> Customer | None:
        """Return the one of `customers`."""
        return self.customers.get(customer)

    async def known(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the names that `people` has."""
        return {name: self.people[name] for name in names if name in self.people}

    async def merges(self, customer: str) -> list[MergeRow]:
        """Return the rows of `united` that name the customer."""
        return [row for row in self.united if customer in {row.winner, row.loser}]

    async def card(self, name: str, traits: Traits) -> Card | None:
        """Return the card under that name, with the traits that the asker may see."""
        found = self.cards.get(name)
        if found is None or traits == "all":
            return found
        seen = {key: value for key, value in found.traits.items() if key in traits} if traits != "none" else {}
        return replace(found, traits=seen)

    async def marks(self, customer: str) -> list[str]:
        """Return the fingerprints of the names of `people` that lead to the customer."""
        return [self.fingerprint(name) for name, id_ in self.people.items() if id_ == customer and ":" in name]

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint under a key of zeroes."""
        return fingerprint(bytes(32), name)

    async def is_erased(self, key: str) -> bool:
        """Say whether `erased` has it."""
        return key in self.erased

    async def journeys(self) -> Collection[str]:
        """Return `published`."""
        return self.published

    async def travelled(self) -> Collection[str]:
        """Return `published` and `gone`."""
        return self.published | self.gone

    async def touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the rows that match the query's state, channel, journey and customer."""
        wanted = [
            row
            for row in self.rows.values()
            if query.state in {"", row.state}
            and query.channel in {"", row.touch.channel}
            and query.journey in {"", row.touch.journey}
            and query.customer in {"", row.touch.customer}
        ]
        return wanted[: query.limit]

    async def touch(self, touch_id: str) -> TouchRow | None:
        """Return one row."""
        return self.rows.get(touch_id)

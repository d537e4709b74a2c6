"""Who the events speak of: every customer of the history in memory, and the index of their identifiers.

The same linking, creating and merging as in `usecases/advance.py`, on dictionaries instead of a store.
"""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from engine.core.audience import identity
from engine.core.commands import Command, Note
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.state import Customer

MOST_REPEATS: Final = 50_000
"""Message ids remembered before the older half is let go: a repeat further away is taken for a new event."""


class Found(NamedTuple):
    """The customer an event speaks of, and what a merge on the way asks for. `left`: accounts of those merged away."""

    customer: Customer
    commands: tuple[Command, ...] = ()
    trace: tuple[Note, ...] = ()
    left: tuple[str, ...] = ()


class People:
    """Everybody heard of so far. `watched`: conditions that a merge has looked at anew.

    `numbers` gives each a small number, so that counts per customer fit an array.
    """

    def __init__(self, watched: Iterable[str] = ()) -> None:
        self._watched = tuple(watched)
        self.customers: dict[str, Customer] = {}
        self.numbers: dict[str, int] = {}
        self.known: dict[str, str] = {}
        """Identifier "kind:value" -> customer id."""
        self.winners: dict[str, str] = {}
        """Id of a customer who was merged away -> the one who stayed."""

    def alone(self, event: Event) -> Customer | None:
        """Return the customer known by the event's only identifier; None when there are several, or none is known.

        By far the commonest case, and nothing to link then: `find` says the same in more time.
        """
        identifiers = event.identifiers
        if len(identifiers) != 1:
            return None
        ((kind, value),) = identifiers.items()
        known = self.known.get(f"{kind}:{value}")
        return None if known is None else self.customers[known]

    def find(self, event: Event) -> Found:
        """Return whom the event speaks of; link, create or merge on the way. The event names somebody."""
        identifiers = event.identifiers
        keys = identity.keys(identifiers)
        ids = dict.fromkeys([self.known[key] for key in keys if key in self.known])
        found = [self.customers[id_] for id_ in ids]
        if not found:
            return Found(self._welcome(identity.begin(identifiers, min(event.at, event.received)), keys))
        if len(found) == 1 and _is_same(found[0], event):
            return Found(self._learn(found[0], keys))
        return self._reconcile(event, found, keys)

    def put(self, customer: Customer) -> None:
        """Keep the customer's new value."""
        self.customers[customer.id] = customer

    def get(self, id_: str) -> Customer | None:
        """Return the customer by id; a merged one's is the customer who stayed."""
        while id_ in self.winners:
            id_ = self.winners[id_]
        return self.customers.get(id_)

    def number(self, id_: str) -> int:
        """Return the customer's number, counted from 0 in the order of first being heard of."""
        while id_ in self.winners:
            id_ = self.winners[id_]
        return self.numbers[id_]

    def _welcome(self, fresh: Customer, keys: list[str]) -> Customer:
        if fresh.id not in self.numbers:
            self.numbers[fresh.id] = len(self.numbers)
        return self._learn(fresh, keys)

    def _learn(self, main: Customer, keys: list[str]) -> Customer:
        self.known.update(dict.fromkeys(keys, main.id))
        self.customers[main.id] = main
        return main

    def _reconcile(self, event: Event, found: list[Customer], keys: list[str]) -> Found:
        now: Micros = event.received
        resolution = identity.reconcile(event.identifiers, found, min(event.at, now))
        main = resolution.main
        commands: list[Command] = []
        trace: list[Note] = []
        for loser in resolution.absorbed:
            merged = identity.merge(main, loser, now, watched=self._watched)
            main = merged.customer
            commands += merged.commands
            trace += merged.trace
            del self.customers[loser.id]
            self.winners[loser.id] = main.id
            # A shared phone can hold 20 values a kind: walking them is cheaper than an index by customer.
            held = [f"{kind}:{value}" for kind, values in loser.identifiers.items() for value in values]
            self.known.update({key: main.id for key in held if self.known.get(key) == loser.id})
        left = tuple(one.account for one in resolution.absorbed if one.account not in {"", main.account})
        strangers = {key for key in keys if self.known.get(key) in {other.id for other in resolution.conflicts}}
        main = self._welcome(main, [key for key in keys if key not in strangers])
        return Found(main, tuple(commands), tuple(trace), left)


def _is_same(customer: Customer, event: Event) -> bool:
    user, held = event.identifiers.get("user_id"), customer.identifiers.get("user_id")
    return user is None or held is None or user == held[-1]


class Repeats:
    """Tells a message that came before by its id, within the last 50,000 to 100,000 messages."""

    def __init__(self) -> None:
        self._young: set[tuple[str, str]] = set()
        self._old: set[tuple[str, str]] = set()

    def is_new(self, event: Event) -> bool:
        """Say whether the event's (source, id) was not met lately, and remember it."""
        name = (event.source, event.id)
        if name in self._young or name in self._old:
            return False
        if len(self._young) >= MOST_REPEATS:
            self._old, self._young = self._young, set()
        self._young.add(name)
        return True


class PerCustomer:
    """A small count for each customer by number: two bytes each, saturating.

    >>> counts = PerCustomer()
    >>> counts.add(2); counts.add(2); counts.add(0)
    >>> list(counts.counts), counts.customers()
    ([1, 0, 2], 2)
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = array("H")

    def add(self, number: int) -> None:
        """Count one more for the customer."""
        counts = self.counts
        if number >= len(counts):
            counts.frombytes(bytes(2 * (number + 1 - len(counts))))
        if counts[number] < 0xFFFF:
            counts[number] += 1

    def of(self, number: int) -> int:
        """Return the customer's count."""
        return self.counts[number] if number < len(self.counts) else 0

    def move(self, loser: int, winner: int) -> None:
        """Give the winner of a merge what was counted for the loser."""
        taken = self.of(loser)
        if taken:
            self.add(winner)
            self.counts[winner] = min(0xFFFF, self.counts[winner] - 1 + taken)
            self.counts[loser] = 0

    def customers(self) -> int:
        """Return for how many customers anything was counted."""
        return len(self.counts) - self.counts.count(0)

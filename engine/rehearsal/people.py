"""Who the events speak of: every customer of the history in memory, and the index of their identifiers.

The same linking, creating and merging as in `usecases/identify.py`, on dictionaries instead of a store.
"""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from engine.core.audience import identity, merging
from engine.core.audience.identity import RULES, Rules
from engine.core.commands import Command, Note
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.state import Addresses, Customer

MOST_REPEATS: Final = 50_000
"""Message ids remembered before the older half is let go: a repeat further away is taken for a new event."""


class Found(NamedTuple):
    """The customer an event speaks of, and what a merge on the way asks for. `left`: accounts of those merged away.

    `event` has the identifiers that are the customer's.
    """

    customer: Customer
    event: Event
    commands: tuple[Command, ...] = ()
    trace: tuple[Note, ...] = ()
    left: tuple[str, ...] = ()


class People:
    """Everybody heard of so far. `watched`: conditions that a merge has looked at anew.

    `numbers` gives each a small number, so that counts per customer fit an array.
    """

    def __init__(self, watched: Iterable[str] = (), rules: Rules = RULES) -> None:
        self._watched, self._rules = tuple(watched), rules
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

    def find(self, event: Event) -> Found | None:
        """Return whom the event speaks of; link, create or merge on the way. None when it names nobody."""
        identifiers = self._rules.usable(event.identifiers)
        if not identifiers:
            return None
        event = event if identifiers is event.identifiers else msgspec.structs.replace(event, identifiers=identifiers)
        keys = self._rules.keys(identifiers)
        found = {key: self.customers[self.known[key]] for key in keys if key in self.known}
        if not found:
            return Found(self._welcome(event), event)
        first = next(iter(found.values()))
        if all(one is first for one in found.values()) and not self._rules.differs(first, identifiers):
            return Found(self._learn(first, keys), event)
        return self._reconcile(event, found)

    def let_go(self, before: Addresses, customer: Customer) -> None:
        """Forget the identifiers that the customer held before and does not any more."""
        if before is customer.identifiers:
            return
        for key in identity.let_go(before, customer.identifiers):
            if self.known.get(key) == customer.id:
                del self.known[key]

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

    def _welcome(self, event: Event) -> Customer:
        at, attempt = min(event.at, event.received), 0
        fresh = identity.begin(event.identifiers, at, rules=self._rules)
        while self.get(fresh.id) is not None:
            attempt += 1
            fresh = identity.begin(event.identifiers, at, rules=self._rules, attempt=attempt)
        self.numbers[fresh.id] = len(self.numbers)
        return self._learn(fresh, self._rules.keys(event.identifiers))

    def _learn(self, main: Customer, keys: list[str]) -> Customer:
        self.known.update(dict.fromkeys(keys, main.id))
        self.customers[main.id] = main
        return main

    def _reconcile(self, event: Event, found: dict[str, Customer]) -> Found:
        now: Micros = event.received
        resolution = identity.reconcile(event.identifiers, found, self._rules)
        event = msgspec.structs.replace(event, identifiers=resolution.accepted)
        main = resolution.main
        if main is None:
            return Found(self._welcome(event), event)
        commands: list[Command] = []
        trace: list[Note] = []
        for loser, _ in resolution.absorbed:
            before = (main, loser)
            merged = merging.merge(main, loser, now, watched=self._watched, rules=self._rules)
            main = merged.customer
            commands += merged.commands
            trace += merged.trace
            self._take_over(before, main)
        left = tuple(one.account for one, _ in resolution.absorbed if one.account not in {"", main.account})
        main = self._learn(main, self._rules.keys(event.identifiers))
        return Found(main, event, tuple(commands), tuple(trace), left)

    def _take_over(self, before: tuple[Customer, Customer], main: Customer) -> None:
        _, loser = before
        del self.customers[loser.id]
        self.winners[loser.id] = main.id
        # A customer holds few values of a kind: walking them is cheaper than an index by customer.
        for one in before:
            for key in (f"{kind}:{value}" for kind, values in one.identifiers.items() for value in values):
                if self.known.get(key) == one.id:
                    self.known[key] = main.id
            self.let_go(one.identifiers, main)


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

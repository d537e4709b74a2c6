"""One unit of work in the making: what was read, what is changed, and the `Changes` to commit at the end.

Use cases share it inside one transaction: later entries of a batch see what earlier ones did. It decides nothing;
the one rule it holds is that a touch moves only along the edges of `core/delivery.py`.
"""

from collections.abc import Iterable
from heapq import heappush
from typing import Any, NamedTuple

from msgspec.structs import replace

from engine.core.commands import Note, Touch
from engine.core.decide import Happening
from engine.core.delivery import STOPPABLE, TouchState, is_allowed
from engine.core.errors import IllegalMove
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.state import Customer
from engine.ports import Changes, FactRow, ReviewRow, TouchRow, Unit
from engine.usecases.beyond import Beyond
from engine.usecases.labels import labels


class Told(NamedTuple):
    """What an entry means for a customer (id): feed it to `decide` in the same unit."""

    customer: str
    happening: Happening


class Work(Beyond):
    """The working set over one `Unit`. Call `flush()` once at the end and commit what it returns.

    It is the `World` of the decisions made in the unit: what one of them takes is taken for the next.

    `customers` and `rows` overlay the store; write through `put`, `plan` and `move` so that the change is kept. The
    lists of `changes` (attempts, facts, effects, dead, ...) are open to append to.
    """

    __slots__ = (
        "_aliases",
        "_dirty",
        "_fact_ids",
        "_first",
        "_provided",
        "_roads",
        "_underway",
        "customers",
        "now",
        "rows",
        "shut",
        "wakes",
    )

    def __init__(self, unit: Unit, now: Micros) -> None:
        super().__init__(unit)
        self.now = now
        self.customers: dict[str, Customer] = {}
        self.rows: dict[str, TouchRow] = {}
        self.wakes: list[tuple[Micros, str]] = []
        """A heap of (instant, customer): whose timers this unit set to `now` or before. `wake.Timers` takes from it."""
        self.shut: dict[str, str] = {}
        """Identifier "kind:value" -> reason, of those that this unit brings and that are suppressed."""
        self._dirty: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._fact_ids: set[str] = set()
        self._first: dict[str, Customer] = {}  # as they were read: what labels they carried
        self._provided: dict[tuple[str, str], list[str]] = {}
        self._roads: dict[tuple[str, str], Plan | None] = {}
        self._underway: dict[tuple[str, str], int] = {}  # (journey, version) -> runs in other versions, once asked

    # --- customers

    def gather(self, ids: Iterable[str]) -> None:
        """Read the customers that are not here yet, in one go."""
        missing = [id_ for id_ in ids if self._canonical(id_) not in self.customers]
        if not missing:
            return
        for asked, found in self.unit.customers(missing).items():
            if asked != found.id:
                self._aliases[asked] = found.id
            self.meet((found,))

    def meet(self, found: Iterable[Customer]) -> None:
        """Take customers in that were read in this unit, as they are in the store; those that are here already stay."""
        for customer in found:
            self._first.setdefault(customer.id, customer)
            self.customers.setdefault(customer.id, customer)

    def customer(self, id_: str) -> Customer | None:
        """Return the customer as this unit sees it (the winner, for a merged id), None when unknown."""
        known = self.customers.get(id_)
        if known is not None:
            return known
        if self._canonical(id_) not in self.customers:
            self.gather((id_,))
        return self.customers.get(self._canonical(id_))

    def put(self, customer: Customer) -> None:
        """Keep the customer's new value."""
        if self.customers.get(customer.id) is customer and customer.id not in self._dirty:
            return
        if self._underway:
            self._recount(customer.id, customer)
        self.customers[customer.id] = customer
        self._dirty.add(customer.id)
        if 0 < customer.wake <= self.now:
            heappush(self.wakes, (customer.wake, customer.id))

    def merge(self, loser: str, winner: Customer) -> None:
        """Keep the winner's value; the loser's id means the winner from now on."""
        if self._underway:
            self._recount(loser, None)
        self.customers.pop(loser, None)
        self._dirty.discard(loser)
        self._aliases[loser] = winner.id
        self.changes.merged[loser] = winner.id
        self.put(winner)

    def part(self, back: Customer, followers: Iterable[str]) -> None:
        """Let a merged customer stand on its own again, and those who had been merged into it lead to it."""
        self._aliases.pop(back.id, None)
        for follower in followers:
            self._aliases[follower] = back.id
            self.changes.parted[follower] = back.id
        self.changes.parted[back.id] = back.id
        self.put(back)

    def contested(self, keys: Iterable[str]) -> dict[str, ReviewRow]:
        """Return what is known of these contested identifiers, as this unit sees it."""
        mine = {row.identifier: row for row in self.changes.reviews}
        asked = list(keys)
        return self.unit.review([key for key in asked if key not in mine]) | {k: mine[k] for k in asked if k in mine}

    def contest(self, row: ReviewRow) -> None:
        """Keep who claims an identifier."""
        self.changes.reviews = [one for one in self.changes.reviews if one.identifier != row.identifier]
        self.changes.reviews.append(row)

    def contact(self, customer_id: str) -> Customer | None:
        """Return another customer, as this unit sees it."""
        return self.customer(customer_id)

    def underway(self, journey: str, version: str) -> int:
        """Return how many runs of the journey travel in versions other than this one, this unit's changes included."""
        place = (journey, version)
        if place not in self._underway:
            before = self.unit.customers({*self._dirty, *self.changes.merged})
            total = self.unit.underway(journey, version) - sum(_others(one, *place) for one in before.values())
            self._underway[place] = total + sum(_others(self.customers[id_], *place) for id_ in self._dirty)
        return self._underway[place]

    def _recount(self, id_: str, after: Customer | None) -> None:
        before = self.customer(id_)
        for place in self._underway:
            self._underway[place] += _others(after, *place) - _others(before, *place)

    def _canonical(self, id_: str) -> str:
        aliases = self._aliases
        while id_ in aliases:
            id_ = aliases[id_]
        return id_

    # --- touches

    def gather_rows(self, ids: Iterable[str]) -> None:
        """Read the touches that are not here yet, in one go."""
        missing = [id_ for id_ in ids if id_ not in self.rows]
        if missing:
            for id_, row in self.unit.touches(missing).items():
                self.rows.setdefault(id_, row)

    def row(self, id_: str) -> TouchRow | None:
        """Return the touch as this unit sees it, None when unknown."""
        if id_ not in self.rows:
            self.gather_rows((id_,))
        return self.rows.get(id_)

    def plan(self, touch: Touch) -> None:
        """Insert the touch, state planned; one that exists already is left alone by the store."""
        if touch.id in self.rows:
            return
        self.rows[touch.id] = TouchRow(touch=touch, state=TouchState.PLANNED, due=touch.due, updated=touch.planned)
        self.changes.touches.append(touch)

    def drop(self, touch: Touch, why: str) -> None:
        """Insert the touch as dropped: a gate refused it at planning."""
        self.plan(touch)
        self.move(self.rows[touch.id], TouchState.DROPPED, reason=why)

    def move(self, row: TouchRow, state: TouchState, **changed: Any) -> TouchRow:
        """Move the touch and return its new row; `IllegalMove` along an edge the contract does not have."""
        current = self.rows.get(row.touch.id, row)
        if not is_allowed(current.state, state):
            raise IllegalMove(f"touch {row.touch.id} cannot go from {current.state} to {state}")
        moved = replace(current, state=state, updated=self.now, **changed)
        self.rows[row.touch.id] = moved
        self.changes.rows.append(moved)
        if moved.provider_id:
            self._provided.setdefault((moved.provider, moved.provider_id), []).append(moved.touch.id)
        return moved

    def provided(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the touch that the provider knows under its own id (and address, where one id covers several)."""
        for id_ in self._provided.get((provider, provider_id), ()):
            if not recipient or self.rows[id_].touch.address == recipient:
                return self.rows[id_]
        found = self.unit.touch_by_provider(provider, provider_id, recipient)
        return None if found is None else self.row(found.touch.id)

    def cancel(self, run: str, why: str) -> None:
        """Cancel every touch of the run that has not left yet; later entries of the unit see it."""
        self.changes.cancelled.append((run, why))
        for row in [row for row in self.rows.values() if row.touch.run == run and row.state in STOPPABLE]:
            self.move(row, TouchState.CANCELLED, reason=why)

    def withdraw(self, touch: str, why: str) -> None:
        """Cancel one touch if it has not left yet; later entries of the unit see it."""
        self.changes.withdrawn.append((touch, why))
        row = self.rows.get(touch)
        if row is not None and row.state in STOPPABLE:
            self.move(row, TouchState.CANCELLED, reason=why)

    def road(self, touch: Touch) -> Plan | None:
        """Return the plan that the touch was planned by, read once for the whole unit; None when it is unknown."""
        key = (touch.journey, touch.version)
        if key not in self._roads:
            self._roads[key] = self.unit.plan(*key)
        return self._roads[key]

    # --- receipts

    def has_fact(self, id_: str) -> bool:
        """Say whether this receipt was applied or parked already, in this unit or before."""
        return id_ in self._fact_ids or self.unit.has_fact(id_)

    def fact(self, fact: FactRow) -> None:
        """Keep a receipt: applied when it names a touch, else parked."""
        self._fact_ids.add(fact.id)
        self.changes.facts.append(fact)

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return the receipts that came before their touch was known, this unit's too."""
        mine = [f for f in self.changes.facts if not f.touch and (f.provider, f.provider_id) == (provider, provider_id)]
        applied = {f.id for f in self.changes.facts if f.touch}
        return [f for f in [*self.unit.parked(provider, provider_id), *mine] if f.id not in applied]

    # --- the rest

    def note(self, customer: str, note: Note) -> None:
        """Keep one line of why."""
        self.changes.notes.append((customer, note))

    def flush(self) -> Changes:
        """Return everything to commit, time-stamped with `now`."""
        self.changes.now = self.now
        self.changes.customers = {id_: self.customers[id_] for id_ in self._dirty}
        for id_, customer in self.changes.customers.items():
            # Who was taken in and parted again in one unit has lost its rows on the way.
            before = None if id_ in self.changes.merged else self._first.get(id_)
            if before is None or before.tags is not customer.tags or before.standing is not customer.standing:
                self.changes.labels += labels(before, customer)
        return self.changes


def _others(customer: Customer | None, journey: str, version: str) -> int:
    """Return how many active runs of the journey the customer has in other versions."""
    if customer is None:
        return 0
    return sum(run.is_active and run.journey == journey and run.version != version for run in customer.runs)

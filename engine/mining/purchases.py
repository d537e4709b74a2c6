"""One customer's purchases in bounded space: the latest one by one, of the older ones their totals.

Instants may come in any order. Read by `rfm.py` and `churn.py`; filled by `gather`.
"""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from engine.core.events import Event
from engine.core.ids import Micros
from engine.mining.reading import number_of

MOST_KEPT: Final = 1_000
"""Purchases of one customer that are kept one by one."""


class Sums(NamedTuple):
    """A customer's purchases up to an instant."""

    times: int
    total: float
    first: Micros
    last: Micros


class Purchases:
    """The purchases of one customer, and when else something was heard of them (`acts`, the latest)."""

    __slots__ = ("_at", "_older", "_older_total", "_values", "acts", "first")

    def __init__(self) -> None:
        self._at, self._values = array("q"), array("d")
        self._older, self._older_total = 0, 0.0
        self.first: Micros = 0
        self.acts = array("q")

    def add(self, at: Micros, value: float) -> None:
        """Add a purchase."""
        self.first = min(self.first, at) if self.first else at
        self._at.append(at)
        self._values.append(value)
        if len(self._at) >= 2 * MOST_KEPT:
            self._let_go()

    def act(self, at: Micros) -> None:
        """Add anything else that the customer did; the latest are kept."""
        self.acts.append(at)
        if len(self.acts) >= 2 * MOST_KEPT:
            self.acts = array("q", sorted(self.acts)[MOST_KEPT:])

    def up_to(self, end: Micros, since: Micros = 0) -> Sums | None:
        """Return what was bought after `since` up to and with `end`; None when nothing was.

        Purchases that are no longer kept one by one count as bought long ago.
        """
        chosen = [place for place, at in enumerate(self._at) if since < at <= end]
        older, total = (0, 0.0) if since else (self._older, self._older_total)
        if not chosen and not older:
            return None
        kept = [self._at[place] for place in chosen] or [self.first]
        first = min(kept) if since else self.first
        return Sums(len(chosen) + older, total + sum(self._values[place] for place in chosen), first, max(kept))

    def has_between(self, start: Micros, end: Micros) -> bool:
        """Was anything bought after `start` up to and with `end`?"""
        return any(start < at <= end for at in self._at)

    def _let_go(self) -> None:
        pairs = sorted(zip(self._at, self._values, strict=True))
        gone = pairs[:-MOST_KEPT]
        self._older += len(gone)
        self._older_total += sum(value for _, value in gone)
        self._at = array("q", [at for at, _ in pairs[-MOST_KEPT:]])
        self._values = array("d", [value for _, value in pairs[-MOST_KEPT:]])


def gather(past: Iterable[tuple[str, Event]], event: str, value: str) -> dict[str, Purchases]:
    """Return customer -> purchases: the events named `event`, each worth its property `value` (0 when it says none).

    >>> paid = Event("m", "order_paid", 7, 7, properties={"total": 12.5})
    >>> gather([("mei", paid), ("mei", paid)], "order_paid", "total")["mei"].up_to(9)
    Sums(times=2, total=25.0, first=7, last=7)
    """
    found: dict[str, Purchases] = {}
    for customer, told in past:
        held = found.get(customer)
        if held is None:
            held = found[customer] = Purchases()
        if told.name == event:
            held.add(told.at, number_of(told.properties, value))
        else:
            held.act(told.at)
    return found

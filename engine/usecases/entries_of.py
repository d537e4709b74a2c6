"""Which entries of the log name a customer: what the answer to a request for one's data holds, and a timeline shows.

The same question that the purge after an erasure asks (`mentions.py`), with nothing changed. Reads only.
"""

from collections.abc import Callable, Iterator
from typing import Final

from engine.core.audience.identity import Rules
from engine.core.events import Entry
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import EventLog, Reader, TouchQuery
from engine.ports.partitions import TOPIC
from engine.usecases.erase import names_of
from engine.usecases.mentions import Known, Search, read

_PAGE: Final = 5_000
_EVERY: Final = 1_000_000_000


def places_of(
    store: Reader, log: EventLog, customer: Customer, rules: Rules, *, progress: Callable[[int], None]
) -> list[int]:
    """Return the offsets of the entries that name the customer, oldest first; `progress` gets the offset reached.

    The log is read from when the customer was first known, once more when entries taught further identifiers.
    """
    known = known_of(store, customer)
    first = first_since(log, customer.created)
    while True:
        search = Search(store, known, rules)
        found: list[tuple[Micros, int]] = []
        received: Micros = 0
        for offset, entry, body in _entries(log, first, progress):
            received = received if entry is None else entry.received
            if search.names(entry, body):
                found.append((received, offset))
        if len(search.known().names) == len(known.names):
            return [offset for _, offset in sorted(found)]  # one partition comes after the other
        known = search.known()


def known_of(store: Reader, customer: Customer) -> Known:
    """Return what the store knows of a customer that entries may name."""
    rows = store.find_touches(TouchQuery(customer=customer.id, limit=_EVERY))
    return Known(
        customer.id,
        "",
        names=tuple(sorted(names_of(store, customer))),
        touches=tuple(row.touch.id for row in rows),
        provided=tuple((row.provider, row.provider_id) for row in rows if row.provider_id),
        is_met=True,
    )


def entry_at(log: EventLog, offset: int) -> Entry | None:
    """Return the entry at an offset, None when there is none or nobody can read it."""
    found = log.read(offset - 1, 1)
    return read(found[0].body) if found and found[0].offset == offset else None


def first_since(log: EventLog, since: Micros) -> int:
    """Return an offset up to which everything was received before `since`; within a partition time never goes back."""
    low, high = 0, log.tail()
    if high >= TOPIC:
        return 0
    while low < high:
        middle = (low + high) // 2
        found = log.read(middle, 1)
        entry = read(found[0].body) if found else None
        if found and entry is not None and entry.received < since:
            low = found[0].offset
        else:
            high = middle
    return low


def _entries(log: EventLog, after: int, progress: Callable[[int], None]) -> Iterator[tuple[int, Entry | None, bytes]]:
    while places := log.read(after, _PAGE):
        for place in places:
            yield place.offset, read(place.body), place.body
        after = places[-1].offset
        progress(after)

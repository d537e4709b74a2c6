"""The daemon's own log as history: its events in the order they were accepted, read while it may be running.

What the engine itself caused (attempts, receipts) is left out, since a rehearsal sends anew; only that somebody took a
consent back under a message is kept as what it was, the customer's word. Called by `journeyd simulate`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final, Protocol

import msgspec

from engine.bootstrap.workspace import Workspace
from engine.core.events import KINDS, Event, Receipt, decode
from engine.core.plan import CHANNELS, PURPOSES, ConsentMode
from engine.core.state import Customer
from engine.ports import Reader, TouchRow
from engine.ports.partitions import TOPIC
from engine.rehearsal.sorting import sort
from engine.usecases.receive import EVERYTHING, purpose_of

PAGE: Final = 5_000
_TAKEN_BACK: Final = {"UNSUBSCRIBED": "unsubscribed", "COMPLAINED": "complained"}


class Source(Protocol):
    """History that is read: `size` and `done` in bytes or entries, `refused` and `faults` what was left out and why."""

    size: int
    refused: int
    faults: list[str]

    @property
    def done(self) -> int:
        """How much is read."""
        ...

    def events(self) -> Iterator[Event]:
        """Yield the events, from the beginning."""
        ...


class Journal:
    """The log of a workspace. `size`: entries in it; `done`: how many are read; `refused`: what could not be read.

    `trimmed`: how many of the oldest it does not hold any more, 0 where it has several partitions: nobody counts them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        with closing(workspace.read_log()) as log:
            self.size = log.tail()
            oldest = log.read(0, 1)
        self.trimmed = oldest[0].offset - 1 if oldest and self.size < TOPIC else 0
        self.done = 0
        self.refused = 0
        self.faults: list[str] = []

    def events(self) -> Iterator[Event]:
        """Yield what customers did and said, from the oldest entry that is kept up to the last of now."""
        # Partition comes after partition: only within each do they stand in the order of time.
        return sort(self._in_places()) if self.size >= TOPIC else self._in_places()

    def _in_places(self) -> Iterator[Event]:
        self.done = self.refused = 0
        with closing(self._workspace.read_log()) as log, closing(self._workspace.read_store()) as store:
            while self.done < self.size:
                page = log.read(self.done, PAGE)
                if not page:
                    return
                yield from self._of_page([logged.body for logged in page], store)
                self.done = page[-1].offset

    def _of_page(self, bodies: Sequence[bytes], store: Reader) -> Iterator[Event]:
        for body in bodies:
            try:
                entry = decode(body)
            except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
                self.refused += 1
                continue
            match entry:
                case Event(about=""):
                    yield entry
                case Receipt(fact=fact) if fact in _TAKEN_BACK and not entry.machine:
                    word = _word(store, entry)
                    if word is not None:
                        yield word
                case _:
                    pass


def _word(store: Reader, receipt: Receipt) -> Event | None:
    """Return the customer's "no" under a message as an event of its own; None when nobody knows the message."""
    row = _row(store, receipt)
    if row is None:
        return None
    customer = store.customers([row.touch.customer]).get(row.touch.customer)
    named = {} if customer is None else _name(customer)
    if receipt.fact == "UNSUBSCRIBED" and receipt.detail == EVERYTHING:
        scopes = [name for name, mode in _purposes(store).items() if mode != "none"]
    else:
        scopes = [receipt.detail if receipt.detail in CHANNELS else purpose_of(row)]
    return Event(
        id=receipt.id,
        name=_TAKEN_BACK[receipt.fact],
        at=receipt.at,
        received=receipt.received,
        source="journeyd",
        identifiers=named,
        consents=dict.fromkeys(scopes, False),
    )


def _purposes(store: Reader) -> dict[str, ConsentMode]:
    """Return the purposes of the newest release."""
    newest = store.releases(1)
    return newest[0].audience.policy.purposes if newest else PURPOSES


def _row(store: Reader, receipt: Receipt) -> TouchRow | None:
    if receipt.touch:
        return store.touches([receipt.touch]).get(receipt.touch)
    return store.touch_by_provider(receipt.provider, receipt.provider_id, receipt.recipient)


def _name(customer: Customer) -> dict[str, str]:
    """Return the customer's strongest identifier."""
    for kind in KINDS:
        if value := customer.address(kind):
            return {kind: value}
    return {}

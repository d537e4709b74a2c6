"""What a store keeps of people beyond their values: who is one, labels, who was erased, which addresses are shut.

The rows, and the part of a `Reader` that answers for them. Adapters: people.py and people_writes.py of each store.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from engine.core.ids import Micros
from engine.core.state import Customer


class MergeRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of the merge log: `winner` took `loser` in. What an unmerge gives back is in it.

    `id` derives from (winner, loser, at). `ours`, `theirs` and `united` are the two before and the one after. `why` is
    the identifier they shared, or who said so. `undone` is when they were parted again, 0 while they are one.
    """

    id: str
    winner: str
    loser: str
    at: Micros
    why: str = ""
    undone: Micros = 0
    ours: Customer | None = None
    theirs: Customer | None = None
    united: Customer | None = None


class ReviewRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An identifier that more than one person claims, kept for somebody to look at: one row per `identifier`.

    `holder` keeps it. `claimants` are the latest others (OneIDs, at most 10, newest last), `times` how often it was
    claimed, `why` what stood against a merge. `state`: open | settled.
    """

    identifier: str
    holder: str
    claimants: tuple[str, ...]
    why: str
    first: Micros
    last: Micros
    times: int = 1
    state: str = "open"


class LabelRow(msgspec.Struct, frozen=True, gc=False):
    """A label that a customer gained, changed or lost: `kind` tag | segment | list, its `name`.

    `since` 0: lost. `until`: when a tag ends by itself (0 = no end).
    """

    customer: str
    kind: str
    name: str
    since: Micros
    until: Micros = 0


class LabelCount(msgspec.Struct, frozen=True):
    """How many customers carry a label at an instant."""

    kind: str
    name: str
    customers: int


class ErasureRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of the erasure ledger: who was erased, by fingerprints only (see `usecases/fingerprints.py`).

    `keys`: fingerprints of every identifier, and of the latest touches ("touch:<id>"). `done`: when the last trace was
    gone, 0 while the purge goes on. `dropped` counts what came for the erased person afterwards. `shut`: which of the
    keys are addresses, suppressed for good.
    """

    customer: str
    at: Micros
    keys: tuple[str, ...]
    done: Micros = 0
    dropped: int = 0
    shut: tuple[str, ...] = ()


class SuppressionRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An address that nothing is sent to: `key` is the fingerprint of `address` ("email:mei@brand.example").

    `address` is "" once its owner was erased: the fingerprint still shuts it. `why`: hard_bounce | complained |
    imported | manual | erased | ...
    """

    key: str
    address: str
    why: str
    at: Micros
    source: str = ""


class PeopleReader(Protocol):
    """The part of `Reader` that answers for people."""

    # --- who is one

    def merges(self, customer: str, limit: int = 1000) -> list[MergeRow]:
        """Return the merge log of a customer, newest first: what it took in, and what took it in."""
        ...

    def reviews(self, state: str = "open", limit: int = 1000) -> list[ReviewRow]:
        """Return contested identifiers in that state ("" for all), the latest claimed first."""
        ...

    def review(self, identifiers: Iterable[str]) -> dict[str, ReviewRow]:
        """Return the rows of these identifiers, whatever their state; those nobody contests are absent."""
        ...

    # --- labels

    def labels(self, customer: str) -> list[LabelRow]:
        """Return every label the customer carries, by kind and name."""
        ...

    def label_counts(self, now: Micros, kind: str = "") -> list[LabelCount]:
        """Return how many customers carry each label at `now`, by kind and name; nobody is scanned."""
        ...

    def members(self, kind: str, name: str, now: Micros, after: str = "", limit: int = 1000) -> list[LabelRow]:
        """Return who carries a label at `now`, in the order of customer ids, above `after`."""
        ...

    # --- erased and shut out

    def pepper(self) -> bytes:
        """Return the workspace's key of fingerprints (32 bytes): see `usecases/fingerprints.py`."""
        ...

    def erasures(self, limit: int = 100_000) -> list[ErasureRow]:
        """Return the erasure ledger, oldest first."""
        ...

    def erased(self, keys: Sequence[str]) -> dict[str, str]:
        """Return fingerprint -> customer id of the ledger's line, for those that the erasure ledger holds."""
        ...

    def suppressions(self, after: str = "", limit: int = 1000) -> list[SuppressionRow]:
        """Return the suppression list, by key, above `after`."""
        ...

    def suppressed(self, keys: Sequence[str]) -> dict[str, SuppressionRow]:
        """Return those of the fingerprints that are suppressed."""
        ...

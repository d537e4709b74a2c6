"""What another version of the journeys would do otherwise, customer by customer, over the same history.

Two stages that lived through the same events are compared by their counts per customer, two bytes each. Whom to look
at more closely is chosen here; why is found by living through it once more with them watched.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from engine.core.commands import Note
from engine.core.state import Customer
from engine.rehearsal.ledger import Track
from engine.rehearsal.people import PerCustomer
from engine.rehearsal.stage import Stage

EXAMPLES: Final = 5
"""Customers shown of those who would get more, and of those who would get less."""

MOST_CHANGES: Final = 40
"""Changes with examples, largest first; further ones are counted only."""

MOST_WHY: Final = 6
"""Reasons shown per customer and version."""


Say = Callable[[Note, Customer], str]
"""A line of trace in words, times in the customer's zone."""


class Example(msgspec.Struct, frozen=True):
    """A customer with whom the versions differ: how often each reaches them, and what only one of them says."""

    customer: str
    user: str
    before: int
    after: int
    why_before: list[str] = []
    why_after: list[str] = []


class Change(msgspec.Struct, frozen=True):
    """What differs in one thing that is counted per customer.

    `kind`: sent, entered or converted. `gained` and `lost`: customers who get it in one version only; `more` and
    `fewer`: who get it in both, but not as often. `before` and `after`: how often in all.
    """

    kind: str
    journey: str
    template: str
    channel: str
    before: int
    after: int
    gained: int
    lost: int
    more: int
    fewer: int
    examples_gained: list[Example] = []
    examples_lost: list[Example] = []


class Difference(msgspec.Struct, frozen=True):
    """The comparison: `against` names the old version; `customers` differ in anything that is counted."""

    against: str
    customers: int
    new: list[str]
    changed: list[str]
    removed: list[str]
    changes: list[Change]


class Chosen(msgspec.Struct, frozen=True):
    """A change, and the numbers of the customers to look at: those who gain, those who lose."""

    track: Track
    change: Change
    gained: list[int]
    lost: list[int]


_KINDS: Final = ("sent", "entered", "converted")


def choose(old: Stage, new: Stage) -> tuple[list[Chosen], int]:
    """Return what differs, largest first, with the customers to look at; and how many customers differ at all."""
    touched = bytearray(max(len(old.people.numbers), len(new.people.numbers)))
    found = []
    for track in sorted({*old.ledger.tracks, *new.ledger.tracks}):
        # Sums over all journeys and channels are no change of their own.
        if not track.journey or (track.kind == "sent" and not track.template):
            continue
        chosen = _compare(track, _counts(old, track), _counts(new, track), touched)
        if chosen is not None:
            found.append(chosen)
    found.sort(key=lambda one: (_KINDS.index(one.track.kind), -_size(one.change), one.track))
    return found, len(touched) - touched.count(0)


def _counts(stage: Stage, track: Track) -> PerCustomer:
    return stage.ledger.tracks.get(track) or PerCustomer()


def _compare(track: Track, old: PerCustomer, new: PerCustomer, touched: bytearray) -> Chosen | None:
    if old.counts == new.counts:
        return None
    tally = {"gained": 0, "lost": 0, "more": 0, "fewer": 0}
    gained: list[int] = []
    lost: list[int] = []
    for number in range(max(len(old.counts), len(new.counts))):
        before, after = old.of(number), new.of(number)
        if before == after:
            continue
        touched[number] = 1
        grows = after > before
        word = ("more" if grows else "fewer") if before and after else ("gained" if grows else "lost")
        tally[word] += 1
        shown = gained if grows else lost
        if len(shown) < EXAMPLES:
            shown.append(number)
    if not any(tally.values()):
        return None
    change = Change(
        *track,
        before=sum(old.counts),
        after=sum(new.counts),
        gained=tally["gained"],
        lost=tally["lost"],
        more=tally["more"],
        fewer=tally["fewer"],
    )
    return Chosen(track, change, gained, lost)


def _size(change: Change) -> int:
    return change.gained + change.lost + change.more + change.fewer


def explained(chosen: Chosen, old: Stage, new: Stage, told: "Telling") -> Change:
    """Return the change with its examples: who they are, and the reasons that only one version gave."""
    ids = {number: id_ for id_, number in new.people.numbers.items() if number in {*chosen.gained, *chosen.lost}}

    def example(number: int) -> Example:
        id_ = ids[number]
        customer = new.people.get(id_)
        before, after = told.of(id_, chosen.track.journey)
        return Example(
            customer=id_ if customer is None else customer.id,
            user=_user(customer),
            before=_counts(old, chosen.track).of(number),
            after=_counts(new, chosen.track).of(number),
            why_before=before,
            why_after=after,
        )

    return msgspec.structs.replace(
        chosen.change,
        examples_gained=[example(number) for number in chosen.gained],
        examples_lost=[example(number) for number in chosen.lost],
    )


class Telling:
    """The reasons of watched customers in both versions, in words: `say` is given by who knows the languages."""

    def __init__(self, old: Stage, new: Stage, say: Say) -> None:
        self._old, self._new, self._say = old, new, say

    def of(self, id_: str, journey: str) -> tuple[list[str], list[str]]:
        """Return the lines about a journey that only the old version has, and those that only the new one has."""
        old, new = (_about(stage, id_, journey) for stage in (self._old, self._new))
        only_old, only_new = _without(old, new), _without(new, old)
        customer = self._new.people.get(id_)
        if customer is None:
            return [], []
        lines = [[self._say(note, customer) for note in notes[:MOST_WHY]] for notes in (only_old, only_new)]
        return lines[0], lines[1]


def _about(stage: Stage, id_: str, journey: str) -> list[Note]:
    """Return the watched customer's notes of the journey, also those from before a merge, oldest first."""
    winner = stage.people.get(id_)
    ids = {id_} | ({winner.id} if winner is not None else set())
    notes = [note.told_of(journey) for one in ids for note in stage.told.get(one, ()) if note.is_about(journey)]
    return sorted(notes, key=lambda note: note.at)


def _without(notes: Sequence[Note], others: Sequence[Note]) -> list[Note]:
    """Return the notes that have no equal among the others, the run's id aside: it names the version."""
    left = [_plain(note) for note in others]
    kept = []
    for note in notes:
        plain = _plain(note)
        if plain in left:
            left.remove(plain)
        else:
            kept.append(note)
    return kept


def _plain(note: Note) -> Note:
    return msgspec.structs.replace(note, run="", step="")


def _user(customer: Customer | None) -> str:
    return "" if customer is None else customer.address("user_id")

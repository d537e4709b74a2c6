"""The past for a model, customer by customer, and the model's verdicts as events: what `engine.mining` may not know.

Reads the log (or files) and the store, also while a daemon runs; writes nothing. Called by `journeyd mine`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from engine.bootstrap.logged import Source
from engine.core.audience.identity import Rules
from engine.core.audience.tags import MINED
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.policy import Identity
from engine.core.state import Customer
from engine.mining.verdicts import Mined, Terms, marks
from engine.ports import Reader
from engine.rehearsal.people import Repeats

PAGE = 5_000
"""Events whose identifiers are looked up together."""

CUSTOMERS = 1_000
"""Customers read together when the tags are handed out."""


class Past:
    """The events of a source, each with the customer it is of today; those of nobody we know are counted.

    Without a store a customer is the strongest identifier ("user_id:u1"). Events before `since` and after `now` are
    left out, repeats too. `heard`, `unknown`, `repeats`, `first` and `last` speak of what was read so far.
    """

    def __init__(self, source: Source, store: Reader | None, identity: Identity, since: Micros, now: Micros) -> None:
        self._source, self._store, self._rules = source, store, Rules(identity)
        self._since, self._now = since, now
        self.heard = self.unknown = self.repeats = 0
        self.first: Micros = 0
        self.last: Micros = 0

    def pairs(self, progress: Callable[[], None]) -> Iterator[tuple[str, Event]]:
        """Yield (customer, event) as they come; `progress` is called after each page."""
        events = self._fresh()
        while page := list(islice(events, PAGE)):
            yield from self._of_page(page)
            progress()

    def _fresh(self) -> Iterator[Event]:
        repeats = Repeats()
        for event in self._source.events():
            if event.name == MINED or event.about or not self._since <= event.at <= self._now:
                continue
            if repeats.is_new(event):
                yield event
            else:
                self.repeats += 1

    def _of_page(self, page: Sequence[Event]) -> Iterator[tuple[str, Event]]:
        named = [self._rules.keys(self._rules.usable(event.identifiers)) for event in page]
        known = self._look_up({key for keys in named for key in keys})
        for event, keys in zip(page, named, strict=True):
            customer = next((known[key] for key in keys if key in known), "")
            if not customer:
                self.unknown += 1
                continue
            self.heard += 1
            self.first = min(self.first, event.at) if self.first else event.at
            self.last = max(self.last, event.at)
            yield customer, event

    def _look_up(self, keys: Iterable[str]) -> Mapping[str, str]:
        return {key: key for key in keys} if self._store is None else self._store.resolve(sorted(keys))


class Handout(msgspec.Struct, frozen=True):
    """How the tags are handed out: when, under which name of the run (part of the ids), and whether they trigger."""

    at: Micros
    run: str
    is_backfill: bool


def words(store: Reader, mined: Mined, terms: Terms, handout: Handout, identity: Identity) -> Iterator[Event | None]:
    """Yield the event of every customer whose tags of the model change or go on, None for each of whom none speaks.

    All customers are looked at, so that a tag goes from those who are not in the history any more.
    """
    kinds = [rule.kind for rule in identity.kinds]
    after = ""
    while page := store.scan(after, CUSTOMERS):
        after = page[-1].id
        names = _names(store, page, kinds)
        for customer in page:
            yield _word(customer, names.get(customer.id), mined, terms, handout)


def _names(store: Reader, page: Sequence[Customer], kinds: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return customer -> the strongest identifier that leads to this very customer."""
    told = {customer.id: [(kind, value) for kind in kinds if (value := customer.address(kind))] for customer in page}
    known = store.resolve([f"{kind}:{value}" for pairs in told.values() for kind, value in pairs])
    leading = {
        id_: next(((kind, value) for kind, value in pairs if known.get(f"{kind}:{value}") == id_), None)
        for id_, pairs in told.items()
    }
    return {id_: dict([pair]) for id_, pair in leading.items() if pair is not None}


def _word(
    customer: Customer, name: dict[str, str] | None, mined: Mined, terms: Terms, handout: Handout
) -> Event | None:
    verdict = mined.verdicts.get(customer.id)
    given = marks(customer.tags, verdict, terms)
    if not given or name is None:
        return None
    is_given = verdict is not None and given.get(verdict.tag) is not None
    return Event(
        id=derive(MINED, handout.run, customer.id),
        name=MINED,
        at=handout.at,
        received=handout.at,
        source="mined",
        identifiers=name,
        properties={"model": mined.model, "version": mined.version, **(verdict.why if verdict and is_given else {})},
        traits=verdict.traits if verdict and is_given else {},
        backfill=handout.is_backfill,
        tags=given,
    )

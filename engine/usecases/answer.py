"""The answer to a person who asks what is kept of them: every section with what it is, item by item. Reads only.

Machine readable, in the form `journeyd.customer/1` that docs/how-to/answer-a-privacy-request.md describes. Instants are
ISO 8601 in UTC. What it lists is what an erasure takes away.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from msgspec import to_builtins

from engine.core.audience.identity import Rules
from engine.core.ids import SECOND, Micros
from engine.core.state import Customer
from engine.ports import EventLog, Reader, RunQuery, TouchQuery
from engine.usecases.entries_of import entry_at, known_of, places_of
from engine.usecases.erase import names_of
from engine.usecases.mentions import Search, read

FORM: Final = "journeyd.customer/1"

_EVERY: Final = 1_000_000_000
_OLD: Final = 10**14
"""Microseconds (1973): a smaller number under such a name is somebody's own."""
_SAID: Final = frozenset(
    {
        *("identifiers", "traits", "traits_at", "traits_by", "tags", "consents", "suppressed", "behaviour"),
        *("recalled", "runs"),
    }
)
_INSTANTS: Final = frozenset(
    {
        *("at", "received", "since", "until", "planned", "due", "expires", "updated", "lease_until", "first_attempt"),
        *("started", "ended", "retry_at", "entered", "wake", "goal_until", "converted", "created", "seen", "first"),
        *("last", "undone", "completed", "look", "opened", "clicked", "reached"),
    }
)


class Section(NamedTuple):
    """One kind of data: its name, what it is in plain words, and the items."""

    name: str
    says: str
    items: Iterable[Any]


class Answer:
    """Reads the sections of one customer. `progress` gets the offset of the log that was reached."""

    def __init__(self, store: Reader, log: EventLog, customer: Customer, rules: Rules) -> None:
        self._store, self._log, self._customer, self._rules = store, log, customer, rules

    def sections(self, progress: Callable[[int], None]) -> Iterator[Section]:
        """Yield all sections; their items are read as they are asked for."""
        store, id_ = self._store, self._customer.id
        yield from _of_value(self._customer)
        yield Section("labels", "tags, segments and lists as they are indexed", _items(store.labels(id_)))
        runs = (readable(run) for _, run in store.runs(RunQuery(customer=id_, limit=_EVERY)))
        yield Section("runs", "journeys travelled, each from entering to its end", runs)
        yield Section("touches", "messages sent or not sent, with hand-overs and receipts", self._touches())
        yield Section("coupons", "codes given", _items(store.coupons(id_, limit=_EVERY)))
        yield Section("achieved", "conversions and stages reached, as they are counted", self._effects())
        notes = _items(store.notes(id_, limit=_EVERY))
        yield Section("reasons", "why each message was or was not sent, as it was decided", notes)
        merges = _items(store.merges(id_))
        yield Section("merges", "profiles that were found to be one person, as they were before", merges)
        contested = _items(store.review(sorted(names_of(store, self._customer))).values())
        yield Section("contested", "identifiers that somebody else claimed as well", contested)
        yield Section("unapplied", "entries that name the person and could not be applied", self._letters())
        says = "events and other entries that name the person, in the order they came"
        yield Section("log", says, self._entries(progress))

    def _touches(self) -> Iterator[Any]:
        for row in self._store.find_touches(TouchQuery(customer=self._customer.id, limit=_EVERY)):
            attempts, facts = self._store.attempts(row.touch.id), self._store.facts(row.touch.id)
            yield {**readable(row), "attempts": list(_items(attempts)), "receipts": list(_items(facts))}

    def _effects(self) -> Iterator[Any]:
        return _items(self._store.effects(limit=_EVERY, customer=self._customer.id))

    def _letters(self) -> Iterator[Any]:
        search = Search(self._store, known_of(self._store, self._customer), self._rules)
        for letter in self._store.dead_letters(_EVERY):
            if search.is_named(letter.body, letter.reason):
                entry = read(letter.body)
                body = letter.body.decode("utf-8", "replace") if entry is None else readable(entry)
                yield {"at": readable_instant(letter.at), "reason": letter.reason, "body": body}

    def _entries(self, progress: Callable[[int], None]) -> Iterator[Any]:
        for offset in places_of(self._store, self._log, self._customer, self._rules, progress=progress):
            entry = entry_at(self._log, offset)
            if entry is None:
                (place,) = self._log.read(offset - 1, 1)
                yield {"offset": offset, "unreadable": place.body.decode("utf-8", "replace")}
            else:
                yield {"offset": offset, **readable(entry)}


def _of_value(customer: Customer) -> Iterator[Section]:
    pairs = [(kind, value) for kind, values in customer.identifiers.items() for value in values]
    identifiers = [{"kind": kind, "value": value} for kind, value in pairs]
    yield Section("identifiers", "what the person is known by", identifiers)
    traits = [
        {"name": name, "value": value, "at": readable_instant(customer.traits_at.get(name, 0))}
        | {"source": customer.traits_by.get(name, "")}
        for name, value in customer.traits.items()
    ]
    yield Section("traits", "what was said of the person, when and by whom", traits)
    yield Section("tags", "tags, with who gave them", _named(customer.tags))
    yield Section("consents", "what the person agreed to or refused, with the proof", _named(customer.consents))
    shut = [{"address": address, "why": why} for address, why in customer.suppressed.items()]
    yield Section("shut", "addresses that nothing is sent to", shut)
    yield Section("behaviour", "statistics over what the person did", _named(customer.behaviour))
    yield Section("recalled", "events kept for a while for journeys that look back", _items(customer.recalled))
    rest = {name: value for name, value in readable(customer).items() if name not in _SAID}
    yield Section("profile", "the rest of the profile: stage, company, timers and counters", [rest])


def _items(values: Iterable[Any]) -> Iterator[Any]:
    return (readable(value) for value in values)


def _named(values: dict[str, Any]) -> list[Any]:
    return [{"name": name, **readable(value)} for name, value in values.items()]


def readable(value: Any) -> Any:
    """Return a struct or a dictionary as JSON has it: fields by name, instants as text, nothing left out.

    >>> from engine.core.state import Held
    >>> readable(Held(1_772_366_400_000_000, by="rule"))["since"]
    '2026-03-01T12:00:00Z'
    """
    if isinstance(value, dict):
        return {str(name): _field(str(name), one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one) for one in value]
    fields = getattr(type(value), "__struct_fields__", None)
    if fields is None:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else to_builtins(value)
    return {name: _field(name, getattr(value, name)) for name in fields}


def _field(name: str, value: Any) -> Any:
    if name in _INSTANTS and isinstance(value, int) and value > _OLD:
        return readable_instant(value)
    return readable(value)


def readable_instant(at: Micros) -> str:
    """Return an instant as ISO 8601 in UTC, "" for none."""
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat().replace("+00:00", "Z") if at > 0 else ""

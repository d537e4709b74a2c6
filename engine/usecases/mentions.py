"""What names a person: their own entries of the log, and what others said of them.

Used by the erasure (`erase.py`) and its purge (`purge.py`), which unmake it, and by `entries_of.py`, which lists it.
Decides entry by entry; rewrites nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.core.audience.identity import Rules
from engine.core.events import Directive, Entry, Erased, Event, Outcome, Receipt, decode, encode, without
from engine.core.ids import Micros
from engine.ports import Logged, Reader
from engine.usecases.fingerprints import fingerprint

TELLING: Final = 6
"""Characters from which on an identifier is looked for inside texts that others wrote: "u1" would be everywhere."""

_WORD: Final = "erased"
_OWN: Final = frozenset({"id", "name", "source", "identifiers", "touch", "about", "verb", "body"})


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is to be forgotten: the body of the job, and gone with it.

    `names`: "kind:value"; `keys`: the ledger's fingerprints, `shut` those of addresses (identifiers of `kinds`);
    `provided`: (provider, its id) of touches; `codes`: (pool, code) of coupons. `directive` is the erasure's own entry:
    what stands after it is `shut_out`'s, and what was received before `since` cannot know the person. `later`: received
    by the entry that was looked at last. `before`: how many names were known when the pass through the log began.
    `until`: what was received after it is somebody new again (0: nobody was readmitted).
    """

    customer: str
    directive: str
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    provided: tuple[tuple[str, str], ...] = ()
    codes: tuple[tuple[str, str], ...] = ()
    since: Micros = 0
    is_met: bool = False
    later: Micros = 0
    before: int = 0
    until: Micros = 0

    def joined(self, newer: "Known") -> "Known":
        """Return the newer one with what this one knows besides."""
        both = {
            name: tuple(dict.fromkeys((*getattr(self, name), *getattr(newer, name))))
            for name in ("names", "keys", "shut", "kinds", "touches", "provided", "codes")
        }
        since = min(self.since, newer.since) if self.names and newer.names else 0
        return replace(newer, since=since, **both)


def addresses(names: Iterable[str], kinds: Collection[str]) -> list[str]:
    """Return those of the identifiers that are addresses, as the suppression list names them.

    >>> addresses(["user_id:u1", "phone:+8613800138000"], {"phone", "email"})
    ['phone:+8613800138000']
    """
    return sorted(name for name in names if name.partition(":")[0] in kinds)


class Search:
    """Finds what names the person, and learns the identifiers that such entries add. Of one unit."""

    def __init__(self, unit: Reader, known: Known, rules: Rules) -> None:
        self._unit, self._known, self._rules = unit, known, rules
        self._pepper = unit.pepper()
        self._names, self._keys = set(known.names), set(known.keys)
        self._touches, self._provided = set(known.touches), set(known.provided)
        self._values = values_of(known.names)
        self._is_met, self._later = known.is_met, known.later
        self.is_before = False
        """Were entries met from before the person was known?"""

    def known(self) -> Known:
        """Return what is known of the person now."""
        return replace(self._known, names=tuple(sorted(self._names)), is_met=self._is_met, later=self._later)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of "kind:value"."""
        return fingerprint(self._pepper, name)

    def unmade(self, places: Sequence[Logged]) -> dict[int, bytes]:
        """Return offset -> new body for those of the entries that must change; the newest is looked at first."""
        changed: dict[int, bytes] = {}
        for place in reversed(places):
            entry = read(place.body)
            if not self._is_met:
                self._is_met = isinstance(entry, Directive) and entry.id == self._known.directive
            elif entry is None:
                if self._mentions(place.body):
                    changed[place.offset] = encode(Erased(self._later))
            elif not self._known.until or entry.received <= self._known.until:
                left = self.left(entry, place.body)
                if left is not entry:
                    changed[place.offset] = encode(left)
            if entry is not None:
                self._later = entry.received
                self.is_before = self.is_before or entry.received < self._known.since
        return changed

    def names(self, entry: Entry | None, body: bytes) -> bool:
        """Say whether an entry is about the person or mentions them."""
        return self._mentions(body) if entry is None else self.left(entry, body) is not entry

    def is_named(self, body: bytes, reason: str) -> bool:
        """Say whether a dead letter is about the person or mentions them."""
        entry = read(body)
        if self._mentions(body) or self._mentions(reason.encode()) or body == self._known.customer.encode():
            return True
        return self.names(entry, body)

    def left(self, entry: Entry, body: bytes) -> Entry:
        """Return what is left of an entry: itself, less of it, or a mark in its place."""
        match entry:
            case Event():
                left = self._left_of_event(entry)
            case Outcome():
                left = Erased(entry.received) if entry.touch in self._touches else entry
            case Receipt():
                left = Erased(entry.received) if self._is_theirs(entry) else entry
            case Directive(verb="publish" | "erase" | "readmit"):
                return entry
            case Directive(verb="stock"):
                left = self._without_codes(entry)
            case Directive():
                named = [entry.subject, entry.value, *self._rules.keys(entry.identifiers)]
                is_theirs = entry.subject in self._touches or any(map(self._is_name, named))
                left = Erased(entry.received) if is_theirs else entry
            case Erased():
                return entry
        if not isinstance(left, Erased) and self._mentions(body):
            return blotted(left, self._values)
        return left

    def _without_codes(self, stocked: Directive) -> Entry:
        """Return the stocking without the codes that the person took: a replay must not give them to anybody else."""
        said = stocked.properties.get("codes")
        taken = {code for pool, code in self._known.codes if pool == stocked.subject}
        if not isinstance(said, list) or taken.isdisjoint(map(str, said)):
            return stocked
        kept = [code for code in said if str(code) not in taken]
        return replace(stocked, properties={**stocked.properties, "codes": kept}) if kept else Erased(stocked.received)

    def _left_of_event(self, event: Event) -> Entry:
        if event.about:
            return Erased(event.received) if event.about in self._touches else event
        keys = self._rules.keys(event.identifiers)
        ours = [key for key in keys if self._is_name(key)]
        if not ours:
            return event
        others = [key for key in keys if key not in ours]
        living = self._unit.resolve(others) if others else {}
        if keys[0] not in ours and keys[0] in living:
            return without(event, ours)
        self._learn(key for key in others if key not in living)
        return Erased(event.received)

    def _learn(self, names: Iterable[str]) -> None:
        fresh = set(names) - self._names
        if fresh:
            self._names |= fresh
            self._values = values_of(self._names)

    def _is_name(self, name: str) -> bool:
        if name in self._names:
            return True
        # Who was unknown to the store is found by the ledger's fingerprints alone.
        return not self._known.names and ":" in name and self.fingerprint(name) in self._keys

    def _is_theirs(self, receipt: Receipt) -> bool:
        if receipt.touch in self._touches or (receipt.provider, receipt.provider_id) in self._provided:
            return True
        said = receipt.recipient.casefold().strip()
        return bool(said) and any(value.decode().casefold() == said for value in self._values)

    def _mentions(self, text: bytes) -> bool:
        return any(value in text for value in self._values)


def values_of(names: Iterable[str]) -> tuple[bytes, ...]:
    """Return the values of identifiers that are long enough to be looked for inside of texts, the longest first."""
    values = {name.partition(":")[2] for name in names}
    return tuple(
        sorted((value.encode() for value in values if len(value) >= TELLING), key=lambda one: (-len(one), one))
    )


def blotted(entry: Entry, values: Sequence[bytes]) -> Entry:
    """Return somebody else's entry with these values blotted out of its texts, its own names and ids excepted."""
    names = [value.decode() for value in values]
    said = {name: getattr(entry, name) for name in type(entry).__struct_fields__ if name not in _OWN}
    return replace(entry, **{name: _without(value, names) for name, value in said.items()})


def _without(value: Any, names: Sequence[str]) -> Any:
    match value:
        case str():
            for name in names:
                value = value.replace(name, _WORD)
            return value
        case dict():
            return {_without(key, names): _without(inner, names) for key, inner in value.items()}
        case list() | tuple():
            return [_without(inner, names) for inner in value]
        case _:
            return value


def read(body: bytes) -> Entry | None:
    """Return the entry, None for what nobody can read."""
    try:
        return decode(body)
    except (ValueError, RecursionError):
        return None

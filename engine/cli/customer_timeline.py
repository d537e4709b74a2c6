"""One customer's life in one order: events, reasons, touches, receipts, what was achieved, merges, consents.

Events come from the log for as long as it keeps them, the rest from the store. Called by `journeyd customers timeline`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import to_builtins

from engine.core.audience.identity import Rules
from engine.core.events import Directive, Entry, Event
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import EventLog, Reader, TouchQuery
from engine.usecases.entries_of import entry_at, places_of
from journeys.explain import explain_note, state_in_words
from journeys.words.phrases import instant

_MOST = 1_000_000
_SHOWN = 4
"""Properties of an event that its line shows."""


class Moment(NamedTuple):
    """One thing at an instant. `kind`: event | word | why | touch | receipt | effect | merge | consent."""

    at: Micros
    kind: str
    words: str
    data: dict[str, Any]


KINDS = {
    "event": ("event", "事件"),
    "word": ("operator", "操作"),
    "why": ("why", "原因"),
    "touch": ("touch", "触达"),
    "receipt": ("receipt", "回执"),
    "effect": ("achieved", "成果"),
    "merge": ("one person", "合并"),
    "consent": ("consent", "同意"),
}


class Timeline:
    """Gathers the moments of a customer; `zone` and `lang` are of the words."""

    def __init__(self, store: Reader, customer: Customer, zone: ZoneInfo, lang: str) -> None:
        self._store, self._customer, self._zone, self._lang = store, customer, zone, lang

    def of_store(self) -> Iterator[Moment]:
        """Yield what the store knows."""
        for note in self._store.notes(self._customer.id, limit=_MOST):
            words = explain_note(note, self._zone, self._lang).strip().removeprefix(instant(note.at, self._zone))
            yield Moment(note.at, "why", words.strip(), to_builtins(note))
        yield from self._touches()
        yield from self._effects()
        yield from self._merges()
        for name, said in self._customer.consents.items():
            word = self._say("yes", "同意") if said.granted else self._say("no", "不同意")
            source = f" ({said.source})" if said.source else ""
            yield Moment(said.at, "consent", f"{name}: {word}{source}", {"name": name, **_fields(said)})

    def of_log(self, log: EventLog, rules: Rules, progress: Callable[[int], None]) -> Iterator[Moment]:
        """Yield the events and operators' words that name the customer, as far back as the log goes."""
        for offset in places_of(self._store, log, self._customer, rules, progress=progress):
            entry = entry_at(log, offset)
            if isinstance(entry, Event):
                yield Moment(entry.at, "event", _event(entry), {"offset": offset, **_fields(entry)})
            elif isinstance(entry, Directive):
                words = f"{entry.verb} {entry.subject}".rstrip() + (f" ({entry.by})" if entry.by else "")
                yield Moment(entry.received, "word", words, {"offset": offset, **_fields(entry)})

    def _touches(self) -> Iterator[Moment]:
        for row in self._store.find_touches(TouchQuery(customer=self._customer.id, limit=_MOST)):
            touch, state = row.touch, state_in_words(row.state, self._lang)
            said = f"{touch.journey}: {touch.template} / {touch.channel}"
            planned = self._say("planned for", "计划于")
            due = instant(touch.due, self._zone)
            yield Moment(touch.planned, "touch", f"{said}, {planned} {due}", {"touch": touch.id})
            if row.updated != touch.planned:
                why = f" ({row.reason})" if row.reason else ""
                yield Moment(
                    row.updated, "touch", f"{said}: {state}{why}", {"touch": touch.id, "state": row.state.value}
                )
            for fact in self._store.facts(touch.id):
                machine = self._say(" (machine)", "（机器）") if fact.machine else ""
                words = f"{said}: {fact.fact.lower()}{machine} {fact.link}".rstrip()
                yield Moment(fact.at, "receipt", words, _fields(fact))

    def _effects(self) -> Iterator[Moment]:
        for row in self._store.effects(limit=_MOST, customer=self._customer.id):
            value = f" {row.value:,.2f}" if row.value else ""
            words = f"{row.kind.replace('_', ' ')} {row.name or row.journey}{value}"
            yield Moment(row.at, "effect", words, _fields(row))

    def _merges(self) -> Iterator[Moment]:
        for row in self._store.merges(self._customer.id):
            words = self._say(f"{row.winner} took {row.loser} in", f"{row.winner} 并入 {row.loser}")
            data = {"winner": row.winner, "loser": row.loser, "why": row.why}
            yield Moment(row.at, "merge", words + (f" ({row.why})" if row.why else ""), data)
            if row.undone:
                parted = self._say(f"{row.loser} was parted again", f"{row.loser} 已拆分")
                yield Moment(row.undone, "merge", parted, data)

    def _say(self, en: str, zh: str) -> str:
        return zh if self._lang == "zh" else en


def ordered(moments: Iterable[Moment], since: Micros, limit: int) -> list[Moment]:
    """Return the latest `limit` moments from `since` on, oldest first; those of one instant stay as they came."""
    return sorted((one for one in moments if one.at >= since), key=lambda one: one.at)[-limit:]


def _event(event: Event) -> str:
    shown = [f"{name}={value}" for name, value in list(event.properties.items())[:_SHOWN]]
    shown += ["..."] if len(event.properties) > _SHOWN else []
    return event.name + (f" ({', '.join(shown)})" if shown else "")


def _fields(value: Entry | Any) -> dict[str, Any]:
    found = to_builtins(value, builtin_types=(bytes,))
    if isinstance(found, list):
        return dict(zip(type(value).__struct_fields__, found, strict=False))
    found.pop("body", None)
    return dict(found)

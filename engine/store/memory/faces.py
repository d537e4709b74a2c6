"""What the console, the CLI and reports read from the memory tables."""

from collections import Counter

from engine.core.commands import Note, RecordEffect
from engine.core.state import Run
from engine.ports import Attempt, Counts, DeadLetter, FactRow, RunQuery, TouchQuery, TouchRow
from engine.store.conventions import place_of
from engine.store.memory.people import PeopleReads


class MemoryReader(PeopleReads):
    """The whole of `ports.Reader` over memory."""

    def find_touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, the last planned first; `since` compares with the instant of planning."""
        with self._lock:
            rows = [row for row in reversed(self._tables.touches.values()) if self._matches(row, query)]
        return rows[: query.limit]

    def _matches(self, row: TouchRow, query: TouchQuery) -> bool:
        touch, root = row.touch, self._tables.root
        return (
            (not query.journey or touch.journey == query.journey)
            and (not query.channel or touch.channel == query.channel)
            and (not query.state or row.state == query.state)
            and (not query.customer or root(touch.customer) == root(query.customer))
            and (not query.run or touch.run == query.run)
            and (not query.template or touch.template == query.template)
            and touch.planned >= query.since
            and (not query.recipient or touch.recipient == query.recipient)
        )

    def attempts(self, touch: str) -> list[Attempt]:
        """Return the hand-offs of a touch, oldest first."""
        with self._lock:
            return [attempt for _, attempt in sorted(self._tables.attempts.get(touch, {}).items())]

    def facts(self, touch: str) -> list[FactRow]:
        """Return the receipts of a touch, oldest first."""
        if not touch:
            return []
        with self._lock:
            return sorted((fact for fact in self._tables.facts.values() if fact.touch == touch), key=lambda f: f.at)

    def notes(self, customer: str, journey: str = "", limit: int = 1000) -> list[Note]:
        """Return the trace of a customer, oldest first; of a long one the last `limit` notes."""
        with self._lock:
            ids = self._tables.one(customer)
            lines = sorted((line for id_ in ids for line in self._tables.notes.get(id_, ())), key=lambda line: line[0])
        notes = [note for _, note in lines]
        chosen = [note.told_of(journey) for note in notes if not journey or note.is_about(journey)]
        return chosen[-limit:] if limit > 0 else []

    def runs(self, query: RunQuery) -> list[tuple[str, Run]]:
        """Return (customer id, run), newest entrance first."""
        with self._lock:
            rows = [(self._tables.root(owner), run) for owner, run in self._tables.runs.values()]
            customer = self._tables.root(query.customer)
        chosen = [
            (owner, run)
            for owner, run in rows
            if (not customer or owner == customer)
            and (not query.journey or run.journey == query.journey)
            and (not query.active or run.is_active == (query.active == "yes"))
        ]
        return sorted(chosen, key=lambda pair: (-pair[1].entered, pair[1].id))[: query.limit]

    def effects(
        self, journey: str = "", kind: str = "", limit: int = 100_000, *, customer: str = ""
    ) -> list[RecordEffect]:
        """Return effects, oldest first; with `customer`, those of the person whom that id stands for."""
        with self._lock:
            effects = list(self._tables.effects.values())
            ids = frozenset(self._tables.one(customer))
        if customer:
            effects = [effect for effect in effects if effect.customer in ids]
        return [e for e in effects if (not journey or e.journey == journey) and (not kind or e.kind == kind)][:limit]

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return entries that could not be applied, newest first."""
        with self._lock:
            return [letter for _, letter in sorted(self._tables.dead.items(), reverse=True)][:limit]

    def counts(self) -> Counts:
        """Return the totals, counted afresh."""
        with self._lock:
            customers = list(self._tables.customers.values())
            touches = list(self._tables.touches.values())
            runs = [run for _, run in self._tables.runs.values()]
            effects = list(self._tables.effects.values())
            dead, parked = len(self._tables.dead), sum(not fact.touch for fact in self._tables.facts.values())
        conversions: dict[str, tuple[int, float]] = {}
        for effect in effects:
            if effect.kind == "converted":
                n, value = conversions.get(effect.journey, (0, 0.0))
                conversions[effect.journey] = (n + 1, value + effect.value)
        return Counts(
            customers=len(customers),
            touches=dict(Counter((row.touch.journey, row.touch.channel, row.state.value) for row in touches)),
            runs=dict(Counter((run.journey, run.version, place_of(run)) for run in runs)),
            stages=dict(Counter(customer.stage for customer in customers if customer.stage)),
            reached=dict(Counter(stage for customer in customers for stage in customer.stages)),
            conversions=conversions,
            dead=dead,
            parked=parked,
        )

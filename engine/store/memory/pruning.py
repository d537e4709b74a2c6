"""Removes from the memory tables what is kept no longer."""

from engine.core.delivery import TERMINAL
from engine.core.ids import Micros
from engine.ports import Kept
from engine.store.memory.tables import Tables


def prune(tables: Tables, kind: Kept, before: Micros, limit: int) -> int:
    """Remove up to `limit` things of the kind that are over and older; return how many went."""
    match kind:
        case "traces":
            return _traces(tables, before, limit)
        case "deliveries":
            return _deliveries(tables, before, limit)
        case "runs":
            ended = [
                id_ for id_, (_, run) in tables.runs.items() if run.ended and max(run.ended, run.goal_until) < before
            ]
            for id_ in ended[:limit]:
                del tables.runs[id_]
            return len(ended[:limit])


def _traces(tables: Tables, before: Micros, limit: int) -> int:
    lines = sorted(
        (order, customer) for customer, kept in tables.notes.items() for order, note in kept if note.at < before
    )
    gone = {order for order, _ in lines[:limit]}
    for customer in {customer for _, customer in lines[:limit]}:
        tables.notes[customer] = [line for line in tables.notes[customer] if line[0] not in gone]
    return len(gone)


def _deliveries(tables: Tables, before: Micros, limit: int) -> int:
    rows = [row for row in tables.touches.values() if row.state in TERMINAL]
    gone = {row.touch.id: row for row in rows if max(row.updated, row.touch.planned) < before}
    for touch, row in list(gone.items())[:limit]:
        for table in (tables.touches, tables.attempts):
            table.pop(touch, None)
        tables.runs_touches[row.touch.run].remove(touch)
        tables.facts = {id_: fact for id_, fact in tables.facts.items() if fact.touch != touch}
    parked = [id_ for id_, fact in tables.facts.items() if not fact.touch and fact.at < before][:limit]
    for id_ in parked:
        del tables.facts[id_]
    return min(len(gone), limit) + len(parked)

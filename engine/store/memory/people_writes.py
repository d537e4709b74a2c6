"""Writes who is one with whom, what they carry, who was erased and who is shut out.

Called by apply.py when nothing can fail any more: `unite` before values are written, `publish_people` after, and
`erase` last.
"""

from collections.abc import Collection

import msgspec

from engine.ports import Changes, LabelRow
from engine.store.memory.tables import Tables


def unite(tables: Tables, changes: Changes) -> None:
    """Merge and part: never a circle; an id that was merged before keeps its winner."""
    for loser, winner in changes.merged.items():
        root = tables.root(winner)
        if loser in tables.redirects or root == loser:
            continue
        tables.forget_value(loser)
        _drop_labels(tables, loser)
        for led in [*tables.led.pop(loser, ()), loser]:
            tables.lead(led, root)
    for id_, to in changes.parted.items():
        if id_ == to:
            tables.lead(id_, "")
    for id_, to in changes.parted.items():
        if id_ != to and id_ in tables.redirects:
            tables.lead(id_, tables.root(to))


def publish_people(tables: Tables, changes: Changes) -> None:
    """Write the merge log, reviews, labels, the erasure ledger and suppressions down."""
    for row in changes.merges:
        tables.merges[row.id] = row
        for name in (row.winner, row.loser):
            tables.merged.setdefault(name, {})[row.id] = None
    tables.reviews.update((row.identifier, row) for row in changes.reviews)
    for label in changes.labels:
        if label.customer not in tables.redirects:
            _put_label(tables, label)
    _publish_ledger(tables, changes)
    tables.suppressions.update((row.key, row) for row in changes.suppressions)
    for key in changes.released:
        tables.suppressions.pop(key, None)
    for offset in changes.forgotten:
        tables.dead.pop(offset, None)


def _put_label(tables: Tables, row: LabelRow) -> None:
    label = (row.kind, row.name)
    if row.since:
        tables.labels.setdefault(label, {})[row.customer] = row
        tables.carried.setdefault(row.customer, {})[label] = row
    else:
        tables.labels.get(label, {}).pop(row.customer, None)
        tables.carried.get(row.customer, {}).pop(label, None)


def _drop_labels(tables: Tables, customer: str) -> None:
    for label in tables.carried.pop(customer, {}):
        del tables.labels[label][customer]


def _publish_ledger(tables: Tables, changes: Changes) -> None:
    ledger = tables.erasures
    ledger.update((row.customer, row) for row in changes.erasures)
    for customer, more in changes.dropped.items():
        if (row := ledger.get(customer)) is not None:
            ledger[customer] = msgspec.structs.replace(row, dropped=row.dropped + more)
    gone = set(changes.readmitted)
    for row in list(ledger.values()) if gone else ():
        if not gone.isdisjoint(row.keys):
            ledger[row.customer] = msgspec.structs.replace(row, keys=tuple(key for key in row.keys if key not in gone))


def erase(tables: Tables, changes: Changes) -> None:
    """Remove everything of the erased persons, and of those merged into them; their effects stay, nameless."""
    people: set[str] = set()
    for customer in changes.erased:
        root = tables.root(customer)
        people |= {root, *tables.led.get(root, ())}
    if not people:
        return
    for id_ in people:
        tables.forget_value(id_)
        tables.lead(id_, "")
        tables.notes.pop(id_, None)
        _drop_labels(tables, id_)
    _erase_deliveries(tables, people)
    for run_id in [run_id for run_id, (owner, _) in tables.runs.items() if owner in people]:
        _, run = tables.runs.pop(run_id)
        tables.underway[run.journey, run.version] -= run.is_active
    tables.identifiers = {name: owner for name, owner in tables.identifiers.items() if owner not in people}
    tables.coupons = {key: row for key, row in tables.coupons.items() if row.customer not in people}
    for line in {line for name in people for line in tables.merged.get(name, ())}:
        row = tables.merges.pop(line)
        for name in (row.winner, row.loser):
            tables.merged[name].pop(line, None)
    tables.reviews = {
        name: row for name, row in tables.reviews.items() if people.isdisjoint((row.holder, *row.claimants))
    }
    for key, effect in tables.effects.items():
        if effect.customer in people:
            tables.effects[key] = msgspec.structs.replace(effect, customer="")


def _erase_deliveries(tables: Tables, people: set[str]) -> None:
    drop_touches(tables, {id_ for id_, row in tables.touches.items() if row.touch.customer in people})


def drop_touches(tables: Tables, theirs: Collection[str]) -> None:
    """Remove these touches with all that is known of them."""
    for touch_id in theirs:
        row = tables.touches.get(touch_id)
        if row is None:
            continue
        for table in (tables.touches, tables.queued, tables.flying, tables.attempts):
            table.pop(touch_id, None)
        tables.runs_touches[row.touch.run].remove(touch_id)
    tables.facts = {id_: fact for id_, fact in tables.facts.items() if fact.touch not in theirs}

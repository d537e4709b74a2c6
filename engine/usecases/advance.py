"""The engine's main verb: apply the next entries of the log, fire what is due by then, commit it in one transaction.

Offset, dedupe keys, customers, runs, timers, touches and effects are committed together, so an entry is applied
exactly once however often the process dies. A poison entry becomes a dead letter and stops nobody.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.core.audience import identity
from engine.core.errors import BadInput
from engine.core.events import Directive, Entry, Erased, Event, Outcome, Receipt, decode
from engine.core.ids import Micros, key64
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import DeadLetter, EventLog, Logged, Store
from engine.ports.window import WINDOW, oldest_kept, slice_of
from engine.usecases import suppression
from engine.usecases.accounts import keep_account, review_contacts
from engine.usecases.apply import catch_up, happen
from engine.usecases.direct import direct
from engine.usecases.erase import count, shut_out
from engine.usecases.identify import Known, identify, let_go
from engine.usecases.receive import receive
from engine.usecases.settle import settle
from engine.usecases.wake import Timers
from engine.usecases.whose import traveller
from engine.usecases.work import Told, Work

_OF_PEOPLE: Final = frozenset({"merge", "unmerge", "apart", "readmit", "suppress", "unsuppress"})
"""Directives that change no rule: whoever holds a playbook keeps it."""


class Advanced(msgspec.Struct, frozen=True):
    """What one batch did. `time` is the log's time after it; `fired`: customers whose timers came due by then.

    `dropped` came for people who were erased; `merged` customers were taken in, `contested` identifiers claimed by
    another, `suppressed` addresses shut. `directed` asks the caller to rebuild its playbook. `waits`: fire all timers
    up to that instant first; more of them are due than one transaction is to hold. `changed`: customers as committed.
    """

    offset: int
    time: Micros
    entries: int
    duplicates: int = 0
    dead: int = 0
    fired: int = 0
    directed: bool = False
    waits: Micros = 0
    dropped: int = 0
    merged: int = 0
    contested: int = 0
    suppressed: int = 0
    changed: dict[str, Customer] = {}


class Batch(msgspec.Struct):
    """The entries of one transaction, decoded."""

    entries: list[tuple[Logged, Entry]]
    dead: list[DeadLetter]
    offset: int
    time: Micros


def advance(
    store: Store, log: EventLog, playbook: Playbook, *, limit: int = 500, before: Micros = 0, window: Micros = WINDOW
) -> Advanced | None:
    """Apply up to `limit` entries after the store's position; None when there is nothing to apply.

    Only entries received before `before` are taken when it is given: a scheduled push comes first. A directive has a
    batch of its own: it sees all that came before it, and what follows is decided with the new flags. `window` is the
    store's dedupe window.
    """
    with store.unit() as unit:
        batch = _take(log, unit.position(), limit, before)
        if batch is None:
            return None
        work = Work(unit, batch.time)
        work.changes.dead.extend(batch.dead)
        fresh = shut_out(work, log, _without_duplicates(work, log, batch.entries, window), playbook.identity)
        known = _gather(work, [entry for _, entry in fresh])
        timers = Timers(work, playbook, limit=limit)
        waits: Micros = 0
        for logged, entry in fresh:
            if not timers.fire(entry.received):
                waits = entry.received
                batch = _cut(batch, work, logged.offset)
                break
            _apply_or_bury(work, playbook, known, (logged, entry))
        directed = any(isinstance(entry, Directive) and entry.verb not in _OF_PEOPLE for _, entry in batch.entries)
        changes = work.flush()
        changes.offset = batch.offset
        unit.commit(changes)
    return Advanced(
        offset=batch.offset,
        time=batch.time,
        entries=len(batch.entries),
        duplicates=len(batch.entries) - sum(logged.offset <= batch.offset for logged, _ in fresh),
        dead=len(changes.dead),
        fired=timers.fired,
        directed=directed,
        waits=waits,
        dropped=sum(changes.dropped.values()),
        merged=len(changes.merged),
        contested=sum(row.state == "open" for row in changes.reviews),
        suppressed=len(changes.suppressions),
        changed=changes.customers,
    )


def _take(log: EventLog, position: int, limit: int, before: Micros) -> Batch | None:
    batch = Batch([], [], position, 0)
    taken = batch.entries
    for logged in log.read(position, limit):
        try:
            entry = decode(logged.body)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as problem:
            batch.dead.append(DeadLetter(logged.offset, batch.time, f"cannot be decoded: {problem}", logged.body))
            batch.offset = logged.offset
            continue
        is_directive = isinstance(entry, Directive)
        if (before and entry.received >= before) or (is_directive and taken):
            break
        taken.append((logged, entry))
        batch.offset, batch.time = logged.offset, max(batch.time, entry.received)
        if is_directive:
            break
    return batch if batch.offset > position else None


def _cut(batch: Batch, work: Work, offset: int) -> Batch:
    """Return the batch without what stands at `offset` and after it; the next batch takes that."""
    kept = [(logged, entry) for logged, entry in batch.entries if logged.offset < offset]
    work.changes.seen = {key: at for key, at in work.changes.seen.items() if at < offset}
    work.changes.dead = [dead for dead in work.changes.dead if dead.offset < offset]
    time = max((entry.received for _, entry in kept), default=0)
    return Batch(kept, [], offset - 1, time)


# --- once each -------------------------------------------------------------------------------------


def _dedupe_key(entry: Entry) -> tuple[str, str] | None:
    match entry:
        case Event():
            return (entry.source, entry.id)
        case Directive():
            return ("\x00directive", entry.id)
        case Outcome() | Receipt() | Erased():
            # An outcome is fenced by its token, a receipt by its fact row.
            return None


def _without_duplicates(
    work: Work, log: EventLog, entries: Sequence[tuple[Logged, Entry]], window: Micros
) -> list[tuple[Logged, Entry]]:
    """Drop entries whose (source, id) was applied inside the dedupe window, in this batch or before."""
    names = [_dedupe_key(entry) for _, entry in entries]
    keys = [0 if name is None else key64(*name) for name in names]
    applied = work.unit.seen([key for key in keys if key])
    here: dict[tuple[str, str], Micros] = {}
    fresh: list[tuple[Logged, Entry]] = []
    for place, name, key in zip(entries, names, keys, strict=True):
        if name is not None:
            received = place[1].received
            if name in here:
                is_repeat = _is_inside(here[name], received, window)
            else:
                is_repeat = key in applied and _stands_at(log, applied[key], name, received, window)
            if is_repeat:
                continue
            here[name] = received
            work.changes.seen[key] = place[0].offset
        fresh.append(place)
    return fresh


def _stands_at(log: EventLog, offset: int, name: tuple[str, str], received: Micros, window: Micros) -> bool:
    """Compare names, since two of them may share a 63-bit key; an entry no longer kept counts as the same.

    The store forgets at commits: what it still knows may have left the window by the time the entry was received.
    """
    found = log.read(offset - 1, 1)
    if not found or found[0].offset != offset:
        return True
    entry = decode(found[0].body)
    return _dedupe_key(entry) == name and _is_inside(entry.received, received, window)


def _is_inside(first: Micros, again: Micros, window: Micros) -> bool:
    return slice_of(first, window) >= oldest_kept(slice_of(again, window))


# --- apply -----------------------------------------------------------------------------------------


def _gather(work: Work, entries: Sequence[Entry]) -> Known:
    """Read every customer and touch that the batch speaks of, in a few queries."""
    asked: set[str] = set()
    touches: set[str] = set()
    for entry in entries:
        match entry:
            case Event():
                asked.update(identity.keys(entry.identifiers))
                touches.add(entry.about)
            case Outcome() | Receipt():
                touches.add(entry.touch)
            case Directive() | Erased():
                pass
    touches, asked = _storable(touches), _storable(asked)
    known = work.unit.resolve(asked) if asked else {}
    if len(known) < len(asked):
        suppression.look_up(work, asked - known.keys())
    if touches:
        work.gather_rows(touches)
    work.gather(
        dict.fromkeys([*known.values(), *(work.rows[id_].touch.customer for id_ in touches if id_ in work.rows)])
    )
    accounts = {entry.account for entry in entries if isinstance(entry, Event)}
    accounts.update(customer.account for customer in work.customers.values())
    work.gather_accounts(_storable(accounts))
    return known


def _storable(names: set[str]) -> set[str]:
    """Return the names that can be looked up; who has another one is told so when its entry is applied."""
    return {name for name in names if name and "\0" not in name}


def _apply_or_bury(work: Work, playbook: Playbook, known: Known, place: tuple[Logged, Entry]) -> None:
    logged, entry = place
    try:
        _apply(work, playbook, known, entry)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}"[:500]
        work.changes.dead.append(DeadLetter(logged.offset, entry.received, reason, logged.body))


def _apply(work: Work, playbook: Playbook, known: Known, entry: Entry) -> None:
    match entry:
        case Event():
            _apply_event(work, playbook, known, entry)
        case Outcome():
            _catch_up_with(work, playbook, entry)
            _follow(work, playbook, settle(work, entry, playbook.policy), entry.received)
        case Receipt():
            _catch_up_with(work, playbook, entry)
            _follow(work, playbook, receive(work, entry, playbook.policy), entry.received)
        case Erased():
            count(work, entry)
        case Directive():
            _follow(work, playbook, direct(work, playbook, entry, known), entry.received)


def _catch_up_with(work: Work, playbook: Playbook, entry: Outcome | Receipt) -> None:
    """Fire what was due before the entry came: a refusal must not shut an address for what should have left before."""
    row = work.row(entry.touch) if entry.touch else None
    customer = work.customer(row.touch.customer) if row is not None else None
    if row is None or customer is None:
        return
    for one in {one.id: one for one in (customer, traveller(work, row.touch)) if one is not None}.values():
        catch_up(work, playbook, one, entry.received)


def _follow(work: Work, playbook: Playbook, told: Sequence[Told], now: Micros) -> None:
    """Let the customers that a receipt or an outcome speaks of hear of it."""
    for customer_id, happening in told:
        customer = work.customer(customer_id)
        if customer is not None:
            happen(work, playbook, catch_up(work, playbook, customer, now), happening, now)


def _apply_event(work: Work, playbook: Playbook, known: Known, event: Event) -> None:
    now = event.received
    if event.about:
        row = work.row(event.about)
        customer = traveller(work, row.touch) if row is not None else None
        if customer is None:
            raise BadInput(f"event {event.id} speaks of touch {event.about}, which nobody knows", field="about")
        _hear(work, playbook, catch_up(work, playbook, customer, now), event)
        return
    customer, event = identify(work, playbook, known, event)
    if work.shut:
        customer = suppression.heed(work, playbook.policy, customer, event)
    after = _hear(work, playbook, customer, event)
    let_go(work, known, customer.identifiers, after)


def _hear(work: Work, playbook: Playbook, customer: Customer, event: Event) -> Customer:
    if not event.account and not customer.account:
        return happen(work, playbook, customer, event, event.received)
    folded = keep_account(work, playbook, customer, event)
    after = happen(work, playbook, customer, event, event.received)
    review_contacts(work, playbook, event, folded, after)
    return after

"""A newly asked statistic is filled from the log before anything is decided with it: one chunk, one transaction.

Called by the engine after a publish, again and again until the returned row has no phase; it takes no further entry
meanwhile, so no statistic is ever half known. What it can fill is what the log still holds: where the log was trimmed,
totals know only what is left of it, and events that the engine itself makes of outcomes and receipts (`message_sent`,
`message_opened`, ...) are not in the log, so statistics over them begin with the publish.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.core.audience import behaviour, identity
from engine.core.audience.behaviour import CompiledMeasure
from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.plan import Identity
from engine.core.playbook import Playbook
from engine.core.predicates import compile_measure
from engine.core.state import Customer, Tally
from engine.ports import Changes, History, JobRow, Reader, Store
from engine.usecases.heard import Heard, applied

PREFIX: Final = "backfill:"


class Needs(msgspec.Struct, frozen=True):
    """What a publish asks for that is not known: `fresh` measures, and `wider` ones whose totals are known already.

    `kept` are the keys of everything that some rule asks for. `identity` tells whom events speak of.
    """

    fresh: tuple[Measure, ...] = ()
    wider: tuple[Measure, ...] = ()
    kept: tuple[str, ...] = ()
    identity: Identity = Identity()

    def __bool__(self) -> bool:
        """Is there anything to fill?"""
        return bool(self.fresh or self.wider)


class Asked(msgspec.Struct, frozen=True):
    """The body of a job: what to fill, from the log up to and including `until`: how far it is applied."""

    needs: Needs
    until: int


# --- what is asked ----------------------------------------------------------------------------------


def needs(before: Playbook | None, after: Playbook) -> Needs:
    """Return what `after` asks for that `before` did not keep; `before` None: nothing was kept.

    >>> from engine.core.plan import Audience
    >>> count = Measure("k", "order_paid")
    >>> [one.key for one in needs(None, Playbook([], Audience(measures=(count,)))).fresh]
    ['k']
    """
    known = {} if before is None else _measures(before)
    asked = _measures(after)
    fresh = [measure for key, measure in asked.items() if key not in known]
    wider = [measure for key, measure in asked.items() if key in known and known[key].window < measure.window]
    return Needs(tuple(fresh), tuple(wider), tuple(sorted(asked)), after.audience.identity)


def begin(asked: Needs, position: int, customers: int, *, name: str = "") -> JobRow | None:
    """Return the job that fills it from the log, applied up to `position`; None when there is nothing to do.

    `customers`: how many there are, for the progress bar. `name`: what tells this publish from others.
    """
    if not asked or not (position or customers):
        return None
    body = msgspec.msgpack.encode(Asked(asked, position))
    return JobRow(f"{PREFIX}{name or position}", "reset", total=customers + position, body=body)


def is_backfill(job: JobRow) -> bool:
    """Is the job one of these?"""
    return job.name.startswith(PREFIX)


def _measures(playbook: Playbook) -> dict[str, Measure]:
    return {one.key: one.measure for heard in playbook.measures.values() for one in heard}


# --- one chunk --------------------------------------------------------------------------------------


def proceed(store: Store, log: History, job: JobRow, limit: int, heard: Heard | None = None) -> JobRow:
    """Do the next chunk and return the job's row after it: customers or entries up to `limit`, one transaction.

    "reset" takes away what customers hold of these statistics from an earlier time (also what nobody asks for any
    more), "fold" reads the log. A row whose phase is "" is done and gone from the store.
    """
    asked = _body.decode(job.body)
    after = _reset(store, log, job, (asked, limit))
    return after if after is not None else _fold(store, log, job, (asked, limit, heard or Heard()))


_body: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)


def _reset(store: Store, log: History, job: JobRow, how: tuple[Asked, int]) -> JobRow | None:
    asked, limit = how
    if job.phase != "reset":
        return None
    kept = set(asked.needs.kept) - {measure.key for measure in asked.needs.fresh}
    wider = {measure.key for measure in asked.needs.wider}
    with store.unit() as unit:
        found = unit.scan(job.cursor, limit)
        changes = Changes()
        for customer in found:
            held = {key: tally for key, tally in customer.behaviour.items() if key in kept}
            for key in wider & held.keys():
                held[key] = replace(held[key], recent=(), values={})
            if held != customer.behaviour:
                changes.customers[customer.id] = replace(customer, behaviour=held)
        if len(found) < limit:
            job = _listen(job, asked, log, log.end(unit.position()))
        else:
            job = replace(job, cursor=found[-1].id, done=min(job.done + len(found), job.total))
        changes.jobs.append(job)
        unit.commit(changes)
    return job


def _listen(job: JobRow, asked: Asked, log: History, end: int) -> JobRow:
    """Return the job as it begins to read the log: nothing is applied until it is done, in no partition."""
    done = max(job.total - asked.until, 0)
    body = msgspec.msgpack.encode(replace(asked, until=end))
    return replace(job, phase="fold", cursor="0", done=done, total=done + log.size(end), body=body)


def _fold(store: Store, log: History, job: JobRow, how: tuple[Asked, int, Heard]) -> JobRow:
    asked, limit, heard = how
    after = int(job.cursor)
    heard.hear(log, after)
    heard.at = -1  # until the commit: a chunk that is tried again must not meet its own keys
    listening = _Listening(asked.needs)
    with store.unit() as unit:
        taken = [place for place in log.read(after, min(limit, asked.until - after)) if place.offset <= asked.until]
        events = applied(unit, taken, heard, listening.names)
        changes = Changes(customers=listening.fold(unit, events))
        reached = taken[-1].offset if taken else asked.until
        is_over = reached >= asked.until
        done = job.total if is_over else min(job.done + len(taken), job.total)
        job = replace(job, cursor=str(reached), done=done, phase="" if is_over else "fold")
        changes.jobs.append(job)
        unit.commit(changes)
    heard.at = reached
    return job


class _Listening:
    """The measures of a job, compiled, by the event that each hears."""

    def __init__(self, asked: Needs) -> None:
        self.fresh = _by_event(asked.fresh)
        self.wider = _by_event(asked.wider)
        self.rules = identity.Rules(asked.identity)
        self.names = self.fresh.keys() | self.wider.keys()

    def fold(self, unit: Reader, events: Sequence[Event]) -> dict[str, Customer]:
        """Return the customers that the events are about, with the events counted."""
        crowd = _Crowd(unit, events, self.rules)
        changed: dict[str, Customer] = {}
        for event in events:
            known = crowd.who(event)
            if known is None:
                continue
            customer = changed.get(known.id, known)
            held: dict[str, Tally] = behaviour.fold(customer.behaviour, self.fresh.get(event.name, ()), event)
            held = behaviour.refill(held, self.wider.get(event.name, ()), event)
            if held is not customer.behaviour:
                changed[customer.id] = replace(customer, behaviour=held)
        return changed


def _by_event(measures: Iterable[Measure]) -> dict[str, tuple[CompiledMeasure, ...]]:
    by_event: dict[str, tuple[CompiledMeasure, ...]] = {}
    for measure in measures:
        compiled = compile_measure(measure)
        for name in measure.events:
            by_event[name] = (*by_event.get(name, ()), compiled)
    return by_event


class _Crowd:
    """Whom events are about, as their identifiers and touches lead today: read in a few queries."""

    def __init__(self, unit: Reader, events: Sequence[Event], rules: identity.Rules) -> None:
        self.rules = rules
        keys = {key for event in events if not event.about for key in identity.keys(event.identifiers)}
        about = {event.about for event in events if event.about}
        self.ids: Mapping[str, str] = unit.resolve(keys) if keys else {}
        self.touches = unit.touches(about) if about else {}
        asked = dict.fromkeys([*self.ids.values(), *(row.touch.customer for row in self.touches.values())])
        self.customers = unit.customers(asked)

    def who(self, event: Event) -> Customer | None:
        """Return the customer, None when the event names nobody who is known today."""
        if event.about:
            row = self.touches.get(event.about)
            return None if row is None else self.customers.get(row.touch.customer)
        identifiers = self.rules.usable(event.identifiers)
        leads = {key: self.customers.get(self.ids[key]) for key in self.rules.keys(identifiers) if key in self.ids}
        found = {key: one for key, one in leads.items() if one is not None}
        return identity.reconcile(identifiers, found, self.rules).main if found else None

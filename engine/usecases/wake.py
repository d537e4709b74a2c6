"""Timers: fire what is due, each at its own instant, one transaction per batch of customers.

`fire` ends every batch of the log, in its transaction; `wake` is called with the clock's time once the log is
drained. Nothing is polled: the caller sleeps until `Reader.next_due`.
"""

from typing import Any

import msgspec

from engine.core.ids import Micros, key64
from engine.core.playbook import Playbook
from engine.core.state import Customer, next_wake
from engine.ports import DeadLetter, Store
from engine.usecases.apply import catch_up
from engine.usecases.work import Work


class Woken(msgspec.Struct, frozen=True):
    """How many customers were due, and how many touch rows that made."""

    customers: int
    touches: int


def wake(store: Store, playbook: Playbook, until: Micros, *, limit: int = 500) -> Woken:
    """Fire the timers of up to `limit` customers due at or before `until`; call again until `customers` is 0."""
    if not 0 < store.next_due() <= until:
        return Woken(0, 0)
    with store.unit() as unit:
        work = Work(unit, until)
        fired = fire(work, playbook, until, limit=limit)
        changes = work.flush()
        unit.commit(changes)
    return Woken(fired, len(changes.touches))


def fire(work: Work, playbook: Playbook, until: Micros, *, limit: int) -> int:
    """Fire the timers due at or before `until` inside a unit of work; return how many customers had one.

    Looks at up to `limit` customers of the store, and at all of this unit, whose timers the store does not know yet.
    """
    due = dict(work.unit.due(until, limit))
    due |= {customer.id: customer.wake for customer in work.customers.values() if 0 < customer.wake <= until}
    work.gather(due)
    for id_ in sorted(due, key=due.__getitem__):
        customer = work.customer(id_)
        if customer is not None:
            _wake_or_hold(work, playbook, customer, until)
    return len(due)


def _wake_or_hold(work: Work, playbook: Playbook, customer: Customer, until: Micros) -> None:
    try:
        catch_up(work, playbook, customer, until)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:
        reason = f"timer of customer {customer.id}: {type(problem).__name__}: {problem}"[:500]
        # No entry of the log is at fault: a negative key, one per customer and instant, keeps these letters apart.
        work.changes.dead.append(DeadLetter(-key64(customer.id, str(until)), until, reason, customer.id.encode()))
        work.put(_held(work.customer(customer.id) or customer, until))


def _held(customer: Customer, until: Micros) -> Customer:
    """Take the timer off the runs that are due, so that they wait for an operator instead of for ever failing."""
    hold: dict[str, Any] = {"due": 0, "wake": 0}
    runs = tuple(
        msgspec.structs.replace(run, **hold) if run.wake and run.wake <= until else run for run in customer.runs
    )
    customer = msgspec.structs.replace(customer, runs=runs)
    return msgspec.structs.replace(customer, wake=next_wake(customer))

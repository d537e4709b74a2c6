"""Timers: fire what is due, each at its own instant, one transaction per batch of customers.

`Timers` fires between the entries of a batch, in its transaction; `wake` is called with the clock's time once the log
is drained. Nothing is polled: the caller sleeps until `Reader.next_due`.
"""

from heapq import heappop
from typing import Any

import msgspec

from engine.core.ids import Micros, key64
from engine.core.playbook import Playbook
from engine.core.state import Customer, next_wake
from engine.ports import DeadLetter, Store
from engine.usecases.apply import catch_up
from engine.usecases.work import Work


class Woken(msgspec.Struct, frozen=True):
    """How many customers were due, how many touch rows that made, and the customers as committed."""

    customers: int
    touches: int
    changed: dict[str, Customer] = {}


def wake(store: Store, playbook: Playbook, until: Micros, *, limit: int = 500) -> Woken:
    """Fire timers due at or before `until` of about `limit` customers; call again until `customers` is 0."""
    if not 0 < store.next_due() <= until:
        return Woken(0, 0)
    with store.unit() as unit:
        work = Work(unit, until)
        timers = Timers(work, playbook, limit=limit)
        timers.fire(until)
        changes = work.flush()
        unit.commit(changes)
    return Woken(timers.fired, len(changes.touches), changes.customers)


class Timers:
    """What falls due in a unit of work up to `work.now`: fired one instant after the other, whoever's it is.

    In that order, and in its place among the entries, because customers share what is scarce: who comes first gets the
    code. The order must not follow from how the log is cut into batches. Timers that the unit sets itself count, too.
    """

    def __init__(self, work: Work, playbook: Playbook, *, limit: int) -> None:
        self._work, self._playbook = work, playbook
        due = work.unit.due(work.now, limit)
        work.wakes += [(wake, id_) for id_, wake in due]  # sorted, so a heap
        work.gather(id_ for id_, _ in due)
        self._horizon = (due[-1][1], due[-1][0]) if len(due) == limit else None
        """Up to where all timers are known; None: all of them are."""
        self.fired = 0

    def fire(self, until: Micros) -> bool:
        """Fire what is due at or before `until`; False when there is more than was read: commit, and begin anew."""
        wakes = self._work.wakes
        while wakes and wakes[0][0] <= until:
            if self._horizon is not None and wakes[0] > self._horizon:
                return False
            instant, id_ = heappop(wakes)
            customer = self._work.customer(id_)
            # Whoever was merged away meanwhile has no turn of its own: the winner comes when its name does.
            if customer is not None and customer.id == id_ and customer.wake == instant:
                self.fired += 1
                _wake_or_hold(self._work, self._playbook, customer, instant)
        return self._horizon is None or until < self._horizon[0]


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
    """Take the timer off what is due, so that it waits for an operator instead of for ever failing."""
    hold: dict[str, Any] = {"due": 0, "wake": 0}
    runs = tuple(
        msgspec.structs.replace(run, **hold) if run.wake and run.wake <= until else run for run in customer.runs
    )
    standing = {
        key: msgspec.structs.replace(held, look=0) if held.look <= until else held
        for key, held in customer.standing.items()
    }
    dates = {journey: at for journey, at in customer.dates.items() if at > until}
    customer = msgspec.structs.replace(customer, runs=runs, standing=standing, dates=dates)
    return msgspec.structs.replace(customer, wake=next_wake(customer))

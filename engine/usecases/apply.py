"""What a decision asks for, carried into the unit of work; and the timers that come before it.

Shared by the verbs that decide (`advance`, `wake`, `launch`). It persists nothing itself: `Work` is flushed by them.
"""

from engine.core.commands import (
    CancelTouch,
    CancelTouches,
    CountArm,
    Decision,
    DropTouch,
    IssueCoupon,
    Note,
    PlanTouch,
    RecordEffect,
    RecordRun,
)
from engine.core.decide import Happening, Wake, decide
from engine.core.ids import Micros
from engine.core.moves import next_move
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.usecases.work import Work


def happen(work: Work, playbook: Playbook, customer: Customer, happening: Happening, now: Micros) -> Customer:
    """Decide, carry the decision into the work, and return the customer after it."""
    decision = decide(playbook, customer, happening, now, work)
    carry(work, decision)
    return decision.customer


def catch_up(work: Work, playbook: Playbook, customer: Customer, until: Micros) -> Customer:
    """Fire the customer's timers due at or before `until`, each at its own instant; return the customer after them.

    A publish that moves one of the customer's runs is such an instant too: whoever it finds, and when, it takes the run
    along as of then.
    """
    while (due := _next_instant(playbook, customer, until)) != 0:
        was = (customer.wake, next_move(playbook, customer))
        customer = happen(work, playbook, customer, Wake(), due)
        is_again = 0 < customer.wake <= due and not was[1]
        if is_again or was == (customer.wake, next_move(playbook, customer)):
            raise AssertionError(f"customer {customer.id}: a fired timer is due again at {due}; time must move on")
    return customer


def _next_instant(playbook: Playbook, customer: Customer, until: Micros) -> Micros:
    """Return the earliest instant up to `until` at which something of the customer moves by itself, 0 for none."""
    wake = customer.wake if customer.wake <= until else 0
    if not playbook.doors.moves:
        return wake
    moved = next_move(playbook, customer)
    return min(wake or moved, moved or wake) if moved <= until else wake


def carry(work: Work, decision: Decision) -> None:
    """Put the decision's customer, commands and trace into the unit of work."""
    customer = decision.customer
    work.put(customer)
    for command in decision.commands:
        match command:
            case PlanTouch(touch=touch):
                work.plan(touch)
            case DropTouch(touch=touch, why=why):
                work.drop(touch, why)
            case CancelTouches(run=run, why=why):
                work.cancel(run, why)
            case CancelTouch(touch=withdrawn, why=why):
                work.withdraw(withdrawn, why)
            case IssueCoupon():
                work.issue(command)
            case CountArm():
                work.count(command)
            case RecordRun(run=changed):
                work.changes.runs[changed.id] = (customer.id, changed)
            case RecordEffect():
                work.changes.effects.append(command)
    if decision.trace:
        keep(work, customer.id, decision.trace)


def keep(work: Work, customer: str, trace: tuple[Note, ...]) -> None:
    """Keep the reasons, so that `explain` can answer later."""
    for note in trace:
        work.note(customer, note)

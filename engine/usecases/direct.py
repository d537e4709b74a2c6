"""An operator's or an integrator's word, in its place in the log: stop, pause, resume, resolve, enter, publish, stock.

It takes effect with the commit of the batch that holds the directive; the caller then rebuilds its playbook.
"""

import msgspec

from engine.core.decide import Called
from engine.core.events import Directive
from engine.core.playbook import Playbook
from engine.core.state import next_wake
from engine.ports import RunQuery
from engine.usecases import deliver, suppression
from engine.usecases.apply import catch_up, happen
from engine.usecases.erase import erase, readmit
from engine.usecases.identify import apart_told, merge_told, unmerge_told
from engine.usecases.publish import PAUSE, STOP, put_in_force
from engine.usecases.stock import stock
from engine.usecases.work import Told, Work


def direct(work: Work, playbook: Playbook, directive: Directive, known: dict[str, str]) -> list[Told]:
    """Carry the directive into the unit of work; return what customers' runs should hear of it.

    One that names nothing known changes nothing.
    """
    match directive.verb:
        case "stop":
            work.changes.flags[STOP + directive.subject] = directive.value or f"stopped by {directive.by or 'ops'}"
        case "pause":
            work.changes.flags[PAUSE + directive.subject] = directive.value or f"paused by {directive.by or 'ops'}"
        case "publish":
            put_in_force(work, playbook, directive)
        case "resume":
            work.changes.flags[STOP + directive.subject] = ""
            work.changes.flags[PAUSE + directive.subject] = ""
            _let_go(work, directive)
            deliver.release_held(work, directive.subject)
        case "resolve":
            return deliver.resolve(work, directive)
        case "stock":
            stock(work, directive)
        case "enter":
            _enter(work, playbook, directive, known)
        case "merge" | "unmerge" | "apart" | "erase" | "readmit" | "suppress" | "unsuppress":
            _of_people(work, playbook, directive)
    return []


def _of_people(work: Work, playbook: Playbook, directive: Directive) -> None:
    """Carry out what is said of customers and their addresses."""
    match directive.verb:
        case "merge":
            merge_told(work, playbook, directive)
        case "unmerge":
            unmerge_told(work, playbook, directive)
        case "apart":
            apart_told(work, directive)
        case "erase":
            erase(work, playbook.policy, directive)
        case "readmit":
            readmit(work, directive)
        case "suppress":
            suppression.suppress(work, playbook.policy, directive)
        case "unsuppress":
            suppression.unsuppress(work, playbook.policy, directive)
        case _:
            pass


def _let_go(work: Work, directive: Directive) -> None:
    """Give the runs that were held by a stop their timers back: what fell due meanwhile is due now.

    A run without a due (a `wait while`) is woken now, to look at its condition.
    """
    journey = "" if directive.subject == "*" else directive.subject
    held = work.unit.runs(RunQuery(journey=journey, active="yes", limit=1_000_000_000))
    # Who was held by an entry of this very batch is not in the store yet.
    asked = [customer_id for customer_id, run in held if not run.wake] + list(work.customers)
    for customer_id in dict.fromkeys(asked):
        customer = work.customer(customer_id)
        if customer is None or all(run.wake or not run.is_active for run in customer.runs):
            continue
        at = directive.received
        runs = tuple(
            msgspec.structs.replace(run, wake=max(run.due, at)) if run.is_active and not run.wake else run
            for run in customer.runs
        )
        customer = msgspec.structs.replace(customer, runs=runs)
        work.put(msgspec.structs.replace(customer, wake=next_wake(customer)))


def _enter(work: Work, playbook: Playbook, directive: Directive, known: dict[str, str]) -> None:
    keys = playbook.identity.keys(directive.identifiers)
    asked = known | work.unit.resolve(keys)
    customer = next((c for c in (work.customer(asked[key]) for key in keys if key in asked) if c is not None), None)
    if customer is None:
        return
    customer = catch_up(work, playbook, customer, directive.received)
    called = Called(directive.subject, f"enter:{directive.id}", directive.properties)
    happen(work, playbook, customer, called, directive.received)

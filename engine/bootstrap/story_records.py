"""What a workspace recorded of one customer around a run of a journey: events, messages, trace. Reads only.

Called by `story_from_history.py`, which makes a story of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.bootstrap.logged import Journal
from engine.bootstrap.workspace import Workspace
from engine.core.audience.identity import keys
from engine.core.commands import Note
from engine.core.delivery import Fact, TouchState
from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.ids import DAY, SECOND, Micros
from engine.core.plan import Audience, Plan
from engine.core.state import Account, Customer, Run
from engine.ports import Reader, RunQuery, TouchQuery, TouchRow
from engine.usecases.receive import NAMES
from journeys.stories.writing import Line

LONGEST_CAP: Final = 7 * DAY
"""How far around a message that a cap stopped others are looked for."""
MOST_EVENTS: Final = 5_000
MOST_TOUCHES: Final = 10_000

LEFT: Final = frozenset({TouchState.SENT, TouchState.UNCERTAIN})
"""States of what certainly or possibly reached the provider."""
_HEARD: Final = frozenset({"message_opened", "link_clicked", "message_replied"})


@dataclass(frozen=True)
class Record:
    """What is recorded of the customer around one run, or around nothing when there was none.

    `runs` are those in the journey between `begins` and `ends`, `others` those in journeys that took a place under a
    cap; `facts` is what people did with the messages.
    """

    customer: Customer
    plan: Plan
    audience: Audience
    run: Run | None
    runs: list[Run]
    events: list[Event]
    rows: list[TouchRow]
    notes: list[Note]
    facts: list[Line]
    account: Account | None
    contacts: dict[str, Customer]
    others: list[Run]
    beside: dict[str, Plan]
    begins: Micros
    ends: Micros


def recorded(workspace: Workspace, store: Reader, customer: Customer, journey: str) -> Record:
    """Return what is recorded around the customer's latest run in the journey; raises `BadInput` when nothing is."""
    everything = [event for event in Journal(workspace).events() if _is_of(store, event, customer)][-MOST_EVENTS:]
    found = store.runs(RunQuery(customer=customer.id, journey=journey))
    run = found[0][1] if found else None
    if run is None and not everything:
        raise BadInput(f"Nothing is recorded of {customer.id}", "The log may have been trimmed; see `log.keep`")
    version = run.version if run is not None else store.current().get(journey, "")
    plan = store.plan(journey, version) or next((one for one in workspace.plans() if one.journey == journey), None)
    if plan is None:
        raise BadInput(f"There is no journey {journey}", "`journeyd lint` lists the journeys of the workspace")
    touches = store.find_touches(TouchQuery(customer=customer.id, limit=MOST_TOUCHES))[::-1]
    rows = [row for row in touches if row.touch.journey == journey]
    notes = store.notes(customer.id, limit=MOST_TOUCHES)
    last = max((event.received for event in everything), default=0)
    begins = (run.entered if run is not None else _first_refusal(notes, journey) or everything[0].received) - SECOND
    ends = _end(run, rows, last) if run is not None else max(last, begins + SECOND)
    others = _crowd(store, run, touches, notes) if run is not None else []
    begins = min([begins, *(other.entered - SECOND for other in others)])
    runs = [one for _, one in found if begins <= one.entered <= ends][::-1]
    ours = {one.id for one in runs}
    rows = [row for row in rows if row.touch.run in ours]
    account = store.accounts([customer.account]).get(customer.account) if customer.account else None
    contacts = account.contacts if account is not None else {}
    known = store.customers(contacts.values())
    return Record(
        customer=customer,
        plan=plan,
        audience=workspace.audience(),
        run=run,
        runs=runs,
        events=everything,
        rows=rows,
        notes=notes,
        facts=[line for row in rows for line in _facts(store, row)],
        account=account,
        contacts={role: known[id_] for role, id_ in contacts.items() if id_ in known},
        others=others,
        beside={one.journey: one for one in workspace.plans() if one.journey != journey} if others else {},
        begins=begins // SECOND * SECOND,
        ends=ends,
    )


def _crowd(store: Reader, run: Run, touches: Sequence[TouchRow], notes: Sequence[Note]) -> list[Run]:
    """Return the runs in other journeys whose messages took the place of this run's under a cap: they play along."""
    lost = [note.at for note in notes if note.run == run.id and _is_crowded(str(note.data.get("why", "")))]
    lost += [row.touch.due for row in touches if row.touch.run == run.id and _is_crowded(row.reason)]
    if not lost:
        return []
    near = {
        row.touch.run
        for row in touches
        if row.touch.journey != run.journey and min(lost) - LONGEST_CAP <= row.touch.due <= max(lost) + LONGEST_CAP
    }
    known = store.runs(RunQuery(customer=touches[0].touch.customer)) if near else []
    return [other for _, other in known if other.id in near and other.entered >= min(lost) - 2 * LONGEST_CAP]


def _is_crowded(why: str) -> bool:
    return why.startswith(("frequency_cap", "displaced"))


def _is_of(store: Reader, event: Event, customer: Customer) -> bool:
    """Is the event this customer's? Those of customers merged into it since are, too."""
    named = keys(event.identifiers)
    if not any(value in customer.identifiers.get(kind, ()) for kind, value in event.identifiers.items()):
        return False
    known = store.resolve(named)
    return next((known[name] for name in named if name in known), "") == customer.id


def _end(run: Run, rows: Sequence[TouchRow], last: Micros) -> Micros:
    """A run that is over is told to its end, its last message or the goal reached later; one underway to the last word.

    Timers move runs after the last entry of the log, too.
    """
    sent = max((row.touch.due for row in rows if row.touch.run == run.id and row.state in LEFT), default=0)
    told = max(run.ended, run.converted) if run.ended else max(last, run.since)
    return max(told, sent, run.entered) + SECOND


def _first_refusal(notes: Sequence[Note], journey: str) -> Micros:
    return next((note.at for note in notes if note.is_about(journey) and note.code.startswith("skipped.")), 0)


def _facts(store: Reader, row: TouchRow) -> Iterator[Line]:
    """What people did with a message, as the events that runs heard of it."""
    for fact in store.facts(row.touch.id):
        name = NAMES.get(Fact[fact.fact], "")
        if name in _HEARD and not fact.machine:
            said = {"template": row.touch.template, "channel": row.touch.channel}
            yield Line(fact.at, name, said | ({"link": fact.link} if fact.link else {}))

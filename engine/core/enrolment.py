"""Ways into a journey: the guards in their fixed order, and the start of a run.

Called by `decide` only. A refusal is kept as the reason, so that `explain` can answer later.
"""

from typing import Any, NamedTuple

import msgspec

from engine.core import calendar, experiment, gates, steps
from engine.core.draft import Draft
from engine.core.entrances import Entrances
from engine.core.events import Event
from engine.core.ids import derive
from engine.core.playbook import CompiledPlan
from engine.core.state import Run, Travelled


class _Door(NamedTuple):
    """What the customer comes in by, the same for every journey that it opens.

    `occurrence` makes the run's id. `visitor` is what `where` and `key` may read of a run that has not begun.
    """

    event: str
    occurrence: str
    visitor: Run


def on_event(draft: Draft, entrances: Entrances, event: Event) -> None:
    """Enrol the customer in the journeys that this event opens; history, and what came too late, triggers nothing."""
    said = {"event": event.name}
    if event.backfill:
        draft.note_for_all(entrances.journeys, "skipped.backfill", said)
        return
    if event.received - event.at > draft.playbook.policy.max_event_age:
        draft.note_for_all(entrances.journeys, "skipped.late", said)
        return
    asked, shut = entrances.ask(event)
    if asked:
        visitor = Run("", "", "", draft.now, enter=event.properties)
        door = _Door(event.name, f"{event.source}:{event.id}", visitor)
        shut += tuple([compiled.plan.journey for compiled in asked if not _enrol(draft, compiled, door)])
    if shut:
        draft.note_for_all(shut, "skipped.where", said)


def on_call(draft: Draft, journey: str, occurrence: str, properties: dict[str, Any]) -> None:
    """Enrol a customer whom a schedule, an operator or the API asks in, if the journey's audience holds."""
    compiled = draft.playbook.live(journey)
    if compiled is None or (compiled.audience is not None and not compiled.audience(draft.context)):
        return
    door = _Door(journey, occurrence, Run("", "", "", draft.now, enter=properties))
    if not _enrol(draft, compiled, door):
        draft.note_for(journey, "skipped.where", {"event": journey})


def _enrol(draft: Draft, compiled: CompiledPlan, door: _Door) -> bool:
    """Check the guards in their fixed order, then start the run; False when `where` refuses, which the caller notes.

    Order: stopped, where, again, already in it, consent, holdout (last, so that the control group is comparable). The
    first refusal is kept as the reason.
    """
    plan, context = compiled.plan, draft.context
    context.run = door.visitor
    if draft.playbook.stop_reason(plan.journey):
        draft.note_for(plan.journey, "skipped.stopped", {})
        return True
    if compiled.where is not None and not compiled.where(context):
        return False
    key = _entry_key(compiled, draft)
    place = plan.journey + ("#" + key if key else "")
    if not _may_travel_again(draft, compiled, place):
        draft.note_for(plan.journey, "skipped.again", {"policy": plan.again.policy})
    elif any(run.is_active and run.journey == plan.journey and run.key == key for run in draft.customer.runs):
        draft.note_for(plan.journey, "skipped.already_in", {})
    elif not gates.allows(draft.customer, draft.playbook.policy, plan.purpose):
        draft.note_for(plan.journey, "skipped.consent", {"purpose": plan.purpose})
    else:
        _start(draft, compiled, _begin(draft, compiled, door, key), place)
    return True


def _begin(draft: Draft, compiled: CompiledPlan, door: _Door, key: str) -> Run:
    plan = compiled.plan
    return Run(
        id=derive("run", plan.journey, plan.version, draft.customer.id, key, door.occurrence),
        journey=plan.journey,
        version=plan.version,
        entered=draft.now,
        event=door.event,
        key=key,
        enter=door.visitor.enter,
        holdout=experiment.is_held_out(plan, draft.customer.id),
        goal_until=draft.now + plan.goal.within if plan.goal is not None else 0,
    )


def _start(draft: Draft, compiled: CompiledPlan, run: Run, place: str) -> None:
    past = draft.customer.travelled.get(place)
    travelled = Travelled(draft.now, 1 if past is None else past.times + 1, past.completed if past is not None else 0)
    draft.update(
        msgspec.structs.replace(draft.customer, travelled=_bounded(draft.customer.travelled, place, travelled))
    )
    draft.context.run = run
    draft.note("entered", run, {"event": run.event})
    if run.holdout:
        draft.note("held_out", run, {})
    steps.travel(draft, compiled, run, compiled.plan.nodes[0].id if compiled.plan.nodes else "")


def _entry_key(compiled: CompiledPlan, draft: Draft) -> str:
    if compiled.key is None:
        return ""
    value = compiled.key(draft.context)
    return "" if value is None else str(value)[:200]


def _may_travel_again(draft: Draft, compiled: CompiledPlan, place: str) -> bool:
    past = draft.customer.travelled.get(place)
    again = compiled.plan.again
    if past is None or again.policy == "always":
        return True
    if again.policy == "never":
        return False
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    return draft.now >= calendar.add_span(past.entered, again.span, zone)


def _bounded(travelled: dict[str, Travelled], place: str, latest: Travelled) -> dict[str, Travelled]:
    """Keep the 100 latest entry keys, so that `key: event.cart_id` cannot grow a customer without end."""
    united = {**travelled, place: latest}
    if len(united) > 100:
        oldest = min((name for name in united if "#" in name), key=lambda name: united[name].entered, default="")
        united.pop(oldest, None)
    return united

"""Ways into a journey: the guards in their fixed order, and the start of a run.

Called by `decide` only. A refusal is kept as the reason, so that `explain` can answer later.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from engine.core import calendar, experiment, gates, steps
from engine.core.consequences import Change
from engine.core.draft import Call, Draft
from engine.core.entrances import Entrances
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.plan import OnSegment, Plan
from engine.core.playbook import CompiledPlan
from engine.core.state import Run, Travelled


class _Door(NamedTuple):
    """What the customer comes in by, the same for every journey that it opens.

    `occurrence` makes the run's id. `visitor` is what `where` and `key` may read of a run that has not begun.
    """

    event: str
    occurrence: str
    visitor: Run


def triggers(draft: Draft, event: Event) -> bool:
    """Say whether what the event brings may start anything: history, and what came too late, may not."""
    return not event.backfill and event.received - event.at <= draft.playbook.policy.max_event_age


def on_event(draft: Draft, entrances: Entrances, event: Event) -> None:
    """Enrol the customer in the journeys that this event opens; history, and what came too late, triggers nothing."""
    said = {"event": event.name}
    if not triggers(draft, event):
        draft.note_for_all(entrances.journeys, "skipped.backfill" if event.backfill else "skipped.late", said)
        return
    asked, shut = entrances.ask(event)
    if asked:
        door = _door(draft, event.name, f"{event.source}:{event.id}", event.properties)
        shut += tuple([compiled.plan.journey for compiled in asked if not _enrol(draft, compiled, door)])
    if shut:
        draft.note_for_all(shut, "skipped.where", said)


def on_changes(draft: Draft, changes: Sequence[Change]) -> None:
    """Enrol the customer in the journeys that what changed about the customer opens."""
    by_change = draft.playbook.openings.by_change
    for change in changes if by_change else ():
        opened = by_change.get((change.kind, change.name), ())
        if opened:
            door = _door(draft, change.kind, f"{change.kind}:{change.name}:{draft.now}", change.properties)
            for compiled in opened:
                _knock(draft, compiled, door)


def on_anniversary(draft: Draft, journey: str, at: Micros) -> None:
    """Enrol the customer in a journey whose yearly day is `at`."""
    compiled = draft.playbook.live(journey)
    if compiled is not None:
        value = compiled.date(draft.context)
        _knock(draft, compiled, _door(draft, "anniversary", f"anniversary:{at}", {"date": value}))


def on_standing(draft: Draft) -> None:
    """Enrol who already stands in the segment of a journey that asks for those too, once per customer and journey."""
    for compiled in draft.playbook.openings.existing:
        plan, customer = compiled.plan, draft.customer
        assert isinstance(plan.enter, OnSegment)
        standing = customer.standing.get(f"segment:{plan.enter.segment}")
        if standing is not None and standing.since and plan.journey not in customer.travelled:
            name = plan.enter.segment
            _knock(draft, compiled, _door(draft, "segment_entered", f"existing:{name}", {"segment": name}))


def on_call(draft: Draft, call: Call) -> None:
    """Enrol a customer whom a schedule, an operator, the API or a `start:` asks in, if the journey's audience holds."""
    compiled = draft.playbook.live(call.journey)
    if compiled is None or (compiled.audience is not None and not compiled.audience(draft.context)):
        return
    _knock(draft, compiled, _door(draft, call.journey, call.occurrence, call.properties))


def _door(draft: Draft, event: str, occurrence: str, properties: dict[str, Any]) -> _Door:
    return _Door(event, occurrence, Run("", "", "", draft.now, enter=properties))


def _knock(draft: Draft, compiled: CompiledPlan, door: _Door) -> None:
    if not _enrol(draft, compiled, door):
        draft.note_for(compiled.plan.journey, "skipped.where", {"event": door.event})


def _enrol(draft: Draft, compiled: CompiledPlan, door: _Door) -> bool:
    """Check the guards in their fixed order, then start the run; False when `where` refuses, which the caller notes.

    Order: stopped, paused, draining, where, again, already in it, consent, holdouts (last, so that the control group
    is comparable). The first refusal is kept as the reason.
    """
    plan, context = compiled.plan, draft.context
    context.run = door.visitor
    shut = _shut(draft, compiled)
    if shut:
        draft.note_for(plan.journey, shut, {})
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


def _shut(draft: Draft, compiled: CompiledPlan) -> str:
    """Return the code of the reason why nobody at all enters now, "" when the door is open."""
    playbook, plan = draft.playbook, compiled.plan
    if playbook.stop_reason(plan.journey):
        return "skipped.stopped"
    if playbook.pause_reason(plan.journey):
        return "skipped.paused"
    if plan.journey in playbook.doors.draining and draft.world.underway(plan.journey, plan.version):
        return "skipped.draining"
    return ""


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
        holdout=experiment.is_held_out(plan, draft.customer.id) or _is_globally_held_out(draft, plan),
        goal_until=draft.now + plan.goal.within if plan.goal is not None else 0,
    )


def _is_globally_held_out(draft: Draft, plan: Plan) -> bool:
    return experiment.is_globally_held_out(draft.playbook.policy, draft.customer.id, plan.purpose)


def _start(draft: Draft, compiled: CompiledPlan, run: Run, place: str) -> None:
    past = draft.customer.travelled.get(place)
    travelled = Travelled(draft.now, 1 if past is None else past.times + 1, past.completed if past is not None else 0)
    draft.update(
        msgspec.structs.replace(draft.customer, travelled=_bounded(draft.customer.travelled, place, travelled))
    )
    draft.context.run = run
    draft.note("entered", run, {"event": run.event})
    if run.holdout:
        draft.note("held_out.global" if _is_globally_held_out(draft, compiled.plan) else "held_out", run, {})
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

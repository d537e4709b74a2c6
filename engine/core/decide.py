"""READ FIRST. The one decision: (playbook, customer, happening, now) -> Decision(customer, commands, trace).

Pure: no I/O, no clock, no dice. The same function runs live, in stories, in simulation and in replay. Its callers are
the use cases (`usecases/advance.py`), which persist what it returns, and the story runner.

>>> from engine.core.plan import Manual, OnEvent, Plan, Stop, seal
>>> from engine.core.events import Event
>>> from engine.core.state import Customer
>>> plan = seal(Plan("hello", "Hello", "acquire", OnEvent(("signed_up",)), (Stop("1"),), purpose="transactional"))
>>> book = Playbook([plan])
>>> decision = decide(book, Customer("c1", created=1), Event("m1", "signed_up", at=5, received=5), 5)
>>> [note.code for note in decision.trace]
['entered', 'completed']
"""

from typing import Any, TypeAlias

import msgspec

from engine.core import calendar, experiment, gates, steps
from engine.core.audience import lifecycle, profile
from engine.core.commands import CancelTouches, Decision, RecordEffect, Touch
from engine.core.draft import Draft
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.plan import Send, WaitFor
from engine.core.playbook import CompiledExit, CompiledPlan, Playbook
from engine.core.state import Customer, Run, Travelled


class Wake(msgspec.Struct, frozen=True, tag="wake", gc=False):
    """The customer's earliest timer is due: every run whose `wake` has come moves."""


class Called(msgspec.Struct, frozen=True, tag="called", gc=False):
    """A schedule, an operator or the API asks the customer into a journey; `occurrence` makes the run's id."""

    journey: str
    occurrence: str
    properties: dict[str, Any] = {}


class Failed(msgspec.Struct, frozen=True, tag="failed", gc=False):
    """A touch failed for good: the next channel may carry the message."""

    touch: Touch
    why: str


Happening: TypeAlias = Event | Wake | Called | Failed


def decide(playbook: Playbook, customer: Customer, happening: Happening, now: Micros) -> Decision:
    """Return what follows from `happening` for this customer at `now`; total and deterministic.

    `now` is the log's time for entries and the due instant for timers. The customer in the result carries `wake`,
    the next instant at which it wants to be called with `Wake()`.
    """
    draft = Draft(playbook, customer, now)
    match happening:
        case Event():
            _hear(draft, happening)
        case Wake():
            _wake(draft)
        case Called():
            _call(draft, happening)
        case Failed():
            _failover(draft, happening)
    return draft.decision()


# --- an event --------------------------------------------------------------------------------------


def _hear(draft: Draft, event: Event) -> None:
    playbook = draft.playbook
    draft.context.event = event
    customer = profile.fold(playbook, draft.customer, event)
    draft.update(customer)
    if customer.runs:
        _forget_past(draft)
        for run in draft.customer.runs:
            _hear_in_run(draft, run, event)
    entries = playbook.entries.get(event.name)
    if entries is not None:
        for compiled in entries:
            _enrol_on_event(draft, compiled, event)
    if playbook.stages and (event.name in playbook.stage_events or event.traits or event.identifiers):
        _progress(draft, event.at)


def _hear_in_run(draft: Draft, run: Run, event: Event) -> None:
    compiled = draft.playbook.plan(run.journey, run.version)
    if compiled is None or (event.name not in compiled.plan.hears and not compiled.plan.watches):
        return
    draft.context.run = run
    run = _reach_goal(draft, compiled, run, event)
    if not run.is_active or event.backfill:
        return
    way_out = _exit_for(draft, compiled, event)
    if way_out is not None:
        code = "exited.event" if way_out.events else "exited.when"
        _leave(draft, run, code, {"event": event.name} if way_out.events else {})
        return
    if draft.playbook.stop_reason(run.journey):
        return
    node = compiled.plan.steps.get(run.step)
    if isinstance(node, WaitFor) and event.name in node.events:
        where = compiled.waits[node.id]
        if where is None or where(draft.context):
            draft.note("step.happened", run, {"event": event.name})
            steps.travel(draft, compiled, run, node.then)
            return
    if compiled.plan.watches:
        draft.put_run(_watch(draft, compiled, run))


def _reach_goal(draft: Draft, compiled: CompiledPlan, run: Run, event: Event) -> Run:
    goal = compiled.plan.goal
    if goal is None or run.converted or event.name not in goal.events:
        return run
    if not run.entered <= event.at <= run.entered + goal.within:
        return run
    if compiled.goal_where is not None and not compiled.goal_where(draft.context):
        return run
    worth = compiled.goal_value(draft.context) if compiled.goal_value is not None else None
    value = float(worth) if isinstance(worth, (int, float)) and not isinstance(worth, bool) else 0.0
    run = msgspec.structs.replace(run, converted=event.at)
    draft.put_run(run)
    draft.context.run = run
    draft.command(
        RecordEffect(
            key=derive("conversion", run.id),
            kind="converted",
            at=event.at,
            customer=draft.customer.id,
            journey=run.journey,
            version=run.version,
            run=run.id,
            value=value,
            name=event.name,
            arms=run.arms,
            holdout=run.holdout,
        )
    )
    draft.note("converted", run, {"event": event.name, "value": value})
    return run


def _exit_for(draft: Draft, compiled: CompiledPlan, event: Event | None) -> CompiledExit | None:
    for way_out in compiled.exits:
        if way_out.when is not None and way_out.when(draft.context):
            return way_out
        if event is None or event.name not in way_out.events:
            continue
        if way_out.where is None or way_out.where(draft.context):
            return way_out
    return None


def _progress(draft: Draft, at: Micros) -> None:
    moved = lifecycle.progress(draft.playbook, draft.context, at)
    if moved is not None:
        draft.update(moved.customer)
        draft.commands.extend(moved.effects)
        draft.trace.extend(moved.trace)


# --- ways in ---------------------------------------------------------------------------------------


def _enrol_on_event(draft: Draft, compiled: CompiledPlan, event: Event) -> None:
    """Events that are history, or that came too late, update the customer and trigger nothing."""
    journey = compiled.plan.journey
    if event.backfill:
        draft.note_for(journey, "skipped.backfill", {"event": event.name})
    elif event.received - event.at > draft.playbook.policy.max_event_age:
        draft.note_for(journey, "skipped.late", {"event": event.name})
    else:
        _enrol(draft, compiled, event.name, f"{event.source}:{event.id}", event.properties)


def _call(draft: Draft, called: Called) -> None:
    compiled = draft.playbook.live(called.journey)
    if compiled is None:
        return
    if compiled.audience is not None and not compiled.audience(draft.context):
        return
    _enrol(draft, compiled, called.journey, called.occurrence, called.properties)


def _enrol(draft: Draft, compiled: CompiledPlan, event: str, occurrence: str, properties: dict[str, Any]) -> None:
    """Check the guards in their fixed order, then start the run. The first refusal is kept as the reason.

    Order: stopped, where, again, already in it, consent, holdout (last, so that the control group is comparable).
    """
    plan, context, customer = compiled.plan, draft.context, draft.customer
    context.run = Run("", plan.journey, plan.version, draft.now, enter=properties)
    key = _entry_key(compiled, draft)
    place = plan.journey + ("#" + key if key else "")
    if draft.playbook.stop_reason(plan.journey):
        draft.note_for(plan.journey, "skipped.stopped", {})
    elif compiled.where is not None and not compiled.where(context):
        draft.note_for(plan.journey, "skipped.where", {"event": event})
    elif not _may_travel_again(draft, compiled, place):
        draft.note_for(plan.journey, "skipped.again", {"policy": plan.again.policy})
    elif any(run.is_active and run.journey == plan.journey and run.key == key for run in customer.runs):
        draft.note_for(plan.journey, "skipped.already_in", {})
    elif not gates.allows(customer, draft.playbook.policy, plan.purpose):
        draft.note_for(plan.journey, "skipped.consent", {"purpose": plan.purpose})
    else:
        run = Run(
            id=derive("run", plan.journey, plan.version, customer.id, key, occurrence),
            journey=plan.journey,
            version=plan.version,
            entered=draft.now,
            event=event,
            key=key,
            enter=properties,
            holdout=experiment.is_held_out(plan, customer.id),
            goal_until=draft.now + plan.goal.within if plan.goal is not None else 0,
        )
        _start(draft, compiled, run, place)


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
    for later in draft.customer.runs:
        if later.id == run.id and later.is_active and compiled.plan.watches:
            draft.put_run(_watch(draft, compiled, later))


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


# --- timers ----------------------------------------------------------------------------------------


def _wake(draft: Draft) -> None:
    for run in draft.customer.runs:
        if not run.is_active or not run.wake or run.wake > draft.now:
            continue
        compiled = draft.playbook.plan(run.journey, run.version)
        if compiled is None:
            # Its plan is not loaded: hold it rather than guess; `doctor` shows runs without a wake.
            draft.put_run(msgspec.structs.replace(run, due=0, wake=0))
            continue
        draft.context.run = run
        if draft.playbook.stop_reason(run.journey):
            # Held: `due` stays, and `resume` gives the timer back. A stop plans nothing and loses nobody.
            draft.put_run(msgspec.structs.replace(run, wake=0))
        elif compiled.plan.watches and _exit_for(draft, compiled, None) is not None:
            _leave(draft, run, "exited.when", {})
        elif run.due and run.due <= draft.now:
            steps.resume(draft, compiled, run)
        else:
            draft.put_run(_watch(draft, compiled, run))
    _forget_past(draft)


def _watch(draft: Draft, compiled: CompiledPlan, run: Run) -> Run:
    """Return the run with `wake` at its step's due or at the first instant an exit condition may come true."""
    if not run.is_active:
        return run
    draft.context.run = run
    instants = [e.when.horizon(draft.context) for e in compiled.exits if e.when is not None]
    wakes = [instant for instant in (run.due, *instants) if instant]
    return msgspec.structs.replace(run, wake=min(wakes, default=0))


def _forget_past(draft: Draft) -> None:
    runs = draft.customer.runs
    if any(not run.is_active and run.goal_until < draft.now for run in runs):
        kept = tuple(run for run in runs if run.is_active or run.goal_until >= draft.now)
        draft.update(msgspec.structs.replace(draft.customer, runs=kept))


def _leave(draft: Draft, run: Run, code: str, data: dict[str, Any]) -> None:
    draft.note(code, run, data)
    outcome = code.partition(".")[2]
    ended = msgspec.structs.replace(run, ended=draft.now, outcome=f"exited:{outcome}", step="", due=0, wake=0)
    draft.end_run(ended)
    draft.command(CancelTouches(run.id, outcome))
    _give_back(draft, run)


def _give_back(draft: Draft, run: Run) -> None:
    """Return the cap reservations of the run's touches that were still to come."""
    compiled = draft.playbook.plan(run.journey, run.version)
    later = [held for held in draft.customer.reserved if held.at > draft.now]
    if compiled is None or not later:
        return
    own = {
        derive("touch", run.id, node.id, visit, channel)
        for node in compiled.plan.nodes
        if isinstance(node, Send)
        for visit in range(run.visits.get(node.id, 0))
        for channel in node.channels
    }
    for held in later:
        if held.touch in own:
            draft.update(gates.release(draft.customer, held.touch))


# --- a touch that failed ---------------------------------------------------------------------------


def _failover(draft: Draft, failed: Failed) -> None:
    touch = failed.touch
    compiled = draft.playbook.plan(touch.journey, touch.version)
    run = next((r for r in draft.customer.runs if r.id == touch.run), None)
    left = run is not None and run.outcome.startswith("exited")
    draft.update(gates.release(draft.customer, touch.id))
    ghost = run or Run(touch.run, touch.journey, touch.version, touch.planned, enter=touch.enter, arms=touch.arms)
    data = {"from": touch.channel, "why": failed.why, "template": touch.template}
    expired = touch.expires and touch.expires <= draft.now
    if compiled is None or left or expired or not touch.others:
        draft.note("touch.given_up", ghost, data, step=touch.step)
        return
    draft.note("touch.failover", ghost, {**data, "to": ", ".join(touch.others)}, step=touch.step)
    steps.plan_touch(draft, compiled, ghost, touch)

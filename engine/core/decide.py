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

from typing import Any, Final, TypeAlias

import msgspec

from engine.core import consequences, enrolment, experiment, gates, moves, steps
from engine.core.audience import consents, lifecycle, profile
from engine.core.commands import CancelTouches, Decision, RecordEffect, Touch
from engine.core.draft import Call, Draft
from engine.core.errors import RunawayJourney
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.playbook import CompiledExit, CompiledPlan, Playbook
from engine.core.state import Customer, Run
from engine.core.world import NOWHERE, World


class Wake(msgspec.Struct, frozen=True, tag="wake", gc=False):
    """The customer's earliest timer is due: every run, condition and anniversary whose instant has come moves."""


class Settle(msgspec.Struct, frozen=True, tag="settle", gc=False):
    """The rules have changed: tags, stages, segments and dates are brought up to date, and nobody enters by it.

    Only who stands in a segment whose journey says `existing: true`, and never travelled it, enters.
    """


class Called(msgspec.Struct, frozen=True, tag="called", gc=False):
    """A schedule, an operator or the API asks the customer into a journey; `occurrence` makes the run's id."""

    journey: str
    occurrence: str
    properties: dict[str, Any] = {}


class Failed(msgspec.Struct, frozen=True, tag="failed", gc=False):
    """A touch failed for good: the next channel may carry the message."""

    touch: Touch
    why: str


Happening: TypeAlias = Event | Wake | Settle | Called | Failed

RIPPLE_LIMIT: Final = 50
"""Rounds in which what a decision sets off may set off more; the lint refuses such circles, this is the last fence."""


def decide(
    playbook: Playbook, customer: Customer, happening: Happening, now: Micros, world: World = NOWHERE
) -> Decision:
    """Return what follows from `happening` for this customer at `now`; total and deterministic.

    `now` is the log's time for entries and the due instant for timers. The customer in the result carries `wake`,
    the next instant at which it wants to be called with `Wake()`. `world` answers what lies beyond the customer.
    """
    draft = Draft(playbook, customer, now, world)
    if customer.runs and playbook.doors.moves:
        moves.migrate(draft)
    match happening:
        case Event():
            _hear(draft, happening)
        case Wake():
            _wake(draft)
        case Settle():
            _settle(draft)
        case Called():
            enrolment.on_call(draft, Call(happening.journey, happening.occurrence, happening.properties))
        case Failed():
            _failover(draft, happening)
    if draft.calls or draft.departures or _may_turn(draft):
        _ripple(draft)
    if playbook.hears_of_stages and draft.customer.stage != customer.stage and not isinstance(happening, Settle):
        _tell_stage(draft, customer, happening)
    return draft.decision()


def _tell_stage(draft: Draft, before: Customer, happening: Happening) -> None:
    """Let journeys and statistics hear that the customer stands in another stage; what only that changes is untold."""
    is_past = isinstance(happening, Event) and (happening.backfill or not enrolment.triggers(draft, happening))
    _hear(draft, lifecycle.told(before, draft.customer, draft.now, backfill=is_past))
    if draft.calls or draft.departures or _may_turn(draft):
        _ripple(draft)


# --- an event --------------------------------------------------------------------------------------


def _hear(draft: Draft, event: Event) -> None:
    playbook = draft.playbook
    draft.context.event = event
    before = draft.customer
    draft.update(profile.fold(playbook, before, event))
    said = consents.words(before, draft.customer, event) if event.consents else []
    for word in said:
        draft.note_change(word.code, word.data)
    if event.account:
        draft.know_account()
    changes = consequences.settle(draft, event)
    if draft.customer.runs:
        _forget_past(draft)
        for run in draft.customer.runs:
            _hear_in_run(draft, run, event)
    entrances = playbook.entries.get(event.name)
    if entrances is not None:
        enrolment.on_event(draft, entrances, event)
    if changes and enrolment.triggers(draft, event):
        enrolment.on_changes(draft, changes)
    if playbook.openings.anniversaries:
        consequences.settle_anniversaries(draft)
    if said:
        for request in consents.requests(said, event):
            _hear(draft, request)


def _hear_in_run(draft: Draft, run: Run, event: Event) -> None:
    compiled = draft.playbook.plan(run.journey, run.version)
    if compiled is None or not (
        event.name in compiled.plan.hears or compiled.plan.watches or run.step in compiled.conditions
    ):
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
    if steps.hear(draft, compiled, run, event) or steps.look(draft, compiled, run):
        return
    if compiled.plan.watches:
        draft.put_run(steps.watch(draft, compiled, run))


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
    draft.commands.extend(experiment.wins(compiled.plan, run, "convert"))
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


# --- timers ----------------------------------------------------------------------------------------


def _wake(draft: Draft) -> None:
    changes = consequences.settle(draft, None)
    for run in draft.customer.runs:
        if run.is_active and 0 < run.wake <= draft.now:
            _wake_run(draft, run)
        elif run.is_active and changes:
            _look_again(draft, run)
    if changes:
        enrolment.on_changes(draft, changes)
    for journey, at in consequences.settle_anniversaries(draft):
        enrolment.on_anniversary(draft, journey, at)
    _forget_past(draft)


def _wake_run(draft: Draft, run: Run) -> None:
    compiled = draft.playbook.plan(run.journey, run.version)
    if compiled is None:
        # Its plan is not loaded: hold it rather than guess what the road would have been.
        draft.put_run(msgspec.structs.replace(run, due=0, wake=0))
        return
    draft.context.run = run
    if draft.playbook.stop_reason(run.journey):
        # Held: `due` stays, and `resume` gives the timer back. A stop plans nothing and loses nobody.
        draft.put_run(msgspec.structs.replace(run, wake=0))
    elif compiled.plan.watches and _exit_for(draft, compiled, None) is not None:
        _leave(draft, run, "exited.when", {})
    elif run.due and run.due <= draft.now:
        steps.resume(draft, compiled, run)
    elif not steps.look(draft, compiled, run):
        draft.put_run(steps.watch(draft, compiled, run))


def _settle(draft: Draft) -> None:
    consequences.settle_anew(draft)
    draft.settled = draft.customer
    consequences.settle_anniversaries(draft)
    enrolment.on_standing(draft)


# --- what a decision sets off by itself --------------------------------------------------------------


def _ripple(draft: Draft) -> None:
    """Carry on until nothing follows any more: steps tag, start and leave, and that may move other journeys."""
    for _ in range(RIPPLE_LIMIT):
        departures, draft.departures = draft.departures, []
        for journey in departures:
            _depart(draft, journey)
        calls, draft.calls = draft.calls, []
        for call in calls:
            enrolment.on_call(draft, call)
        is_turning = _may_turn(draft)
        changes = consequences.settle(draft, None)
        if is_turning:
            for run in draft.customer.runs:
                if run.is_active:
                    _look_again(draft, run)
        enrolment.on_changes(draft, changes)
        if not (draft.calls or draft.departures or _may_turn(draft)):
            return
    raise RunawayJourney(f"what happened to customer {draft.customer.id} sets off itself, over {RIPPLE_LIMIT} times")


def _may_turn(draft: Draft) -> bool:
    """Has the decision changed, since consequences were last drawn, what conditions may ask for?"""
    before, after = draft.settled, draft.customer
    if before is after:
        return False
    if before.tags is not after.tags or before.traits is not after.traits or before.stage != after.stage:
        return True
    return draft.playbook.asks_of_journeys and _journeys(before) != _journeys(after)


def _journeys(customer: Customer) -> tuple[object, ...]:
    return tuple((run.journey, run.is_active) for run in customer.runs), customer.travelled


def _look_again(draft: Draft, run: Run) -> None:
    """A step of one run changed the customer: may another run leave, or go on, by that?"""
    compiled = draft.playbook.plan(run.journey, run.version)
    if compiled is None or not (compiled.plan.watches or run.step in compiled.conditions):
        return
    draft.context.run = run
    if draft.playbook.stop_reason(run.journey):
        return
    # One that may leave now is woken for it at the next instant: `watch` sees that its exit holds.
    if _exit_for(draft, compiled, None) is not None or not steps.look(draft, compiled, run):
        draft.put_run(steps.watch(draft, compiled, run))


def _depart(draft: Draft, journey: str) -> None:
    for run in draft.customer.runs:
        if run.is_active and run.journey == journey:
            _leave(draft, run, "exited.leave", {})


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
    """Return the cap reservations of the run's touches that were still to come.

    By where it has been, not by its plan: it may have come from another version.
    """
    later = [held for held in draft.customer.reserved if held.at > draft.now]
    if not later:
        return
    own = {
        derive("touch", run.id, step, visit, channel)
        for step, visits in run.visits.items()
        for visit in range(visits)
        for channel in draft.playbook.policy.channels
    }
    for held in later:
        if held.touch in own:
            draft.update(gates.release(draft.customer, held.touch))


# --- a touch that failed ---------------------------------------------------------------------------


def _failover(draft: Draft, failed: Failed) -> None:
    touch = failed.touch
    # A version that nobody travels any more is not loaded: its last messages go by the current one's rules.
    compiled = draft.playbook.plan(touch.journey, touch.version) or draft.playbook.live(touch.journey)
    run = next((r for r in draft.customer.runs if r.id == touch.run), None)
    left = run is not None and run.left_early
    draft.update(gates.release(draft.customer, touch.id))
    ghost = run or Run(touch.run, touch.journey, touch.version, touch.planned, enter=touch.enter, arms=touch.arms)
    data = {"from": touch.channel, "why": failed.why, "template": touch.template}
    expired = touch.expires and touch.expires <= draft.now
    if compiled is None or left or expired or not touch.others:
        draft.note("touch.given_up", ghost, data, step=touch.step)
        return
    draft.note("touch.failover", ghost, {**data, "to": ", ".join(touch.others)}, step=touch.step)
    steps.plan_touch(draft, compiled, ghost, touch)

"""What each step does to a run: travel on until something must be waited for, or the road ends.

Called by `decide` only. A step that sends plans a touch and goes on at once; outcomes come back as happenings.
"""

from typing import Final

import msgspec

from engine.core import calendar, changing, experiment, sending, waits
from engine.core.commands import CountArm, Touch
from engine.core.draft import Draft
from engine.core.errors import RunawayJourney
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.plan import (
    Branch,
    Coupon,
    Daily,
    Leave,
    Repeat,
    Send,
    Set,
    Split,
    Start,
    Stop,
    Tag,
    Task,
    Wait,
    WaitFor,
    WaitUntil,
    WaitWhile,
    Webhook,
)
from engine.core.playbook import CompiledPlan
from engine.core.state import Run, Travelled

LEAP_LIMIT: Final = 1_000
"""Steps a run may take without waiting; the lint refuses such loops, this is the last fence."""


def travel(draft: Draft, compiled: CompiledPlan, run: Run, goes: str, *, answered: Event | None = None) -> None:
    """Move the run to step `goes` and on, until it parks or ends; "" is the end of the road.

    `answered`: the event that its last wait waited for, which a wait on the way that looks back does not count again.
    """
    for _ in range(LEAP_LIMIT):
        node = compiled.plan.steps.get(goes)
        if node is None or isinstance(node, Stop):
            _complete(draft, run)
            return
        run = msgspec.structs.replace(run, step=node.id, since=draft.now, due=0, wake=0, progress=())
        draft.context.run = run
        match node:
            case Wait() | WaitUntil():
                due = _due(draft, compiled, node)
                if due is not None:
                    draft.note("step.wait", run, {"until": due})
                    _park(draft, compiled, msgspec.structs.replace(run, due=due))
                    return
                goes = node.next
            case Branch():
                goes = _choose(draft, compiled, run, node)
            case Send():
                run = sending.send(draft, compiled, run, node)
                goes = node.next
            case Split():
                run, goes = _split(draft, run, node)
            case WaitFor() | WaitWhile() | Repeat():
                run, onward = waits.arrive(draft, compiled, run, node, answered)
                if onward is None:
                    _park(draft, compiled, run)
                    return
                goes = onward
            case Coupon():
                run, onward = changing.issue(draft, run, node)
                if onward is None:
                    draft.note("exited.no_coupon", run, {"pool": node.pool})
                    _end(draft, run, "exited:no_coupon")
                    return
                goes = onward
            case Tag() | Set() | Start() | Leave() | Task() | Webhook():
                run = _act(draft, compiled, run, node)
                goes = node.next
    raise RunawayJourney(f"journey {run.journey} takes over {LEAP_LIMIT} steps without waiting, at step {run.step}")


def resume(draft: Draft, compiled: CompiledPlan, run: Run) -> None:
    """Let a run whose wait is over go on."""
    node = compiled.plan.steps.get(run.step)
    match node:
        case Wait() | WaitUntil():
            travel(draft, compiled, run, node.next)
        case WaitFor() | WaitWhile() | Repeat():
            run, goes = waits.time_out(draft, compiled, run, node)
            travel(draft, compiled, run, node.id if goes is None else goes)
        case _:
            # Only waits park; anything else is a step that a newer plan changed under a mapped run: take it.
            travel(draft, compiled, run, run.step)


def hear(draft: Draft, compiled: CompiledPlan, run: Run, event: Event) -> bool:
    """Let the run take the event in if it waits for it: it goes on, or counts it and waits for more, watched anew.

    False when the run does not wait for this event: it is as it was.
    """
    draft.context.run = run
    heard = waits.hear(draft, compiled, run, event)
    if heard is None:
        return False
    run, goes = heard
    if goes is None:
        draft.put_run(watch(draft, compiled, run))
    else:
        travel(draft, compiled, run, goes, answered=event)
    return True


def look(draft: Draft, compiled: CompiledPlan, run: Run) -> bool:
    """Let the run go on if it waits on a condition that now says so; False when it stays, with its next wake set.

    For a `wait while`, and between two rounds of a `repeat`. Called after every change of the customer (after `hear`,
    so that what a wait looks back for is not heard as well) and at wakes.
    """
    if run.step not in compiled.conditions:
        return False
    draft.context.run = run
    over = waits.look(draft, compiled, run)
    if over is None or over.goes is None:
        draft.put_run(watch(draft, compiled, run))
        return False
    travel(draft, compiled, over.run, over.goes)
    return True


def plan_touch(draft: Draft, compiled: CompiledPlan, run: Run, failed: Touch) -> None:
    """Plan the same message over the channels that are left after `failed`."""
    sending.send_again(draft, compiled, run, failed)


def watch(draft: Draft, compiled: CompiledPlan, run: Run) -> Run:
    """Return the run with `wake` at its step's due or at the first instant a condition may move it.

    That is one that ends the run, or the one that its step waits on. An exit that holds already, by what the run itself
    has just done, lets it leave at the next instant.
    """
    if not run.is_active:
        return run
    draft.context.run = run
    conditions = [way_out.when for way_out in compiled.exits if way_out.when is not None]
    instants = [draft.now + 1 if when(draft.context) else when.horizon(draft.context) for when in conditions]
    if run.step in compiled.conditions:
        instants.append(waits.next_look(draft, compiled, run))
    wakes = [instant for instant in (run.due, *instants) if instant]
    return msgspec.structs.replace(run, wake=min(wakes, default=0))


def _due(draft: Draft, compiled: CompiledPlan, node: Wait | WaitUntil) -> Micros | None:
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    match node:
        case Wait():
            due = calendar.add_span(draft.now, node.span, zone)
        case WaitUntil(until=Daily() as daily):
            return calendar.next_daily(draft.now, daily, zone)
        case WaitUntil(until=on_date):
            assert not isinstance(on_date, Daily)
            value = compiled.values[node.id]["date"](draft.context)
            found = calendar.on_date(value, on_date, zone)
            due = 0 if found is None else found
    return due if due > draft.now else None


def _park(draft: Draft, compiled: CompiledPlan, run: Run) -> None:
    """Leave the run where it stands, until its due or until a condition moves it."""
    if compiled.plan.watches or run.step in compiled.conditions:
        draft.put_run(watch(draft, compiled, run))
    else:
        draft.put_run(msgspec.structs.replace(run, wake=run.due))


def _complete(draft: Draft, run: Run) -> None:
    draft.note("completed", run, {})
    place = run.journey + ("#" + run.key if run.key else "")
    past = draft.customer.travelled.get(place, Travelled(run.entered))
    travelled = {**draft.customer.travelled, place: msgspec.structs.replace(past, completed=draft.now)}
    draft.update(msgspec.structs.replace(draft.customer, travelled=travelled))
    _end(draft, run, "completed")


def _end(draft: Draft, run: Run, outcome: str) -> None:
    """End the run where it stands; what it has planned still leaves."""
    draft.end_run(msgspec.structs.replace(run, step="", due=0, wake=0, ended=draft.now, outcome=outcome))


def _choose(draft: Draft, compiled: CompiledPlan, run: Run, node: Branch) -> str:
    for number, (holds, goes) in enumerate(compiled.arms[node.id], start=1):
        if holds(draft.context):
            draft.note("step.branch", run, {"arm": number})
            return goes
    draft.note("step.branch", run, {"arm": "else"})
    return node.otherwise


def _act(draft: Draft, compiled: CompiledPlan, run: Run, node: Tag | Set | Start | Leave | Task | Webhook) -> Run:
    """Do what the step says; return the run after it, which goes on at once."""
    match node:
        case Tag():
            changing.tag(draft, run, node)
        case Set():
            changing.set_traits(draft, compiled, run, node)
        case Start():
            return changing.start(draft, compiled, run, node)
        case Leave():
            changing.leave(draft, run, node)
        case Task():
            return sending.give(draft, compiled, run, node)
        case Webhook():
            return sending.call(draft, compiled, run, node)
    return run


def _of_any_version(draft: Draft, run: Run) -> Run:
    """Return the run under a name that no version is part of: an edited journey deals the same arms to the same people.

    Otherwise a rehearsal of an edited wait would report every other customer as changed.
    """
    return msgspec.structs.replace(run, id=derive("arm", run.journey, draft.customer.id, run.key, run.entered))


def _split(draft: Draft, run: Run, node: Split) -> tuple[Run, str]:
    """Return the run with its arm, and where that leads; a run that comes again keeps the arm it took."""
    taken = run.arms.get(node.name)
    arm = None if taken is None else next((arm for arm in node.arms if arm.name == taken), None)
    if arm is None:
        winner = node.winner
        results = None if winner is None else draft.world.results(run.journey, node.name)
        drawn = _of_any_version(draft, run)
        arm = experiment.arm_of(node, drawn) if results is None else experiment.arm_of(node, drawn, results)
        run = msgspec.structs.replace(run, arms={**run.arms, node.name: arm.name})
        if winner is not None and winner.by == "convert" and not run.holdout:
            draft.command(CountArm(run.journey, node.name, arm.name, tried=1))
    draft.note("step.split", run, {"split": node.name, "arm": arm.name})
    return run, arm.next

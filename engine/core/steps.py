"""What each step does to a run: travel on until something must be waited for, or the road ends.

Called by `decide` only. A step that sends plans a touch and goes on at once; outcomes come back as happenings.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.core import calendar, experiment, gates, waits
from engine.core.commands import DropTouch, PlanTouch, Touch
from engine.core.draft import Draft
from engine.core.errors import RunawayJourney
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.plan import Branch, Daily, Repeat, Send, Set, Split, Stop, Tag, Wait, WaitFor, WaitUntil, WaitWhile
from engine.core.playbook import CompiledPlan
from engine.core.state import Held, Run, Travelled

LEAP_LIMIT: Final = 1_000
"""Steps a run may take without waiting; the lint refuses such loops, this is the last fence."""


def travel(draft: Draft, compiled: CompiledPlan, run: Run, goes: str) -> None:
    """Move the run to step `goes` and on, until it parks or ends; "" is the end of the road."""
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
            case Split():
                arm = experiment.arm_of(node, run)
                draft.note("step.split", run, {"split": node.name, "arm": arm.name})
                run = msgspec.structs.replace(run, arms={**run.arms, node.name: arm.name})
                goes = arm.next
            case Send():
                run = _send(draft, compiled, run, node)
                goes = node.next
            case Tag():
                _tag(draft, run, node)
                goes = node.next
            case Set():
                _set(draft, compiled, run, node)
                goes = node.next
            case WaitFor() | WaitWhile() | Repeat():
                run, onward = waits.arrive(draft, compiled, run, node)
                if onward is None:
                    _park(draft, compiled, run)
                    return
                goes = onward
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
    """Let the run go on if it waits for this event; False when it stays where it is.

    A run that stays may have counted the event: its next value is then in the customer and in `draft.context.run`.
    """
    draft.context.run = run
    heard = waits.hear(draft, compiled, run, event)
    if heard is None:
        return False
    run, goes = heard
    if goes is None:
        draft.context.run = run
        draft.put_run(run)
        return False
    travel(draft, compiled, run, goes)
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
    _plan(draft, compiled, run, failed, failed.others)


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
    draft.end_run(msgspec.structs.replace(run, step="", due=0, wake=0, ended=draft.now, outcome="completed"))


def _choose(draft: Draft, compiled: CompiledPlan, run: Run, node: Branch) -> str:
    for number, (holds, goes) in enumerate(compiled.arms[node.id], start=1):
        if holds(draft.context):
            draft.note("step.branch", run, {"arm": number})
            return goes
    draft.note("step.branch", run, {"arm": "else"})
    return node.otherwise


def _tag(draft: Draft, run: Run, node: Tag) -> None:
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    until = calendar.add_span(draft.now, node.lasts, zone) if node.lasts is not None else 0
    tags = {name: held for name, held in draft.customer.tags.items() if name not in node.remove}
    tags |= {name: Held(draft.now, until, f"journey:{run.journey}") for name in node.add}
    draft.update(msgspec.structs.replace(draft.customer, tags=tags))
    added, removed = (" ".join(sign + name for name in names) for sign, names in (("+", node.add), ("-", node.remove)))
    draft.note("step.tag", run, {"add": added, "remove": removed})


def _set(draft: Draft, compiled: CompiledPlan, run: Run, node: Set) -> None:
    values = {name: value(draft.context) for name, value in compiled.values[node.id].items()}
    kept = {name: value for name, value in draft.customer.traits.items() if name not in values}
    traits = kept | {name: value for name, value in values.items() if value is not None}
    said = draft.customer.traits_at | dict.fromkeys(values, draft.now)
    draft.update(msgspec.structs.replace(draft.customer, traits=traits, traits_at=said))
    draft.note("step.set", run, {"traits": ", ".join(values)})


def _send(draft: Draft, compiled: CompiledPlan, run: Run, node: Send) -> Run:
    visit = run.visits.get(node.id, 0)
    run = msgspec.structs.replace(run, touches=run.touches + 1, visits={**run.visits, node.id: visit + 1})
    if run.holdout:
        draft.note("touch.held_out", run, {"template": node.template})
        return run
    expires = node.expires or compiled.plan.expires
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    intent = Touch(
        id="",
        run=run.id,
        journey=run.journey,
        version=run.version,
        step=node.id,
        customer=draft.customer.id,
        channel="",
        template=node.template,
        address="",
        purpose=compiled.plan.purpose,
        planned=draft.now,
        due=draft.now,
        expires=calendar.add_span(draft.now, expires, zone) if expires is not None else 0,
        priority=compiled.plan.priority,
        variables=_variables(draft, compiled.values[node.id]),
        enter=run.enter,
        arms=run.arms,
        visit=visit,
    )
    _plan(draft, compiled, run, intent, node.channels)
    return run


def _variables(draft: Draft, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value(draft.context) for name, value in values.items()}


def _plan(draft: Draft, compiled: CompiledPlan, run: Run, intent: Touch, channels: tuple[str, ...]) -> None:
    """Plan `intent` over the first of `channels` that is reachable and that the gates let pass."""
    policy, refusals = draft.playbook.policy, list[tuple[Touch, str]]()
    for place, channel in enumerate(channels):
        touch = msgspec.structs.replace(
            intent,
            id=derive("touch", run.id, intent.step, intent.visit, channel),
            channel=channel,
            address=draft.customer.address(policy.addresses.get(channel, "")),
            others=channels[place + 1 :],
            planned=draft.now,
            due=draft.now,
        )
        data = {"template": touch.template, "channel": channel}
        match gates.check(touch, draft.customer, policy, compiled.plan.quiet or policy.quiet, draft.now):
            case gates.Go():
                due = draft.now
            case gates.Defer(until=due, why=why):
                draft.note("touch.deferred", run, {**data, "until": due, "why": why}, step=intent.step)
            case gates.Drop(why=why):
                draft.note("touch.dropped", run, {**data, "why": why}, step=intent.step)
                refusals.append((touch, why))
                continue
        if due != touch.due:
            touch = msgspec.structs.replace(touch, due=due)
        draft.update(gates.reserve(draft.customer, touch, policy))
        draft.command(PlanTouch(touch))
        draft.note("touch.planned", run, {**data, "due": due}, step=intent.step)
        return
    if refusals:
        draft.command(DropTouch(*refusals[0]))
    draft.note(
        "touch.no_channel", run, {"template": intent.template, "channels": ", ".join(channels)}, step=intent.step
    )

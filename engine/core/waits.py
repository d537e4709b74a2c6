"""Waiting for an event, for a condition to end, or for the next round of a repeat: what comes next, and when to look.

Pure answers for `steps`, which does the travelling: each function says where the run goes, or that it stays.
"""

from typing import Any, NamedTuple, TypeAlias

import msgspec

from engine.core import calendar
from engine.core.draft import Draft
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.plan import Repeat, WaitFor, WaitWhile
from engine.core.playbook import CompiledPlan
from engine.core.state import Recalled, Round, Run

Waiting: TypeAlias = WaitFor | WaitWhile | Repeat


class Onward(NamedTuple):
    """The run after it was asked, and the step it goes to; None = it stays, until `run.due` at the longest."""

    run: Run
    goes: str | None


def arrive(draft: Draft, compiled: CompiledPlan, run: Run, node: Waiting, answered: Event | None = None) -> Onward:
    """Say what becomes of a run that has just come to `node`; `answered` ended its last wait and counts no more."""
    match node:
        case WaitFor():
            if node.lookback and draft.customer.recalled:
                run = _look_back(draft, compiled, run, node, answered)
            return _await(draft, run, node)
        case WaitWhile():
            return _pause(draft, compiled, run, node)
        case Repeat():
            return _come_round(draft, compiled, run, node)


def hear(draft: Draft, compiled: CompiledPlan, run: Run, event: Event) -> Onward | None:
    """Say what the event does to a run that waits for it; None when the run does not."""
    node = compiled.plan.steps.get(run.step)
    if not isinstance(node, WaitFor):
        return None
    progress = _counted(draft, compiled, node, run.progress, event)
    if progress is None:
        return None
    if _is_met(node, progress):
        draft.note("step.happened", run, {"event": event.name})
        return Onward(run, node.then)
    draft.note("step.progress", run, {"event": event.name, **_tally(node, progress)})
    return Onward(msgspec.structs.replace(run, progress=progress), None)


def look(draft: Draft, compiled: CompiledPlan, run: Run) -> Onward | None:
    """Say where the run goes if its wait is over by what is known of the customer now; None when it is not."""
    condition = compiled.conditions.get(run.step)
    if condition is None:
        return None
    match compiled.plan.steps[run.step]:
        case WaitWhile() as node if not condition(draft.context):
            draft.note("step.no_longer", run, {})
            return Onward(run, node.then)
        case Repeat() as node if node.id in run.rounds and condition(draft.context):
            return _end(draft, run, node)
        case _:
            return None


def time_out(draft: Draft, compiled: CompiledPlan, run: Run, node: Waiting) -> Onward:
    """Say where a run goes whose `due` has come."""
    match node:
        case WaitFor():
            draft.note("step.timed_out", run, {"events": ", ".join(node.events)})
            return Onward(run, node.otherwise)
        case WaitWhile():
            over = look(draft, compiled, run)
            if over is not None:
                return over
            draft.note("step.still_holds", run, {})
            return Onward(run, node.otherwise)
        case Repeat():
            return look(draft, compiled, run) or _begin(draft, run, node)


def next_look(draft: Draft, compiled: CompiledPlan, run: Run) -> Micros:
    """Return when the condition that the run waits on may change by time alone, 0 = never.

    One that lets it go already, by what the run itself has just done, does so at the next instant.
    """
    condition = compiled.conditions.get(run.step)
    if condition is None:
        return 0
    holds, until = condition.evaluate(draft.context)
    lets_go = holds is isinstance(compiled.plan.steps[run.step], Repeat)
    return draft.now + 1 if lets_go else until


# --- wait for --------------------------------------------------------------------------------------


def _await(draft: Draft, run: Run, node: WaitFor) -> Onward:
    data: dict[str, Any] = {"events": ", ".join(node.events)}
    if run.progress:
        if _is_met(node, run.progress):
            draft.note("step.recalled", run, data)
            return Onward(run, node.then)
        data |= _tally(node, run.progress)
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    due = max(calendar.add_span(draft.now, node.within, zone), draft.now + 1)
    draft.note("step.wait_for", run, {**data, "until": due})
    return Onward(msgspec.structs.replace(run, due=due), None)


def _look_back(draft: Draft, compiled: CompiledPlan, run: Run, node: WaitFor, answered: Event | None) -> Run:
    """Count what happened in the `lookback` before now: (now - lookback, now]."""
    progress, heard = run.progress, draft.context.event
    for past in draft.customer.recalled:
        if not draft.now - node.lookback < past.at <= draft.now or _is(past, answered):
            continue
        event = _event_of(past)
        draft.context.event = event
        progress = _counted(draft, compiled, node, progress, event) or progress
    draft.context.event = heard
    return msgspec.structs.replace(run, progress=progress) if progress else run


def _is(past: Recalled, event: Event | None) -> bool:
    return event is not None and (past.name, past.at, past.properties) == (event.name, event.at, event.properties)


def _event_of(past: Recalled) -> Event:
    return Event(id="", name=past.name, at=past.at, received=past.at, properties=past.properties)


def _counted(
    draft: Draft, compiled: CompiledPlan, node: WaitFor, progress: tuple[int, ...], event: Event
) -> tuple[int, ...] | None:
    """Return the matches of each part with this event among them; None when it is none of them."""
    wheres = zip(node.awaited, compiled.waits[node.id], strict=True)
    found = [event.name in one.events and (where is None or where(draft.context)) for one, where in wheres]
    if not any(found):
        return None
    # A run that was carried over from another version may have counted other parts.
    before = progress if len(progress) == len(found) else (0,) * len(found)
    return tuple([times + 1 if more else times for times, more in zip(before, found, strict=True)])


def _is_met(node: WaitFor, progress: tuple[int, ...]) -> bool:
    met = [times >= node.count for times in progress]
    return all(met) if node.need == "all" else any(met)


def _tally(node: WaitFor, progress: tuple[int, ...]) -> dict[str, int]:
    """Return how far it got, in words' numbers: matches of one part, or parts of several."""
    if len(progress) == 1:
        return {"done": progress[0], "of": node.count}
    return {"done": sum(1 for times in progress if times >= node.count), "of": len(progress)}


# --- wait while ------------------------------------------------------------------------------------


def _pause(draft: Draft, compiled: CompiledPlan, run: Run, node: WaitWhile) -> Onward:
    if not compiled.conditions[node.id](draft.context):
        draft.note("step.no_longer", run, {})
        return Onward(run, node.then)
    if node.within is None:
        draft.note("step.wait_while", run, {})
        return Onward(run, None)
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    due = max(calendar.add_span(draft.now, node.within, zone), draft.now + 1)
    draft.note("step.wait_while", run, {"until": due})
    return Onward(msgspec.structs.replace(run, due=due), None)


# --- repeat ----------------------------------------------------------------------------------------


def _come_round(draft: Draft, compiled: CompiledPlan, run: Run, node: Repeat) -> Onward:
    """Begin the first round, or wait for the next: the run comes here anew, or back from its body."""
    latest, until = run.rounds.get(node.id), compiled.conditions.get(node.id)
    is_last = (0 if latest is None else latest.number) >= node.times
    if is_last or (until is not None and until(draft.context)):
        return _end(draft, run, node)
    if latest is None:
        return _begin(draft, run, node)
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    # A round takes an instant at the least, so that no repeat turns for ever in one decision.
    due = max(calendar.add_span(latest.begun, node.every, zone), latest.begun + 1)
    if due <= draft.now:
        return _begin(draft, run, node)
    draft.note("step.wait", run, {"until": due})
    return Onward(msgspec.structs.replace(run, due=due), None)


def _begin(draft: Draft, run: Run, node: Repeat) -> Onward:
    """Begin the next round now: at its due instant, or late when the last took longer; no two ever come in a burst."""
    latest = run.rounds.get(node.id)
    number = 1 if latest is None else latest.number + 1
    draft.note("step.round", run, {"number": number, "times": node.times})
    run = msgspec.structs.replace(run, rounds={**run.rounds, node.id: Round(number, draft.now)})
    return Onward(run, node.body or node.id)


def _end(draft: Draft, run: Run, node: Repeat) -> Onward:
    latest = run.rounds.get(node.id)
    draft.note("step.rounds_over", run, {"number": 0 if latest is None else latest.number})
    if latest is not None:
        rounds = {step: round_ for step, round_ in run.rounds.items() if step != node.id}
        run = msgspec.structs.replace(run, rounds=rounds)
    return Onward(run, node.next)

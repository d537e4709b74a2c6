"""Runs in flight when a journey changes: which step of the new version is theirs, and what becomes of their wait.

`align` finds a step's counterpart by its content, since ids such as "3" shift when a step is added before them; publish
writes the answer down as a `Move`. `migrate` is called by `decide` first of all. A run whose step has no counterpart
stays in its version and finishes there.
"""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

import msgspec

from engine.core import calendar
from engine.core.draft import Draft
from engine.core.ids import Micros
from engine.core.plan import Daily, Node, Plan, Repeat, Wait, WaitFor, WaitUntil, WaitWhile
from engine.core.playbook import CompiledPlan, Move, Playbook
from engine.core.state import Customer, Run
from engine.core.steps import watch

PARKING: Final = (Wait, WaitUntil, WaitFor, WaitWhile, Repeat)
"""The steps at which runs stand between two decisions."""


# --- which step is whose -----------------------------------------------------------------------------


def align(old: Plan, new: Plan, said: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return old step -> new step for every step of `old` that a run can stand at and that has a counterpart.

    `said` is the marketer's word and wins ("" lets the runs at that step finish where they are). Else a step with an
    `id:` of its own is its namesake, and the others are found by what they do and where they stand: an added step
    moves nobody, and a wait whose length was edited is still the same wait. Two that could be meant are none.

    >>> from engine.core.plan import Manual, Send, Span, Tag
    >>> letter = Send("1", "hello", ("email",), next="2")
    >>> old = Plan("j", "", "retain", Manual(), (letter, Wait("2", Span(60))))
    >>> new = Plan("j", "", "retain", Manual(), (letter, Tag("2", ("new",), next="3"), Wait("3", Span(30))))
    >>> align(old, new), align(old, new, {"2": "1"})
    ({'2': '3'}, {'2': '1'})
    """
    found = _by_content(old, new)
    for node in old.nodes:
        namesake = new.steps.get(node.id)
        if not _is_numbered(node.id) and isinstance(node, PARKING) and type(namesake) is type(node):
            found = {mine: theirs for mine, theirs in found.items() if theirs != node.id} | {node.id: node.id}
    asked = {mine: theirs for mine, theirs in (said or {}).items() if mine in old.steps}
    return {mine: theirs for mine, theirs in (found | asked).items() if theirs in new.steps}


def _by_content(old: Plan, new: Plan) -> dict[str, str]:
    matcher = SequenceMatcher(None, _shapes(old.nodes), _shapes(new.nodes), autojunk=False)
    found: dict[str, str] = {}
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        mine, theirs = old.nodes[i1:i2], new.nodes[j1:j2]
        if kind == "equal":
            found |= _parked(zip(mine, theirs, strict=True))
        elif kind == "replace":
            for parking in PARKING:
                before = [node for node in mine if type(node) is parking]
                after = [node for node in theirs if type(node) is parking]
                if len(before) == len(after):
                    found |= _parked(zip(before, after, strict=True))
    return found


def _parked(pairs: Iterable[tuple[Node, Node]]) -> dict[str, str]:
    return {mine.id: theirs.id for mine, theirs in pairs if isinstance(mine, PARKING)}


def _shapes(nodes: Iterable[Node]) -> list[bytes]:
    return [_shape(node) for node in nodes]


def _shape(node: Node) -> bytes:
    """Return what the step does, without its name and without where it leads."""
    blank = {name: "" for name in ("id", "next", "then", "otherwise", "body") if hasattr(node, name)}
    content = msgspec.structs.asdict(msgspec.structs.replace(node, **blank))
    if arms := content.get("arms"):
        content["arms"] = [arm[0] if isinstance(arm, tuple) else msgspec.structs.replace(arm, next="") for arm in arms]
    return type(node).__name__.encode() + msgspec.msgpack.encode(content)


def _is_numbered(step: str) -> bool:
    """Is the id a place in the file ("3", "3.then.1") rather than the marketer's own?"""
    return step.rpartition(".")[2].isdigit()


# --- runs that go over -------------------------------------------------------------------------------


def next_move(playbook: Playbook, customer: Customer) -> Micros:
    """Return the instant of the earliest publish that one of the customer's runs has yet to follow, 0 for none."""
    if not playbook.doors.moves or not customer.runs:
        return 0
    moves = [move.at for run in customer.runs if (move := _move_of(playbook, run)) is not None]
    return min(moves, default=0)


def migrate(draft: Draft) -> None:
    """Take every run that a publish moves into its new version; to be called first of all, at the publish's instant.

    What the run has lived through stays (when it came to its step, its arms, visits and codes); what is still to come
    is the new version's. A wait counts from when the run came to it, and is over at the next instant at the earliest.
    A run whose timer is due by now comes first: it was due before the publish.
    """
    for run in draft.customer.runs:
        moved = run
        while (move := _move_of(draft.playbook, moved)) is not None and move.at <= draft.now:
            if 0 < moved.wake <= draft.now:
                break
            moved = _take_over(draft, moved, move)
        if moved is not run:
            draft.put_run(moved)


def _move_of(playbook: Playbook, run: Run) -> Move | None:
    if not run.is_active:
        return None
    move = playbook.doors.moves.get((run.journey, run.version))
    if move is None or run.step not in move.steps or playbook.plan(run.journey, move.version) is None:
        return None
    return move


def _take_over(draft: Draft, run: Run, move: Move) -> Run:
    playbook = draft.playbook
    before, after = playbook.plan(run.journey, run.version), playbook.plan(run.journey, move.version)
    assert after is not None
    old = None if before is None else before.plan.steps.get(run.step)
    step = move.steps[run.step]
    new = after.plan.steps[step]
    is_held = bool(run.due) and not run.wake and bool(playbook.stop_reason(run.journey))
    draft.note("moved", run, {"from": run.version, "to": move.version, "step": step})
    goal = after.plan.goal
    moved = msgspec.structs.replace(
        run,
        version=move.version,
        step=step,
        goal_until=run.entered + goal.within if goal is not None else 0,
        rounds={move.steps[name]: round_ for name, round_ in run.rounds.items() if name in move.steps},
    )
    draft.context.run = moved
    if old is None or _shape(old) != _shape(new):
        moved = _park_anew(draft, after, moved, new)
    moved = watch(draft, after, moved)
    return msgspec.structs.replace(moved, wake=0) if is_held else moved


def _park_anew(draft: Draft, compiled: CompiledPlan, run: Run, node: Node) -> Run:
    """Return the run with the step's own due: lengths count from when it came to its old step, wall times from now."""
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    match node:
        case Wait(span=span):
            due = calendar.add_span(run.since, span, zone)
        case WaitFor(within=within):
            due = calendar.add_span(run.since, within, zone)
        case WaitWhile(within=within):
            due = 0 if within is None else calendar.add_span(run.since, within, zone)
        case WaitUntil(until=Daily() as daily):
            due = calendar.next_daily(draft.now, daily, zone)
        case WaitUntil(until=on_date):
            assert not isinstance(on_date, Daily)
            due = calendar.on_date(compiled.values[node.id]["date"](draft.context), on_date, zone) or 0
        case Repeat(every=every) if node.id in run.rounds:
            due = calendar.add_span(run.rounds[node.id].begun, every, zone)
        case _:
            due = 0  # mapped onto a step that waits for nothing: it is taken at the next instant
    is_endless = isinstance(node, WaitWhile) and node.within is None
    progress = run.progress if isinstance(node, WaitFor) and len(run.progress) == len(node.awaited) else ()
    return msgspec.structs.replace(run, due=0 if is_endless else max(due, draft.now + 1), progress=progress)

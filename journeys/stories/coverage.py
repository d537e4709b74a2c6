"""Which steps and branches of a plan the stories travelled, read off their traces. Called by `story.py`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.core.commands import Note
from engine.core.plan import (
    Awaited,
    Branch,
    Coupon,
    Node,
    Plan,
    Repeat,
    Split,
    Wait,
    WaitFor,
    WaitUntil,
    WaitWhile,
)
from journeys.road import edges

_TAKEN: Final = {
    "wait for then": {"step.happened", "step.recalled"},
    "wait for else": {"step.timed_out"},
    "wait while then": {"step.no_longer"},
    "wait while else": {"step.still_holds"},
    "repeat round": {"step.round"},
    "repeat after": {"step.rounds_over"},
    "coupon issued": {"coupon.issued", "coupon.held_out"},
    "coupon empty": {"coupon.empty"},
}
"""Way out of a step -> the codes of which one says that it was taken."""

_STANDSTILL: Final = ("exited.", "converted", "touch.")


@dataclass(frozen=True)
class Way:
    """One way out of a step that has a choice: an arm, a condition, or a wait's then and else."""

    step: str
    kind: str
    name: str
    goes: str


@dataclass(frozen=True)
class Coverage:
    """What was travelled of all there is."""

    steps: tuple[str, ...]
    travelled: frozenset[str]
    ways: tuple[Way, ...]
    taken: frozenset[tuple[str, str]]

    @property
    def share(self) -> float:
        """Steps travelled, 0..1."""
        return len(self.travelled) / len(self.steps) if self.steps else 1.0

    @property
    def branch_share(self) -> float:
        """Ways taken of all ways out of steps that have a choice, 0..1."""
        return 1.0 - len(self.missed_ways) / len(self.ways) if self.ways else 1.0

    @property
    def missed_steps(self) -> list[str]:
        """Steps that no story travels, in the order of the file."""
        return [step for step in self.steps if step not in self.travelled]

    @property
    def missed_ways(self) -> list[Way]:
        """Branches that no story takes."""
        return [way for way in self.ways if (way.step, way.name) not in self.taken]


def cover(plan: Plan, stories: Iterable[Sequence[Note]]) -> Coverage:
    """Return what the traces of `stories` (one sequence of notes each) travelled of `plan`."""
    travelled: set[str] = set()
    taken: set[tuple[str, str]] = set()
    for notes in stories:
        by_run: dict[str, list[Note]] = {}
        for note in notes:
            if note.run and note.journey == plan.journey:
                by_run.setdefault(note.run, []).append(note)
        for trace in by_run.values():
            _follow(plan, trace, travelled, taken)
    ways = tuple(way for node in plan.nodes for way in ways_of(node))
    return Coverage(tuple(node.id for node in plan.nodes), frozenset(travelled), ways, frozenset(taken))


def ways_of(node: Node) -> list[Way]:
    """Return the ways out of a step that has a choice, and the parts of a wait for several things; else none."""
    kind = _kind(node)
    ways = [] if not kind else [Way(node.id, kind, name, goes) for name, goes in edges(node)]
    if isinstance(node, WaitFor) and len(node.awaited) > 1:
        ways += [Way(node.id, "part", " or ".join(one.events), "") for one in node.awaited]
    return ways


def _kind(node: Node) -> str:
    match node:
        case Branch():
            return "if"
        case Split():
            return "arm"
        case WaitFor():
            return "wait for"
        case WaitWhile() if node.within is not None:
            return "wait while"
        case Repeat():
            return "repeat"
        case Coupon() if node.otherwise is not None:
            return "coupon"
        case _:
            return ""


def _follow(plan: Plan, trace: list[Note], travelled: set[str], taken: set[tuple[str, str]]) -> None:
    """Go from the first step along the choices that the trace names.

    Steps without a choice and without a note of their own (`stop`, a wait that is over already) are travelled when
    the step before them was left.
    """
    roads = [plan.nodes[0].id] if plan.nodes and any(note.code == "entered" for note in trace) else []
    seen: set[str] = set()
    while roads:
        node = plan.steps.get(roads.pop())
        if node is None or node.id in seen:
            continue
        seen.add(node.id)
        for name, goes in edges(node):
            if _was_taken(node, name, trace):
                roads.append(goes)
                if _kind(node):
                    taken.add((node.id, name))
        if isinstance(node, WaitFor) and len(node.awaited) > 1:
            taken |= {(node.id, " or ".join(one.events)) for one in node.awaited if _was_heard(node, one, trace)}
    travelled |= seen


def _was_taken(node: Node, name: str, trace: list[Note]) -> bool:
    here = {note.code for note in trace if note.step == node.id}
    match node:
        case WaitFor():
            return bool(here & _TAKEN["wait for then" if name == "then" else "wait for else"])
        case WaitWhile():
            return bool(here & _TAKEN["wait while else" if name == "else" else "wait while then"])
        case Branch() | Split():
            chosen = [note for note in trace if note.step == node.id and note.code in {"step.branch", "step.split"}]
            return any(str(note.data["arm"]) == name for note in chosen)
        case Repeat():
            return bool(here & _TAKEN["repeat round" if name == "each round" else "repeat after"])
        case Coupon():
            return bool(here & _TAKEN["coupon empty" if name == "none left" else "coupon issued"])
        case Wait() | WaitUntil():
            return _was_left(node, trace)
        case _:
            return True


def _was_heard(node: WaitFor, part: Awaited, trace: list[Note]) -> bool:
    for note in trace:
        if note.step == node.id and note.code in {"step.happened", "step.progress"}:
            if note.data.get("event") in part.events:
                return True
        elif note.step == node.id and note.code == "step.recalled":
            return True
    return False


def _was_left(node: Wait | WaitUntil, trace: list[Note]) -> bool:
    """A wait that was noted is left when the run moved on after it; one without a note passed at once."""
    parked = [place for place, note in enumerate(trace) if note.step == node.id and note.code == "step.wait"]
    if not parked:
        return True
    return any(not note.code.startswith(_STANDSTILL) or note.step != node.id for note in _moves(trace[parked[0] + 1 :]))


def _moves(notes: list[Note]) -> list[Note]:
    return [note for note in notes if not note.code.startswith(("exited.", "converted"))]

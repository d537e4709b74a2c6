"""How many came to each step of a plan, from the lines of the trace: what each choice let through, step by step.

Pure. Steps without a choice leave no line of their own; who came to them follows from who left the steps before.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.core.plan import (
    Branch,
    Coupon,
    Node,
    Plan,
    Repeat,
    Split,
    WaitFor,
    WaitWhile,
)

Lines = Mapping[tuple[str, str, str], int]
"""(step, code, arm) -> how often; arm "" where there is none."""


class Way(NamedTuple):
    """A way out of a step: its name in the language, where it leads, and how many took it (None: all the rest)."""

    name: str
    goes: str
    taken: int | None = None


_OUT: Final = ("exited.",)


def arrivals(plan: Plan, entered: int, lines: Lines, waiting: Mapping[str, int]) -> dict[str, int]:
    """Return step -> how often a run came to it.

    `entered`: runs begun; `waiting`: runs that stand at a step at the end.
    """
    before: dict[str, list[tuple[Node, Way]]] = {node.id: [] for node in plan.nodes}
    for node in plan.nodes:
        for way in ways(node, lines):
            if way.goes in before:
                before[way.goes].append((node, way))
    came: dict[str, int] = {}

    def count(step: str, asking: frozenset[str]) -> int:
        if step in came:
            return came[step]
        if step in asking:  # a circle without a counted choice: the lint refuses it
            return 0
        total = entered if plan.nodes and step == plan.nodes[0].id else 0
        for node, way in before[step]:
            if way.taken is not None:
                total += way.taken
            else:
                stay = waiting.get(node.id, 0) + left(node.id, lines)
                counted = sum(other.taken or 0 for other in ways(node, lines))
                total += max(0, count(node.id, asking | {step}) - stay - counted)
        came[step] = total
        return total

    return {node.id: count(node.id, frozenset()) for node in plan.nodes}


def left(step: str, lines: Lines) -> int:
    """Return how many runs left the journey from this step."""
    return sum(times for (where, code, _), times in lines.items() if where == step and code.startswith(_OUT))


def ways(node: Node, lines: Lines) -> list[Way]:
    """Return the ways out of a step, in the order written, with how many took each where a choice was made."""

    def took(*codes: str, arm: str = "") -> int:
        return sum(lines.get((node.id, code, arm), 0) for code in codes)

    match node:
        case Branch(arms=arms, otherwise=otherwise):
            chosen = [Way(str(place), goes, took("step.branch", arm=str(place))) for place, (_, goes) in _counted(arms)]
            return [*chosen, Way("else", otherwise, took("step.branch", arm="else"))]
        case Split(arms=arms):
            return [Way(arm.name, arm.next, took("step.split", arm=arm.name)) for arm in arms]
        case WaitFor(then=then, otherwise=otherwise):
            came = took("step.happened", "step.recalled")
            return [Way("then", then, came), Way("else", otherwise, took("step.timed_out"))]
        case WaitWhile(then=then, otherwise=otherwise):
            return [Way("then", then, took("step.no_longer")), Way("else", otherwise, took("step.still_holds"))]
        case Repeat(body=body, next=goes):
            return [Way("round", body, took("step.round")), Way("over", goes, took("step.rounds_over"))]
        case Coupon(otherwise=str() as otherwise, next=goes):
            return [Way("then", goes), Way("else", otherwise, took("coupon.empty"))]
        case _:
            return [Way("", getattr(node, "next", ""))]


def _counted(arms: tuple[tuple[object, str], ...]) -> list[tuple[int, tuple[object, str]]]:
    return list(enumerate(arms, start=1))

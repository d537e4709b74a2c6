"""What can be said of a plan's graph alone: which steps are never reached. Called by `compile.py`."""

from collections.abc import Mapping

from engine.core.errors import Place
from engine.core.plan import Branch, Coupon, Node, Repeat, Split, Stop, WaitFor, WaitWhile
from journeys.problems import Problem


def unreachable(nodes: tuple[Node, ...], places: Mapping[str, Place]) -> list[Problem]:
    """Return a complaint for each step that no way leads to; of a run of them, and of what is inside, the first."""
    if not nodes:
        return []
    steps = {node.id: node for node in nodes}
    reached: set[str] = set()
    ahead = [nodes[0].id]
    while ahead:
        id_ = ahead.pop()
        if id_ and id_ not in reached:
            reached.add(id_)
            ahead += ways_on(steps[id_])
    lost = [node for node in nodes if node.id not in reached]
    led_to = {way for node in lost for way in ways_on(node)}
    return [Problem("J070", places[node.id]) for node in lost if node.id not in led_to]


def ways_on(node: Node) -> tuple[str, ...]:
    """Return the ids of the steps that may come after this one; "" is the end."""
    match node:
        case WaitFor():
            return (node.then, node.otherwise)
        case WaitWhile():
            return (node.then,) if node.within is None else (node.then, node.otherwise)
        case Repeat():
            return (node.body, node.next)
        case Coupon():
            return (node.next,) if node.otherwise is None else (node.next, node.otherwise)
        case Branch():
            return (*(way for _, way in node.arms), node.otherwise)
        case Split():
            return tuple(arm.next for arm in node.arms)
        case Stop():
            return ()
        case _:
            return (node.next,)

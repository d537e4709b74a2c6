"""Places boxes and arrows of a directed graph on layers, top down: rank by longest path, order by barycentre.

Pure geometry for `drawing/svg.py`; it knows nothing of journeys. Deterministic: the same graph gives the same picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

GAP_X: Final = 28.0
GAP_Y: Final = 46.0
SWEEPS: Final = 12


@dataclass(frozen=True)
class Size:
    """Width and height of a box, in pixels."""

    width: float
    height: float


@dataclass(frozen=True)
class Point:
    """A place in the picture; y grows downwards."""

    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """Centres of the boxes by name, the bends of each edge (by its number) from top to bottom, and the whole's size."""

    centres: dict[str, Point]
    bends: dict[int, list[Point]]
    size: Size


def lay_out(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]]) -> Layout:
    """Return where everything stands; `sizes` names the boxes in their order, the first one is the top.

    >>> found = lay_out({"a": Size(80, 20), "b": Size(80, 20)}, [("a", "b")])
    >>> found.centres["a"].y < found.centres["b"].y
    True
    """
    backward = _backward(list(sizes), edges)
    forward = [(b, a) if n in backward else (a, b) for n, (a, b) in enumerate(edges)]
    ranks = _ranks(list(sizes), [edge for edge in forward if edge[0] != edge[1]])
    chains, links = _chains(forward, ranks)
    boxes = dict(sizes) | {name: Size(10, 0) for chain in chains.values() for name in chain}
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for name in boxes:
        layers[ranks[name]].append(name)
    above, below = _neighbours(links)
    _order(layers, above, below)
    xs = _columns(layers, boxes, above, below)
    return _placed(sizes, boxes, (layers, xs), (chains, backward))


# --- layers -------------------------------------------------------------------------------------------


def _backward(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> set[int]:
    """Return the numbers of the edges that close a circle: they lead to a box still open in a depth-first walk."""
    out: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
    for number, (start, end) in enumerate(edges):
        out[start].append((number, end))
    state: dict[str, int] = {}
    found: set[int] = set()
    for root in names:
        ahead: list[tuple[str, int]] = [] if root in state else [(root, 0)]
        while ahead:
            name, turn = ahead.pop()
            state[name] = 1
            if turn == len(out[name]):
                state[name] = 2
                continue
            ahead.append((name, turn + 1))
            number, end = out[name][turn]
            if state.get(end) == 1:
                found.add(number)
            elif end not in state:
                ahead.append((end, 0))
    return found


def _ranks(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the length of the longest path to each box; the graph has no circles."""
    into = dict.fromkeys(names, 0)
    out: dict[str, list[str]] = {name: [] for name in names}
    for start, end in edges:
        into[end] += 1
        out[start].append(end)
    ranks = dict.fromkeys(names, 0)
    ready = [name for name in names if not into[name]]
    while ready:
        name = ready.pop(0)
        for end in out[name]:
            ranks[end] = max(ranks[end], ranks[name] + 1)
            into[end] -= 1
            if not into[end]:
                ready.append(end)
    return ranks


def _chains(
    edges: Sequence[tuple[str, str]], ranks: dict[str, int]
) -> tuple[dict[int, list[str]], list[tuple[str, str]]]:
    """Give a long edge a bend on every layer it passes (their ranks are added), and return all short links."""
    chains: dict[int, list[str]] = {}
    links: list[tuple[str, str]] = []
    for number, (start, end) in enumerate(edges):
        chain = [f"\0{number}:{rank}" for rank in range(ranks[start] + 1, ranks[end])]
        ranks.update(zip(chain, range(ranks[start] + 1, ranks[end]), strict=True))
        chains[number] = chain
        path = [start, *chain, end]
        links += pairwise(path) if start != end else []
    return chains, links


def _neighbours(links: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for start, end in links:
        below.setdefault(start, []).append(end)
        above.setdefault(end, []).append(start)
    return above, below


def _order(layers: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]) -> None:
    """Put every box near the middle of its neighbours, sweeping down and up in turn; ties keep their order."""
    for sweep in range(SWEEPS):
        is_down = sweep % 2 == 0
        for layer in layers if is_down else reversed(layers):
            places = {name: float(n) for other in layers for n, name in enumerate(other)}
            near = above if is_down else below
            middle = {
                name: sum(places[one] for one in near[name]) / len(near[name]) if near.get(name) else places[name]
                for name in layer
            }
            layer.sort(key=middle.__getitem__)


# --- coordinates --------------------------------------------------------------------------------------


def _columns(
    layers: Sequence[Sequence[str]],
    boxes: Mapping[str, Size],
    above: Mapping[str, list[str]],
    below: Mapping[str, list[str]],
) -> dict[str, float]:
    """Return the x of every centre: near its neighbours, and never closer to the next box than the gap."""
    xs: dict[str, float] = {}
    for layer in layers:
        _spread(layer, boxes, xs, dict.fromkeys(layer, 0.0))
    for sweep in range(SWEEPS):
        near = (above, below)[sweep % 2]
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {
                name: sum(xs[one] for one in near[name]) / len(near[name]) if near.get(name) else xs[name]
                for name in layer
            }
            _spread(layer, boxes, xs, wanted)
    return xs


def _spread(layer: Sequence[str], boxes: Mapping[str, Size], xs: dict[str, float], wanted: Mapping[str, float]) -> None:
    """Place a layer in its order as near to `wanted` as the gaps allow: groups that touch share their middle."""
    groups: list[tuple[list[str], float]] = []  # (names, left edge)
    for name in layer:
        group, left = [name], wanted[name] - boxes[name].width / 2
        while groups and groups[-1][1] + _length(groups[-1][0], boxes) + GAP_X > left:
            before, _ = groups.pop()
            group = [*before, *group]
            left = _best_left(group, boxes, wanted)
        groups.append((group, left))
    for group, edge in groups:
        x = edge
        for name in group:
            xs[name] = x + boxes[name].width / 2
            x += boxes[name].width + GAP_X


def _length(group: Sequence[str], boxes: Mapping[str, Size]) -> float:
    return sum(boxes[name].width for name in group) + GAP_X * (len(group) - 1)


def _best_left(group: Sequence[str], boxes: Mapping[str, Size], wanted: Mapping[str, float]) -> float:
    offset, total = 0.0, 0.0
    for name in group:
        total += wanted[name] - boxes[name].width / 2 - offset
        offset += boxes[name].width + GAP_X
    return total / len(group)


def _placed(
    sizes: Mapping[str, Size],
    boxes: Mapping[str, Size],
    grid: tuple[Sequence[Sequence[str]], Mapping[str, float]],
    paths: tuple[Mapping[int, list[str]], set[int]],
) -> Layout:
    """Move everything to the right of and below the margin."""
    layers, xs = grid
    chains, backward = paths
    left = min((xs[name] - boxes[name].width / 2 for name in xs), default=0.0) - GAP_X
    right = max((xs[name] + boxes[name].width / 2 for name in xs), default=0.0) + GAP_X
    points: dict[str, Point] = {}
    y = GAP_X
    for layer in layers:
        height = max((boxes[name].height for name in layer), default=0.0)
        points |= {name: Point(round(xs[name] - left, 1), round(y + height / 2, 1)) for name in layer}
        y += height + GAP_Y
    bends = {
        number: [points[name] for name in (reversed(chain) if number in backward else chain)]
        for number, chain in chains.items()
    }
    return Layout(
        {name: points[name] for name in sizes}, bends, Size(round(right - left, 1), round(y - GAP_Y + GAP_X, 1))
    )

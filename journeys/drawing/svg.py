"""A plan as an SVG drawing of our own: boxes on layers, arrows with their labels, light and dark.

Called by `journeyd diagram` and the console. Every text is escaped; nothing is fetched. `drawing/layering.py` says
where things stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from engine.core.plan import Branch, Node, Plan, Repeat, Send, Split, Task, WaitFor, WaitWhile, Webhook
from journeys.drawing.layering import Layout, Point, Size, lay_out
from journeys.road import edges
from journeys.widths import width, wrap
from journeys.words.steps import short_words
from journeys.words.ways_in import entrance_in_words

COLUMN: Final = 7.4
"""Pixels of a Latin letter at the font size used; a Chinese character takes two."""
LINE: Final = 18.0
WIDEST: Final = 30
PADDING: Final = 12.0

_START: Final = "\0start"
_END: Final = "\0end"

_STYLE: Final = """
  svg { background: #ffffff; }
  .box { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.2; }
  .choice { fill: #fff8e1; stroke: #9a6700; }
  .out { fill: #e7f3ff; stroke: #0969da; }
  .edge { fill: none; stroke: #57606a; stroke-width: 1.4; }
  .head { fill: #57606a; }
  text { font: 13px "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", system-ui, sans-serif; fill: #1f2328; }
  .label { font-size: 12px; fill: #57606a; }
  .mark { font-size: 12px; font-weight: 600; }
  .halo { stroke: #ffffff; stroke-width: 4px; paint-order: stroke; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    .box { fill: #161b22; stroke: #8b949e; }
    .choice { fill: #2b2410; stroke: #d29922; }
    .out { fill: #0c2238; stroke: #58a6ff; }
    .edge { stroke: #8b949e; }
    .head { fill: #8b949e; }
    text { fill: #e6edf3; }
    .label { fill: #9da7b1; }
    .halo { stroke: #0d1117; }
  }
"""


@dataclass(frozen=True)
class _Box:
    lines: list[str]
    marks: list[str]
    kind: str
    title: str

    @property
    def size(self) -> Size:
        columns = max((width(line) for line in [*self.lines, *self.marks]), default=1)
        return Size(columns * COLUMN + 2 * PADDING, (len(self.lines) + len(self.marks)) * LINE + PADDING)


def svg(plan: Plan, lang: str = "en", marks: Mapping[str, str] | None = None) -> str:
    """Return the plan as an SVG document, ending with a newline; `marks` adds a line of text to steps by id.

    >>> from engine.core.plan import OnEvent, Stop
    >>> svg(Plan("a", "A & B", "retain", OnEvent(("x",)), (Stop("1"),))).count("A &amp; B")
    1
    """
    boxes = _boxes(plan, lang, marks or {})
    arrows = _arrows(plan, lang)
    layout = lay_out({name: box.size for name, box in boxes.items()}, [(start, end) for start, end, _ in arrows])
    wide, high = layout.size.width, layout.size.height
    body = [_arrow(layout, boxes, number, arrow) for number, arrow in enumerate(arrows)]
    body += [_drawn(box, layout.centres[name]) for name, box in boxes.items()]
    # Labels last: no arrow is drawn over them.
    body += [_label(layout, boxes, number, arrow) for number, arrow in enumerate(arrows) if arrow[2]]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" '
            f'width="{wide:g}" height="{high:g}" role="img" lang="{"zh" if lang == "zh" else "en"}">',
            f"<title>{_text(plan.title)}</title>",
            f"<style>{_STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto"><path class="head" d="M0 0 L10 5 L0 10 z"/></marker></defs>',
            *body,
            "</svg>\n",
        ]
    )


def _boxes(plan: Plan, lang: str, marks: Mapping[str, str]) -> dict[str, _Box]:
    start = entrance_in_words(plan, lang)
    boxes = {_START: _Box(wrap(start, WIDEST), _marked(marks, _START), "end", start)}
    for node in plan.nodes:
        said = short_words(node, plan, lang)
        sign = "✉ " if isinstance(node, Send) else ""
        boxes[node.id] = _Box(wrap(sign + said, WIDEST), _marked(marks, node.id), _kind(node), f"{node.id}. {said}")
    end = "终点" if lang == "zh" else "the end"
    boxes[_END] = _Box([end], [], "end", end)
    return boxes


def _marked(marks: Mapping[str, str], name: str) -> list[str]:
    said = marks.get("" if name == _START else name, "")
    return wrap(said, WIDEST) if said else []


def _kind(node: Node) -> str:
    match node:
        case Branch() | Split() | WaitFor() | WaitWhile() | Repeat():
            return "choice"
        case Send() | Task() | Webhook():
            return "out"
        case _:
            return "plain"


def _arrows(plan: Plan, lang: str) -> list[tuple[str, str, str]]:
    """Return (from, to, label); what leads to the same box from the same box shares one arrow."""
    found = [(_START, plan.nodes[0].id if plan.nodes else _END, "")]
    for node in plan.nodes:
        ways: dict[str, list[str]] = {}
        for label, goes in edges(node, lang):
            ways.setdefault(goes or _END, []).append(label)
        found += [(node.id, goes, " / ".join(filter(None, labels))) for goes, labels in ways.items()]
    return found


# --- shapes -------------------------------------------------------------------------------------------


def _drawn(box: _Box, centre: Point) -> str:
    size = box.size
    left, top = centre.x - size.width / 2, centre.y - size.height / 2
    style = {"choice": "box choice", "out": "box out"}.get(box.kind, "box")
    radius = size.height / 2 if box.kind == "end" else 2 if box.kind == "choice" else 8
    lines = [f"<g><title>{_text(box.title)}</title>"]
    lines.append(
        f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" width="{size.width:.1f}" height="{size.height:.1f}" '
        f'rx="{min(radius, 18):.1f}"/>'
    )
    for number, said in enumerate([*box.lines, *box.marks]):
        kind = ' class="mark"' if number >= len(box.lines) else ""
        y = top + PADDING / 2 + LINE * (number + 0.75)
        lines.append(f'<text{kind} x="{centre.x:.1f}" y="{y:.1f}" text-anchor="middle">{_text(said)}</text>')
    return "".join([*lines, "</g>"])


def _path(layout: Layout, boxes: Mapping[str, _Box], number: int, arrow: tuple[str, str, str]) -> list[Point]:
    start, end = layout.centres[arrow[0]], layout.centres[arrow[1]]
    down = 1 if end.y > start.y else -1
    leave = Point(start.x, start.y + down * boxes[arrow[0]].size.height / 2)
    arrive = Point(end.x, end.y - down * boxes[arrow[1]].size.height / 2)
    bends = layout.bends[number]
    if down < 0 and not bends:
        # Back to the box right above: beside the arrow that leads down, not on it.
        leave, arrive = Point(leave.x + 18, leave.y), Point(arrive.x + 18, arrive.y)
    return [leave, *bends, arrive]


def _arrow(layout: Layout, boxes: Mapping[str, _Box], number: int, arrow: tuple[str, str, str]) -> str:
    points = _path(layout, boxes, number, arrow)
    drawn = f"M{points[0].x:.1f} {points[0].y:.1f}"
    for here, there in pairwise(points):
        middle = (here.y + there.y) / 2
        drawn += f" C{here.x:.1f} {middle:.1f} {there.x:.1f} {middle:.1f} {there.x:.1f} {there.y:.1f}"
    return f'<path class="edge" d="{drawn}" marker-end="url(#head)"/>'


def _label(layout: Layout, boxes: Mapping[str, _Box], number: int, arrow: tuple[str, str, str]) -> str:
    first, second, *_ = _path(layout, boxes, number, arrow)
    x, y = first.x * 0.55 + second.x * 0.45, first.y * 0.55 + second.y * 0.45
    return f'<text class="label halo" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{_text(arrow[2])}</text>'


def _text(text: str) -> str:
    """XML has no place for most control characters, not even as entities: leave them out."""
    return escape("".join(c for c in text if c.isprintable() and not "\ud800" <= c <= "\udfff"))

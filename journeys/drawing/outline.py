"""A plan as an indented tree for the terminal, with figures at its right. Called by `journeyd diagram`."""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.core.plan import Node, Plan
from journeys.road import edges
from journeys.widths import pad, width
from journeys.words.steps import short_words
from journeys.words.ways_in import entrance_in_words

WIDEST: Final = 76
"""Columns of the tree; figures of longer lines follow after two spaces."""

_BAR: Final = "│  "


def outline(plan: Plan, lang: str = "en", marks: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of the tree: the way in, then each step as deep as its place in the file, with its arms."""
    marked = marks or {}
    rows = [(f"● {entrance_in_words(plan, lang)}", marked.get("", ""))]
    for node in plan.nodes:
        rows += _rows(node, plan, lang, marked.get(node.id, ""))
    rows.append(("○ " + ("终点" if lang == "zh" else "the end"), ""))
    column = min(max((width(text) for text, mark in rows if mark), default=0), WIDEST)
    return [f"{pad(text, column)}  {mark}".rstrip() if mark else text for text, mark in rows]


def _rows(node: Node, plan: Plan, lang: str, mark: str) -> Iterator[tuple[str, str]]:
    """Yield (line, figures) of a step: the arm it begins, itself, and those of its arms that hold no steps."""
    depth = _depth(node.id)
    begins = [label for other in plan.nodes for label, goes in edges(other, lang) if label and goes == node.id]
    if depth and begins and _is_inside(node.id, plan):
        yield f"{_BAR * depth}{begins[0]}:", ""
    yield f"{_BAR * depth}├ {node.id}  {short_words(node, plan, lang)}", mark
    for label, goes in edges(node, lang):
        if label and not goes.startswith(node.id + "."):
            yield f"{_BAR * (depth + 1)}{label} → {goes or ('终点' if lang == 'zh' else 'the end')}", ""


def _is_inside(step: str, plan: Plan) -> bool:
    return any(step.startswith(node.id + ".") for node in plan.nodes)


def _depth(step: str) -> int:
    """Steps inside a step: "3.else.1.coupon.1" stands two deep."""
    return max(sum(part.isdigit() for part in step.split(".")) - 1, 0)

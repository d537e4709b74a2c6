"""A plan as a Mermaid flowchart. Called by `journeyd diagram`, `journeyd explain --mermaid` and the docs.

The same drawing as SVG is made by `drawing/svg.py`.
"""

from collections.abc import Mapping

from engine.core.plan import Branch, Node, Plan, Repeat, Send, Split, WaitFor, WaitWhile
from journeys.road import edges
from journeys.words.steps import short_words
from journeys.words.ways_in import entrance_in_words


def mermaid(plan: Plan, lang: str = "en", marks: Mapping[str, str] | None = None) -> str:
    """Return the plan as a Mermaid flowchart, ending with a newline; `marks` adds a line of text to steps by id."""
    zh, marked = lang == "zh", marks or {}
    names = {node.id: f"n{number}" for number, node in enumerate(plan.nodes)} | {"": "done"}
    lines = ["flowchart TD", f'    start(["{_label(entrance_in_words(plan, lang))}"])']
    lines += [f"    {names[node.id]}{_shape(node, plan, lang, marked.get(node.id, ''))}" for node in plan.nodes]
    lines.append(f'    done(["{"终点" if zh else "the end"}"])')
    lines.append(f"    start --> {names[plan.nodes[0].id] if plan.nodes else 'done'}")
    for node in plan.nodes:
        for label, goes in edges(node, lang):
            arrow = f' -- "{_label(label)}" --> ' if label else " --> "
            lines.append(f"    {names[node.id]}{arrow}{names[goes]}")
    return "\n".join(lines) + "\n"


def _shape(node: Node, plan: Plan, lang: str, mark: str) -> str:
    said = _label(short_words(node, plan, lang)) + (f"<br/>{_label(mark)}" if mark else "")
    match node:
        case Split() | Branch() | WaitFor() | WaitWhile() | Repeat():
            return f'{{"{said}"}}'
        case Send():
            return f'["✉ {said}"]'
        case _:
            return f'("{said}")'


def _label(text: str) -> str:
    """Mermaid reads quotes and angle brackets as syntax: write them as its entities."""
    return "".join(f"#{ord(character)};" if character in '#"<>&' else character for character in text)

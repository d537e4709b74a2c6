"""`journeyd diagram`: a journey as a tree in the terminal, as Mermaid or as SVG, with live counts when asked."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell

if TYPE_CHECKING:
    from engine.core.plan import Plan
    from journeys.drawing.marks import JourneyCount


def diagram(
    ctx: typer.Context,
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    *,
    svg: Annotated[Path | None, typer.Option(help="Write an SVG drawing to this file; `-` prints it.")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="With what each step has seen, from the store.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw JOURNEY: a tree here, a Mermaid flowchart, or an SVG file; with live counts per step when asked."""
    from journeys.drawing.marks import endings, marks_of

    invocation: Invocation = ctx.obj
    plan = _plan(invocation, journey)
    found = _counted(invocation, plan) if counts else None
    marks = {} if found is None else marks_of(plan, found, invocation.lang)
    if svg is not None:
        _write_svg(svg, plan, invocation, marks)
        return
    if mermaid:
        from journeys.drawing.mermaid import mermaid as drawn

        tell(drawn(plan, invocation.lang, marks).rstrip("\n"))
        return
    if as_json:
        emit(_described(plan, found, invocation.lang))
        return
    from journeys.drawing.outline import outline

    tell(f"{plan.title} ({plan.journey}, {plan.version})")
    for line in outline(plan, invocation.lang, marks):
        tell(line)
    if found is not None and endings(found, invocation.lang):
        tell("  " + endings(found, invocation.lang))
    if found is not None and found.is_partial:
        remark(invocation.say("Only the newest messages were counted.", "只统计了最新的一部分触达。"))


def _plan(invocation: Invocation, journey: str) -> "Plan":
    from engine.cli.explain import written_plan

    return written_plan(invocation, journey)


def _counted(invocation: Invocation, plan: "Plan") -> "JourneyCount":
    from engine.bootstrap.step_counts import count_steps

    with closing(invocation.workspace().read_store()) as store:
        return count_steps(store, plan)


def _write_svg(path: Path, plan: "Plan", invocation: Invocation, marks: dict[str, str]) -> None:
    from journeys.drawing.svg import svg

    drawn = svg(plan, invocation.lang, marks)
    if str(path) == "-":
        tell(drawn.rstrip("\n"))
        return
    path.write_text(drawn, encoding="utf-8")
    remark(invocation.say(f"Wrote {path}", f"已写入 {path}"))


def _described(plan: "Plan", found: "JourneyCount | None", lang: str) -> dict[str, object]:
    from dataclasses import asdict

    from journeys.road import edges
    from journeys.words.steps import short_words

    steps = [
        {
            "step": node.id,
            "words": short_words(node, plan, lang),
            "ways": [{"label": label, "goes": goes} for label, goes in edges(node, lang)],
            "counts": None if found is None else asdict(found.steps[node.id]),
        }
        for node in plan.nodes
    ]
    ended = None if found is None else {"outcomes": dict(found.outcomes), "converted": found.converted}
    return {"journey": plan.journey, "version": plan.version, "steps": steps, "ended": ended}

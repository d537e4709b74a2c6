"""The language reference is held to the language: every YAML example in it is compiled."""

import json
import re
from pathlib import Path
from textwrap import indent

import pytest

from engine.core.plan import Audience, Plan
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.explain import explain_plan
from journeys.mermaid import mermaid
from journeys.positions import read_document
from journeys.story import run_stories
from journeys.story_report import render

README = Path(__file__).parents[2] / "journeys" / "README.md"
BLOCKS = re.findall(r"^```yaml (\w+)\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
HEAD = "journey: example\ntitle: Example\nstage: retain\n"


def blocks(kind: str) -> list[str]:
    return [body for found, body in BLOCKS if found == kind]


def compiled(text: str) -> Plan:
    loaded = load_journey(text, "README.md")
    errors = [str(problem) for problem in loaded.problems if problem.severity == "error"]
    assert errors == [], "\n".join([*errors, text])
    assert loaded.plan is not None
    return loaded.plan


def conditions() -> list[str]:
    """Items of the `conditions` blocks as JSON, which is YAML on one line."""
    return [json.dumps(item) for body in blocks("conditions") for item in read_document(body, "README.md").data]


def test_no_fence_of_the_reference_goes_unread() -> None:
    known = {"journey", "enter", "steps", "conditions", "story", "lifecycle", "segments", "consent", "caps"}
    assert {kind for kind, _ in BLOCKS} == known
    assert README.read_text("utf-8").count("```yaml\n") == 0


@pytest.mark.parametrize("body", blocks("journey"))
def test_whole_journeys_compile(body: str) -> None:
    plan = compiled(body)
    assert explain_plan(plan)
    assert explain_plan(plan, "zh")
    assert mermaid(plan)


@pytest.mark.parametrize("body", blocks("enter"))
def test_ways_in_compile(body: str) -> None:
    compiled(HEAD + "enter:\n" + indent(body, "  ") + "steps:\n  - stop\n")


@pytest.mark.parametrize("body", blocks("steps"))
def test_the_steps_shown_compile(body: str) -> None:
    compiled(HEAD + "enter: {on: order_paid}\nsteps:\n" + indent(body, "  "))


@pytest.mark.parametrize("item", conditions())
def test_the_conditions_shown_compile(item: str) -> None:
    plan = compiled(f"{HEAD}enter:\n  on: order_paid\n  where: {item}\nsteps:\n  - tag: +x\n")
    assert explain_plan(plan)
    assert explain_plan(plan, "zh")


@pytest.mark.parametrize("body", blocks("story"))
def test_the_stories_shown_pass(body: str) -> None:
    report = run_stories(compiled(blocks("journey")[0]), Audience(), body, "README.md")
    assert report.passed, render(report)


@pytest.mark.parametrize("kind", ["lifecycle", "segments", "consent", "caps"])
def test_audience_files_load(kind: str, tmp_path: Path) -> None:
    for body in blocks(kind):
        (tmp_path / f"{kind}.yaml").write_text(body, "utf-8")
        _, problems = load_audience(tmp_path)
        assert [str(problem) for problem in problems] == []

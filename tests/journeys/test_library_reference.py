"""The language reference is held to the language: every YAML example in it is compiled."""

import json
import re
from pathlib import Path
from textwrap import indent

import pytest

from engine.core.plan import Audience, Plan
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.drawing.mermaid import mermaid
from journeys.explain import explain_plan
from journeys.forms.audience import FORMS
from journeys.positions import read_document
from journeys.stories.report import render
from journeys.story import run_stories

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
    assert {kind for kind, _ in BLOCKS} == {"journey", "enter", "steps", "conditions", "story", *FORMS}
    assert README.read_text("utf-8").count("```yaml\n") == 0


@pytest.mark.parametrize("body", blocks("journey"))
def test_whole_journeys_compile(body: str) -> None:
    plan = compiled(body)
    assert explain_plan(plan)
    assert explain_plan(plan, "zh")
    assert mermaid(plan)


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


ENTERING = {
    "on": "happens:\n  - 2026-03-01 10:00: signed_up\n  - +1h: qr_scanned {scene: store-01}\n",
    "segment": "happens:\n  - 2026-03-01 10:00: order_paid {total: 60}\n  - +31d\n",
    "leaves": "before:\n  - 2026-01-01 10:00: order_paid {total: 60}\nhappens:\n  - 2026-03-01 10:00: order_paid\n",
    "stage": "happens:\n  - 2026-03-01 10:00: session_started\n  - +1h: session_started\n  - +1h: session_started\n",
    "tag": "happens:\n  - 2026-03-01 10:00: tag +high-value\n",
    "loses": "happens:\n  - 2026-03-01 10:00: tag +high-value\n  - +1d: tag -high-value\n",
    "changed": "happens:\n  - 2026-03-01 10:00: moved {traits: {city: Beijing}}\n",
    "date": "happens:\n  - 2026-03-01 10:00: moved\n  - +2d\n",
    "every": "before:\n  - 2026-01-01 10:00: order_paid {total: 60}\nhappens:\n  - 2026-03-01 10:00: moved\n  - +8d\n",
    "once": "happens:\n  - 2026-11-10 10:00: moved\n  - +2d\n",
    "manual": "happens:\n  - 2026-03-01 10:00: enter {product: tea}\n",
}
"""For each way in, a customer's days in which somebody enters by it."""


def played(plan: Plan, days: str, audience: Audience) -> str:
    """Play a story of these days that expects an entrance; return what went wrong, "" when nothing did."""
    person = "city: Shanghai, timezone: Asia/Shanghai, birthday: 2000-03-05, consents: [marketing], email: a@b.example"
    story = f"story: enters\ncustomer: {{{person}}}\n{days}expect: [entered]\n"
    report = run_stories(plan, audience, "stories:\n  -\n" + indent(story, "    "), "README.md")
    return "" if report.passed else render(report)


@pytest.fixture
def audience(tmp_path: Path) -> Audience:
    for kind in FORMS:
        for body in blocks(kind):
            (tmp_path / f"{kind}.yaml").write_text(body.replace("holdout: 5%", "holdout: 0%"), "utf-8")
    (tmp_path / "lifecycle.yaml").unlink()
    read, problems = load_audience(tmp_path)
    assert problems == []
    return read


@pytest.mark.parametrize("body", blocks("enter"))
def test_somebody_enters_by_each_way_in_that_is_shown(body: str, audience: Audience) -> None:
    plan = compiled(HEAD + "enter:\n" + indent(body, "  ") + "steps:\n  - wait: 1h\n")
    way = next(word for word in ENTERING if re.search(rf"^{word}:", body, re.MULTILINE))
    assert played(plan, ENTERING[way], audience) == ""


@pytest.mark.parametrize("body", blocks("steps"))
def test_the_steps_shown_are_travelled_to_their_end(body: str, audience: Audience) -> None:
    plan = compiled(HEAD + "enter: {manual: true}\nsteps:\n" + indent(body, "  "))
    assert played(plan, ENTERING["manual"] + "  - +60d\n", audience) == ""


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_audience_files_load(kind: str, tmp_path: Path) -> None:
    for body in blocks(kind):
        (tmp_path / f"{kind}.yaml").write_text(body, "utf-8")
        _, problems = load_audience(tmp_path)
        assert [str(problem) for problem in problems] == []

"""Every journey of the library is proved by its stories, and every step of it is travelled."""

from collections import Counter
from pathlib import Path

import pytest

from engine.core.plan import STAGES, Audience, Plan, Send
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.story import run_story_file, story_files
from journeys.story_report import render

LIBRARY = Path(__file__).parents[2] / "journeys" / "library" / "e-commerce"
STORIES = story_files(LIBRARY)
JOURNEYS = sorted(path for stage in STAGES for path in (LIBRARY / stage).glob("*.yaml") if ".story." not in path.name)


@pytest.fixture(scope="module")
def audience() -> Audience:
    loaded, problems = load_audience(LIBRARY / "audience")
    assert problems == []
    return loaded


def load(path: Path) -> Plan:
    loaded = load_journey(path.read_bytes(), path.name)
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.plan is not None
    return loaded.plan


@pytest.mark.parametrize("story_file", STORIES, ids=lambda path: path.name)
def test_every_story_passes_and_every_step_is_travelled(story_file: Path, audience: Audience) -> None:
    report = run_story_file(story_file, audience)
    assert report.passed, render(report)
    assert report.coverage is not None
    assert report.coverage.missed_steps == [], render(report)
    assert report.coverage.missed_ways == [], render(report)


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name)
def test_every_journey_has_stories_and_stands_under_its_name_and_stage(journey: Path) -> None:
    plan = load(journey)
    assert plan.journey == journey.stem
    assert plan.stage == journey.parent.name
    assert journey.with_suffix(".story.yaml") in STORIES


def test_every_stage_has_a_journey() -> None:
    assert set(Counter(path.parent.name for path in JOURNEYS)) == set(STAGES)


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name)
def test_every_message_has_its_template_for_every_channel(journey: Path) -> None:
    needed = {"email": ("subject", "email.html", "email.txt"), "sms": ("sms.yaml",), "wechat": ("wechat.yaml",)}
    for node in load(journey).nodes:
        if isinstance(node, Send):
            folder = LIBRARY / "templates" / node.template
            missing = [name for channel in node.channels for name in needed[channel] if not (folder / name).is_file()]
            assert missing == [], f"{node.template}: {missing}"


def test_every_template_is_sent_by_a_journey_and_can_be_unsubscribed_from() -> None:
    sent = {node.template for path in JOURNEYS for node in load(path).nodes if isinstance(node, Send)}
    for folder in (LIBRARY / "templates").iterdir():
        assert folder.name in sent
        for letter in (folder / "email.html", folder / "email.txt"):
            if letter.is_file():
                assert "{{ unsubscribe_url }}" in letter.read_text("utf-8")

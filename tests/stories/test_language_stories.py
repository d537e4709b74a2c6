"""Every word of the language has a story that a reader can find by it, and each of its steps is travelled."""

from pathlib import Path

import pytest

from engine.core.plan import Audience, Policy
from journeys.audience import load_audience
from journeys.stories.report import render
from journeys.story import run_story_file, story_files

LANGUAGE = Path(__file__).parent / "language"
STORIES = story_files(LANGUAGE)
JOURNEYS = sorted(path for path in LANGUAGE.glob("*.yaml") if ".story." not in path.name)


@pytest.fixture(scope="module")
def audience() -> Audience:
    loaded, problems = load_audience(LANGUAGE / "audience", base=Policy(default_zone="Asia/Shanghai"))
    assert [str(problem) for problem in problems] == []
    return loaded


@pytest.mark.parametrize("story_file", STORIES, ids=lambda path: path.name.removesuffix(".story.yaml"))
def test_every_word_of_the_language_is_told_by_a_story(story_file: Path, audience: Audience) -> None:
    report = run_story_file(story_file, audience)
    assert report.passed, render(report)
    assert report.coverage is not None
    assert report.coverage.missed_steps == [], render(report)
    assert report.coverage.missed_ways == [], render(report)


def test_every_journey_of_the_language_has_its_story() -> None:
    assert {path.with_suffix("").name for path in JOURNEYS} == {
        path.name.removesuffix(".story.yaml") for path in STORIES
    }

"""Every journey of the libraries is proved by its stories, and every step and branch of it is travelled."""

import re
from functools import cache
from pathlib import Path

import pytest

from engine.core.plan import STAGES, Audience, Coupon, Plan, Send
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.lint.known import FORMS, POOL_LEAST, pools_of
from journeys.stories.report import render
from journeys.story import run_story_file, story_files

SHELF = Path(__file__).parents[2] / "journeys" / "library"
LIBRARIES = sorted(SHELF.iterdir())
STORIES = story_files(SHELF)
JOURNEYS = sorted(
    path for path in SHELF.glob("*/*/*.yaml") if path.parent.name in STAGES and ".story." not in path.name
)
TABLE = (Path(__file__).parents[2] / "docs" / "library.md").read_text("utf-8")


@cache
def audience_of(library: Path) -> Audience:
    loaded, problems = load_audience(library / "audience")
    assert problems == []
    return loaded


@cache
def load(path: Path) -> Plan:
    loaded = load_journey(path.read_bytes(), path.name)
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.plan is not None
    return loaded.plan


def plans_of(library: Path) -> list[Plan]:
    return [load(path) for path in JOURNEYS if path.is_relative_to(library)]


def name_of(path: Path) -> str:
    """`saas/refer/advocate`, in the names of tests."""
    return str(path.relative_to(SHELF)).partition(".")[0]


@pytest.mark.parametrize("story_file", STORIES, ids=name_of)
def test_every_story_passes_and_every_step_and_branch_is_travelled(story_file: Path) -> None:
    report = run_story_file(story_file, audience_of(story_file.parents[1]))
    assert report.passed, render(report)
    assert report.coverage is not None
    assert report.coverage.missed_steps == [], render(report)
    assert report.coverage.missed_ways == [], render(report)


@pytest.mark.parametrize("journey", JOURNEYS, ids=name_of)
def test_every_journey_says_what_it_is_for_and_stands_under_its_name_and_stage(journey: Path) -> None:
    plan = load(journey)
    assert plan.journey == journey.stem
    assert plan.stage == journey.parent.name
    assert journey.with_suffix(".story.yaml") in STORIES
    assert re.search(r"[\u4e00-\u9fff]", plan.title)
    assert plan.programme.goal and "@" in plan.programme.owner
    assert plan.goal is not None
    assert journey.read_text("utf-8").startswith("# "), "a comment tells a marketer why"


@pytest.mark.parametrize("library", LIBRARIES, ids=name_of)
def test_every_library_has_journeys_for_all_five_stages(library: Path) -> None:
    assert {plan.stage for plan in plans_of(library)} == set(STAGES)


def test_there_are_the_three_libraries_and_more_than_enough_to_choose_from() -> None:
    assert [library.name for library in LIBRARIES] == ["content", "e-commerce", "saas"]
    assert len(JOURNEYS) >= 40


@pytest.mark.parametrize("journey", JOURNEYS, ids=name_of)
def test_every_message_has_its_template_for_every_channel(journey: Path) -> None:
    needed = FORMS | {"email": ("subject", "email.html", "email.txt")}
    for node in load(journey).nodes:
        if isinstance(node, Send):
            folder = journey.parents[1] / "templates" / node.template
            missing = [name for channel in node.channels for name in needed[channel] if not (folder / name).is_file()]
            assert missing == [], f"{node.template}: {missing}"


@pytest.mark.parametrize("library", LIBRARIES, ids=name_of)
def test_every_template_is_sent_by_a_journey_and_advertising_can_be_unsubscribed_from(library: Path) -> None:
    sent: dict[str, set[str]] = {}
    for plan in plans_of(library):
        for node in plan.nodes:
            if isinstance(node, Send):
                sent.setdefault(node.template, set()).add(node.purpose or plan.purpose)
    for folder in (library / "templates").iterdir():
        for letter in (folder / "email.html", folder / "email.txt"):
            if letter.is_file():
                assert ("{{ unsubscribe_url }}" in letter.read_text("utf-8")) == (sent[folder.name] == {"marketing"})
    assert set(sent) == {folder.name for folder in (library / "templates").iterdir()}


@pytest.mark.parametrize("library", LIBRARIES, ids=name_of)
def test_every_pool_is_used_has_codes_enough_and_says_that_they_are_samples(library: Path) -> None:
    asked = {node.pool for plan in plans_of(library) for node in plan.nodes if isinstance(node, Coupon)}
    pools = pools_of(library / "coupons")
    assert set(pools) == asked
    assert min(pools.values()) >= POOL_LEAST
    for pool in asked:
        header, *codes = (library / "coupons" / f"{pool}.csv").read_text("utf-8").split()
        assert header == "code"
        assert len(set(codes)) == len(codes)
        assert all(code.startswith(f"SAMPLE-{pool}-") for code in codes)


@pytest.mark.parametrize("library", LIBRARIES, ids=name_of)
def test_the_page_about_the_libraries_names_each_journey_under_its_stage(library: Path) -> None:
    part = TABLE.partition(f"## {library.name}\n")[2].partition("\n## ")[0]
    rows = set(
        re.findall(r"^\| (\w+) \| \[`([a-z0-9-]+)`\]\(\.\./journeys/library/(\S+)\.yaml\) \|", part, re.MULTILINE)
    )
    assert rows == {
        (plan.stage, plan.journey, f"{library.name}/{plan.stage}/{plan.journey}") for plan in plans_of(library)
    }

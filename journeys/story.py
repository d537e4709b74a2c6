"""Stories: tests a marketer can read, run by the pure decision in virtual time.

`run_stories` plays every story of a file against one compiled plan and says for each expectation whether it held,
and if not what happened instead, in the words of the trace. `journeyd test` and the test suite call it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.commands import Note
from engine.core.errors import JourneydError, Place
from engine.core.plan import Audience, Plan, Split
from journeys.compile import Loaded, load_journey
from journeys.explain import explain_note
from journeys.problems import Problem
from journeys.story_coverage import Coverage, cover
from journeys.story_expect import judge
from journeys.story_run import Played, StoryNeverEnds, play
from journeys.story_syntax import Story, read_stories
from journeys.story_wording import StoryProblem

__all__ = ["Failure", "StoryReport", "StoryResult", "run_stories", "run_story_file", "story_files"]


@dataclass(frozen=True)
class Failure:
    """One expectation that did not hold: what was expected, what happened instead."""

    place: Place
    expected: str
    happened: str


@dataclass(frozen=True)
class StoryResult:
    """One story: its failures (none: it passed) and its trace in words."""

    name: str
    place: Place
    failures: list[Failure]
    trace: list[str]

    @property
    def passed(self) -> bool:
        """Did every expectation hold?"""
        return not self.failures


@dataclass(frozen=True)
class StoryReport:
    """A story file against its journey. `problems` are complaints about either file; with errors no story is run."""

    journey: str
    file: str
    results: list[StoryResult] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    coverage: Coverage | None = None

    @property
    def passed(self) -> bool:
        """Was everything read, and did every story pass?"""
        return all(result.passed for result in self.results) and not any(
            problem.severity == "error" for problem in self.problems
        )


def run_stories(plan: Plan, audience: Audience, text: str, file: str, lang: str = "en") -> StoryReport:
    """Play the stories in `text` (named `file` in messages) against `plan` and report; never raises for bad stories."""
    stories, problems = read_stories(text, file, audience.policy, lang)
    problems += [problem for story in stories for problem in _unknown_arms(story, plan, lang)]
    if any(problem.severity == "error" for problem in problems):
        return StoryReport(plan.journey, file, problems=problems)
    played = [_attempt(story, plan, audience) for story in stories]
    results = [_judged(story, outcome, lang) for story, outcome in zip(stories, played, strict=True)]
    traces = [outcome.notes for outcome in played if isinstance(outcome, Played)]
    return StoryReport(plan.journey, file, results, problems, cover(plan, traces))


def run_story_file(story_file: Path, audience: Audience, lang: str = "en") -> StoryReport:
    """Load `<name>.story.yaml` and the journey `<name>.yaml` beside it, and run the stories."""
    journey_file = story_file.with_name(story_file.name.removesuffix(".story.yaml") + ".yaml")
    if not journey_file.is_file():
        known = ", ".join(sorted(path.name for path in story_file.parent.glob("*.yaml")))
        data = {"what": "journey file", "name": journey_file.name, "known": known}
        return StoryReport("", str(story_file), problems=[StoryProblem("S006", Place(str(story_file)), data, lang)])
    loaded: Loaded = load_journey(journey_file.read_bytes(), str(journey_file), lang)
    if loaded.plan is None:
        return StoryReport("", str(story_file), problems=loaded.problems)
    text = story_file.read_bytes().decode("utf-8", "surrogateescape")
    return run_stories(loaded.plan, audience, text, str(story_file), lang)


def story_files(folder: Path) -> list[Path]:
    """Return every `*.story.yaml` of a folder and below, in order."""
    return sorted(folder.rglob("*.story.yaml"))


def _attempt(story: Story, plan: Plan, audience: Audience) -> Played | str:
    """A story that breaks (a journey that never waits) is a failed story, not a broken test run."""
    try:
        return play(story, plan, audience)
    except (JourneydError, StoryNeverEnds) as error:
        return str(error)


def _judged(story: Story, outcome: Played | str, lang: str) -> StoryResult:
    if isinstance(outcome, str):
        return StoryResult(story.name, story.place, [Failure(story.place, "the story ends", outcome)], [])
    failures = []
    for expected in story.expects:
        happened = judge(expected, outcome, lang)
        if happened is not None:
            failures.append(Failure(expected.place, expected.text, happened))
    return StoryResult(story.name, story.place, failures, _told(outcome.notes, outcome, lang))


def _told(notes: Sequence[Note], played: Played, lang: str) -> list[str]:
    return [explain_note(note, played.zone, lang) for note in notes]


def _unknown_arms(story: Story, plan: Plan, lang: str) -> list[Problem]:
    splits = {node.name: node for node in plan.nodes if isinstance(node, Split)}
    found: list[Problem] = []
    for split, arm in story.arms.items():
        if split not in splits:
            data = {"what": "split", "name": split, "known": ", ".join(splits) or "-"}
        elif arm not in (known := [one.name for one in splits[split].arms]):
            data = {"what": f"arm of {split}", "name": arm, "known": ", ".join(known)}
        else:
            continue
        found.append(StoryProblem("S006", story.place, data, lang))
    return found

"""Stories: tests a marketer can read, run by the pure decision in virtual time.

`run_stories` plays every story of a file against one compiled plan and says for each expectation whether it held,
and if not what happened instead, in the words of the trace. `journeyd test` and the test suite call it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.commands import Note
from engine.core.errors import JourneydError, Place
from engine.core.plan import Audience, Plan, Split
from journeys.compile import Loaded, load_journey
from journeys.explain import explain_note
from journeys.problems import Problem
from journeys.stories.beside import Beside
from journeys.stories.cast import Setting
from journeys.stories.coverage import Coverage, cover
from journeys.stories.diff import side_by_side
from journeys.stories.judge import judge
from journeys.stories.play import Played, StoryNeverEnds, play
from journeys.stories.script import Story
from journeys.stories.syntax import read_stories
from journeys.stories.timeline import timeline
from journeys.stories.wording import StoryProblem

__all__ = ["Failure", "StoryReport", "StoryResult", "run_on", "run_stories", "run_story_file", "story_files"]


@dataclass(frozen=True)
class Failure:
    """One expectation that did not hold: what was expected, what happened instead."""

    place: Place
    expected: str
    happened: str


@dataclass(frozen=True)
class StoryResult:
    """One story: its failures (none: it passed), its trace in words, and what was expected beside what happened."""

    name: str
    place: Place
    failures: list[Failure]
    trace: list[str]
    diff: list[str] = field(default_factory=list)

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
    return run_on(Setting(plan, audience), text, file, lang)


def run_story_file(story_file: Path, audience: Audience, lang: str = "en", *, only: str = "") -> StoryReport:
    """Load `<name>.story.yaml` and the journey `<name>.yaml` beside it, and run the stories.

    Journeys that stories bring in by `with:` are looked for beside it, then in the folders beside its own. With `only`,
    stories that hold this text in their own or the journey's name are run, and no coverage is reckoned.
    """
    journey_file = story_file.with_name(story_file.name.removesuffix(".story.yaml") + ".yaml")
    if not journey_file.is_file():
        known = ", ".join(sorted(path.name for path in story_file.parent.glob("*.yaml")))
        data = {"what": "journey file", "name": journey_file.name, "known": known}
        return StoryReport("", str(story_file), problems=[StoryProblem("S006", Place(str(story_file)), data, lang)])
    loaded: Loaded = load_journey(journey_file.read_bytes(), str(journey_file), lang)
    if loaded.plan is None:
        return StoryReport("", str(story_file), problems=loaded.problems)
    text = story_file.read_bytes().decode("utf-8", "surrogateescape")
    return run_on(Setting(loaded.plan, audience, Beside(journey_file)), text, str(story_file), lang, only=only)


def run_on(setting: Setting, text: str, file: str, lang: str = "en", *, only: str = "") -> StoryReport:
    """Play the stories in `text` where other journeys may play along; never raises for bad stories."""
    plan = setting.plan
    kinds = [rule.kind for rule in setting.audience.identity.kinds]
    stories, problems = read_stories(text, file, setting.audience.policy, lang, kinds=kinds)
    problems += [problem for story in stories for problem in _unknown(story, setting, lang)]
    if any(problem.severity == "error" for problem in problems):
        return StoryReport(plan.journey, file, problems=problems)
    if only and only.casefold() not in plan.journey.casefold():
        stories = [story for story in stories if only.casefold() in story.name.casefold()]
    played = [_attempt(story, setting) for story in stories]
    results = [_judged(story, outcome, lang) for story, outcome in zip(stories, played, strict=True)]
    traces = [outcome.notes for outcome in played if isinstance(outcome, Played)]
    return StoryReport(plan.journey, file, results, problems, None if only else cover(plan, traces))


def story_files(folder: Path) -> list[Path]:
    """Return every `*.story.yaml` of a folder and below, in order."""
    return sorted(folder.rglob("*.story.yaml"))


def _attempt(story: Story, setting: Setting) -> Played | str:
    """A story that breaks (a journey that never waits) is a failed story, not a broken test run."""
    try:
        return play(story, setting)
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
    diff = side_by_side(story.expects, timeline(outcome, lang), outcome.zone, lang) if failures else []
    return StoryResult(story.name, story.place, failures, _told(outcome.notes, outcome, lang), diff)


def _told(notes: Sequence[Note], played: Played, lang: str) -> list[str]:
    return [explain_note(note, played.zone, lang) for note in notes]


def _unknown(story: Story, setting: Setting, lang: str) -> list[Problem]:
    """Journeys, splits and arms that the story names and that are not there."""
    named = [*_unknown_journeys(story, setting)]
    others = [setting.beside[name] for name in story.others if name in setting.beside]
    splits = {node.name: node for plan in (setting.plan, *others) for node in plan.nodes if isinstance(node, Split)}
    for split, arm in [*story.arms.items(), *((split, arm) for split, said in story.results.items() for arm in said)]:
        if split not in splits:
            named.append({"what": "split", "name": split, "known": ", ".join(splits) or "-"})
        elif arm not in (known := [one.name for one in splits[split].arms]):
            named.append({"what": f"arm of {split}", "name": arm, "known": ", ".join(known)})
    return [StoryProblem("S006", story.place, data, lang) for data in named]


def _unknown_journeys(story: Story, setting: Setting) -> Iterator[dict[str, str]]:
    for name in story.others:
        if name == setting.plan.journey or name not in setting.beside:
            known = ", ".join(sorted(setting.beside)) or "-"
            yield {"what": "other journey", "name": name, "known": known}

"""Journey text -> sealed Plan. The front door of the language: `load_journey` for one file, `load_folder` for all.

A file with errors gives no plan and all its complaints. Names that only the workspace knows (templates, segments,
channels) are checked by `check.py`. Called by the CLI, the composition root and stories.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.core import plan
from engine.core.errors import Place
from engine.core.ids import DAY
from engine.core.plan import Plan
from journeys import flow
from journeys.entrances import again_of, entrance
from journeys.forms.entries import key_of, where_of
from journeys.parse import Parsed, parse_journey
from journeys.positions import Document, read_file
from journeys.problems import Problem, has_errors, near_or_known
from journeys.step_compiler import StepCompiler
from journeys.syntax import GoalForm, JourneyForm

GOAL_WINDOW: Final = 7 * DAY


@dataclass(frozen=True)
class Loaded:
    """One journey file: its plan (None when it has errors), its complaints, and where each step stands."""

    file: str
    plan: Plan | None
    problems: list[Problem]
    places: dict[str, Place] = field(default_factory=dict)
    document: Document | None = None


@dataclass(frozen=True)
class Folder:
    """All journeys of a folder: the plans that compiled, every complaint, and each file's own result."""

    plans: list[Plan]
    problems: list[Problem]
    files: list[Loaded]


def load_journey(text: str | bytes, file: str, lang: str = "en") -> Loaded:
    """Compile one journey; never raises for what the text says.

    >>> loaded = load_journey("journey: hi\\nstage: acquire\\nenter: {on: signed_up}\\nsteps: [stop]", "hi.yaml")
    >>> loaded.plan.journey, loaded.plan.steps.keys(), loaded.problems
    ('hi', dict_keys(['1']), [])
    """
    parsed = parse_journey(text, file)
    problems = list(parsed.problems)
    compiled: Plan | None = None
    places: dict[str, Place] = {}
    if parsed.form is not None:
        compiled, places, found = _compile(parsed, parsed.form)
        problems += found
    told = sorted((problem.in_language(lang) for problem in problems), key=_order)
    return Loaded(file, None if has_errors(told) else compiled, told, places, parsed.document)


def load_folder(folder: Path, lang: str = "en") -> Folder:
    """Compile every *.yaml and *.yml below `folder`; stories, audience and template files are left out."""
    files: list[Loaded] = []
    owners: dict[str, str] = {}
    for path in journey_files(folder):
        loaded = _load_file(path, lang)
        if loaded.plan is not None:
            more = _name_problems(loaded, loaded.plan, path, owners)
            plan_ = None if has_errors(more) else loaded.plan
            loaded = replace(loaded, plan=plan_, problems=loaded.problems + [one.in_language(lang) for one in more])
        files.append(loaded)
    plans = [loaded.plan for loaded in files if loaded.plan is not None]
    return Folder(plans, [problem for loaded in files for problem in loaded.problems], files)


def journey_files(folder: Path) -> list[Path]:
    """Return the journey files below `folder`, sorted."""
    found = [path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"} and path.is_file()]
    skipped = {"audience", "templates"}
    return sorted(
        path
        for path in found
        if not path.stem.endswith(".story") and not skipped & {*path.relative_to(folder).parts[:-1]}
    )


def _load_file(path: Path, lang: str) -> Loaded:
    try:
        source = read_file(path)
    except OSError:
        return Loaded(str(path), None, [Problem("J001", Place(str(path)), {}, lang)])
    return load_journey(source, str(path), lang)


def _name_problems(loaded: Loaded, compiled: Plan, path: Path, owners: dict[str, str]) -> list[Problem]:
    name = compiled.journey
    place = loaded.document.place(("journey",)) if loaded.document else Place(loaded.file)
    problems: list[Problem] = []
    if name in owners:
        problems.append(Problem("J080", place, {"name": name, "other": owners[name]}))
    owners.setdefault(name, str(path))
    if path.stem != name:
        problems.append(Problem("J081", place, {"name": name, "file": path.name}))
    return problems


def _order(problem: Problem) -> tuple[int, int, str]:
    return (problem.place.line, problem.place.column, problem.code)


def _compile(parsed: Parsed[JourneyForm], form: JourneyForm) -> tuple[Plan, dict[str, Place], list[Problem]]:
    """Return the sealed plan, the place of every step, and what is wrong beyond each value by itself."""
    document = parsed.document
    steps = StepCompiler(document)
    nodes = steps.compile(form.steps)
    enter, found = entrance(form.enter, document)
    problems = [*steps.problems, *_goal_problems(form.goal, document), *found]
    problems += _step_map_problems(form.in_flight, steps.places, document)
    if form.goal is None:
        problems += [Problem("J069", steps.places[node.id]) for node in nodes if _needs_goal(node)]
    if not has_errors(problems):
        problems += flow.unreachable(nodes, steps.places)
    draft = Plan(
        journey=form.journey,
        title=form.title or form.journey,
        stage=form.stage,
        enter=enter,
        nodes=nodes,
        programme=plan.Programme(form.plan.goal, form.plan.owner, form.plan.budget),
        where=where_of(form.enter),
        again=again_of(form.enter),
        key=key_of(form.enter),
        holdout=form.enter.holdout,
        exits=tuple(plan.Exit(one.on, one.where, one.when) for one in form.exit),
        goal=_goal(form.goal),
        quiet=form.quiet,
        expires=form.expires,
        priority=form.priority,
        purpose=form.purpose,
        measures=parsed.measures,
        in_flight=form.in_flight,
    )
    return plan.seal(draft), steps.places, problems


def _goal(form: GoalForm | None) -> plan.Goal | None:
    if form is None:
        return None
    return plan.Goal(form.on, form.within or GOAL_WINDOW, form.where, form.value)


def _goal_problems(form: GoalForm | None, document: Document) -> list[Problem]:
    if form is None or form.within is not None:
        return []
    return [Problem("J072", document.key_place(("goal",)))]


def _needs_goal(node: plan.Node) -> bool:
    return isinstance(node, plan.Split) and node.winner is not None and node.winner.by == "convert"


def _step_map_problems(onward: plan.InFlight, places: Mapping[str, Place], document: Document) -> list[Problem]:
    """A step that runs in flight are sent to must be there."""
    return [
        Problem("J055", document.place(("in_flight", "migrate", old)), {"id": new, **near_or_known(new, places)})
        for old, new in onward.steps.items()
        if new and new not in places
    ]

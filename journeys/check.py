"""Lint beyond one file: what only the workspace, or a look at several conditions together, can tell.

What one file can tell by itself is found by `compile.py`; each kind of question has its module in `journeys/lint/`.
Called by `journeyd lint` and before a daemon starts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.core.errors import Place
from engine.core.plan import Audience, Manual, Plan
from journeys.audience import load_audience
from journeys.compile import Loaded, load_folder
from journeys.lint.circles import check_calls, check_circles
from journeys.lint.conditions import check_conditions
from journeys.lint.consents import check_confirmations, check_consents
from journeys.lint.known import FORMS, Known, events_of, pools_of, templates_of, texts_of
from journeys.lint.names import check_names
from journeys.lint.scene import Scene
from journeys.lint.sites import audience_sites, sites_of
from journeys.lint.templates import check_languages, check_tasks, check_variables
from journeys.lint.timing import check_pools, check_timing
from journeys.lint.trust import check_sources
from journeys.lint.usage import check_events, check_stages, check_tags, check_types
from journeys.problems import Problem

__all__ = ["FORMS", "Known", "known_names", "lint_journeys", "lint_workspace", "load_workspace", "templates_of"]

_OF_ONE: Final[tuple[Callable[[Scene], Iterator[Problem]], ...]] = (
    check_names,
    check_calls,
    check_conditions,
    check_variables,
    check_tasks,
    check_pools,
    check_timing,
    check_consents,
)


def lint_workspace(root: Path, lang: str = "en") -> list[Problem]:
    """Lint journeys/, audience/, coupons/ and the texts of templates/ together; problems ordered by file and place."""
    return load_workspace(root, lang)[1]


def load_workspace(root: Path, lang: str = "en") -> tuple[list[Plan], list[Problem]]:
    """Compile and lint journeys/, audience/, coupons/ and the texts of templates/: the plans and the problems."""
    audience, problems = load_audience(root / "audience", lang)
    if not (root / "journeys").is_dir():
        return [], [*problems, Problem("J089", Place(str(root / "journeys")), {}, lang)]
    folder = load_folder(root / "journeys", lang)
    known = _known(root, audience, folder.plans)
    scenes = _scenes(folder.files, known)
    listed = [problem.in_language(lang) for problem in events_of(root / "events.yaml")[1]]
    listed += [problem.in_language(lang) for problem in check_sources(root)]
    problems = [*folder.problems, *problems, *listed, *lint_journeys(folder.files, known, lang)]
    if len(scenes) == len(folder.files):
        # What a file with errors gives or asks is unknown: others would be complained of for it.
        problems += [problem.in_language(lang) for problem in _of_all(scenes, known, root / "audience")]
    ordered = sorted(problems, key=lambda problem: (problem.place.file, problem.place.line, problem.place.column))
    return folder.plans, ordered


def known_names(root: Path) -> Known:
    """Return what the workspace at `root` knows, whatever is wrong with its files."""
    return _known(root, load_audience(root / "audience")[0], load_folder(root / "journeys").plans)


def _known(root: Path, audience: Audience, plans: Sequence[Plan]) -> Known:
    return Known(
        audience,
        templates_of(root / "templates"),
        frozenset(plan.journey for plan in plans),
        texts=texts_of(root / "templates"),
        pools=pools_of(root / "coupons"),
        events=events_of(root / "events.yaml")[0],
        manual=frozenset(plan.journey for plan in plans if isinstance(plan.enter, Manual)),
    )


def lint_journeys(files: Iterable[Loaded], known: Known, lang: str = "en") -> list[Problem]:
    """Return what is wrong in each of these compiled files alone (those without a plan are passed over)."""
    scenes = _scenes(files, known)
    return [problem.in_language(lang) for scene in scenes for check in _OF_ONE for problem in check(scene)]


def _scenes(files: Iterable[Loaded], known: Known) -> list[Scene]:
    return [Scene(loaded, loaded.plan, known) for loaded in files if loaded.plan is not None]


def _of_all(scenes: Sequence[Scene], known: Known, folder: Path) -> Iterator[Problem]:
    sites = [site for scene in scenes for site in sites_of(scene)]
    everywhere = [*sites, *audience_sites(folder, known.audience)]
    yield from check_circles(scenes)
    yield from check_confirmations(scenes, known, folder)
    yield from check_languages(known)
    yield from check_events(scenes, known)
    yield from check_tags(scenes, known, everywhere)
    yield from check_stages(scenes, known.audience, everywhere)
    yield from check_types(scenes, everywhere)

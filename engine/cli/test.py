"""`journeyd test`: plays the stories of a workspace and says what was expected and what happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell

if TYPE_CHECKING:
    from journeys.story import StoryReport


def test(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Story files or folders; else all.")] = None,
    *,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play the stories in virtual time; exit 1 when one fails."""
    from journeys import story_report

    invocation: Invocation = ctx.obj
    reports = _play(invocation, paths or [])
    if junit is not None:
        junit.write_text(story_report.junit(reports), encoding="utf-8")
    if as_json:
        emit({"passed": all(report.passed for report in reports), "journeys": [_describe(one) for one in reports]})
    else:
        for report in reports:
            tell(f"{report.journey or report.file}")
            tell(story_report.render(report, invocation.lang).rstrip("\n"))
        tell(story_report.summary(reports, invocation.lang))
    if not all(report.passed for report in reports):
        raise typer.Exit(1)


def _play(invocation: Invocation, paths: list[Path]) -> "list[StoryReport]":
    from journeys.audience import load_audience
    from journeys.story import run_story_file

    root = invocation.root()
    audience, problems = load_audience(root / "audience", invocation.lang, _policy(root))
    for problem in problems:
        remark(str(problem))
    return [run_story_file(file, audience, invocation.lang) for file in _stories(root, paths)]


def _policy(root: Path) -> Any:
    """Return the policy of the settings, so that stories see the zone that the daemon sees."""
    import os

    from config.settings import load_settings
    from engine.core.plan import Policy

    settings = load_settings(root, os.environ)
    return Policy(default_zone=settings.default_zone, max_event_age=settings.max_event_age)


def _stories(root: Path, paths: list[Path]) -> list[Path]:
    from engine.core.errors import BadInput
    from journeys.story import story_files

    if not paths:
        return story_files(root / "journeys")
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += story_files(path)
        elif path.name.endswith(".story.yaml") and path.is_file():
            found.append(path)
        elif path.with_suffix(".story.yaml").is_file():
            found.append(path.with_suffix(".story.yaml"))
        else:
            raise BadInput(f"{path} has no stories", f"Write them to {path.with_suffix('.story.yaml')}")
    return found


def _describe(report: "StoryReport") -> dict[str, Any]:
    coverage = report.coverage
    return {
        "journey": report.journey,
        "file": report.file,
        "passed": report.passed,
        "problems": [problem.describe() for problem in report.problems],
        "stories": [
            {
                "story": result.name,
                "passed": result.passed,
                "line": result.place.line,
                "failures": [
                    {"line": failure.place.line, "expected": failure.expected, "happened": failure.happened}
                    for failure in result.failures
                ],
                "trace": result.trace,
            }
            for result in report.results
        ],
        "coverage": None
        if coverage is None
        else {
            "share": coverage.share,
            "missed_steps": coverage.missed_steps,
            "missed_ways": [{"step": way.step, "kind": way.kind, "way": way.name} for way in coverage.missed_ways],
        },
    }

"""`journeyd test`: plays the stories of a workspace and says what was expected and what happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, remark, tell

if TYPE_CHECKING:
    from journeys.story import StoryReport

Only = Annotated[str, typer.Option("--filter", help="Only stories with this text in their or the journey's name.")]
Percent = Annotated[float, typer.Option(min=0, max=100, help="Fail below so many percent of steps and of branches.")]


def test(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Story files or folders; else all.")] = None,
    *,
    only: Only = "",
    min_coverage: Percent = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Play them again whenever a file changes.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play the stories in virtual time; exit 1 when one fails."""
    invocation: Invocation = ctx.obj
    chosen = paths or []
    if watch:
        _watch(invocation, chosen, only)
        return
    reports = _play(invocation, chosen, only)
    if junit is not None:
        from journeys.stories import report as story_report

        junit.write_text(story_report.junit(reports), encoding="utf-8")
    thin = [report for report in reports if _coverage(report) < min_coverage]
    passed = all(report.passed for report in reports) and not thin
    if as_json:
        emit({"passed": passed, "journeys": [_describe(one) for one in reports]})
    else:
        _show(invocation, reports)
        for report in thin:
            told = f"{report.journey}: {_coverage(report):.0f} % < {min_coverage:g} %"
            tell(invocation.say(f"coverage too low: {told}", f"覆盖率不足：{told}"))
    if not passed:
        raise typer.Exit(1)


def _show(invocation: Invocation, reports: "list[StoryReport]") -> None:
    from journeys.stories import report as story_report

    for report in reports:
        tell(f"{report.journey or report.file}")
        tell(story_report.render(report, invocation.lang).rstrip("\n"))
    tell(story_report.summary(reports, invocation.lang))


def _coverage(report: "StoryReport") -> float:
    """The lower of the steps travelled and the branches taken, in percent; a filtered run has none to measure."""
    found = report.coverage
    return 100.0 if found is None else 100 * min(found.share, found.branch_share)


def _watch(invocation: Invocation, paths: list[Path], only: str) -> None:
    """Play again at every change until `q`; `a` plays all stories, `f` only those files that failed."""
    from engine.cli.watching import CHANGED, happenings

    root = invocation.root()
    failed: set[Path] | None = None
    with happenings([root / "journeys", root / "audience", *(path.parent for path in paths)]) as told:
        failing = _round(invocation, paths, only)
        for said in told:
            if said == "q":
                return
            if said not in {CHANGED, "a", "f"}:
                continue
            failed = failing if said == "f" else None if said == "a" else failed
            failing = _round(invocation, sorted(failed) if failed else paths, only)


def _round(invocation: Invocation, paths: list[Path], only: str) -> set[Path]:
    """Play once and show it; return the files with failures."""
    from engine.core.errors import JourneydError

    console().clear()  # of a terminal; a pipe gets everything, one round after the other
    try:
        reports = _play(invocation, paths, only)
    except JourneydError as error:  # a file that is half written: the next change tells
        remark(f"{error.code}: {error}")
        return set()
    _show(invocation, reports)
    tell(invocation.say("q quits, a plays all, f only what failed", "q 退出，a 全部，f 仅失败"))
    return {Path(report.file) for report in reports if not report.passed}


def _play(invocation: Invocation, paths: list[Path], only: str) -> "list[StoryReport]":
    from journeys.audience import load_audience
    from journeys.story import run_story_file

    root = invocation.root()
    audience, problems = load_audience(root / "audience", invocation.lang, _policy(root))
    for problem in problems:
        remark(str(problem))
    files = [_as_read(root, file) for file in _stories(root, paths)]
    reports = [run_story_file(file, audience, invocation.lang, only=only) for file in files]
    return [report for report in reports if not only or report.results or not report.passed]


def _as_read(root: Path, file: Path) -> Path:
    """Return the path as lint writes it, below the workspace, where that leads to the same file from here."""
    short = file.relative_to(root) if file.is_relative_to(root) else file
    return short if Path.cwd() == root else file


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
            if not path.exists():
                raise BadInput(f"There is no {path}", f"Name a story file or a folder, or try --filter {path.name}")
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
                "diff": result.diff,
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
            "branches": coverage.branch_share,
            "missed_steps": coverage.missed_steps,
            "missed_ways": [{"step": way.step, "kind": way.kind, "way": way.name} for way in coverage.missed_ways],
        },
    }

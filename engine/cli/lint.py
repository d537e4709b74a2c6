"""`journeyd lint`: every complaint about journeys, audience rules and templates, with its place and remedy.

`--fix` mends the mechanical ones first (`mending.py`). What `journeyd run` and `publish` refuse is asked here too.
"""

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from channels.text import BadTemplate
    from engine.core.plan import Plan

Format = Literal["text", "json", "github", "sarif"]


def lint(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; else the whole workspace.")] = None,
    *,
    as_json: AsJson = False,
    format_: Annotated[Format, typer.Option("--format", help="How complaints are written.")] = "text",
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is mechanical, in the files themselves.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")] = False,
) -> None:
    """Check journeys, audience rules and templates; exit 1 on errors."""
    invocation: Invocation = ctx.obj
    asked = _existing(paths or [])
    root = invocation.root()
    with _without_collecting():
        if fix or diff:
            _mend(invocation, root, asked, write=fix and not diff)
        complaints = [one for one in complaints_of(root, invocation.lang) if _is_asked(one["file"], asked, root)]
    _show(invocation, root, complaints, "json" if as_json else format_)
    if any(one["severity"] == "error" for one in complaints):
        raise typer.Exit(1)


def complaints_of(root: Path, lang: str) -> list[dict[str, Any]]:
    """Return every complaint about a workspace as plain data, in the order of files and places."""
    from channels.templates import Library
    from journeys.audience import load_audience
    from journeys.check import load_workspace

    plans, problems = load_workspace(root, lang)
    found = [problem.describe() for problem in problems]
    library: Any = Library(root / "templates")
    found += [_of_template(problem, "T001") for problem in library.problems()]
    modes = load_audience(root / "audience")[0].policy.purposes
    chosen = {purpose for purpose, mode in modes.items() if mode != "none"}
    found += [_of_template(problem, "T002", "warning") for problem in _without_way_out(plans, library, chosen)]
    return sorted(found, key=lambda one: (one["file"], one["line"], one["column"]))


def line_of(one: dict[str, Any], lang: str) -> str:
    """Return a complaint as the line that is printed."""
    place = f"{one['file']}:{one['line']}:{one['column']}" if one["line"] else one["file"]
    if lang == "zh":
        severity = "错误" if one["severity"] == "error" else "警告"
        return f"{place}: {severity} {one['code']}：{one['message']}。{one['remedy']}"
    return f"{place}: {one['severity']} {one['code']}: {one['message']}. {one['remedy']}".rstrip()


@contextmanager
def _without_collecting() -> "Iterator[None]":
    """Let the collector rest: what a lint makes it keeps to its end, and collecting is a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# --- what is wrong ---------------------------------------------------------------------------------


def _without_way_out(plans: "Sequence[Plan]", library: Any, chosen: set[str]) -> "Iterator[BadTemplate]":
    """Yield the email files that show no unsubscribe link: the header alone is not enough.

    Those of the purposes that a customer may say no to.
    """
    from channels.text import BadTemplate
    from engine.core.errors import Place
    from engine.core.plan import Send

    letters = {
        node.template
        for plan in plans
        for node in plan.nodes
        if isinstance(node, Send) and "email" in node.channels and (node.purpose or plan.purpose) in chosen
    }
    for name in sorted(letters & set(library.ids())):
        letter = library.get(name).email
        for text in (letter.html, letter.text) if letter is not None else ():
            if text is not None and "unsubscribe_url" not in text.source:
                place = Place(text.place.file, 1, 1)
                yield BadTemplate(place, "a marketing email shows no unsubscribe link", "add {{ unsubscribe_url }}")


def _of_template(problem: "BadTemplate", code: str, severity: str = "error") -> dict[str, Any]:
    return {
        "code": code,
        "severity": severity,
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "message": problem.problem,
        "remedy": problem.remedy,
    }


def _existing(paths: list[Path]) -> list[Path]:
    from engine.core.errors import BadInput

    for path in paths:
        if not path.exists():
            raise BadInput(f"{path} does not exist", "Name journey files or folders of the workspace")
    return [path.resolve() for path in paths]


def _is_asked(file: str, asked: list[Path], root: Path) -> bool:
    path = (root / file).resolve()
    return not asked or any(path.is_relative_to(one) for one in asked)


# --- how it is said --------------------------------------------------------------------------------


def _show(invocation: Invocation, root: Path, complaints: list[dict[str, Any]], format_: Format) -> None:
    from journeys.sarif import github, sarif

    base = _repository(root) if format_ in {"github", "sarif"} else Path.cwd()
    shown = [{**one, "file": _below(one["file"], base)} for one in complaints]
    errors = sum(one["severity"] == "error" for one in shown)
    match format_:
        case "json":
            emit({"errors": errors, "warnings": len(shown) - errors, "problems": shown})
        case "sarif":
            from importlib import metadata

            emit(sarif(shown, metadata.version("journeyd")))
        case "github":
            for line in github(shown):
                tell(line)
        case "text":
            for one in shown:
                tell(line_of(one, invocation.lang))
            tell(_counts(invocation, errors, len(shown) - errors))


def _counts(invocation: Invocation, errors: int, warnings: int) -> str:
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return invocation.say(counts, f"{errors} 个错误，{warnings} 个警告")


def _repository(root: Path) -> Path:
    """Return the folder of the git repository that holds the workspace, else the current one."""
    here = root.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), Path.cwd())


def _below(file: str, base: Path) -> str:
    """Return the path as seen from `base`, where it lies below."""
    path, base = Path(file).resolve(), base.resolve()
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


# --- what is mended --------------------------------------------------------------------------------


def _mend(invocation: Invocation, root: Path, asked: list[Path], *, write: bool) -> None:
    """Mend the files that are asked for, showing each change; complaints follow about what is left."""
    from engine.cli.mending import mended_files

    changes = 0
    for change in mended_files(root, lambda path: _is_asked(str(path), asked, root)):
        if write:
            change.write()
        changes += len(change.answered)
        for line in change.diff(_below(str(change.path), Path.cwd())):
            remark(line)
    en = f"{changes} {'mended' if write else 'can be mended: run with --fix'}"
    zh = f"{'已修复' if write else '可自动修复（用 --fix）'} {changes} 处"
    remark(invocation.say(en, zh))

"""`journeyd lint`: every complaint about journeys, audience rules and templates, with its place and remedy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from channels.text import BadTemplate
    from engine.core.plan import Plan, Send
    from journeys.problems import Problem


def lint(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; else the whole workspace.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check journeys, audience rules and templates; exit 1 on errors."""
    invocation: Invocation = ctx.obj
    asked = _existing(paths or [])
    root = invocation.root()
    complaints = [one for one in complaints_of(root, invocation.lang) if _is_asked(one["file"], asked, root)]
    for one in complaints:
        one["file"] = _shown(one["file"])
    errors = sum(one["severity"] == "error" for one in complaints)
    if as_json:
        emit({"errors": errors, "warnings": len(complaints) - errors, "problems": complaints})
    else:
        for one in complaints:
            tell(line_of(one, invocation.lang))
        warnings = len(complaints) - errors
        counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        tell(invocation.say(counts, f"{errors} 个错误，{len(complaints) - errors} 个警告"))
    if errors:
        raise typer.Exit(1)


def complaints_of(root: Path, lang: str) -> list[dict[str, Any]]:
    """Return every complaint about a workspace as plain data, in the order of files and places."""
    from channels.templates import Library
    from journeys.check import lint_workspace

    found = [_of_language(problem) for problem in lint_workspace(root, lang)]
    library = Library(root / "templates")
    sends = list(_sends(root))
    found += [_of_template(problem, "T001") for problem in [*library.problems(), *_unsupplied(sends, library)]]
    found += [_of_template(problem, "T002", "warning") for problem in _without_way_out(sends, library)]
    return sorted(found, key=lambda one: (one["file"], one["line"], one["column"]))


def _sends(root: Path) -> "Iterator[tuple[Plan, Send]]":
    """Yield every sending step of the workspace's journeys."""
    from engine.core.plan import Send
    from journeys.compile import load_folder

    for plan in load_folder(root / "journeys").plans:
        for node in plan.nodes:
            if isinstance(node, Send):
                yield plan, node


def _unsupplied(sends: "list[tuple[Plan, Send]]", library: Any) -> list[Any]:
    """Return the variables of templates that the sends of the journeys do not supply."""
    given: dict[str, set[str]] = {}
    for _, node in sends:
        names = set(node.variables)
        given[node.template] = given.get(node.template, names) & names
    sound = library.ids()
    return [problem for name, names in given.items() if name in sound for problem in library.undefined(name, names)]


def _without_way_out(sends: "list[tuple[Plan, Send]]", library: Any) -> "Iterator[BadTemplate]":
    """Yield the email files of marketing journeys that show no unsubscribe link: the header alone is not enough."""
    from channels.text import BadTemplate
    from engine.core.errors import Place

    marketing = {node.template for plan, node in sends if plan.purpose == "marketing" and "email" in node.channels}
    for name in sorted(marketing & set(library.ids())):
        letter = library.get(name).email
        for text in (letter.html, letter.text) if letter is not None else ():
            if text is not None and "unsubscribe_url" not in text.source:
                place = Place(text.place.file, 1, 1)
                yield BadTemplate(place, "a marketing email shows no unsubscribe link", "add {{ unsubscribe_url }}")


def _of_language(problem: "Problem") -> dict[str, Any]:
    return problem.describe()


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


def line_of(one: dict[str, Any], lang: str) -> str:
    """Return a complaint as the line that is printed."""
    place = f"{one['file']}:{one['line']}:{one['column']}" if one["line"] else one["file"]
    if lang == "zh":
        severity = "错误" if one["severity"] == "error" else "警告"
        return f"{place}: {severity} {one['code']}：{one['message']}。{one['remedy']}"
    return f"{place}: {one['severity']} {one['code']}: {one['message']}. {one['remedy']}".rstrip()


def _existing(paths: list[Path]) -> list[Path]:
    from engine.core.errors import BadInput

    for path in paths:
        if not path.exists():
            raise BadInput(f"{path} does not exist", "Name journey files or folders of the workspace")
    return [path.resolve() for path in paths]


def _is_asked(file: str, asked: list[Path], root: Path) -> bool:
    path = (root / file).resolve()
    return not asked or any(path.is_relative_to(one) for one in asked)


def _shown(file: str) -> str:
    """Return the path as seen from the current folder, where it lies below."""
    path, here = Path(file).resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

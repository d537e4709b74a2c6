"""`journeyd init`: a workspace that works at once, with the library's journeys, their stories and fresh keys."""

import secrets
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer

from engine.cli.invocation import FILE, AsJson, Invocation
from engine.cli.output import emit, tell
from engine.core.errors import BadInput
from engine.core.plan import STAGES

KEYS: Final = (".journeyd/write.key", ".journeyd/ops.key")


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also into a folder that holds something; existing files are kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a workspace: settings, the five stages' journeys with their stories, templates, keys, editor schemas."""
    from journeys.schema import vscode_files

    invocation: Invocation = ctx.obj
    _refuse_occupied(folder, force)
    written = [name for name, source in _sources() if _write(folder / name, source)]
    written += [name for name, text in vscode_files().items() if _write_text(folder / name, text)]
    written += [name for name in KEYS if _write_key(folder / name)]
    if as_json:
        emit({"workspace": str(folder.resolve()), "written": written})
        return
    count = len(written)
    tell(invocation.say(f"Made {folder} ({count} files). Next:", f"已创建 {folder}（{count} 个文件）。接下来："))
    for line in (f"cd {folder}", "journeyd lint", "journeyd test", "journeyd run"):
        tell(f"  {line}")


def _refuse_occupied(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file", "Name a new folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        what = "already holds a workspace" if (folder / FILE).is_file() else "is not empty"
        raise BadInput(f"{folder} {what}", "Name a new folder, or add --force: existing files are kept")


def _sources() -> list[tuple[str, Path]]:
    """Return (path in the workspace, file to copy)."""
    starter = Path(str(resources.files("engine.cli"))) / "starter"
    library = Path(str(resources.files("journeys"))) / "library"
    own = [(".gitignore" if file.name == "gitignore" else file.name, file) for file in sorted(starter.iterdir())]
    folders = {stage: f"journeys/{stage}" for stage in STAGES} | {"audience": "audience", "templates": "templates"}
    copied = [
        (f"{target}/{file.relative_to(library / name)}", file)
        for name, target in folders.items()
        for file in sorted((library / name).rglob("*"))
        if file.is_file()
    ]
    return own + copied


def _write(path: Path, source: Path) -> bool:
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.read_bytes())
    return True


def _write_text(path: Path, text: str) -> bool:
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def _write_key(path: Path) -> bool:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return False
    path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
    return True

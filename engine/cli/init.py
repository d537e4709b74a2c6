"""`journeyd init`: a workspace that works at once, with a library's journeys, their stories and fresh keys."""

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
USUAL: Final = "e-commerce"
_FOLDERS: Final = {stage: f"journeys/{stage}" for stage in STAGES} | {
    name: name for name in ("audience", "coupons", "templates")
}
"""What a library holds -> where it goes in a workspace."""


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    *,
    library: Annotated[
        str, typer.Option("--library", metavar="NAME", help="The journeys to begin with: e-commerce, saas or content.")
    ] = USUAL,
    force: Annotated[
        bool, typer.Option("--force", help="Also into a folder that holds something; existing files are kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a workspace: settings, the five stages' journeys with their stories, templates, keys, editor schemas."""
    from journeys.schema import vscode_files

    invocation: Invocation = ctx.obj
    source = _library(library)
    _refuse_occupied(folder, force)
    written = [name for name, file in _sources(source) if _write(folder / name, file)]
    written += [name for name, text in vscode_files().items() if _write_text(folder / name, text)]
    written += [name for name in KEYS if _write_key(folder / name)]
    if as_json:
        emit({"workspace": str(folder.resolve()), "library": library, "written": written})
        return
    from journeys.words.phrases import counted

    count = len(written)
    tell(invocation.say(f"Made {folder} ({counted(count, 'file')}):", f"已创建 {folder}（{count} 个文件）："))
    for line in _made(written, invocation):
        tell(f"  {line}")
    tell(invocation.say("Next:", "接下来："))
    for line in (f"cd {folder}", "journeyd lint", "journeyd test", "journeyd run"):
        tell(f"  {line}")


def _library(name: str) -> Path:
    """Return the folder of a library; raises `BadInput` with the known ones."""
    folder = Path(str(resources.files("journeys"))) / "library"
    known = sorted(one.name for one in folder.iterdir() if one.is_dir())
    if name not in known:
        raise BadInput(f"There is no library {name!r}", f"Choose one of {', '.join(known)}")
    return folder / name


def _refuse_occupied(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file", "Name a new folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        what = "already holds a workspace" if (folder / FILE).is_file() else "is not empty"
        raise BadInput(f"{folder} {what}", "Name a new folder, or add --force: existing files are kept")


def _sources(library: Path) -> list[tuple[str, Path]]:
    """Return (path in the workspace, file to copy)."""
    starter = Path(str(resources.files("engine.cli"))) / "starter"
    own = [(".gitignore" if file.name == "gitignore" else file.name, file) for file in sorted(starter.iterdir())]
    copied = [
        (f"{target}/{file.relative_to(library / name)}", file)
        for name, target in _FOLDERS.items()
        for file in sorted((library / name).rglob("*"))
        if file.is_file()
    ]
    return own + copied


def _made(written: list[str], invocation: Invocation) -> list[str]:
    """Return what was written, a line per folder: journeys by stage, templates, audience files, coupon pools."""
    say = invocation.say
    found: dict[str, set[str]] = {stage: set() for stage in STAGES} | {
        name: set() for name in ("templates", "audience", "coupons")
    }
    for name in written:
        match name.split("/"):
            case ["journeys", stage, file] if not file.endswith(".story.yaml"):
                found[stage].add(Path(file).stem)
            case ["templates", template, _]:
                found["templates"].add(template)
            case ["audience" | "coupons" as kind, file]:
                found[kind].add(Path(file).stem)
            case _:
                pass
    lines = [f"{stage:<9} {', '.join(sorted(names))}" for stage in STAGES if (names := found[stage])]
    if templates := found["templates"]:
        count = len(templates)
        lines.append(say(f"templates {count}, in English and Chinese", f"templates {count} 个模板，中英双语"))
    if files := found["audience"]:
        lines.append(f"audience  {', '.join(sorted(files))}")
    if pools := ", ".join(sorted(found["coupons"])):
        remark = say("sample codes: put your own in before you go live", "为示例券码，上线前请换成自己的")
        lines.append(f"coupons   {pools} ({remark})")
    return lines


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

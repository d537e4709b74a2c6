"""`journeyd story from-history`: a story written out of what really happened to a customer in a journey."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell

if TYPE_CHECKING:
    from engine.bootstrap.story_from_history import FromHistory

app = typer.Typer(no_args_is_help=True, help="Stories: tests of journeys that a marketer can read.")


@app.callback()
def _story() -> None:
    """Stories: tests of journeys that a marketer can read."""


@app.command("from-history")
def from_history(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")],
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep-personal-data", help="Keep names, addresses and identifiers as they are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a story out of recorded events: what CUSTOMER lived through in JOURNEY."""
    invocation: Invocation = ctx.obj
    made = _made(invocation, customer, journey, keep=keep)
    for line in made.left_out:
        remark(invocation.say(f"Left out: {line}", f"未写入：{line}"))
    if out is not None:
        _write(out, made.text)
        remark(invocation.say(f"Wrote {out}", f"已写入 {out}"))
    if as_json:
        emit({"story": made.text, "run": made.run, "version": made.version, "left_out": made.left_out})
    elif out is None:
        tell(made.text.rstrip("\n"))


def _made(invocation: Invocation, asked: str, journey: str, *, keep: bool) -> "FromHistory":
    from engine.bootstrap.story_from_history import story_from_history
    from engine.cli.who import find_customer
    from journeys.stories.masks import Masks

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        customer = find_customer(store, asked, workspace.settings.default_region)
        return story_from_history(workspace, store, customer, journey, masks=Masks.none() if keep else None)


def _write(path: Path, text: str) -> None:
    from engine.core.errors import BadInput

    if path.exists():
        raise BadInput(f"{path} is there already", "Name a new file; its stories can be moved over by hand")
    path.write_text(text, encoding="utf-8")

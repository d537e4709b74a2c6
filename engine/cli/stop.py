"""`journeyd stop` and `journeyd resume`: hold a journey, or all sending, within one commit, and let it go again."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell
from engine.core.errors import BadInput, BadSetting

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

Journey = Annotated[str | None, typer.Argument(metavar="JOURNEY", help="The journey's name.")]
Everything = Annotated[bool, typer.Option("--all", help="All sending of all journeys.")]


def stop(
    ctx: typer.Context,
    journey: Journey = None,
    *,
    everything: Everything = False,
    why: Annotated[str, typer.Option(help="Kept with the stop and shown by `journeyd status`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop a journey, or all sending; nothing more is planned or sent until `journeyd resume`."""
    _direct(ctx.obj, "stop", _subject(journey, everything), why, as_json)


def resume(
    ctx: typer.Context, journey: Journey = None, *, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Let a stopped journey, or all sending, go on."""
    _direct(ctx.obj, "resume", _subject(journey, everything), "", as_json)


def _subject(journey: str | None, everything: bool) -> str:
    if (journey is None) == (not everything):
        raise BadInput("Name one journey, or --all", "Write `journeyd stop welcome`, or `journeyd stop --all`")
    return journey or "*"


def _direct(invocation: Invocation, verb: Literal["stop", "resume"], subject: str, why: str, as_json: bool) -> None:
    from engine.cli.direct import say

    workspace = invocation.workspace()
    if subject != "*":
        _check(workspace, subject)
    said = say(workspace, verb=verb, subject=subject, value=why)
    if as_json:
        emit({"verb": verb, "subject": subject, **said})
        return
    name = subject if subject != "*" else invocation.say("all sending", "全部发送")
    done = invocation.say({"stop": "Stopped", "resume": "Resumed"}[verb], {"stop": "已停止", "resume": "已恢复"}[verb])
    later = invocation.say(" (no daemon runs: it holds from its next start)", "（守护进程未运行：下次启动时生效）")
    tell(f"{done}: {name}{later if said['through'] == 'log' else ''}")


def _check(workspace: "Workspace", journey: str) -> None:
    known = {plan.journey for plan in workspace.plans()}
    try:
        with closing(workspace.read_store()) as store:
            known |= set(store.current())
    except BadSetting:
        pass  # nothing was ever run here: what is written is all there is
    if journey not in known:
        raise BadInput(f"There is no journey {journey}", f"Known: {', '.join(sorted(known)) or 'none'}")

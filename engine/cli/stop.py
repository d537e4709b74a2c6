"""`journeyd stop` and `journeyd resume`: hold a journey, or all sending, within one commit, and let it go again.

`journeyd pause` says its word the same way.
"""

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated, Final, Literal

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
    direct(ctx.obj, "stop", subject_of(journey, everything, "stop"), why, as_json)


def resume(
    ctx: typer.Context, journey: Journey = None, *, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Let a stopped or paused journey, or all sending, go on."""
    direct(ctx.obj, "resume", subject_of(journey, everything, "resume"), "", as_json)


def subject_of(journey: str | None, everything: bool, verb: str) -> str:
    """Return the journey's name, or "*" for all; raises `BadInput` for both or neither."""
    if (journey is None) == (not everything):
        raise BadInput("Name one journey, or --all", f"Write `journeyd {verb} welcome`, or `journeyd {verb} --all`")
    return journey or "*"


def direct(
    invocation: Invocation, verb: Literal["stop", "pause", "resume"], subject: str, why: str, as_json: bool
) -> None:
    """Say the word, to the daemon or into the log, and tell what became of it."""
    from engine.cli.direct import say

    workspace = invocation.workspace()
    if subject != "*":
        _check(workspace, subject)
    said = say(workspace, verb=verb, subject=subject, value=why)
    if as_json:
        emit({"verb": verb, "subject": subject, **said})
        return
    everything = ("all entering", "全部进入") if verb == "pause" else ("all sending", "全部发送")
    name = subject if subject != "*" else invocation.say(*everything)
    done = invocation.say(*_DONE[verb])
    later = _LATER_SHARED[verb == "stop"] if workspace.is_shared else _LATER
    tell(f"{done}: {name}{invocation.say(*later) if said['through'] == 'log' else ''}")


_DONE: Final = {"stop": ("Stopped", "已停止"), "pause": ("Paused", "已暂停"), "resume": ("Resumed", "已恢复")}

_LATER: Final = (" (no daemon runs: it holds from its next start)", "（守护进程未运行：下次启动时生效）")
_LATER_SHARED: Final = (
    (" (no worker lives: it holds once one does)", "（当前没有存活的 worker：恢复后生效）"),
    (
        " (no worker lives: it holds once one does; to end sending now, stop the dispatchers)",
        "（当前没有存活的 worker：恢复后生效；要立即停止发送，请停掉 dispatcher）",
    ),
)


def _check(workspace: "Workspace", journey: str) -> None:
    known: set[str] = set()
    with suppress(BadSetting):  # an operator's word does not wait until the folder is mended
        known |= {plan.journey for plan in workspace.plans()}
    try:
        with closing(workspace.read_store()) as store:
            known |= {*store.current(), *(plan.journey for plan in store.plans())}
    except BadSetting:
        pass  # nothing was ever run here: what is written is all there is
    if journey not in known:
        raise BadInput(f"There is no journey {journey}", f"Known: {', '.join(sorted(known)) or 'none'}")

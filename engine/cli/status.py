"""`journeyd status`: how many customers, touches and conversions there are, and whether anything waits for ops."""

from contextlib import closing

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show totals: the lifecycle funnel, touches per journey and channel, conversions."""
    from engine.cli import show
    from engine.core.plan import STAGES

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        counts, flags = store.counts(), store.flags()
        position, current = store.position(), store.current()
    stopped = {name.removeprefix("stop:"): why for name, why in flags.items() if name.startswith("stop:")}
    if as_json:
        emit({"applied": position, "journeys": current, "stopped": stopped, **show.counts_data(counts)})
        return
    out = console()
    tell(
        invocation.say(
            f"{counts.customers} customers, log applied to {position}",
            f"客户 {counts.customers}，日志已处理至 {position}",
        )
    )
    for name, why in stopped.items():
        tell(invocation.say(f"stopped: {name} ({why})", f"已停止：{name}（{why}）"))
    out.print("")
    out.print(show.funnel(counts, STAGES))
    if counts.touches:
        out.print("")
        out.print(show.touches_by_journey(counts))
    if counts.conversions:
        out.print("")
        out.print(show.conversions(counts))
    if counts.dead:
        tell(invocation.say(f"\n{counts.dead} dead letters", f"\n死信 {counts.dead}"))

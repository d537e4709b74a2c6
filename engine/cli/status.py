"""`journeyd status`: how many customers, touches and conversions there are, and whether anything waits for ops."""

from contextlib import closing

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell
from engine.cli.releasing import job_in_words


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show totals: the lifecycle funnel, touches per journey and channel, conversions."""
    from engine.cli import show
    from engine.core.plan import STAGES
    from journeys.words.phrases import counted

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        counts, flags = store.counts(), store.flags()
        position, current = store.position(), store.current()
        releases, jobs = store.releases(1), store.jobs()
        erased = store.erasures()
    stopped = {name.removeprefix("stop:"): why for name, why in flags.items() if name.startswith("stop:")}
    paused = {name.removeprefix("pause:"): why for name, why in flags.items() if name.startswith("pause:")}
    release = releases[0].id if releases else ""
    if as_json:
        standing = {"applied": position, "release": release, "journeys": current, "stopped": stopped, "paused": paused}
        working = [{"job": job.name, "phase": job.phase, "done": job.done, "total": job.total} for job in jobs]
        gone = {"people": len(erased), "dropped": sum(row.dropped for row in erased)}
        emit({**standing, "jobs": working, "erased": gone, **show.counts_data(counts)})
        return
    out = console()
    tell(
        invocation.say(
            f"{counted(counts.customers, 'customer')}, log applied to {position}",
            f"客户 {counts.customers}，日志已处理至 {position}",
        )
    )
    if release:
        tell(invocation.say(f"release {release} is in force", f"当前版本 {release}"))
    for job in jobs:
        tell(f"{job_in_words(job, invocation.lang)}: {job.done:,} / {job.total:,}")
    for name, why in stopped.items():
        tell(invocation.say(f"stopped: {name} ({why})", f"已停止：{name}（{why}）"))
    for name, why in paused.items():
        tell(invocation.say(f"paused: {name} ({why})", f"已暂停进入：{name}（{why}）"))
    out.print("")
    out.print(show.funnel(counts, STAGES, invocation.lang))
    if counts.touches:
        out.print("")
        out.print(show.touches_by_journey(counts, invocation.lang))
    if counts.conversions:
        out.print("")
        out.print(show.conversions(counts, invocation.lang))
    if erased:
        dropped = sum(row.dropped for row in erased)
        tell(
            invocation.say(
                f"\n{counted(len(erased), 'person', 'people')} erased, {dropped:,} entries came for them since",
                f"\n已删除 {len(erased):,} 人，此后丢弃其数据 {dropped:,} 条",
            )
        )
    if counts.dead:
        tell(invocation.say(f"\n{counted(counts.dead, 'dead letter')}", f"\n死信 {counts.dead}"))

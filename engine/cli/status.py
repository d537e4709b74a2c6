"""`journeyd status`: how many customers, touches and conversions there are, and whether anything waits for ops."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell
from engine.cli.releasing import job_in_words
from engine.core.ids import SECOND

if TYPE_CHECKING:
    from engine.bootstrap.standing import Standing
    from engine.ports import Counts


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show totals: the lifecycle funnel, touches per journey and channel, conversions."""
    from engine.bootstrap.standing import standing_of
    from engine.cli import show
    from engine.runtime.clock import SystemClock
    from journeys.words.phrases import counted

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    shared = standing_of(workspace, SystemClock())
    with closing(workspace.read_store()) as store:
        counts, flags = store.counts(), store.flags()
        position, current = store.position(), store.current()
        releases, jobs = store.releases(1), store.jobs()
        erased = store.erasures()
    stopped = {name.removeprefix("stop:"): why for name, why in flags.items() if name.startswith("stop:")}
    paused = {name.removeprefix("pause:"): why for name, why in flags.items() if name.startswith("pause:")}
    release = releases[0].id if releases else ""
    if as_json:
        standing: dict[str, Any] = {
            "applied": position,
            "release": release,
            "journeys": current,
            "stopped": stopped,
            "paused": paused,
        }
        working = [{"job": job.name, "phase": job.phase, "done": job.done, "total": job.total} for job in jobs]
        gone = {"people": len(erased), "dropped": sum(row.dropped for row in erased)}
        if shared is not None:
            standing["shared"] = _data(shared)
        emit({**standing, "jobs": working, "erased": gone, **show.counts_data(counts)})
        return
    log, log_zh = ("log", "日志") if shared is None else ("operators' words (the desk)", "运维指令（desk）")
    tell(
        invocation.say(
            f"{counted(counts.customers, 'customer')}, {log} applied to {position}",
            f"客户 {counts.customers}，{log_zh}已处理至 {position}",
        )
    )
    if shared is not None:
        _tell_shared(invocation, shared)
    if release:
        tell(invocation.say(f"release {release} is in force", f"当前版本 {release}"))
    for job in jobs:
        tell(f"{job_in_words(job, invocation.lang)}: {job.done:,} / {job.total:,}")
    for name, why in stopped.items():
        tell(invocation.say(f"stopped: {name} ({why})", f"已停止：{name}（{why}）"))
    for name, why in paused.items():
        tell(invocation.say(f"paused: {name} ({why})", f"已暂停进入：{name}（{why}）"))
    _tell_totals(invocation, counts)
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


def _tell_totals(invocation: Invocation, counts: "Counts") -> None:
    """Show the funnel, the touches and the conversions."""
    from engine.cli import show
    from engine.core.plan import STAGES

    out = console()
    out.print("")
    out.print(show.funnel(counts, STAGES, invocation.lang))
    if counts.touches:
        out.print("")
        out.print(show.touches_by_journey(counts, invocation.lang))
    if counts.conversions:
        out.print("")
        out.print(show.conversions(counts, invocation.lang))


def _tell_shared(invocation: Invocation, shared: "Standing") -> None:
    """Say what only a store has that many processes share."""
    from engine.cli import show
    from engine.usecases.answer import readable_instant

    say, nothing = invocation.say, invocation.say("nothing yet", "尚无")
    columns = [
        say(*pair) for pair in (("partition", "分区"), ("owner", "归属"), ("behind", "落后"), ("offset", "位点"))
    ]
    rows = [
        (
            row.partition,
            row.owner or say("nobody", "无人"),
            nothing if row.behind < 0 else say(f"{row.behind / SECOND:,.1f} s", f"{row.behind / SECOND:,.1f} 秒"),
            nothing if row.offset < 0 else row.offset,
        )
        for row in shared.partitions
    ]
    console().print(show.table(columns, rows))
    if (word := shared.word) is not None:
        said = readable_instant(word.said)
        tell(
            say(
                f"waits at the desk: {word.verb}, said {said}; {word.waiting} in all",
                f"desk 等待处理：{word.verb}（{said}），共 {word.waiting} 条",
            )
        )
    if shared.tide is not None:
        at = readable_instant(shared.tide)
        if shared.turned_by:
            tell(
                say(
                    f"time stands at {at}: history is being imported, nothing happens by the clock",
                    f"时间停在 {at}：正在导入历史，一切暂不按时钟进行",
                )
            )
        else:
            tell(
                say(
                    f"time stands at {at}, and whoever imported history is gone: a worker ends that after two minutes",
                    f"时间停在 {at}，而导入历史的进程已不在：两分钟后由 worker 恢复时钟",
                )
            )


def _data(shared: "Standing") -> dict[str, Any]:
    """Return that as `--json` prints it: Kafka's numbers, instants and lengths in microseconds."""
    word = shared.word
    return {
        "partitions": [
            {
                "partition": row.partition,
                "owner": row.owner,
                "behind": None if row.behind < 0 else row.behind,
                "offset": None if row.offset < 0 else row.offset,
            }
            for row in shared.partitions
        ],
        "word": None if word is None else {"verb": word.verb, "said": word.said, "waiting": word.waiting},
        "tide": shared.tide,
        "turned_by": shared.turned_by,
    }

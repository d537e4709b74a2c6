"""`journeyd coupons`: how full the pools are, new codes from a file, and who got which code."""

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, console, emit, remark, tell
from engine.core.errors import BadInput, BadSetting

if TYPE_CHECKING:
    from engine.bootstrap.coupons import CodeFile
    from engine.bootstrap.workspace import Workspace
    from engine.ports import PoolRow, Reader

app = typer.Typer(invoke_without_command=True, help="Coupon pools: what is free, new codes, and who got which.")

FEW: Final = 100
"""Free codes below which a pool is said to run out."""

Pool = Annotated[str, typer.Argument(metavar="POOL", help="The pool's name, like SPRING10.")]


@app.callback()
def coupons(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the pools: free and issued codes."""
    if ctx.invoked_subcommand is None:
        list_(ctx, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the pools: free and issued codes."""
    from engine.cli.show import table

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        pools = _pools(store, workspace)
    if as_json:
        emit([{"pool": row.pool, "free": row.free, "issued": row.issued} for row in pools])
        return
    if not pools:
        tell(invocation.say("No coupon pools.", "没有券池。"))
        return
    heads = (invocation.say("pool", "券池"), invocation.say("free", "剩余"), invocation.say("issued", "已发放"))
    console().print(table(heads, [(row.pool, f"{row.free:,}", f"{row.issued:,}") for row in pools]))
    for row in pools:
        if row.free < FEW:
            remark(
                invocation.say(
                    f"{row.pool} runs out of codes: {row.free} left. Add some: journeyd coupons import {row.pool} FILE",
                    f"{row.pool} 仅剩 {row.free} 个券码。请补充：journeyd coupons import {row.pool} 文件",
                )
            )


def _pools(store: "Reader", workspace: "Workspace") -> "list[PoolRow]":
    """Return the pools there are, and those that a journey takes codes of although nobody stocked them."""
    from engine.core.plan import Coupon
    from engine.ports import PoolRow

    current = store.current()
    plans = [plan for plan in store.plans() if current.get(plan.journey) == plan.version]
    with suppress(BadSetting):  # a look at the pools does not wait until the folder is mended
        plans += workspace.plans()
    asked = {node.pool for plan in plans for node in plan.nodes if isinstance(node, Coupon)}
    known = store.pools()
    missing = asked - {row.pool for row in known}
    return sorted([*known, *(PoolRow(pool, 0, 0) for pool in missing)], key=lambda row: row.pool)


@app.command("issued")
def issued(
    ctx: typer.Context,
    pool: Pool,
    *,
    customer: Annotated[str, typer.Option(help="Only to this customer: OneID, user_id:u1 or a bare value.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show who got which code of a pool, newest first."""
    import msgspec

    from engine.cli.instants import shown_zone
    from engine.cli.show import table
    from engine.cli.who import find_customer
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        names = [row.pool for row in _pools(store, workspace)]
        if pool not in names:
            raise BadInput(f"There is no pool {pool}", f"Known: {', '.join(names) or 'none'}")
        id_ = find_customer(store, customer, workspace.settings.default_region).id if customer else ""
        rows = store.coupons(id_, pool, limit)
    if as_json:
        emit([msgspec.structs.asdict(row) for row in rows])
        return
    if not rows:
        tell(invocation.say("No codes issued.", "尚未发放券码。"))
        return
    heads = [("at", "时间"), ("code", "券码"), ("customer", "客户"), ("journey", "旅程"), ("step", "步骤")]
    zone = shown_zone(workspace.settings)
    cells = [(instant(row.at, zone), row.code, row.customer, row.journey, row.step) for row in rows]
    console().print(table([invocation.say(*head) for head in heads], cells))


@app.command("import")
def import_(
    ctx: typer.Context,
    pool: Pool,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV (the column `code`, else the first) or a code a line.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Add the codes of a file to a pool; known ones are left alone; exit 1 when codes were refused."""
    from rich.progress import Progress

    from engine.bootstrap.coupons import CodeFile, stock_entries
    from engine.cli.direct import hand_over, operator
    from engine.core.coupons import is_pool
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj
    if not is_pool(pool):
        raise BadInput(f"{pool!r} is no name of a pool", "Use letters, digits, - and _, like SPRING10")
    workspace, codes = invocation.workspace(), CodeFile(file)
    with Progress(console=aside(), disable=as_json, transient=True) as progress:
        task = progress.add_task(pool, total=codes.lines())
        words = stock_entries(pool, codes, at=SystemClock().now(), by=operator())
        through = hand_over(workspace, words, lambda word: progress.advance(task, len(word.properties["codes"])))
    _report(invocation, pool, codes, through, as_json=as_json)
    if codes.refused:
        raise typer.Exit(1)


def _report(invocation: Invocation, pool: str, codes: "CodeFile", through: str, *, as_json: bool) -> None:
    counts = {"taken": codes.taken, "blank": codes.blank, "repeated": codes.repeated, "refused": codes.refused}
    if as_json:
        emit({"pool": pool, **counts, "wrong": codes.wrong, "through": through})
        return
    from journeys.words.phrases import counted

    tell(
        invocation.say(
            f"{pool}: {counted(codes.taken, 'code')} taken, {codes.repeated:,} repeated, "
            f"{counted(codes.blank, 'blank line')}, "
            f"{codes.refused:,} refused",
            f"{pool}：接收 {codes.taken:,} 个券码，重复 {codes.repeated:,}，空行 {codes.blank:,}，"
            f"拒绝 {codes.refused:,}",
        )
    )
    for line in codes.wrong:
        remark(line)
    if through == "log":
        remark(
            invocation.say(
                "No daemon runs: the codes are free from its next start", "守护进程未运行：券码将在下次启动后可用"
            )
        )

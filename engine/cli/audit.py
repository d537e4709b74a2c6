"""`journeyd audit`: every tag and stage of every customer derived anew, and compared with what the daemon keeps."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, console, emit, remark, tell

if TYPE_CHECKING:
    from engine.bootstrap.audit import Audited


def audit(
    ctx: typer.Context,
    *,
    sample: Annotated[float, typer.Option(min=0, max=1, help="Share of the customers, always the same ones.")] = 1.0,
    chainer: Annotated[
        Literal["builtin", "durable", "both"], typer.Option(help="Whom to ask: our engine, durable-rules, or both.")
    ] = "both",
    as_json: AsJson = False,
) -> None:
    """Derive tags and stages of all customers anew and show what differs from what is kept; exit 1 when anything does.

    Each customer is looked at as of now, or just before their next timer where that is overdue.
    """
    from rich.progress import Progress

    from engine.bootstrap.audit import audit as look
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj
    with closing(invocation.workspace().read_store()) as store, Progress(console=aside(), transient=True) as shown:
        task = shown.add_task(invocation.say("deriving anew", "重新推导"), total=store.counts().customers or None)
        found = look(
            store, SystemClock(), chainer, sample=sample, progress=lambda done: shown.update(task, completed=done)
        )
    if as_json:
        emit(found)
    else:
        _show(invocation, found)
    if found.disputed:
        raise typer.Exit(1)


def _show(invocation: Invocation, found: "Audited") -> None:
    from engine.cli.show import table
    from journeys.words.phrases import counted

    asked = ", ".join(found.engines)
    tell(
        invocation.say(
            f"{counted(found.customers, 'customer')}, {counted(found.rules, 'rule')}, asked: {asked}. "
            f"{counted(sum(one.customers for one in found.disputed), 'difference')}",
            f"{found.customers:,} 位客户，{found.rules:,} 条规则，推理引擎：{asked}。"
            f"差异 {sum(one.customers for one in found.disputed):,} 处",
        )
    )
    if found.disputed:
        heads = [("rule", "规则"), ("customers", "客户数"), ("kept", "现存"), *((name, name) for name in found.engines)]
        says = {True: invocation.say("yes", "有"), False: invocation.say("no", "无")}
        rows = [
            (
                f"{_kind(invocation, one.kind)} {one.name}",
                f"{one.customers:,}",
                says[one.kept],
                *(says[one.said[name]] for name in found.engines),
                ", ".join(one.examples),
            )
            for one in found.disputed
        ]
        heads.append(("for example", "例如"))
        console().print(table([invocation.say(*head) for head in heads], rows))
        remark(invocation.say("Look at one: journeyd customers show ID", "查看其中一位：journeyd customers show ID"))
    _remarks(invocation, found)


def _remarks(invocation: Invocation, found: "Audited") -> None:
    from engine.cli.refusals import chinese

    if found.why_alone:
        why = chinese(found.why_alone) or found.why_alone
        remark(invocation.say(f"Only our own engine was asked: {found.why_alone}", f"仅使用了内置引擎：{why}"))
    if found.fallbacks:
        remark(
            invocation.say(
                f"durable-rules broke over {found.fallbacks:,} customers; the built-in engine answered for them",
                f"durable-rules 在 {found.fallbacks:,} 位客户上失败，已由内置引擎代为推导",
            )
        )
    if found.pending and found.disputed:
        remark(
            invocation.say(
                "A publish is still being worked off (journeyd status): audit again when it is done",
                "发布仍在处理中（journeyd status）：完成后请再次核对",
            )
        )


def _kind(invocation: Invocation, kind: str) -> str:
    return invocation.say("tag", "标签") if kind == "tag" else invocation.say("stage", "阶段")

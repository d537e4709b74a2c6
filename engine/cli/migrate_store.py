"""`journeyd migrate-store`: a workspace's SQLite files move into PostgreSQL, with everything that is under way.

Copies and compares; what stands in the workspace stays as it is, and so does its journeyd.yaml.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, console, emit, remark, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.bootstrap.migrate_store import Compared, Progress


def migrate_store(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="sqlite:PATH", help="The data folder of a workspace.")],
    target: Annotated[
        str, typer.Argument(metavar="postgresql://...", help="An empty database or schema; env:NAME or file:PATH.")
    ],
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Copy nothing; compare what was copied before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move a workspace's data from SQLite into PostgreSQL, and compare both row by row."""
    from engine.bootstrap import migrate_store as moving

    invocation: Invocation = ctx.obj
    settings = invocation.workspace().settings
    data, url = moving.data_of(source), moving.address(target, invocation.root(), os.environ)
    moving.settle(data, settings)
    with _bars(invocation, moving.sizes(data), is_quiet=as_json) as progress:
        compared = (moving.verify_store if verify else moving.migrate_store)(data, url, progress)
    if as_json:
        emit([{"table": one.table, "rows": [one.here, one.there], "same": one.is_same} for one in compared])
    else:
        _tell(invocation, compared)
    if not all(one.is_same for one in compared):
        remark(_refused(invocation, verify))
        raise typer.Exit(1)


@contextmanager
def _bars(invocation: Invocation, rows: int, *, is_quiet: bool) -> "Iterator[Progress]":
    from rich.progress import Progress

    with Progress(console=aside(), disable=is_quiet, transient=True) as progress:
        tasks = {
            "copy": progress.add_task(invocation.say("reading the workspace", "读取工作区"), total=max(rows, 1)),
            "compare": progress.add_task(invocation.say("comparing the database", "核对数据库"), total=max(rows, 1)),
        }
        yield lambda what, done: progress.advance(tasks[what], done)


def _tell(invocation: Invocation, compared: "Sequence[Compared]") -> None:
    from engine.cli.show import table

    say = invocation.say
    differs, same = say("DIFFERS", "不一致"), say("same", "一致")
    rows = [
        (one.table, f"{one.here:,}", f"{one.there:,}", one.checksum, same if one.is_same else differs)
        for one in compared
        if one.here or one.there
    ]
    heads = (say("table", "表"), "SQLite", "PostgreSQL", say("checksum", "校验和"), "")
    console().print(table(heads, rows))
    if all(one.is_same for one in compared):
        total = sum(one.there for one in compared)
        tell(
            say(
                f"{total:,} rows are the same on both sides. Set store.url, then start journeyd.",
                f"两侧 {total:,} 行完全一致。请设置 store.url，然后启动 journeyd。",
            )
        )


def _refused(invocation: Invocation, verify: bool) -> str:
    if verify:
        return invocation.say(
            "The two differ: somebody has worked on one of them since, or the copy is not of this workspace.",
            "两侧不一致：其中一侧之后被使用过，或者数据库并非由此工作区复制而来。",
        )
    return invocation.say(
        "The copy differs from the workspace, so nothing was written. This is a bug: report it with the table above.",
        "复制结果与工作区不一致，因此没有写入任何内容。这是一个缺陷：请附上以上表格报告。",
    )

"""`journeyd segments`: the live sets of customers and the lists, how many are in each, who, and why somebody is or not.

Counts and members come from what the engine keeps as customers move: nobody is scanned. Only `preview --when`, which
asks a condition that is not published, looks at everybody.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, remark, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.plan import Audience
    from engine.ports import Reader

app = typer.Typer(invoke_without_command=True, help="Segments and lists: how many are in each, who, and why.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The segment's name, like dormant-30d.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


@app.callback()
def segments(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show every segment and list: in words, and how many customers are in it now."""
    if ctx.invoked_subcommand is None:
        list_(ctx, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show every segment and list: in words, and how many customers are in it now."""
    from engine.cli import segment_tables as tables

    invocation: Invocation = ctx.obj
    with closing(invocation.workspace().read_store()) as store:
        audience = _in_force(store)
        rows = tables.counted_rows(store, audience, list(audience.segments), invocation.lang)
        everybody = store.counts().customers
    if as_json:
        emit([row.data() for row in rows])
    elif rows:
        console().print(tables.counted_table(rows, everybody, invocation.say))
    else:
        tell(
            invocation.say(
                "No segments. Write them to audience/segments.yaml and publish.",
                "没有人群。请写入 audience/segments.yaml 并发布。",
            )
        )


@app.command("count")
def count(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One segment; else all.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Say how many customers are in a segment now."""
    from engine.cli import segment_tables as tables

    invocation: Invocation = ctx.obj
    with closing(invocation.workspace().read_store()) as store:
        audience = _in_force(store)
        names = [_known(name, audience)] if name else list(audience.segments)
        rows = tables.counted_rows(store, audience, names, invocation.lang)
    if as_json:
        emit({row.name: row.customers for row in rows})
    elif name:
        tell(f"{rows[0].customers:,}")
    else:
        for row in rows:
            tell(f"{row.name}  {row.customers:,}")


@app.command("preview")
def preview(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A segment or list that is in force.")] = "",
    *,
    when: Annotated[str, typer.Option(metavar="CONDITION", help="A condition that is not published yet.")] = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show who is in a segment, or would be in one of the condition given: how many, their share, and some of them."""
    invocation: Invocation = ctx.obj
    if bool(name) == bool(when):
        raise BadInput("Preview one thing", "Name a segment, or give a condition with --when")
    if when:
        _preview_condition(invocation, when, limit, as_json=as_json)
    else:
        _preview_members(invocation, name, limit, as_json=as_json)


def _preview_members(invocation: Invocation, name: str, limit: int, *, as_json: bool) -> None:
    from engine.cli import segment_tables as tables
    from engine.cli.instants import shown_zone

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        audience = _in_force(store)
        _known(name, audience)
        [row] = tables.counted_rows(store, audience, [name], invocation.lang)
        members = next(tables.member_pages(store, audience, name, limit), [])
        everybody = store.counts().customers
    if as_json:
        emit({**row.data(), "members": [member.data() for member in members[:limit]]})
        return
    tell(tables.share_line(name, row.customers, everybody, invocation.say))
    if members:
        console().print(tables.member_table(members[:limit], shown_zone(workspace.settings), invocation.say))


def _preview_condition(invocation: Invocation, when: str, limit: int, *, as_json: bool) -> None:
    from rich.progress import Progress

    from engine.cli import segment_tables as tables
    from engine.cli.instants import shown_zone
    from engine.cli.output import aside
    from engine.cli.segment_asked import asked_of
    from engine.runtime.clock import SystemClock

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        asked = asked_of(store, when, invocation.lang)
        everybody = store.counts().customers
        with Progress(console=aside(), disable=as_json, transient=True) as progress:
            task = progress.add_task(invocation.say("customers", "客户"), total=everybody)
            found = asked.find(store, SystemClock().now(), limit, lambda done: progress.update(task, completed=done))
    if as_json:
        share = found.customers / found.looked if found.looked else 0.0
        examples = [member.data() for member in found.examples]
        said = {"when": when, "customers": found.customers, "of": found.looked, "share": share}
        emit({**said, "not_counted": list(asked.unkept), "examples": examples})
        return
    tell(tables.share_line(asked.words, found.customers, found.looked, invocation.say))
    if found.examples:
        console().print(tables.member_table(found.examples, shown_zone(workspace.settings), invocation.say))
    for event in asked.unkept:
        remark(
            invocation.say(
                f"Nothing in force counts {event} as this does, so what happened so far is not all in the figures: "
                "publish the segment, and it is counted from the history",
                f"目前没有规则按此方式统计 {event}，以上数字未完整计入过去的事件：发布该人群后会从历史补算",
            )
        )


@app.command("explain")
def explain(
    ctx: typer.Context,
    name: Name,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say why a customer is in a segment or not: every part of its condition, and until when it holds by itself."""
    from engine.cli import segment_tables as tables
    from engine.cli.segment_asked import context_of
    from engine.cli.who import find_customer
    from engine.core.calendar import zone_of
    from engine.core.judging import judge
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        audience = _in_force(store)
        _known(name, audience)
        found = find_customer(store, customer, workspace.settings.default_region)
        judged = judge(audience.segments[name], context_of(store, audience, found, SystemClock().now()))
        since = next((row.since for row in store.labels(found.id) if row.name == name and row.kind != "tag"), 0)
    if as_json:
        emit(tables.judged_data(name, found.id, judged, since, audience))
        return
    for line in tables.judged_lines(name, judged, since, audience, zone_of(found, audience.policy), invocation.say):
        tell(line)


@app.command("export")
def export(
    ctx: typer.Context,
    name: Name,
    *,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write there instead of the output.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV: OneID, since, a column for each identifier.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write everybody in a segment, in the order of their OneIDs: as CSV, or as JSON lines."""
    from rich.progress import Progress

    from engine.cli import segment_tables as tables
    from engine.cli.output import aside
    from engine.cli.segment_files import written

    invocation: Invocation = ctx.obj
    if as_csv and as_json:
        raise BadInput("Export as CSV or as JSON", "Give one of --csv and --json")
    with closing(invocation.workspace().read_store()) as store:
        audience = _in_force(store)
        [row] = tables.counted_rows(store, audience, [_known(name, audience)], invocation.lang)
        pages = tables.member_pages(store, audience, name)
        with Progress(console=aside(), disable=as_json or to is None, transient=True) as progress:
            task = progress.add_task(name, total=row.customers)
            kinds = [rule.kind for rule in audience.identity.kinds]
            number = written(pages, kinds, to, lambda done: progress.advance(task, done), as_json=as_json)
    if to is not None:
        remark(invocation.say(f"{number:,} customers written to {to}", f"已将 {number:,} 名客户写入 {to}"))


def _in_force(store: "Reader") -> "Audience":
    """Return the rules of the newest release; those of nobody before the first."""
    from engine.core.plan import Audience

    newest = store.releases(1)
    return newest[0].audience if newest else Audience()


def _known(name: str, audience: "Audience") -> str:
    if name in audience.segments:
        return name
    from journeys.problems import nearest

    near = nearest(name, audience.segments)
    known = ", ".join(sorted(audience.segments)) or "none"
    remedy = f"Did you mean {near}?" if near else f"Known: {known}"
    raise BadInput(f"There is no segment {name}", remedy)

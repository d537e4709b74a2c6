"""`journeyd customers`: who is known, everything known of one of them, and what they may ask for: their data, oblivion.

What is shown is gathered by `customer_page.py` and `customer_timeline.py`; erasing is in `customer_erasing.py`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TextIO

import typer

from engine.cli import customer_erasing
from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, console, emit, plain, remark, tell

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.core.audience.identity import Rules
    from engine.core.plan import Audience
    from engine.core.state import Customer
    from engine.ports import EventLog, Reader

app = typer.Typer(no_args_is_help=True, help="Who is known, what is known of one customer, and what they may ask for.")
app.command("erase")(customer_erasing.erase)
app.command("readmit")(customer_erasing.readmit)
app.command("erased")(customer_erasing.erased)

WIDTH = 100
"""Columns that a person's page fits into."""

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    stage: Annotated[str, typer.Option(help="Only those who stand in this stage.")] = "",
    tag: Annotated[str, typer.Option(help="Only those who carry this tag.")] = "",
    segment: Annotated[str, typer.Option(help="Only those in this segment or list.")] = "",
    after: Annotated[str, typer.Option(help="Go on after this OneID.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List customers in the order of their OneIDs."""
    from itertools import islice

    from engine.cli import show
    from engine.cli.instants import shown_zone
    from engine.cli.label_names import check_labels
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    now = SystemClock().now()
    with closing(workspace.read_store()) as store:
        check_labels(store, _audience(workspace, store), stage=stage, tag=tag, segment=segment)
        asked = _asked(store, (tag, segment), after, now)
        fits = (one for one in asked if (not stage or one.stage == stage) and _carries(one, tag, now))
        customers = list(islice(fits, limit))
    if as_json:
        emit([show.customer_data(customer) for customer in customers])
    elif customers:
        console().print(show.customer_table(customers, shown_zone(workspace.settings)))
    else:
        tell(invocation.say("No customers.", "没有客户。"))


def _asked(store: "Reader", labels: tuple[str, str], after: str, now: int) -> "Iterator[Customer]":
    """Yield who is in the segment (or list), else who carries the tag, else everybody, in the order of ids."""
    tag, segment = labels
    page = 1_000
    if not tag and not segment:
        while found := store.scan(after, page):
            yield from found
            after = found[-1].id
        return
    names = [("segment", segment), ("list", segment)] if segment else [("tag", tag)]
    for kind, name in names:
        start = after
        while rows := store.members(kind, name, now, start, page):
            people = store.customers([row.customer for row in rows])
            yield from (people[row.customer] for row in rows if row.customer in people)
            start = rows[-1].customer


def _carries(customer: "Customer", tag: str, now: int) -> bool:
    return not tag or (tag in customer.tags and customer.tags[tag].lasts_at(now))


@app.command("show")
def show_(ctx: typer.Context, customer: Who, *, as_json: AsJson = False) -> None:
    """Show everything known of one customer: who, what stage and why, tags, consents, coupons, what comes next."""
    from rich.console import Group
    from rich.text import Text

    from engine.cli import show
    from engine.cli.customer_page import gather, person_data, sections
    from engine.cli.who import find_customer
    from engine.core.calendar import zone_of
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        found = find_customer(store, customer, workspace.settings.default_region)
        audience = _audience(workspace, store)
        person = gather(store, found, audience, SystemClock().now())
    if as_json:
        emit(person_data(person))
        return
    zone = zone_of(found, audience.policy)
    out = console()
    for title, lines in sections(person, zone, invocation.lang):
        titled = Text(plain(title), style="bold")
        cells = [(line,) for _, line in lines] if not any(name for name, _ in lines) else lines
        heads = ("",) * len(cells[0])
        out.print(Group(titled, show.table(heads, cells), ""), width=min(out.width, WIDTH))


@app.command("timeline")
def timeline(
    ctx: typer.Context,
    customer: Who,
    *,
    since: Annotated[str, typer.Option(help="Not what was before: 2h or 7d ago, or a date.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the latest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Show one customer's life in one order: events, reasons, touches, receipts, what was achieved, merges."""
    from engine.cli import show
    from engine.cli.customer_timeline import KINDS, Timeline, ordered
    from engine.cli.instants import parse_since
    from engine.core.calendar import zone_of
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with _life(invocation, customer, quiet=as_json) as life:
        zone = zone_of(life.customer, _audience(workspace, life.store).policy)
        told = Timeline(life.store, life.customer, zone, invocation.lang)
        moments = [*told.of_store(), *told.of_log(life.log, life.rules, life.advance)]
    rows = ordered(moments, parse_since(since), limit)
    if as_json:
        emit([{"at": one.at, "kind": one.kind, "words": one.words, "data": one.data} for one in rows])
        return
    cells = [(instant(one.at, zone), invocation.say(*KINDS[one.kind]), one.words) for one in rows]
    out = console()
    out.print(show.table(("", "", ""), cells), width=min(out.width, WIDTH))


@app.command("export")
def export(
    ctx: typer.Context,
    customer: Who,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file; else standard output.")] = None,
) -> None:
    """Write everything kept of one customer as JSON: the answer to somebody who asks for their data."""
    from engine.usecases.answer import Answer

    invocation: Invocation = ctx.obj
    with ExitStack() as stack:
        life = stack.enter_context(_life(invocation, customer, quiet=output is None))
        file = sys.stdout if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
        answer = Answer(life.store, life.log, life.customer, life.rules)
        items = _write(file, life.customer.id, answer, life.advance)
    if output is not None:
        output.chmod(0o600)
        remark(invocation.say(f"{output}: {items:,} items", f"{output}：{items:,} 项"))


def _write(file: TextIO, customer: str, answer: Any, advance: Any) -> int:
    """Write the answer item by item, so that a long life needs no memory; return how many items there were."""
    from engine.runtime.clock import SystemClock
    from engine.usecases.answer import FORM, readable_instant

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    head = {"form": FORM, "customer": customer, "at": readable_instant(SystemClock().now())}
    file.write(text(head)[:-1] + ', "sections": [')
    count = 0
    for place, section in enumerate(answer.sections(advance)):
        file.write(",\n" if place else "\n")
        file.write(f' {{"name": {text(section.name)}, "says": {text(section.says)}, "items": [')
        for number, item in enumerate(section.items):
            file.write((",\n  " if number else "\n  ") + text(item))
            count += 1
        file.write("]}")
    file.write("\n]}\n")
    return count


# --- what the commands share ------------------------------------------------------------------------


def _audience(workspace: "Workspace", store: "Reader") -> "Audience":
    """Return the rules in force; the folder's before anything was published."""
    newest = store.releases(1)
    return newest[0].audience if newest else workspace.audience()


class _Life(NamedTuple):
    """A customer, where everything of them is found, and what to call with the offset while the log is read."""

    customer: "Customer"
    store: "Reader"
    log: "EventLog"
    rules: "Rules"
    advance: Callable[[int], None]


@contextmanager
def _life(invocation: Invocation, asked: str, *, quiet: bool) -> Iterator[_Life]:
    """Open the store and the log to tell a customer's life, with a bar of how far the log was read."""
    from rich.progress import Progress

    from engine.cli.who import find_customer, identity_in_force
    from engine.core.audience.identity import Rules

    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        customer = find_customer(store, asked, workspace.settings.default_region)
        with (
            closing(workspace.read_log()) as log,
            Progress(console=aside(), disable=quiet, transient=True) as progress,
        ):
            task = progress.add_task(invocation.say("reading the log", "读取日志"), total=max(log.tail(), 1))
            rules = Rules(identity_in_force(store))
            yield _Life(customer, store, log, rules, lambda offset: progress.update(task, completed=offset))

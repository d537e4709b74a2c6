"""`journeyd funnel`: how many customers reached each stage, how many went on to the next, and how long that took."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, emit
from engine.core.effects.funnel import Cohort, Funnel, Split
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.ports import Reader

LARGEST: Final = 10
"""Values of --by that are shown, the rest as others."""

PAGE: Final = 1_000


def funnel(
    ctx: typer.Context,
    *,
    cohort: Annotated[
        Cohort, typer.Option(metavar="day|week|month", help="Split by when customers came, in the workspace's zone.")
    ] = "",
    by: Annotated[str, typer.Option(metavar="WHAT", help="Split by source, or by a trait like customer.city.")] = "",
    since: Annotated[str, typer.Option(help="Only customers who came since: 90d, or a date.")] = "",
    until: Annotated[str, typer.Option(help="Only customers who came before: 7d, or a date.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row for each group and stage.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the funnel of the five stages: reached, converted to the next, and the time between."""
    from engine.cli.funnel_tables import Tables, print_csv, shown
    from engine.cli.instants import parse_moment, shown_zone

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    zone = shown_zone(workspace.settings)
    split = Split(zone, cohort, by, parse_moment(since, "--since", zone), parse_moment(until, "--until", zone))
    if by not in {"", "source"} and not by.startswith("customer."):
        raise BadInput(f"--by {by} is neither source nor a trait", "Write source, or a trait like customer.city")
    if split.until and split.since >= split.until:
        raise BadInput(f"--since {since} is not before --until {until}", "Write the earlier one first")
    order = _order(list(workspace.audience().stages))
    with closing(workspace.read_store()) as store:
        counted = _count(invocation, store, Funnel(order, split), quiet=as_json)
    everybody, groups = counted.figures(), counted.groups(LARGEST)
    if as_json:
        emit(shown(everybody, groups, split))
    elif as_csv:
        print_csv(everybody, groups)
    else:
        Tables(invocation, order, split).show(everybody, groups)


def _order(declared: Sequence[str]) -> list[str]:
    """Return the stages that lifecycle.yaml lets customers reach, first to last; raises `BadInput` without any."""
    from engine.core.plan import STAGES

    order: list[str] = [stage for stage in STAGES if stage in declared]
    if not order:
        raise BadInput("audience/lifecycle.yaml declares no stage", "Say under stages: when customers reach each")
    return order


def _count(invocation: Invocation, store: "Reader", counting: Funnel, *, quiet: bool) -> Funnel:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=aside(), transient=True, disable=quiet) as progress:
        task = progress.add_task(invocation.say("customers", "客户"), total=store.counts().customers)
        after = ""
        while page := store.scan(after, PAGE):
            after = page[-1].id
            for customer in page:
                counting.add(customer)
            progress.advance(task, len(page))
    return counting

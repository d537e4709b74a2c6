"""`journeyd customers`: who is known, and everything known of one of them."""

from contextlib import closing
from typing import Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell

app = typer.Typer(no_args_is_help=True, help="Who is known, and what is known of one customer.")


@app.command("list")
def list_(
    ctx: typer.Context,
    after: Annotated[str, typer.Option(help="Go on after this OneID.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List customers in the order of their OneIDs."""
    from engine.cli import show
    from engine.cli.instants import shown_zone

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        customers = store.scan(after, limit)
    if as_json:
        emit([show.customer_data(customer) for customer in customers])
    elif customers:
        console().print(show.customer_table(customers, shown_zone(workspace.settings)))
    else:
        tell(invocation.say("No customers.", "没有客户。"))


@app.command("show")
def show_(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="OneID, user_id:u1, or a bare value like u1.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show everything known of one customer."""
    from engine.cli import show
    from engine.cli.who import find_customer
    from engine.core.calendar import zone_of

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        found = find_customer(store, customer, workspace.settings.default_region)
    if as_json:
        emit(show.customer_data(found))
        return
    zone = zone_of(found, workspace.audience().policy)
    console().print(show.table(("", ""), show.customer_lines(found, zone)))

"""`journeyd touches`: the delivery log, one touch in full, and an operator's word on a doubtful one."""

from contextlib import closing
from typing import Annotated, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, tell
from engine.core.errors import BadInput

app = typer.Typer(invoke_without_command=True, help="The delivery log: what was planned, sent, dropped and why.")

Journey = Annotated[str, typer.Option(help="Only of this journey.")]
Channel = Annotated[str, typer.Option(help="Only by this channel: email, sms or wechat.")]
State = Annotated[str, typer.Option(help="Only in this state, like sent or uncertain.")]
Who = Annotated[str, typer.Option(help="Only to this customer: OneID, user_id:u1 or a bare value.")]
Since = Annotated[str, typer.Option(help="Planned since: 2h, 7d, or 2026-05-01T09:30:00Z.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")]


@app.callback()
def touches(
    ctx: typer.Context,
    *,
    journey: Journey = "",
    channel: Channel = "",
    state: State = "",
    customer: Who = "",
    since: Since = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the delivery log, newest first."""
    if ctx.invoked_subcommand is None:
        list_(
            ctx,
            journey=journey,
            channel=channel,
            state=state,
            customer=customer,
            since=since,
            limit=limit,
            as_json=as_json,
        )


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    journey: Journey = "",
    channel: Channel = "",
    state: State = "",
    customer: Who = "",
    since: Since = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the delivery log, newest first."""
    from engine.cli import show
    from engine.cli.instants import parse_since, shown_zone
    from engine.cli.who import find_customer
    from engine.core.delivery import TouchState
    from engine.ports import TouchQuery

    invocation: Invocation = ctx.obj
    if state and state not in set(TouchState):
        raise BadInput(f"There is no state {state}", f"Use one of {', '.join(TouchState)}")
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        id_ = find_customer(store, customer, workspace.settings.default_region).id if customer else ""
        rows = store.find_touches(
            TouchQuery(
                journey=journey, channel=channel, state=state, customer=id_, since=parse_since(since), limit=limit
            )
        )
    if as_json:
        emit([show.touch_data(row) for row in rows])
    elif rows:
        console().print(show.touch_table(rows, shown_zone(workspace.settings), invocation.lang))
    else:
        tell(invocation.say("No touches.", "没有触达。"))


@app.command("show")
def show_(ctx: typer.Context, touch: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False) -> None:
    """Show one touch with its attempts and receipts."""
    from engine.cli import show
    from engine.cli.instants import shown_zone

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        row = store.touches([touch]).get(touch)
        if row is None:
            raise BadInput(f"There is no touch {touch}", "List them with `journeyd touches`")
        attempts, facts = store.attempts(touch), store.facts(touch)
    if as_json:
        emit(
            {
                **show.touch_data(row),
                "history": [show.attempt_data(attempt) for attempt in attempts],
                "receipts": [show.fact_data(fact) for fact in facts],
            }
        )
        return
    zone, out = shown_zone(workspace.settings), console()
    values = {**show.touch_data(row), "facts": ", ".join(show.facts_of(row.facts))}
    lines = [(name, show.shown_value(name, value, zone)) for name, value in values.items() if value]
    out.print(show.table(("", ""), lines))
    if attempts:
        out.print("")
        out.print(show.attempt_table(attempts, zone))
    if facts:
        out.print("")
        out.print(show.fact_table(facts, zone))


@app.command()
def resolve(
    ctx: typer.Context,
    touch: Annotated[str, typer.Argument(metavar="ID", help="An uncertain touch.")],
    word: Annotated[Literal["sent", "not-sent"], typer.Argument(help="What you found out at the provider.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say what became of an uncertain touch; not-sent lets the next channel try."""
    from engine.cli.direct import say
    from engine.core.delivery import TouchState

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        row = store.touches([touch]).get(touch)
    if row is None:
        raise BadInput(f"There is no touch {touch}", "List them with `journeyd touches --state uncertain`")
    if row.state is not TouchState.UNCERTAIN:
        raise BadInput(f"The touch is {row.state}", "Only uncertain touches can be resolved")
    said = say(workspace, verb="resolve", subject=touch, value=word.replace("-", "_"))
    if as_json:
        emit(said)
    else:
        tell(invocation.say(f"Noted: {touch} was {word}.", f"已记录：{touch} {word}。"))

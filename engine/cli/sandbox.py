"""`journeyd sandbox`: the local providers as a process of their own, and what they accepted."""

from typing import Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, remark, tell

app = typer.Typer(invoke_without_command=True, help="Local mail, SMS and WeChat providers that send nothing.")


@app.callback()
def sandbox(ctx: typer.Context) -> None:
    """Run the sandbox providers until Ctrl-C."""
    if ctx.invoked_subcommand is not None:
        return
    from channels.sandbox.server import Address, run_sandbox
    from engine.bootstrap.providers import sandbox_settings
    from engine.runtime.clock import SystemClock

    invocation: Invocation = ctx.obj

    def announce(address: Address) -> None:
        remark(f"smtp://{address.host}:{address.smtp_port}")
        remark(address.url)

    run_sandbox(sandbox_settings(invocation.workspace()), SystemClock().now, announce)


@app.command()
def inbox(
    ctx: typer.Context,
    provider: Annotated[str, typer.Option(help="Only of smtp, aliyun, wechat, wecom, fcm or webhook.")] = "",
    recipient: Annotated[str, typer.Option(help="Only to this address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the messages that the sandbox accepted, newest first."""
    from channels.sandbox.record import RecordQuery, read_record
    from engine.bootstrap.providers import sandbox_settings
    from engine.cli import show
    from engine.cli.instants import shown_zone
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    query = RecordQuery(provider=provider, recipient=recipient, limit=limit, newest=True)
    lines = read_record(sandbox_settings(workspace).record, query)
    if as_json:
        emit([_data(line) for line in lines])
    elif lines:
        zone = shown_zone(workspace.settings)
        rows = [(instant(one.at, zone), one.provider, one.recipient, one.subject or one.text, one.key) for one in lines]
        console().print(show.table(("accepted", "provider", "to", "message", "touch"), rows))
    else:
        tell(invocation.say("Nothing was accepted yet.", "还没有收到任何消息。"))


def _data(line: object) -> dict[str, object]:
    from msgspec import to_builtins

    shown: dict[str, object] = to_builtins(line)
    del shown["body"]
    return shown

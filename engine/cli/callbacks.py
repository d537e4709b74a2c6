"""`journeyd callbacks`: the addresses that providers are told to call. They are secrets: whoever knows one may call."""

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell


def callbacks(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the callback addresses to enter at the providers; keep them to yourself."""
    from engine.bootstrap.providers import callback_urls

    invocation: Invocation = ctx.obj
    found = callback_urls(invocation.workspace())
    if as_json:
        emit(found)
        return
    width = max(map(len, found), default=0)
    for name, url in found.items():
        tell(f"{name:<{width}}  {url}")
    if not found:
        tell(invocation.say("No provider is set up that calls back.", "没有会回调的服务商。"))

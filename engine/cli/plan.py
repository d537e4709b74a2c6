"""`journeyd plan`: what publishing the folder would change, and where runs in flight would go. Changes nothing."""

from typing import Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit
from engine.cli.releasing import InFlightSaid, MapSaid


def plan(
    ctx: typer.Context,
    *,
    in_flight: InFlightSaid = None,
    map_: MapSaid = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 2 when there is something to publish.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what publishing would change: journeys, runs in flight, the next day; exit 1 when it would be refused."""
    from engine.bootstrap.release import compose
    from engine.cli import release_words
    from engine.cli.releasing import check_maps, preview_of, reading, refuse_errors, with_overrides
    from engine.usecases.publish import newest

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    refuse_errors(invocation, invocation.say("Not planned: mend these first.", "未预估：请先修复以上错误。"))
    with reading(workspace) as store:
        release = with_overrides(compose(workspace, newest(store)), in_flight, map_)
        check_maps(store, release, map_)
        found = preview_of(invocation, store, release, quiet=as_json)
    if as_json:
        emit(release_words.as_data(found, invocation.lang))
    else:
        release_words.show(invocation, found, roads=True)
    if found.refusals:
        raise typer.Exit(1)
    if exit_code and not found.is_empty:
        raise typer.Exit(2)

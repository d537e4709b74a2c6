"""`journeyd pause`: nobody enters a journey any more, and those in it travel on, until `journeyd resume`."""

from typing import Annotated

import typer

from engine.cli.invocation import AsJson
from engine.cli.stop import Journey, direct, subject_of


def pause(
    ctx: typer.Context,
    journey: Journey = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All journeys.")] = False,
    why: Annotated[str, typer.Option(help="Kept with the pause and shown by `journeyd status`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let nobody enter a journey, or any; runs go on. `journeyd stop` holds those too."""
    direct(ctx.obj, "pause", subject_of(journey, everything, "pause"), why, as_json)

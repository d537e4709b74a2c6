"""`journeyd dead`: the entries that could not be applied, each once, with the reason."""

from contextlib import closing
from typing import Annotated

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, tell
from engine.ports.partitions import TOPIC, unpack


def dead(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: what came in, and why it could not be applied."""
    from engine.cli.instants import shown_zone
    from journeys.words.phrases import instant

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with closing(workspace.read_store()) as store:
        letters = store.dead_letters(limit)
    if as_json:
        emit([{**_place(one.offset), "at": one.at, "reason": one.reason, "body": one.body.hex()} for one in letters])
        return
    for one in letters:
        place = " ".join(f"{name} {number}" for name, number in _place(one.offset).items())
        tell(f"{instant(one.at, shown_zone(workspace.settings))}  {place if one.offset > 0 else 'timer'}  {one.reason}")
    if not letters:
        tell(invocation.say("No dead letters.", "没有死信。"))


def _place(place: int) -> dict[str, int]:
    """Say where an entry stands: in the log, or in which partition of the topic.

    >>> _place(7), _place(4 << 48 | 212 << 12 | 1)
    ({'offset': 7}, {'partition': 3, 'offset': 212, 'entry': 1})
    """
    if place < TOPIC:
        return {"offset": place}
    stands = unpack(place)
    return {"partition": stands.partition - 1, "offset": stands.offset, "entry": stands.entry}

"""`journeyd versions`: what was published, newest first: when, by whom, why and what it changed."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import console, emit, plain, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.core.release import Difference, Release

MOST: Final = 1_000
"""Releases that are searched for a journey, newest first."""


def versions(
    ctx: typer.Context,
    journey: Annotated[str, typer.Argument(metavar="[JOURNEY]", help="Only releases that changed it.")] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many releases.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the releases, newest first: when, by whom, why and what each changed."""
    from engine.cli.releasing import reading
    from engine.core.release import compare

    invocation: Invocation = ctx.obj
    with reading(invocation.workspace()) as store:
        found = store.releases((MOST if journey else limit) + 1)
    rows = [(one, compare(before, one)) for one, before in zip(found, [*found[1:], None], strict=True)]
    if journey:
        _check(journey, found)
        rows = [(one, change) for one, change in rows if journey in (*change.new, *change.changed, *change.removed)]
    rows = rows[:limit]
    if as_json:
        emit([_data(one, change, journey) for one, change in rows])
        return
    if not rows:
        tell(invocation.say("Nothing was published yet.", "尚未发布。"))
        return
    _print(invocation, rows, journey)


def _check(journey: str, releases: "list[Release]") -> None:
    known = {plan.journey for release in releases for plan in release.plans}
    if known and journey not in known:
        raise BadInput(f"The journey {journey} was never published", f"Known: {', '.join(sorted(known))}")


def _print(invocation: Invocation, rows: "list[tuple[Release, Difference]]", journey: str) -> None:
    from rich.table import Table

    from engine.cli.instants import shown_zone
    from engine.cli.release_words import in_short
    from journeys.words.phrases import instant

    say, zone = invocation.say, shown_zone(invocation.workspace().settings)
    table = Table()
    for name in (say("release", "版本"), say("when", "时间"), say("by", "发布人")):
        table.add_column(name, no_wrap=True)
    if journey:
        table.add_column(say("version", "旅程版本"), no_wrap=True)
    for name in (say("changed", "变更"), say("note", "备注")):
        table.add_column(name)
    for one, change in rows:
        version = [_version(one, journey) or "-"] if journey else []
        words = in_short(change, invocation.lang)
        table.add_row(one.id, instant(one.at, zone), plain(one.by), *version, words, plain(one.note))
    console().print(table)


def _version(release: "Release", journey: str) -> str:
    return next((plan.version for plan in release.plans if plan.journey == journey), "")


def _data(release: "Release", change: "Difference", journey: str) -> dict[str, Any]:
    from engine.cli.release_words import difference_data

    said = {"release": release.id, "at": release.at, "by": release.by, "note": release.note}
    plans = {plan.journey: plan.version for plan in release.plans if journey in {"", plan.journey}}
    return {**said, **difference_data(change), "journeys": plans}

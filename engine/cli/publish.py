"""`journeyd publish` and `journeyd rollback`: a release comes into force, at once and as a whole."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import emit, remark, tell
from engine.cli.releasing import InFlightSaid, MapSaid, Yes
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.bootstrap.workspace import Workspace
    from engine.core.release import Release
    from engine.ports import Reader
    from engine.usecases.plan_publish import Preview

Note = Annotated[str, typer.Option(help="Kept with the release and shown by `journeyd versions`.")]


def publish(
    ctx: typer.Context,
    *,
    note: Note = "",
    in_flight: InFlightSaid = None,
    map_: MapSaid = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put the folder's journeys, audience and templates in force; a running daemon takes them without a restart."""
    from engine.bootstrap.release import compose
    from engine.cli.direct import operator
    from engine.cli.releasing import check_maps, preview_of, reading, refuse_errors, with_overrides
    from engine.usecases.publish import newest

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    refuse_errors(invocation, invocation.say("Not published: mend these first.", "未发布：请先修复以上错误。"))
    with reading(workspace) as store:
        composed = compose(workspace, newest(store), by=operator(), note=note)
        release = with_overrides(composed, in_flight, map_)
        check_maps(store, release, map_)
        found = preview_of(invocation, store, release, quiet=as_json)
    is_needed = not found.is_empty or bool(in_flight or map_)
    _put_in_force(invocation, workspace, found if is_needed else None, yes=yes, as_json=as_json)


def rollback(
    ctx: typer.Context,
    release: Annotated[str, typer.Argument(metavar="[RELEASE]", help="Its id; else the one before.")] = "",
    *,
    note: Note = "",
    in_flight: InFlightSaid = None,
    map_: MapSaid = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Go back to what an earlier release held: published anew, with runs in flight as its journeys say."""
    from engine.bootstrap.release import again
    from engine.cli.direct import operator
    from engine.cli.releasing import check_maps, preview_of, reading, with_overrides

    invocation: Invocation = ctx.obj
    workspace = invocation.workspace()
    with reading(workspace) as store:
        old, now = _chosen(store, release)
        back = with_overrides(again(old, now, by=operator(), note=note or f"back to {old.id}"), in_flight, map_)
        check_maps(store, back, map_)
        found = preview_of(invocation, store, back, quiet=as_json)
    _put_in_force(invocation, workspace, found, yes=yes, as_json=as_json)
    remark(
        invocation.say(
            "The folder still holds what it held: `journeyd publish` would put that in force again.",
            "工作区文件未改动：再次执行 `journeyd publish` 会重新发布它。",
        )
    )


def _chosen(store: "Reader", asked: str) -> "tuple[Release, Release]":
    """Return the release to go back to, and the one in force."""
    releases = store.releases()
    if not releases:
        raise BadInput("Nothing was published yet", "Publish with `journeyd publish`")
    now, older = releases[0], releases[1:]
    found = _named(older, asked) if asked else [one for one in older if one.id not in {now.id, *now.undone}]
    if not found:
        known = ", ".join(dict.fromkeys(one.id for one in older)) or "none"
        what = f"There is no older release {asked}" if asked else "There is no release to go back to"
        raise BadInput(what, f"Older ones: {known}. See `journeyd versions`")
    return found[0], now


def _named(older: "Sequence[Release]", asked: str) -> "list[Release]":
    found = [one for one in older if one.id.startswith(asked)]
    if len({one.id for one in found}) > 1:
        raise BadInput(f"{asked} begins the ids of several releases", "Write more of it")
    return found


def _put_in_force(
    invocation: Invocation, workspace: "Workspace", found: "Preview | None", *, yes: bool, as_json: bool
) -> None:
    """Show what is to come, ask, publish and say what became of it; None: there is nothing to publish."""
    from engine.cli import release_words
    from engine.cli.releasing import hand_over, is_asked

    if found is None:
        _say_nothing(invocation, as_json=as_json)
        return
    if not as_json:
        release_words.show(invocation, found, roads=False)
    if found.refusals:
        if as_json:
            emit({"published": False, **release_words.as_data(found, invocation.lang)})
        remark(invocation.say("Not published.", "未发布。"))
        raise typer.Exit(1)
    if not as_json and not is_asked(invocation, yes=yes):
        remark(invocation.say("Not published.", "未发布。"))
        raise typer.Exit(1)
    said: dict[str, Any] = hand_over(invocation, workspace, found.after, quiet=as_json)
    if as_json:
        emit({"published": True, **said, **release_words.as_data(found, invocation.lang)})
        return
    _say_published(invocation, found.after.id, is_in_force=said["in_force"])


def _say_published(invocation: Invocation, release: str, *, is_in_force: bool) -> None:
    if is_in_force:
        tell(invocation.say(f"Release {release} is in force.", f"版本 {release} 已生效。"))
        return
    en = f"Release {release} is published. No worker lives: it is in force once one does (`journeyd status`)."
    tell(invocation.say(en, f"版本 {release} 已发布。当前没有存活的 worker：恢复后生效（`journeyd status`）。"))


def _say_nothing(invocation: Invocation, *, as_json: bool) -> None:
    if as_json:
        emit({"published": False})
    else:
        tell(invocation.say("Nothing to publish: the folder is in force.", "没有可发布的变更：文件夹内容已生效。"))

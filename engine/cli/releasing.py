"""What `plan`, `publish` and `rollback` share: the store to compare with, overrides for runs in flight, the hand-over.

A release goes to the running daemon over its port, or into the log of a stopped workspace, where it is applied at once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from msgspec.structs import replace

from engine.cli.invocation import Invocation
from engine.cli.output import aside, remark
from engine.core.errors import AlreadyRunning, BadInput, BadSetting

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from engine.bootstrap.workspace import Workspace
    from engine.core.plan import InFlight
    from engine.core.release import Release
    from engine.ports import JobRow, Reader
    from engine.usecases.plan_publish import Preview

InFlightSaid = Annotated[
    list[str] | None,
    typer.Option("--in-flight", metavar="JOURNEY=POLICY", help="For runs in older versions: pin, migrate or drain."),
]
MapSaid = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="JOURNEY:OLD=NEW", help="Where runs at step OLD go on; =pin: they stay."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

POLICIES: Final = ("pin", "migrate", "drain")
PAUSE: Final = 0.2
"""Seconds between two looks at how far a publish has come."""


@contextmanager
def reading(workspace: "Workspace") -> Iterator["Reader"]:
    """Open the store for reading; an empty one stands in for a workspace that never ran."""
    from engine.store.memory.store import MemoryStore

    if not workspace.is_lived_in():
        yield MemoryStore()
        return
    with closing(workspace.read_store()) as store:
        yield store


def refuse_errors(invocation: Invocation, said: str) -> None:
    """Print every error of the workspace's lint and `said`, and end with exit code 1, if there is one."""
    from engine.cli.lint import complaints_of, line_of

    errors = [one for one in complaints_of(invocation.root(), invocation.lang) if one["severity"] == "error"]
    for one in errors:
        remark(line_of(one, invocation.lang))
    if errors:
        remark(said)
        raise typer.Exit(1)


def with_overrides(release: "Release", policies: Sequence[str] | None, maps: Sequence[str] | None) -> "Release":
    """Return the release with what `--in-flight` and `--map` say of runs in older versions; raises `BadInput`."""
    from engine.core.release import in_flight_of

    plans = {plan.journey: plan for plan in release.plans}
    said: dict[str, InFlight] = {}
    for one in policies or ():
        journey, _, policy = one.partition("=")
        if policy not in POLICIES:
            remedy = "Write --in-flight cart-rescue=pin, =migrate or =drain"
            raise BadInput(f"--in-flight {one} names no policy", remedy)
        said[journey] = replace(_asked(journey, plans, in_flight_of, release), policy=cast("Any", policy))
    for one in maps or ():
        journey, old, new = _parts(one)
        known = said.get(journey) or _asked(journey, plans, in_flight_of, release)
        if known.policy != "migrate":
            raise BadInput(f"--map {one}: runs of {journey} do not move", f"Add --in-flight {journey}=migrate")
        stays = new == "pin" and "pin" not in plans[journey].steps
        said[journey] = replace(known, steps={**known.steps, old: "" if stays else new})
    return replace(release, in_flight={**release.in_flight, **said})


def _asked(journey: str, plans: "dict[str, Any]", in_flight_of: Any, release: "Release") -> "InFlight":
    if journey not in plans:
        raise BadInput(f"There is no journey {journey}", f"Known: {', '.join(sorted(plans)) or 'none'}")
    found: InFlight = in_flight_of(release, plans[journey])
    return found


def _parts(one: str) -> tuple[str, str, str]:
    journey, _, steps = one.partition(":")
    old, _, new = steps.partition("=")
    if not (journey and old and new):
        raise BadInput(f"--map {one} is not understood", "Write --map cart-rescue:3=4, or :3=pin")
    return journey, old, new


def check_maps(store: "Reader", release: "Release", maps: Sequence[str] | None) -> None:
    """Raise `BadInput` for a `--map` from a step that no version travelled has, or to one that the new has not."""
    from engine.usecases.plan_publish import has_step

    plans = {plan.journey: plan for plan in release.plans}
    for one in maps or ():
        journey, old, new = _parts(one)
        if not has_step(store, journey, old) or (new != "pin" and new not in plans[journey].steps):
            remedy = f"The steps are shown by `journeyd explain {journey}`"
            raise BadInput(f"--map {one}: no such step", remedy)


def preview_of(invocation: Invocation, store: "Reader", release: "Release", *, quiet: bool) -> "Preview":
    """Return what publishing the release now would do."""
    from rich.progress import Progress

    from engine.runtime.clock import SystemClock
    from engine.usecases.plan_publish import preview

    with Progress(console=aside(), disable=quiet, transient=True) as progress:
        task = progress.add_task(invocation.say("looking ahead", "正在预估"), total=None)
        return preview(store, release, SystemClock().now(), progress=lambda n: progress.update(task, completed=n))


def is_asked(invocation: Invocation, *, yes: bool) -> bool:
    """Ask whether to go on, on a terminal; somebody who is no terminal has said so by calling."""
    import sys

    if yes or not sys.stdin.isatty():
        return True
    return typer.confirm(invocation.say("Publish this?", "确认发布？"))


def hand_over(invocation: Invocation, workspace: "Workspace", release: "Release", *, quiet: bool) -> dict[str, Any]:
    """Publish and return once the release is in force and nothing is left to do: {id, offset, through, in_force}.

    Not in force: no worker lives that could take it.
    """
    from engine.bootstrap.release import apply_log, directive_of
    from engine.cli.daemon import Daemon, address_of
    from engine.cli.direct import ops_key_of
    from engine.core.events import encode
    from engine.runtime.clock import SystemClock
    from engine.runtime.inbox import last_received

    try:
        files = workspace.files()
    except AlreadyRunning:
        word = directive_of(release, 0)
        with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
            said = daemon.publish(ops_key_of(workspace), word.body, word.id)
        with jobs_bar(invocation, quiet) as show:
            _follow(workspace, said["offset"], release, show)
        return {**said, "through": "daemon", "in_force": True}
    with closing(files), jobs_bar(invocation, quiet) as show:
        word = directive_of(release, max(last_received(files.log), SystemClock().now()))
        offset = files.log.append([encode(word)])
        is_applied = apply_log(workspace, files, show)
    return {
        "id": word.id,
        "offset": offset,
        "release": release.id,
        "through": files.through,
        "in_force": is_applied,
    }


def _follow(workspace: "Workspace", offset: int, release: "Release", show: Callable[[list["JobRow"]], None]) -> None:
    """Wait until the daemon has applied the release and done what it left to do."""
    with closing(workspace.read_store()) as store:
        while store.position() < offset:
            time.sleep(PAUSE)
        if not any(found.id == release.id for found in store.releases(3)):  # somebody else may have published since
            raise BadSetting("The daemon did not take the release. See why with `journeyd dead`")
        while jobs := store.jobs():
            show(jobs)
            time.sleep(PAUSE)


@contextmanager
def jobs_bar(invocation: Invocation, quiet: bool) -> Iterator[Callable[[list["JobRow"]], None]]:
    """Show how far jobs are: yields what is to be called with the rows that are left."""
    from rich.progress import Progress

    with Progress(console=aside(), disable=quiet, transient=True) as progress:
        tasks: dict[str, TaskID] = {}
        yield lambda jobs: _show_jobs(invocation, (progress, tasks), jobs)


def _show_jobs(invocation: Invocation, bar: "tuple[Progress, dict[str, TaskID]]", jobs: Sequence["JobRow"]) -> None:
    progress, tasks = bar
    for job in jobs:
        if job.name not in tasks:
            tasks[job.name] = progress.add_task(job_in_words(job, invocation.lang), total=max(job.total, 1))
        progress.update(tasks[job.name], completed=job.done)
    for name in tasks.keys() - {job.name for job in jobs}:
        progress.update(tasks[name], completed=progress.tasks[tasks[name]].total or 1)


def job_in_words(job: "JobRow", lang: str) -> str:
    """Return what a job does."""
    en, zh = {
        "backfill": ("filling statistics from the log", "从日志补算统计"),
        "settle": ("bringing tags, stages, segments and dates up to date", "更新标签、阶段、人群与日期"),
        "sweep": ("moving runs to the new versions", "迁移在途旅程实例"),
        "erase": ("taking an erased person out of the log", "从日志中清除已删除的客户"),
    }.get(job.name.partition(":")[0], (job.name, job.name))
    return zh if lang == "zh" else en

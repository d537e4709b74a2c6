"""A journey is changed as a marketer would: rehearsed on the year that was, published to the daemon, taken back.

The win-back letter shall come after 45 days of silence instead of 60, also for those who wait for it already.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Final

from config.settings import FILE
from engine.bootstrap.workspace import Workspace
from examples.demo.commands import Commands, Failed

JOURNEY: Final = Path("journeys/retain/win-back.yaml")
WAITS: Final = "  - wait: 60d\n"
SOONER: Final = "  - wait: 45d\n"
TAKEN_ALONG: Final = "in_flight: migrate\n\nsteps:\n"


def rehearse(commands: Commands, workspace: Workspace, history: Path) -> Workspace:
    """Edit the journey and show what the year would have been with it; the report goes beside the history.

    Returns the workspace as it is set from now on: a start leaves in force what was published.
    """
    commands.head("A change, rehearsed: win back after 45 days instead of 60")
    before = _in_force(workspace)
    _edit(workspace.root / JOURNEY)
    report = history.with_name("rehearsal.html")
    shop = str(workspace.root)
    commands.run("-w", shop, "simulate", "--history", str(history), "--against", before, "--html", str(report))
    if not report.is_file() or report.stat().st_size == 0:
        raise Failed(f"no report in {report}")
    commands.say(f"The whole report, with the load of every hour and each journey step by step: {report}")
    with (workspace.root / FILE).open("a", encoding="utf-8") as settings:
        settings.write("\npublish:\n  on_start: false\n")
    commands.say(
        "(journeyd.yaml: publish.on_start is false from here on: only `journeyd publish` changes what is in force)"
    )
    return Workspace.open(workspace.root, os.environ)


def publish(commands: Commands, workspace: Workspace) -> None:
    """Publish the change to the running daemon, look at the versions, and take it back."""
    commands.head("A publish: the running daemon takes the change, and those on their way with it")
    shop, before = str(workspace.root), _in_force(workspace)
    commands.run("-w", shop, "plan")
    commands.run("-w", shop, "publish", "--yes", "--note", "win back sooner")
    sooner = _in_force(workspace)
    if sooner == before:
        raise Failed("the publish changed nothing")
    commands.run("-w", shop, "rollback", "--yes")
    commands.run("-w", shop, "versions")
    if _in_force(workspace) != before:
        raise Failed("the rollback did not bring the old release back")


def _edit(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(WAITS) != 1 or text.count("\nsteps:\n") != 1:
        raise Failed(f"{file} is not the journey that this demo edits")
    text = text.replace(WAITS, SOONER).replace("\nsteps:\n", "\n" + TAKEN_ALONG)
    file.write_text(text, encoding="utf-8")


def _in_force(workspace: Workspace) -> str:
    with closing(workspace.read_store()) as store:
        return store.releases(1)[0].id

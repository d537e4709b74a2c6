"""The versions of a workspace's journeys that can be rehearsed: as written now, as published, or as git remembers them.

Called by `bootstrap/rehearsal.py` and `journeyd simulate`. Reads only.
"""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from engine.bootstrap.workspace import Workspace, refuse
from engine.core.errors import BadInput
from engine.core.plan import Audience, Plan, Policy
from engine.ports import Reader
from journeys.audience import load_audience
from journeys.check import load_workspace

_VERSION: Final = re.compile(r"[0-9a-f]{1,12}")
_FOLDERS: Final = ("journeys", "audience", "templates")
_MOST_RELEASES: Final = 1_000


class Script(msgspec.Struct, frozen=True):
    """Journeys and the audience's rules, as they stood at one time; `name` is how a report calls them."""

    plans: tuple[Plan, ...]
    audience: Audience
    name: str = ""


def written(workspace: Workspace, journeys: Collection[str] = ()) -> Script:
    """Return the journeys as they are written now, those named or all; raises `BadInput` for a name that is none."""
    plans = workspace.plans()
    known = {plan.journey for plan in plans}
    for name in journeys:
        if name not in known:
            raise BadInput(f"There is no journey {name}", f"Known: {', '.join(sorted(known)) or 'none'}")
    return Script(_chosen(plans, journeys), workspace.audience())


def earlier(workspace: Workspace, said: str, now: Script, journeys: Collection[str] = ()) -> Script:
    """Return the version meant by `said`: a release or how its id begins, a journey's version, or a revision of the
    workspace's git folder, looked for in this order.

    Raises `BadInput` when it is none of them, `BadSetting` when what git remembers has errors.
    """
    published = _published(workspace, said, now, journeys) if _VERSION.fullmatch(said) else None
    return published or _remembered(workspace, said, journeys)


def _published(workspace: Workspace, said: str, now: Script, journeys: Collection[str]) -> Script | None:
    if not workspace.is_lived_in():
        return None
    with closing(workspace.read_store()) as store:
        return _release(store, said, journeys) or _version(store, said, now)


def _release(store: Reader, said: str, journeys: Collection[str]) -> Script | None:
    found = {one.id: one for one in store.releases(_MOST_RELEASES) if one.id.startswith(said)}
    if len(found) > 1:
        raise BadInput(f"{said} begins the ids of several releases", "Write more of it")
    for release in found.values():
        return Script(_chosen(release.plans, journeys), release.audience, release.id)
    return None


def _version(store: Reader, said: str, now: Script) -> Script | None:
    """Return the journeys as they are, but for one that stands as it did in this version."""
    for plan in now.plans:
        old = store.plan(plan.journey, said)
        if old is not None:
            plans = tuple(old if one.journey == plan.journey else one for one in now.plans)
            return msgspec.structs.replace(now, plans=plans, name=f"{plan.journey} {said}")
    return None


def _chosen(plans: Collection[Plan], journeys: Collection[str]) -> tuple[Plan, ...]:
    return tuple(plan for plan in plans if not journeys or plan.journey in journeys)


# --- git


def _remembered(workspace: Workspace, said: str, journeys: Collection[str]) -> Script:
    commit = _commit(workspace.root, said)
    prefix = _git(workspace.root, "rev-parse", "--show-prefix").decode().rstrip("\n")
    # From its top: git reads the paths of a tree relative to where it stands.
    top = Path(_git(workspace.root, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    listed = _git(top, "ls-tree", "--name-only", f"{commit}:{prefix}").decode().splitlines()
    folders = [folder for folder in _FOLDERS if folder in listed]
    if "journeys" not in folders:
        raise BadInput(f"{said} has no journeys in {prefix or 'its root'}", "Name a revision in which they existed")
    with TemporaryDirectory(prefix="journeyd-against-") as temporary:
        root = Path(temporary)
        archive = _git(top, "archive", "--format=tar", f"{commit}:{prefix}", *folders)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(root, filter="data")
        plans, problems = load_workspace(root)
        refuse(problems)
        settings = workspace.settings
        base = Policy(default_zone=settings.default_zone, max_event_age=settings.max_event_age)
        audience, problems = load_audience(root / "audience", base=base)
        refuse(problems)
    return Script(_chosen(plans, journeys), audience, said)


def _commit(root: Path, said: str) -> str:
    remedy = "Write a release or version of `journeyd versions`, or a git revision like HEAD~1"
    if shutil.which("git") is None:
        raise BadInput(f"{said} is no published version, and there is no git here to ask for a revision", remedy)
    found = _run(root, "rev-parse", "--is-inside-work-tree")
    if found.returncode:
        complaint = found.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise BadInput(f"{said} is no published version, and git knows nothing of {root} ({complaint})", remedy)
    # `--end-of-options`: a revision that begins with a dash is a name, never an option.
    found = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", said + "^{commit}")
    if found.returncode:
        raise BadInput(f"{said} is neither a published version nor a git revision", remedy)
    return found.stdout.decode().strip()


def _git(root: Path, *said: str) -> bytes:
    done = _run(root, *said)
    if done.returncode:
        complaint = done.stderr.decode("utf-8", "replace").strip()
        raise BadInput(f"git {said[0]} failed: {complaint}", "Check the repository with `git status`")
    return done.stdout


def _run(root: Path, *said: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", "-C", str(root), *said], check=False, capture_output=True)  # noqa: S603, S607 - git of the PATH, on words we chose

"""The workspace as a release: made from the folder, published at a start, and what is in force taken from the store.

The rules and the templates that act are those of the newest release, whatever the folder holds meanwhile. Used by the
daemon, the history import and the commands that publish.
"""

from collections.abc import Callable, Mapping
from typing import Final, cast

import msgspec
import structlog

from channels.render import Renderer
from channels.templates import Library, contents_of
from engine.bootstrap.attendance import wait_for_workers
from engine.bootstrap.storage import Files
from engine.bootstrap.workspace import Workspace
from engine.core import release as releases
from engine.core.chaining.inference import Inference
from engine.core.errors import BadSetting
from engine.core.events import Directive, decode, encode
from engine.core.ids import Micros
from engine.core.plan import Audience, InFlight, Plan, Send
from engine.core.playbook import Playbook
from engine.core.release import Release, in_flight_of
from engine.ports import EventLog, JobRow, Reader, SharedStore
from engine.runtime.clock import SystemClock, mint_id
from engine.runtime.engine import Engine
from engine.runtime.inbox import last_received
from engine.usecases.publish import in_force, newest

BY_START: Final = "start"
"""`Release.by` of what a start of the daemon published."""

_LOOK_BACK: Final = 20
"""Releases in which a template is looked for that only runs in flight still send."""


def compose(workspace: Workspace, before: Release | None, *, by: str = "", note: str = "") -> Release:
    """Return what the folder holds, as a release that follows on `before`.

    An override of `in_flight` holds for a journey until it changes again. Raises `BadSetting` with every error of the
    journeys, the audience and the templates' files.
    """
    plans = tuple(sorted(workspace.plans(), key=lambda plan: plan.journey))
    root = workspace.root / "templates"
    problems = Library(root).problems()
    if problems:
        raise BadSetting("\n".join(str(problem) for problem in problems))
    release = releases.seal(Release(plans, workspace.audience(), contents_of(root), by=by, note=note))
    return msgspec.structs.replace(release, in_flight=_carried(before, plans))


def again(old: Release, before: Release, *, by: str, note: str) -> Release:
    """Return a release with the content of `old`, to go back to it from `before`.

    Runs that `before` took into its versions are taken back; the others finish where they are.
    """
    undone = tuple(dict.fromkeys((*before.undone, before.id)))
    undone = tuple(id_ for id_ in undone if id_ != old.id)
    in_flight = _carried(before, old.plans) | _taken_back(before, old.plans)
    return msgspec.structs.replace(old, at=0, by=by, note=note, in_flight=in_flight, undone=undone)


def _taken_back(before: Release, plans: tuple[Plan, ...]) -> dict[str, InFlight]:
    versions = {plan.journey: plan.version for plan in plans}
    moved: dict[str, InFlight] = {}
    for plan in before.plans:
        said = in_flight_of(before, plan)
        if said.policy == "migrate" and versions.get(plan.journey, plan.version) != plan.version:
            moved[plan.journey] = InFlight("migrate", {new: old for old, new in said.steps.items() if new})
    return moved


def _carried(before: Release | None, plans: tuple[Plan, ...]) -> dict[str, InFlight]:
    if before is None:
        return {}
    versions = {plan.journey: plan.version for plan in before.plans}
    unchanged = {plan.journey for plan in plans if versions.get(plan.journey) == plan.version}
    return {journey: said for journey, said in before.in_flight.items() if journey in unchanged}


def directive_of(release: Release, received: Micros) -> Directive:
    """Return the entry that publishes the release; raises `BadSetting` when it is too big for one."""
    body = releases.encode(release)
    if len(body) > releases.LIMIT:
        biggest = max(release.templates, key=lambda path: len(release.templates[path]), default="")
        raise BadSetting(
            f"the release has {len(body):,} bytes, over {releases.LIMIT:,}: make the templates smaller "
            f"(the biggest file is templates/{biggest}); put pictures on a web server and link to them"
        )
    return Directive(mint_id(), "publish", received, received, subject=release.id, by=release.by, body=body)


# --- a start ------------------------------------------------------------------------------------------


def publish_on_start(workspace: Workspace, files: Files, now: Micros) -> Release:
    """Put the folder into the log as a release when it differs from the newest one and the settings say so.

    Returns the release that is, or is about to be, in force. What a rollback went back behind is not published again by
    a mere start: the folder still holds it.
    """
    before = latest(files.store, files.log)
    if before is not None and not workspace.settings.publish.on_start:
        return before
    release = compose(workspace, before, by=BY_START)
    log = structlog.get_logger("daemon")
    if before is not None and release.id in before.undone:
        log.warning("folder_rolled_back", release=before.id)
        return before
    if before is not None and release.id == before.id:
        return before
    files.log.append([encode(directive_of(release, max(last_received(files.log), now)))])
    known = {} if before is None else {plan.journey: plan.version for plan in before.plans}
    for plan in release.plans:
        if known.get(plan.journey) != plan.version:
            log.info("journey_published", journey=plan.journey, version=plan.version)
    return release


def is_published_at_start(workspace: Workspace) -> bool:
    """Say whether a start looks at the folder's journeys: the settings say so, or there is nothing else to run yet."""
    return workspace.settings.publish.on_start or not workspace.is_lived_in()


def latest(store: Reader, log: EventLog) -> Release | None:
    """Return the newest release, also one that is in the log and not applied yet."""
    found, position, tail = newest(store), store.position(), log.tail()
    while position < tail:
        batch = log.read(position, 500)
        if not batch:
            break
        for logged in batch:
            release = _published(logged.body)
            found = found if release is None else release
        position = batch[-1].offset
    return found


def _published(body: bytes) -> Release | None:
    try:
        entry = decode(body)
        return releases.decode(entry.body) if isinstance(entry, Directive) and entry.verb == "publish" else None
    except ValueError:
        return None  # `advance` buries it


def apply_log(workspace: Workspace, files: Files, progress: Callable[[list[JobRow]], None]) -> bool:
    """Apply what the log of a stopped workspace holds, and work off what that leaves to do; send nothing.

    Timers fire as far as the log's time goes, and no further: the rest is for the next start. `progress` gets the jobs
    that are left, after each step. A shared store's workers do it and are waited for; False when none lives.
    """
    if workspace.is_shared:
        return wait_for_workers(cast("SharedStore", files.store), files.log.tail(), SystemClock(), progress)
    release = latest(files.store, files.log)
    fallback = None if release is None else release.audience
    window = workspace.settings.log.dedupe_window
    engine = Engine(files.store, files.log, lambda: 0, lambda: in_force(files.store, fallback), dedupe_window=window)
    while engine.step():
        progress(files.store.jobs())
    return True


# --- what is in force ---------------------------------------------------------------------------------


class InForce:
    """Makes the playbook that follows from the store, and lets the renderer follow the release. Called at each change.

    `fallback`: the audience that holds while nothing was published as a release. `infer`: what draws tags and stages,
    if not the engine itself.
    """

    def __init__(
        self,
        store: Reader,
        fallback: Audience,
        renderer: Renderer,
        infer: Callable[[Audience], Inference] | None = None,
    ) -> None:
        self._store, self._fallback, self._renderer, self._infer = store, fallback, renderer, infer
        self._held: Mapping[str, bytes] | None = None
        self._said = newest(store)

    def __call__(self) -> Playbook:
        """Return the playbook in force."""
        playbook = in_force(self._store, self._fallback, self._infer)
        release = newest(self._store)
        if release is not None:
            if self._said is None or (release.id, release.at) != (self._said.id, self._said.at):
                structlog.get_logger("daemon").info("release_in_force", release=release.id)
                self._said = release
            templates = _with_templates_underway(self._store, release, playbook)
            if templates != self._held:
                self._renderer.switch(Library(self._renderer.library.root, templates))
                self._held = templates
        return playbook


def _with_templates_underway(store: Reader, release: Release, playbook: Playbook) -> dict[str, bytes]:
    """Return the release's templates, and of older ones those that runs in flight may still send."""
    templates = dict(release.templates)
    asked = {node.template for one in playbook.plans() for node in one.plan.nodes if isinstance(node, Send)}
    missing = asked - {path.partition("/")[0] for path in templates}
    for older in store.releases(_LOOK_BACK) if missing else []:
        found = {path: body for path, body in older.templates.items() if path.partition("/")[0] in missing}
        templates |= found
        missing -= {path.partition("/")[0] for path in found}
        if not missing:
            break
    return templates

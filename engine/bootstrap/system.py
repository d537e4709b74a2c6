"""The embedded system of a workspace, put together: engine, channels, renderer, links."""

from collections.abc import Callable

import structlog

from channels.render import Renderer, RenderSettings
from engine.bootstrap.providers import channels_of, dispatching_of, sender_of
from engine.bootstrap.workspace import Files, Workspace
from engine.core.playbook import Playbook
from engine.ports import Clock, Rendering
from engine.runtime.embedded import Embedded, Parts
from engine.telemetry import Telemetry
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing
from engine.usecases.publish import playbook_of, publish


def embedded(workspace: Workspace, files: Files, clock: Clock) -> Embedded:
    """Publish the workspace's journeys and return the system that runs them."""
    load = published(workspace, files, clock)
    channels = channels_of(workspace, clock)
    parts = Parts(
        store=files.store,
        log=files.log,
        clock=clock,
        load=load,
        channels=channels,
        renderer=renderer_of(workspace),
        dials=dispatching_of(workspace, channels),
        telemetry=Telemetry(),
        keep=workspace.settings.log.keep,
    )
    return Embedded(parts)


def published(workspace: Workspace, files: Files, clock: Clock) -> Callable[[], Playbook]:
    """Publish what is new or changed in the workspace, and return what makes the playbook in force."""
    plans, audience = workspace.plans(), workspace.audience()
    for plan in publish(files.store, plans, clock.now()):
        structlog.get_logger("daemon").info("journey_published", journey=plan.journey, version=plan.version)
    names = [plan.journey for plan in plans]
    return lambda: playbook_of(files.store, audience, names)


def renderer_of(workspace: Workspace) -> Rendering:
    """Return the renderer of the workspace's templates, with signed links to its own port."""
    settings = workspace.settings
    reply_to = settings.email.reply_to if settings.email is not None else ""
    dress = RenderSettings(sender=sender_of(workspace), reply_to=reply_to, brand=settings.brand or "journeyd")
    return Renderer(workspace.library(), links_of(workspace), dress)


def links_of(workspace: Workspace) -> SignedLinks:
    """Return the maker and reader of tracked links."""
    return SignedLinks(workspace.settings.server.public_url, KeyRing([Key(1, workspace.signing_key())]))

"""The embedded system of a workspace, put together: engine, channels, renderer, links."""

from collections.abc import Callable

import structlog

from channels.render import Renderer, RenderSettings
from config.settings import Settings
from engine.bootstrap.chaining import Primary, engines_for
from engine.bootstrap.coupons import stock_on_start
from engine.bootstrap.providers import channels_of, dispatching_of, sender_of
from engine.bootstrap.release import InForce, publish_on_start
from engine.bootstrap.storage import Files
from engine.bootstrap.workspace import Workspace
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.ports import Clock, Kept
from engine.runtime.embedded import Embedded, Parts
from engine.runtime.second_opinion import SecondOpinion
from engine.telemetry import Telemetry
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing


def embedded(workspace: Workspace, files: Files, clock: Clock) -> Embedded:
    """Return the system that runs the newest release; what the folder holds becomes one first, as the settings say."""
    renderer = renderer_of(workspace)
    load = published(workspace, files, clock, renderer)
    channels, telemetry = channels_of(workspace, clock), Telemetry()
    parts = Parts(
        store=files.store,
        log=files.log,
        clock=clock,
        load=load,
        channels=channels,
        renderer=renderer,
        dials=dispatching_of(workspace, channels),
        telemetry=telemetry,
        keep=workspace.settings.log.keep,
        kept=kept_of(workspace),
        dedupe_window=workspace.settings.log.dedupe_window,
        opinion=second_opinion_of(workspace, telemetry),
        renew=files.lock.renew,
    )
    return Embedded(parts)


def second_opinion_of(workspace: Workspace, telemetry: Telemetry) -> SecondOpinion:
    """Return what derives the tags and stages of a share of the decisions anew, by all engines that there are."""
    part = workspace.settings.rules.audit
    engines, why_alone = engines_for("both")
    if why_alone and part > 0:
        structlog.get_logger("rules").warning("rules_alone", reason=why_alone)
    return SecondOpinion(engines, part, telemetry)


def kept_of(workspace: Workspace) -> dict[Kept, Micros]:
    """Return how long the store keeps each kind of thing (µs), 0 for ever."""
    keep = workspace.settings.keep
    return {"traces": keep.traces, "deliveries": keep.deliveries, "runs": keep.runs}


def published(workspace: Workspace, files: Files, clock: Clock, renderer: Renderer) -> Callable[[], Playbook]:
    """Publish what the folder holds, as the settings say, and return what makes the playbook in force.

    The folder's coupon pools are stocked too. The renderer follows: it takes its templates from the release in force.
    """
    release = publish_on_start(workspace, files, clock.now())
    stock_on_start(workspace, files, clock.now())
    infer = Primary() if workspace.settings.rules.chainer == "durable" else None
    return InForce(files.store, release.audience, renderer, infer)


def renderer_of(workspace: Workspace) -> Renderer:
    """Return the renderer of the folder's templates, with signed links to its own port."""
    settings = workspace.settings
    reply_to = settings.email.reply_to if settings.email is not None else ""
    dress = RenderSettings(
        sender=sender_of(workspace),
        reply_to=reply_to,
        brand=settings.brand or "journeyd",
        lang="zh" if settings.default_region == "CN" else "en",
        zone=settings.default_zone,
        wecom_sender=_wecom_sender(settings),
    )
    return Renderer(workspace.library(), links_of(workspace), dress)


def _wecom_sender(settings: Settings) -> str:
    """Return the member who writes to customers; the sandbox's company has one for templates that name nobody."""
    named = settings.wecom.sender if settings.wecom is not None else ""
    return named or ("sandbox-member" if settings.sandbox.enabled else "")


def links_of(workspace: Workspace) -> SignedLinks:
    """Return the maker and reader of tracked links."""
    return SignedLinks(workspace.settings.server.public_url, KeyRing([Key(1, workspace.signing_key())]))

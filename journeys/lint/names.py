"""The names a journey uses must be known to its workspace: templates, channels, purposes, segments, roles, journeys.

Called by `check.py` for each journey.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from engine.core.errors import Place
from engine.core.expression import HasConsent, InSegment, IsReachable, Journeyed, Touched
from engine.core.plan import OnSegment, Policy, Send
from journeys.lint.known import FORMS, Known
from journeys.lint.scene import Scene
from journeys.lint.sites import sites_of
from journeys.problems import Problem, near_or_known
from journeys.walk import walk

_ASKED: Final = (InSegment, HasConsent, IsReachable, Touched, Journeyed)


def check_names(scene: Scene) -> Iterator[Problem]:
    """Yield a complaint for each name that nothing in the workspace answers to."""
    plan, known = scene.plan, scene.known
    policy = known.audience.policy
    if plan.purpose not in policy.purposes:
        yield _no_purpose(plan.purpose, scene.at_key("purpose"), known)
    if isinstance(plan.enter, OnSegment) and plan.enter.segment not in known.audience.segments:
        word = "segment" if plan.enter.way == "enters" else "leaves"
        near = near_or_known(plan.enter.segment, known.audience.segments)
        yield Problem("J085", scene.at("enter", word), {"name": plan.enter.segment, **near})
    for node in plan.nodes:
        if isinstance(node, Send):
            yield from _of_send(scene, node)
    told: set[tuple[int, str]] = set()
    for site in sites_of(scene):
        for problem in _of_condition(site.expr, site.place, known):
            # A name wrong three times in one condition is one complaint.
            key = (site.place.line, str(problem))
            if key not in told:
                told.add(key)
                yield problem


def _of_send(scene: Scene, node: Send) -> Iterator[Problem]:
    known, place = scene.known, scene.in_step(node.id)
    policy = known.audience.policy
    purpose = node.purpose or scene.plan.purpose
    if node.purpose and node.purpose not in policy.purposes:
        yield _no_purpose(node.purpose, scene.in_step(node.id, "purpose"), known)
    if node.role and node.role not in known.audience.roles:
        near = near_or_known(node.role, known.audience.roles)
        yield Problem("J132", scene.in_step(node.id, "to"), {"name": node.role, **near})
    for channel in node.channels:
        if channel not in policy.channels:
            yield _no_channel(channel, place, known)
        elif policy.channels[channel] == "none" == policy.purposes.get(purpose) and purpose not in policy.exempt:
            data = {"channel": channel, "purpose": purpose}
            yield Problem("J131", scene.in_step(node.id, "via"), data)
    if known.templates is None:
        return
    if node.template not in known.templates:
        yield Problem("J082", place, {"name": node.template, **near_or_known(node.template, known.templates)})
        return
    for channel in node.channels:
        if channel in FORMS and channel not in known.templates[node.template]:
            files = FORMS[channel][0]
            yield Problem("J083", place, {"name": node.template, "channel": channel, "files": files})


def _of_condition(value: object, place: Place, known: Known) -> Iterator[Problem]:
    policy, segments = known.audience.policy, known.audience.segments
    for part in _asked(walk(value)):
        match part:
            case InSegment() if part.name not in segments:
                yield Problem("J085", place, {"name": part.name, **near_or_known(part.name, segments)})
            case HasConsent() if not _is_consent(part.name, policy):
                names = ", ".join([*policy.purposes, *policy.channels])
                yield Problem("J087", place, {"name": part.name, "known": names})
            case IsReachable() if part.channel not in policy.channels:
                yield _no_channel(part.channel, place, known)
            case Touched() if known.templates is not None and part.template not in known.templates:
                yield Problem("J082", place, {"name": part.template, **near_or_known(part.template, known.templates)})
            case Journeyed() if known.journeys is not None and part.journey not in known.journeys:
                yield Problem("J086", place, {"name": part.journey, **near_or_known(part.journey, known.journeys)})
            case _:
                pass


def _is_consent(name: str, policy: Policy) -> bool:
    """Is this a purpose, a channel, or a cell of both ("newsletter:sms")?"""
    purpose, colon, channel = name.partition(":")
    if colon:
        return purpose in policy.purposes and channel in policy.channels
    return name in policy.purposes or name in policy.channels


def _asked(parts: Iterable[msgspec.Struct]) -> Iterator[msgspec.Struct]:
    return (part for part in parts if isinstance(part, _ASKED))


def _no_channel(channel: str, place: Place, known: Known) -> Problem:
    return Problem("J084", place, {"name": channel, "known": ", ".join(known.audience.policy.channels)})


def _no_purpose(name: str, place: Place, known: Known) -> Problem:
    return Problem("J087", place, {"name": name, "known": ", ".join(known.audience.policy.purposes)})

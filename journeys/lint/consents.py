"""What journeys make of consents: channels that a yes does not cover, confirmations that nobody asks for.

Called by `check.py`, for each journey and for all.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.core.audience.consents import REQUESTED
from engine.core.errors import Place
from engine.core.plan import OnEvent, Plan, Send
from journeys.lint.known import Known
from journeys.lint.scene import Scene
from journeys.lint.sites import read_audience
from journeys.problems import Problem

CONFIRM_URL: Final = "confirm_url"


def check_consents(scene: Scene) -> Iterator[Problem]:
    """Yield sends over channels that a yes to their purpose does not cover, and confirmation links that are empty."""
    offers, texts = scene.known.audience.policy.offers, scene.known.texts
    for node in scene.plan.nodes:
        if not isinstance(node, Send):
            continue
        purpose = node.purpose or scene.plan.purpose
        offered = offers.get(purpose, ())
        for channel in node.channels:
            if offered and channel not in offered:
                data = {"purpose": purpose, "channel": channel, "offered": ", ".join(offered)}
                yield Problem("J171", scene.in_step(node.id, "via"), data)
        uses = (use.root for text in texts.get(node.template, ()) for use in text.uses)
        if not _asks(scene.plan) and CONFIRM_URL in uses:
            yield Problem("J173", scene.in_step(node.id, "send"), {"template": node.template})


def check_confirmations(scenes: Sequence[Scene], known: Known, folder: Path) -> Iterator[Problem]:
    """Yield purposes with double opt-in while no journey asks for the confirmation."""
    double = known.audience.policy.double
    if not double or any(_asks(scene.plan) for scene in scenes):
        return
    document = read_audience(folder, "consent")
    for name in double:
        file = Place(str(folder / "consent.yaml"))
        place = file if document is None else document.key_place(("purposes", name, "double"))
        yield Problem("J172", place, {"purpose": name})


def _asks(plan: Plan) -> bool:
    return isinstance(plan.enter, OnEvent) and REQUESTED in plan.enter.events

"""The body of an outgoing webhook: what happened in which journey to whom, and the marketer's own data.

`{"type", "timestamp", "journey", "version", "run", "step", "customer", "data"}`: the same touch gives the same bytes,
which are signed and sent as they are. Documented in docs/how-to/receive-webhooks.md. `render.py` alone calls it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from channels.template_files import Fields
from channels.text import BadTemplate, Text
from engine.core.commands import Touch
from engine.core.errors import Place

LIMIT: Final = 65_536
"""Bytes of a body at most; receivers refuse more."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def seal(touch: Touch, data: Mapping[str, Any]) -> bytes:
    """Return the body; raises `BadTemplate` for one that is too large.

    `timestamp` is when the step was taken, `type` `journey.webhook` for a step and `journey.message` for a send.
    """
    body = _encoder.encode({
        "type": "journey.webhook" if touch.kind == "webhook" else "journey.message",
        "timestamp": (_EPOCH + timedelta(microseconds=touch.planned)).isoformat().replace("+00:00", "Z"),
        "journey": touch.journey,
        "version": touch.version,
        "run": touch.run,
        "step": touch.step,
        "customer": touch.customer,
        "data": data,
    })  # fmt: skip
    if len(body) > LIMIT:
        place = Place(f"{touch.journey}, step {touch.step}", 1, 1)
        raise BadTemplate(place, f"the webhook's body has {len(body)} bytes", f"send less; {LIMIT} is the most")
    return body


def fill(fields: Fields, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template's body with its texts rendered."""
    return {
        name: value.render(context) if isinstance(value, Text) else fill(value, context)
        for name, value in fields.items()
    }

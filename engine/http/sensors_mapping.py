"""One message of a Sensors Analytics (神策) SDK -> one `Event`, or None for what says nothing of a customer. Pure.

A track keeps its event name in snake case (`$pageview` and the like become our own names), profile words become traits.
`sensors.py` calls it for every message of a request.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from engine.core.errors import BadInput
from engine.core.events import REFUSED, Event
from engine.core.ids import Micros, derive
from engine.http.fields import read_text
from engine.http.mapping import take_identifiers, to_name
from engine.http.naming import Naming
from engine.http.sensors_fields import read_identifiers, read_properties, read_time

TRACKED: Final = frozenset({"track", "track_signup", "track_id_bind", "track_id_unbind"})
PROFILED: Final = frozenset(
    {
        *("profile_set", "profile_set_once", "profile_append", "profile_increment", "profile_unset"),
        "profile_delete",
    }
)
IGNORED: Final = frozenset({"item_set", "item_delete"})
KEPT_TEXT: Final = 2_000
"""Characters of a refused message that stand in its dead letter."""

_NAMES: Final = {
    "$pageview": "page_viewed",
    "$AppViewScreen": "screen_viewed",
    "$MPViewScreen": "screen_viewed",
}
_UNSAID: Final = frozenset({"_flush_time"})
"""What an SDK writes anew when it sends a message again."""


@dataclass
class Reading:
    """One request's messages: who sends them and when they came. `seen` tells equal messages of one request apart."""

    source: str
    received: Micros
    naming: Naming
    seen: Counter[str] = field(default_factory=Counter)

    def event(self, message: Any) -> Event | None:
        """Return the message's event, None for an item; raises `BadInput` that names the field."""
        if not isinstance(message, dict):
            raise BadInput("The message is not an object", 'Send {"type": "track", "distinct_id": "u1", ...}')
        kind = message.get("type")
        if not isinstance(kind, str) or kind not in TRACKED | PROFILED | IGNORED:
            raise BadInput("The message's type is not known", "Use one of the SDK's: track, profile_set, ...", "type")
        if kind in IGNORED:
            return None
        words = _track(message) if kind in TRACKED else _profile(message, kind)
        identifiers = read_identifiers(message, self.naming)
        for said in (words.get("traits", {}), words.get("once", {})):
            for name, normal in take_identifiers(said, self.naming):
                identifiers.setdefault(name, normal)
        return Event(
            id=self._id(message),
            at=read_time(message, self.received),
            received=self.received,
            source=self.source,
            identifiers=identifiers,
            **words,
        )

    def refused(self, raw: bytes, why: BadInput) -> Event:
        """Return the event that keeps what could not be read, for its dead letter."""
        text = raw.decode("utf-8", "replace").replace("\0", "�")[:KEPT_TEXT]
        return Event(
            id=derive("sensors-refused", text, len(raw)),
            name=REFUSED,
            at=self.received,
            received=self.received,
            source=self.source,
            properties={"reason": str(why)[:500], "field": why.field, "message": text},
        )

    def _id(self, message: Mapping[str, Any]) -> str:
        """Return the id by which repeats collapse: the SDK's own number where it gives one, else the content."""
        number = message.get("_track_id")
        if isinstance(number, str | int):
            said = [read_text(message, name) for name in ("type", "distinct_id")]
            return derive("sensors", str(number)[:64], str(message.get("time")), *said)
        content = {name: value for name, value in message.items() if name not in _UNSAID}
        digest = derive("sensors", msgspec.json.encode(content, order="deterministic").decode())
        self.seen[digest] += 1
        return digest if self.seen[digest] == 1 else derive(digest, self.seen[digest])


def _track(message: Mapping[str, Any]) -> dict[str, Any]:
    given = read_text(message, "event", limit=128)
    name = _NAMES.get(given) or to_name(given)
    if not name:
        raise BadInput("A track needs the name of its event", 'Add "event": "order_paid"', "event")
    properties = read_properties(message)
    if name != given:
        properties.setdefault("original_name", given)
    return {"name": name, "properties": properties}


def _profile(message: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind == "profile_delete":
        return {"name": "profile_deleted"}
    said = read_properties(message)
    match kind:
        case "profile_set_once":
            words = {"once": said}
        case "profile_unset":
            words = {"traits": dict.fromkeys(said)}
        case "profile_increment" | "profile_append":
            words = {"adds": {name: _added(name, value, kind) for name, value in said.items()}}
        case _:
            words = {"traits": said}
    return {"name": "identified", **words}


def _added(name: str, value: Any, kind: str) -> Any:
    if kind == "profile_append":
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        problem, remedy = f"{name[:64]} is not a list of texts", 'Write it like ["tea"]'
    else:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        problem, remedy = f"{name[:64]} is not a number", "Write a number to add"
    raise BadInput(problem, remedy, f"properties.{name[:64]}")

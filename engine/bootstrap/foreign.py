"""How events that others write into the topic are read: as the HTTP face reads them, in the rules of identity in force.

The face and the runtime do not know each other, so what the one can do is handed to the other here. Used by `roles.py`.
"""

from collections.abc import Callable
from typing import Final

from engine.core.errors import BadInput
from engine.core.events import Event, Identifiers
from engine.core.ids import Micros
from engine.core.policy import Identity
from engine.http.mapping import MESSAGE_KINDS, to_event
from engine.http.naming import Naming
from engine.http.strict import parse
from engine.runtime.stream.envelope import Foreign

_SOURCE: Final = "stream"


def foreign_of(identity: Callable[[], Identity], region: str) -> Foreign:
    """Return the reader of foreign events. `identity` gives the rules in force; `region` completes phone numbers."""
    reader = _Reader(identity, region)
    return Foreign(reader.segment, reader.spell, parse)


class _Reader:
    """Keeps the naming while the rules do not change."""

    def __init__(self, identity: Callable[[], Identity], region: str) -> None:
        self._identity, self._region = identity, region
        self._rules = identity()
        self._naming = Naming.of(self._rules, region)

    def naming(self) -> Naming:
        """Return how identifiers are spelled by the rules in force."""
        rules = self._identity()
        if rules is not self._rules:
            self._rules, self._naming = rules, Naming.of(rules, self._region)
        return self._naming

    def segment(self, body: bytes, received: Micros, name: str) -> Event:
        """Return the event of a Segment message; raises `BadInput`."""
        message = parse(body)
        kind = message.get("type")
        if kind not in MESSAGE_KINDS:
            raise BadInput(
                "The message's type is not known", f"Use event, or one of {', '.join(MESSAGE_KINDS)}", "type"
            )
        return to_event(message, kind=kind, source=_SOURCE, received=received, mint=lambda: name, naming=self.naming())

    def spell(self, identifiers: Identifiers) -> Identifiers:
        """Return the identifiers in their normal form, without those that name nobody."""
        naming = self.naming()
        said = {kind: naming.normal(kind, value) for kind, value in identifiers.items()}
        return {kind: value for kind, value in said.items() if value}

"""What a model says of a customer, and the word that gives or takes the tags accordingly.

A model gives each customer at most one of its tags. Called by the models beside this one and by `bootstrap/mining.py`.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from engine.core.errors import BadInput
from engine.core.events import Mark
from engine.core.ids import Micros, derive
from engine.core.state import Held

BY: Final = "mined:"
"""Before the name of the model in `Mark.by`."""


class Verdict(msgspec.Struct, frozen=True):
    """A tag for a customer and how sure the model is. `why` becomes the event's properties, `traits` the customer's."""

    tag: str
    score: float
    why: dict[str, Any] = {}
    traits: dict[str, Any] = {}


class Mined(msgspec.Struct, frozen=True):
    """What a run of a model found: customer -> verdict. Customers of whom it says nothing are absent."""

    model: str
    version: str
    verdicts: dict[str, Verdict]

    def counts(self) -> list[tuple[str, int]]:
        """Return how many customers got each tag, most first."""
        counted = Counter(verdict.tag for verdict in self.verdicts.values())
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


class Terms(msgspec.Struct, frozen=True):
    """How tags are given: by which model and version, until when, and which tags somebody asks for."""

    model: str
    version: str
    until: Micros
    declared: frozenset[str]


def version_of(model: str, settings: Mapping[str, Any], day: str) -> str:
    """Return the version of a model: its name, a hash of its settings, the last day of the data.

    >>> version_of("rfm", {"event": "order_paid"}, "2026-03-01")
    'rfm-ew2hnh6h-2026-03-01'
    """
    said = [part for name in sorted(settings) for part in (name, str(settings[name]))]
    return f"{model}-{derive(model, *said)[:8]}-{day}"


def marks(held: Mapping[str, Held], verdict: Verdict | None, terms: Terms) -> dict[str, Mark | None]:
    """Return the tags to give and, as None, those of this model that the customer no longer deserves.

    Tags that others gave are left alone, and of a verdict nothing is given that nobody declared.

    >>> terms = Terms("rfm", "rfm-1", 99, frozenset({"rfm-loyal"}))
    >>> marks({"rfm-new": Held(5, by="mined:rfm"), "vip": Held(5, by="rule")}, Verdict("rfm-loyal", 434.0), terms)
    {'rfm-new': None, 'rfm-loyal': Mark(by='mined:rfm', until=99, score=434.0, version='rfm-1')}
    """
    by = BY + terms.model
    given = verdict.tag if verdict is not None and verdict.tag in terms.declared else ""
    found: dict[str, Mark | None] = {name: None for name, tag in held.items() if tag.by == by and name != given}
    if verdict is not None and given:
        found[given] = Mark(by, terms.until, verdict.score, terms.version)
    return found


def check_enough(customers: Collection[object], what: str) -> None:
    """Raise `BadInput` when there is nobody to say anything of."""
    if not customers:
        raise BadInput(
            f"The history holds no {what} of a known customer",
            "Name the event with --event, bring history with `journeyd ingest`, or give a file with --history",
        )

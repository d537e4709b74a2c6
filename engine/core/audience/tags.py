"""Tags that an event gives or takes: an import, a mining job or a producer speaks, and the newest word stands.

Called by `profile.py`. What rules give and take is `core/consequences.py`'s, what a step does `changing.py`'s.
"""

from typing import Final

from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.state import Customer, Held

MOST: Final = 300
"""Tags a customer may carry by events; further new ones are left out, so that one producer cannot bloat it."""

BY_RULE: Final = "rule"
"""`Held.by` of a tag that a rule of audience/tags.yaml gave."""

MINED: Final = "tags_mined"
"""The event by which a model gives and takes its tags: a word about a customer, and no sign of life."""

LIST: Final = "list:"
"""Before the name of a static list: who is on it carries the tag `list:<name>`."""


def fold(customer: Customer, event: Event) -> dict[str, Held]:
    """Return the customer's tags after the event; the same object when it changes nothing.

    A word older than the one that stands loses, as far as that is known: a tag that was taken leaves no trace. A rule's
    tag stays the rule's business while it is carried; what has ended by its own `until` is not given any more.

    >>> from engine.core.events import Mark
    >>> fold(Customer("c", 1), Event("m", "tagged", 5, 5, source="import", tags={"vip": Mark("import:fair.csv")}))
    {'vip': Held(since=5, until=0, by='import:fair.csv', score=0.0, version='')}
    """
    tags, now = dict(customer.tags), event.received
    for name, mark in event.tags.items():
        held = tags.get(name)
        if held is not None and held.lasts_at(now) and (held.by == BY_RULE or held.since > event.at):
            continue
        if mark is None or 0 < mark.until <= now:
            tags.pop(name, None)
        elif held is not None or _has_room(tags, now):
            tags[name] = Held(event.at, mark.until, mark.by or event.source, mark.score, mark.version)
    return customer.tags if tags == customer.tags else tags


def _has_room(tags: dict[str, Held], now: Micros) -> bool:
    """Is there room for one more? Tags that have ended make it."""
    if len(tags) < MOST:
        return True
    for name in [name for name, held in tags.items() if not held.lasts_at(now)]:
        del tags[name]
    return len(tags) < MOST

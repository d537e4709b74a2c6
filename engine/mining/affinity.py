"""Affinity: the category or brand a customer prefers, from how often the customer's events name it.

A customer with two events has hardly said anything: each share is drawn towards everybody's, as if `WEIGHT` more events
had been typical ones. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from engine.core.events import Event
from engine.mining.reading import named, slug
from engine.mining.verdicts import Verdict, check_enough

MODEL: Final = "affinity"
WEIGHT: Final = 3.0
MOST_TASTES: Final = 100
"""Categories kept of one customer; further ones are left out."""

Tastes = dict[str, Counter[str]]
"""Customer -> category -> events that named it."""


class Liking(msgspec.Struct, frozen=True):
    """When a share is a liking: from so many events on, and from so large a share on."""

    events: int = 2
    share: float = 0.3


def gather(past: Iterable[tuple[str, Event]], event: str, name: str) -> Tastes:
    """Return how often each customer's events named `event` name each category, at the property `name`."""
    found: Tastes = {}
    for customer, _, category in named(past, event, name):
        held = found.setdefault(customer, Counter())
        if category in held or len(held) < MOST_TASTES:
            held[category] += 1
    return found


def affinity(tastes: Mapping[str, Counter[str]], liking: Liking) -> dict[str, Verdict]:
    """Return customer -> the category preferred, for everybody who prefers one; raises `BadInput` for no tastes at all.

    Preferred is the category of the largest smoothed share (of equals the one more events named, then the first by
    name) if that is larger than everybody's share of it, and large enough.

    >>> tastes = {"mei": Counter(tea=4), "li": Counter(tea=1, cups=3)}
    >>> {name: (verdict.tag, verdict.score) for name, verdict in affinity(tastes, Liking()).items()}
    {'mei': ('likes-tea', 0.8393), 'li': ('likes-cups', 0.5893)}
    """
    check_enough(tastes, "event with such a property")
    everybody: Counter[str] = Counter()
    for held in tastes.values():
        everybody.update(held)
    events = everybody.total()
    usual = {name: count / events for name, count in everybody.items()}
    found: dict[str, Verdict] = {}
    for customer, held in tastes.items():
        if held.total() >= liking.events and (verdict := _preferred(held, usual, liking)) is not None:
            found[customer] = verdict
    return found


def _preferred(held: Counter[str], usual: Mapping[str, float], liking: Liking) -> Verdict | None:
    total = held.total()
    shares = {name: (count + WEIGHT * usual[name]) / (total + WEIGHT) for name, count in held.items()}
    name = min(shares, key=lambda one: (-shares[one], -held[one], one))
    share = shares[name]
    if share < liking.share or share <= usual[name] or not slug(name):
        return None
    why = {"category": name, "share": round(share, 4), "usual": round(usual[name], 4), "events": held[name]}
    return Verdict(f"likes-{slug(name)}", round(share, 4), why)

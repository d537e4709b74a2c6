"""Words that build on what is known instead of replacing it: a trait said only once, sums and lists that grow.

Called by `profile.py` after `traits.py` folded the plain words. They count as they arrive: a sum does not
care for order.
"""

from collections.abc import Collection
from typing import Any, Final, TypeAlias

from engine.core.audience.traits import MAX_TRAITS
from engine.core.events import Event
from engine.core.ids import Micros

MOST_LISTED: Final = 200
"""Texts that a trait's list may hold; further new ones are left out."""

_BIGGEST: Final = 1 << 53

Told: TypeAlias = tuple[dict[str, Any], dict[str, Micros]]


def fold(
    traits: dict[str, Any], said: dict[str, Micros], event: Event, *, closed: Collection[str] = frozenset()
) -> Told:
    """Return `traits` and `traits_at` after the event's `once` and `adds`; traits in `closed` are not this source's.

    `once` sets a trait that is not there. `adds` sums a number up (from 0) and joins texts to a list, each text once;
    a trait of another type stays as it is, and so does one whose sum would leave the whole numbers (2^53).

    >>> event = Event("m", "told", 9, 9, once={"city": "Xi'an", "via": "fair"}, adds={"points": 5, "likes": ["a"]})
    >>> fold({"city": "Lhasa", "points": 2, "likes": ["jade"]}, {"city": 3, "points": 3, "likes": 3}, event)[0]
    {'city': 'Lhasa', 'points': 7, 'likes': ['jade', 'a'], 'via': 'fair'}
    """
    traits, said = dict(traits), dict(said)
    grown = {name: value for name, value in event.once.items() if name not in traits and value is not None}
    grown |= {name: _grow(traits.get(name), value) for name, value in event.adds.items()}
    for name, value in grown.items():
        if value is None or name in closed or (name not in said and len(said) >= MAX_TRAITS):
            continue
        traits[name] = value
        said[name] = max(said.get(name, 0), event.at)
    return traits, said


def _grow(held: Any, more: Any) -> Any:
    """Return the trait's new value, None when `more` does not fit what is held."""
    if isinstance(more, list):
        if held is not None and not isinstance(held, list):
            return None
        return list(dict.fromkeys([*(held or []), *more]))[: max(MOST_LISTED, len(held or []))]
    if _is_number(more) and (held is None or _is_number(held)):
        total = (held or 0) + more
        return total if -_BIGGEST <= total <= _BIGGEST else None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Next best: what to offer a customer next, from what others bought together with what the customer has.

Two items are near when the same customers have both: the cosine of who has the one and who has the other. An item's
worth for a customer is the mean nearness to what the customer has; what is had already is not offered. Pure.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from math import sqrt
from typing import Final

import msgspec

from engine.core.events import Event
from engine.mining.reading import named
from engine.mining.verdicts import Verdict, check_enough

MODEL: Final = "next-best"
TAG: Final = "next-best"
TRAIT: Final = "next_best"
"""The trait that says which item: `{{ customer.next_best }}` in templates."""

MOST_HAD: Final = 50
"""Items of one customer that count, the latest."""

NEAREST: Final = 50
"""Other items that are looked at for an item: the nearest ones."""

Baskets = dict[str, dict[str, int]]
"""Customer -> item -> when it was last bought."""


class Shelf(msgspec.Struct, frozen=True):
    """Which items may be offered: the `most` popular ones that at least `fewest` customers have."""

    most: int = 1_000
    fewest: int = 3


def gather(past: Iterable[tuple[str, Event]], event: str, name: str) -> Baskets:
    """Return the items that each customer's events named `event` name at the property `name`, the latest ones."""
    found: Baskets = {}
    for customer, at, item in named(past, event, name):
        held = found.setdefault(customer, {})
        held[item] = max(at, held.get(item, 0))
        if len(held) > 2 * MOST_HAD:
            found[customer] = _latest(held)
    return {customer: _latest(held) for customer, held in found.items()}


def next_best(baskets: Mapping[str, Mapping[str, int]], shelf: Shelf) -> dict[str, Verdict]:
    """Return customer -> the item to offer, for everybody who has something that others have other things with.

    Of equally near items the more popular one is offered, then the first by name. Raises `BadInput` for no baskets.
    """
    check_enough(baskets, "event with such a property")
    popular = _popular(baskets, shelf)
    names = list(popular)
    places = {name: place for place, name in enumerate(names)}
    had = {customer: array("l", sorted(places[name] for name in held if name in places)) for customer, held in
           baskets.items()}  # fmt: skip
    near = _nearness(had.values(), [popular[name] for name in names])
    found: dict[str, Verdict] = {}
    for customer, mine in had.items():
        worth: dict[int, float] = defaultdict(float)
        for place in mine:
            for other, nearness in near.get(place, {}).items():
                worth[other] += nearness / len(mine)
        held = baskets[customer]
        offers = [place for place in worth if names[place] not in held]
        if not offers:
            continue
        # Rounded, so that a tie of two sums is one however they were added up; places are in order of popularity.
        best = min(offers, key=lambda place: (-round(worth[place], 9), place))
        score = round(worth[best], 4)
        found[customer] = Verdict(TAG, score, {"item": names[best], "nearness": score}, {TRAIT: names[best]})
    return found


def _popular(baskets: Mapping[str, Mapping[str, int]], shelf: Shelf) -> dict[str, int]:
    """Return item -> customers who have it, the most popular first."""
    counted = Counter(name for held in baskets.values() for name in held)
    ordered = sorted(counted, key=lambda name: (-counted[name], name))
    return {name: counted[name] for name in ordered[: shelf.most] if counted[name] >= shelf.fewest}


def _nearness(had: "Iterable[array[int]]", customers: list[int]) -> dict[int, dict[int, float]]:
    """Return item -> other item -> cosine, both ways; items are places, `customers` how many have each."""
    both: Counter[tuple[int, int]] = Counter()
    for mine in had:
        both.update(combinations(mine, 2))
    near: dict[int, dict[int, float]] = defaultdict(dict)
    for (one, other), times in both.items():
        near[one][other] = near[other][one] = times / sqrt(customers[one] * customers[other])
    return {place: _nearest(others) for place, others in near.items()}


def _nearest(others: Mapping[int, float]) -> dict[int, float]:
    """Return the nearest of an item's others; of equally near ones the more popular."""
    return dict(sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))[:NEAREST])


def _latest(held: Mapping[str, int]) -> dict[str, int]:
    kept = sorted(held.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_HAD]
    return dict(kept)

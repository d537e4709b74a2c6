"""Reads numbers and names out of events' properties, whatever producers put there. Called by the models."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from engine.core.events import Event
from engine.core.ids import Micros

LONGEST: Final = 100
"""Characters of a name that count."""


def number_of(properties: Mapping[str, Any], path: str) -> float:
    """Return the number at a path; 0 when there is none.

    >>> number_of({"cart": {"total": 12}}, "cart.total"), number_of({"total": "12"}, "total")
    (12.0, 0.0)
    """
    for value in _walk(properties, path.split(".")):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return 0.0


def names_of(properties: Mapping[str, Any], path: str) -> list[str]:
    """Return the different names at a path, in their order; a list on the way means each of its members.

    >>> names_of({"products": [{"category": "Tea"}, {"category": "Cups"}, {"category": "Tea"}]}, "products.category")
    ['Tea', 'Cups']
    """
    found: dict[str, None] = {}
    for value in _walk(properties, path.split(".")):
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        name = str(value).strip()[:LONGEST]
        if name and name.isprintable():
            found[name] = None
    return list(found)


def named(past: Iterable[tuple[str, Event]], event: str, path: str) -> Iterator[tuple[str, Micros, str]]:
    """Yield (customer, instant, name) for every name that the events called `event` have at a path.

    >>> paid = Event("m", "order_paid", 7, 7, properties={"item": ["tea", "cup"]})
    >>> list(named([("mei", paid)], "order_paid", "item"))
    [('mei', 7, 'tea'), ('mei', 7, 'cup')]
    """
    for customer, told in past:
        if told.name == event:
            for name in names_of(told.properties, path):
                yield customer, told.at, name


def slug(name: str) -> str:
    """Return the name as a part of a tag: lower case, letters and digits of any script, the rest as dashes.

    >>> slug("Green Tea & Co."), slug("茶具")
    ('green-tea-co', '茶具')
    """
    kept = "".join(char if char.isalnum() else "-" for char in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40]


def _walk(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for member in value:
            yield from _walk(member, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _walk(value[path[0]], path[1:])

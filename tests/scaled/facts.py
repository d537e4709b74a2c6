"""What became of a history, item by item, and where two stores differ. Values in, words out."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from engine.ports import Reader, RunQuery, TouchQuery

ALL: Final = 10_000_000
_SHOWN: Final = 3

Facts = dict[str, dict[Any, Any]]


def facts_of(store: Reader) -> Facts:
    """Return everything that a history left: part -> key -> value."""
    customers = {customer.id: customer for customer in store.scan("", ALL)}
    counts = store.counts()
    return {
        "customers": customers,
        "notes": {id_: store.notes(id_, limit=ALL) for id_ in customers},
        # `updated` is the time of the transaction, which holds more or less.
        "touches": {row.touch.id: replace(row, updated=0) for row in store.find_touches(TouchQuery(limit=ALL))},
        "runs": {run.id: (customer, run) for customer, run in store.runs(RunQuery(limit=ALL))},
        "effects": dict(Counter(map(repr, store.effects(limit=ALL)))),
        "labels": {id_: sorted(map(repr, store.labels(id_))) for id_ in customers},
        "identifiers": {id_: sorted(one.identifiers.items()) for id_, one in customers.items()},
        "merges": {id_: sorted(map(repr, store.merges(id_))) for id_ in customers},
        "facts": {row.touch.id: sorted(map(repr, store.facts(row.touch.id))) for row in _sent(store)},
        "dead": dict(Counter(letter.reason for letter in store.dead_letters(ALL))),
        "flags": {"": store.flags()},
        "current": store.current(),
        "totals": {"touches": _some(counts.touches), "runs": _some(counts.runs), "stages": _some(counts.stages)},
        "more totals": {
            "customers": counts.customers,
            "reached": _some(counts.reached),
            "won": {journey: (n, round(value, 6)) for journey, (n, value) in counts.conversions.items()},
        },
    }


def differences(was: Facts, now: Facts) -> list[str]:
    """Return in words where they differ, a few of each part; empty when they are the same item by item."""
    return [line for part in was for line in _part(part, was[part], now[part])]


def _part(part: str, was: dict[Any, Any], now: dict[Any, Any]) -> Iterator[str]:
    keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    if keys:
        yield f"{part}: {len(keys)} of {len(was)} differ"
    for key in keys[:_SHOWN]:
        yield f"  {key}:\n    was {was.get(key)!r}\n    now {now.get(key)!r}"


def _sent(store: Reader) -> Iterator[Any]:
    yield from (row for row in store.find_touches(TouchQuery(limit=ALL)) if row.facts)


def _some(totals: dict[Any, int]) -> dict[Any, int]:
    return {key: n for key, n in totals.items() if n}

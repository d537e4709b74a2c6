"""Gathers what the steps of a journey have seen from the store, for drawings. Reads only, also while a daemon runs."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from engine.core.delivery import Fact, TouchState
from engine.core.plan import Plan
from engine.ports import Reader, TouchQuery, TouchRow
from journeys.drawing.marks import JourneyCount, StepCount

MOST_TOUCHES: Final = 100_000
"""Messages that are counted, newest first: a drawing need not wait for millions."""

_TO_COME: Final = frozenset({TouchState.PLANNED, TouchState.READY, TouchState.IN_FLIGHT, TouchState.DEFERRED})
_LEFT: Final = frozenset({TouchState.SENT, TouchState.UNCERTAIN})
_FACTS: Final = (("delivered", Fact.DELIVERED), ("opened", Fact.OPENED), ("clicked", Fact.CLICKED))


def count_steps(store: Reader, plan: Plan) -> JourneyCount:
    """Return the journey's figures, over all versions; step ids are the plan's."""
    totals = store.counts()
    places = Counter[str]()
    for (journey, _, place), number in totals.runs.items():
        if journey == plan.journey:
            places[place] += number
    rows = store.find_touches(TouchQuery(journey=plan.journey, limit=MOST_TOUCHES))
    tallies = _tallied(rows)
    outcomes = {place: n for place, n in places.items() if place not in plan.steps and _is_outcome(place)}
    elsewhere = sum(n for place, n in places.items() if place not in plan.steps and place not in outcomes)
    steps = {node.id: StepCount(standing=places[node.id], **tallies.get(node.id, Counter())) for node in plan.nodes}
    converted, _ = totals.conversions.get(plan.journey, (0, 0.0))
    return JourneyCount(steps, outcomes, elsewhere, converted, is_partial=len(rows) == MOST_TOUCHES)


def _is_outcome(place: str) -> bool:
    return place == "completed" or place.startswith("exited") or place == ""


def _tallied(rows: Iterable[TouchRow]) -> dict[str, Counter[str]]:
    tallies: dict[str, Counter[str]] = {}
    for row in rows:
        tally = tallies.setdefault(row.touch.step, Counter())
        tally["planned" if row.state in _TO_COME else "sent" if row.state in _LEFT else "unsent"] += 1
        for name, fact in _FACTS:
            if row.facts & fact:
                tally[name] += 1
    return tallies

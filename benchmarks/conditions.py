"""Conditions of the language, compiled, against the same conditions written by hand as Python lambdas.

Both read the same contexts, one after the other within each round; the gate is that they agree on every one of them.
The lambdas are what a programmer would write who knows that the data is as it should be: they check no types.
"""

import statistics
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from benchmarks.measure import Cost, Sample
from engine.core.audience.behaviour import CompiledMeasure, fold
from engine.core.context import Context
from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.ids import DAY, Micros, share
from engine.core.predicates import compile_condition, compile_measure
from engine.core.state import Customer, Heard, Held, Run, Tally
from engine.runtime.collector import calm
from journeys.expressions import TRAVEL, parse_condition
from journeys.functions import merge

ByHand: TypeAlias = Callable[[Context], Any]
NOW: Final[Micros] = 20_500 * DAY
CITIES: Final = ("Shanghai", "Beijing", "Hefei", "Chengdu")
_INFINITE: Final = float("inf")


CONTEXTS: Final = 500
"""Few enough to stay in the processor's cache: else both would mostly wait for memory and look alike."""


def run(times: int, rounds: int) -> tuple[list[Sample], list[Sample], dict[str, float]]:
    """Return samples of the compiled and of the handwritten conditions, and condition -> median ratio of their times.

    Each round asks every condition `times` over all contexts. A ratio of 2 says that the compiled one takes twice as
    long. One piece of work is one condition over one context.
    """
    texts = list(_conditions({}))
    parsed = {text: parse_condition(text, TRAVEL) for text in texts}
    measures = merge([measure for found in parsed.values() for measure in found.measures])
    crowd = [_context(number, [compile_measure(measure) for measure in measures]) for number in range(CONTEXTS)]
    by_hand = _conditions({_name(measure): measure.key for measure in measures})
    compiled = {text: compile_condition(found.expr).holds for text, found in parsed.items() if found.expr is not None}
    wrong = [text for text in texts if any(compiled[text](one) is not bool(by_hand[text](one)) for one in crowd)]
    verdict = f"differ: {wrong}" if wrong else f"{len(texts)} conditions agree on {CONTEXTS:,} contexts"
    crowd *= times
    calm()
    ours: list[Sample] = []
    theirs: list[Sample] = []
    taken: dict[str, list[float]] = {text: [] for text in texts}
    for _ in range(rounds):
        costs = {"ours": Cost(), "theirs": Cost()}
        for text in texts:
            mine, hand = _timed(costs["ours"], compiled[text], crowd), _timed(costs["theirs"], by_hand[text], crowd)
            taken[text].append(mine / hand)
        n = len(texts) * len(crowd)
        ours.append(Sample(n, costs["ours"].wall, costs["ours"].cpu, not wrong, verdict))
        theirs.append(Sample(n, costs["theirs"].wall, costs["theirs"].cpu, not wrong, verdict))
    return ours, theirs, {text: statistics.median(found) for text, found in taken.items()}


def _timed(total: Cost, holds: ByHand, crowd: list[Context]) -> float:
    """Add what it takes to ask once per context; return the CPU-seconds, which other processes disturb least."""
    wall, cpu = time.perf_counter(), time.process_time()
    deque(map(holds, crowd), maxlen=0)
    took = time.process_time() - cpu
    total.wall += time.perf_counter() - wall
    total.cpu += took
    return took


def _name(measure: Measure) -> str:
    return f"{measure.kind} {measure.field} of {measure.event}"


def _context(number: int, measures: list[CompiledMeasure]) -> Context:
    """A customer with a past of orders and views, a run, and an event that has just come."""
    dice = [share("conditions", number, which) for which in range(12)]
    behaviour: dict[str, Tally] = {}
    for place in range(int(dice[0] * 40)):
        at = NOW - int(share("when", number, place) * 60 * DAY)
        said = {"total": int(share("total", number, place) * 300), "category": f"c{place % 7}"}
        name = ("order_paid", "product_viewed", "cart_updated")[place % 3]
        event = Event(str(place), name, at, NOW, properties=said)
        behaviour = fold(behaviour, [one for one in measures if name in one.events], event)
    customer = Customer(
        id=f"c{number}",
        created=NOW - 90 * DAY,
        identifiers={"email": (f"u{number}@{'brand' if dice[1] < 0.3 else 'other'}.example",)},
        traits={"city": CITIES[int(dice[2] * 4)], "age": int(dice[3] * 80), "address": {"zip": f"2300{number % 10}"}},
        tags={"vip": Held(NOW - DAY)} if dice[4] < 0.3 else {},
        behaviour=behaviour,
        heard={"cart-reminder": Heard(NOW - int(dice[5] * 20 * DAY))} if dice[5] < 0.6 else {},
        stage="retain" if dice[6] < 0.5 else "monetize",
    )
    event = Event(
        "now", "cart_updated", NOW, NOW, properties={"total": int(dice[7] * 500), "cart_id": f"C{number % 2}"}
    )
    run = Run("r", "cart-rescue", "v", NOW - int(dice[8] * 9 * DAY), enter={"cart_id": "C1"})
    return Context(customer, NOW, event, run)


def _conditions(keys: Mapping[str, str]) -> dict[str, ByHand]:
    """Return condition -> the same by hand; `keys` names the statistics that the lambdas read."""
    orders, totals = keys.get("events  of order_paid", ""), keys.get("events total of order_paid", "")
    kinds, way = keys.get("values category of order_paid", ""), keys.get("sequence  of product_viewed", "")
    none = Tally()
    return {
        "event.total >= 200": lambda c: c.event.properties.get("total", 0) >= 200,
        'customer.city in ["Shanghai", "Beijing"]': lambda c: c.customer.traits.get("city") in {"Shanghai", "Beijing"},
        "18 <= customer.age < 30": lambda c: 18 <= c.customer.traits.get("age", 0) < 30,
        'event.total >= 200 and not tag("vip")': lambda c: (
            c.event.properties.get("total", 0) >= 200 and "vip" not in c.customer.tags
        ),
        "event.cart_id == enter.cart_id": lambda c: c.event.properties.get("cart_id") == c.run.enter.get("cart_id"),
        'customer.address.zip startswith "23" and stage() == "retain"': lambda c: (
            c.customer.traits["address"]["zip"].startswith("23") and c.customer.stage == "retain"
        ),
        'customer.email contains "@brand"': lambda c: "@brand" in c.customer.identifiers["email"][-1],
        'count("order_paid", within="30d") >= 3': lambda c: (
            _since(c.customer.behaviour.get(orders, none), c.now - 30 * DAY) >= 3
        ),
        'sum("order_paid", "total", within="14d") > 500': lambda c: (
            sum(v for at, v in c.customer.behaviour.get(totals, none).recent if at > c.now - 14 * DAY) > 500
        ),
        'ever("order_paid") and last("order_paid") > "30d"': lambda c: (
            (past := c.customer.behaviour.get(orders)) is not None and c.now - past.last > 30 * DAY
        ),
        'max("order_paid", "total") > 250 or distinct("order_paid", "category") >= 5': lambda c: (
            c.customer.behaviour.get(totals, none).most > 250 or len(c.customer.behaviour.get(kinds, none).values) >= 5
        ),
        'sequence("product_viewed", "cart_updated", within="30d")': lambda c: _walked(
            c.customer.behaviour.get(way, none), c.now - 30 * DAY
        ),
        'received("cart-reminder", within="7d") or customer.age / 2 > 30': lambda c: (
            ((heard := c.customer.heard.get("cart-reminder")) is not None and heard.received > c.now - 7 * DAY)
            or c.customer.traits.get("age", 0) / 2 > 30
        ),
        'never("order_paid", since="enter")': lambda c: (
            (past := c.customer.behaviour.get(orders)) is None or past.last <= c.run.entered
        ),
    }


def _since(tally: Tally, since: Micros) -> int:
    return len(tally.recent) - bisect_right(tally.recent, (since, _INFINITE))


def _walked(tally: Tally, since: Micros) -> bool:
    first = next((at for at, place in tally.recent if at > since and place == 0), None)
    return first is not None and any(at > first and place == 1 for at, place in tally.recent)

"""Segment upkeep: what an event costs with 0, 50 and 500 segments, each reading inputs of its own or all the same.

The core with the codec of customers round it (read, decide, write), no store. The gate is that at the end every
customer stands in exactly the segments whose conditions hold, asked from scratch.
"""

import heapq
import random
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from benchmarks.measure import Sample, measured
from benchmarks.workload import START
from engine.core.audience.identity import begin
from engine.core.decide import Happening, Wake, decide
from engine.core.events import Event
from engine.core.expression import Expr, Measure
from engine.core.ids import MINUTE, Micros
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.predicates import Context
from engine.core.state import decode, encode
from engine.runtime.collector import calm
from journeys.expressions import CUSTOMER, parse_condition
from journeys.functions import merge

Inputs: TypeAlias = Literal["own", "shared"]
"""Whether every segment reads an event and a trait of its own, or all read the same."""

COUNTS: Final = (0, 50, 500)
CUSTOMERS: Final = 2_000

_KINDS: Final = (
    'count("{event}", within="30d") >= 2',
    'ever("{event}") and last("{event}") > "7d"',
    'customer.{trait} == "x"',
    'sum("{event}", "total", within="30d") > 150',
    'customer.{trait} == "y" or count("{event}") >= 3',
)
_ABSENT: Final = 'never("{event}")'
"""One in ten holds of everybody who did nothing: as "has never bought" does."""


def run(segments: int, inputs: Inputs, events: int) -> Sample:
    """Return what the events of 2,000 known customers cost."""
    table = _Table(_book(segments, inputs))
    for number in range(CUSTOMERS):
        table.happen(f"u{number}", Event(f"k{number}", "signed_up", START, START), START)
    dice = random.Random(7)
    return _lived(table, list(_traffic(dice, segments, inputs, [dice.randrange(CUSTOMERS) for _ in range(events)])))


def first_heard(segments: int, events: int) -> Sample:
    """Return what events cost of which each is somebody's first."""
    table = _Table(_book(segments, "own"))
    return _lived(table, list(_traffic(random.Random(7), segments, "own", range(events))))


def _lived(table: "_Table", traffic: list[tuple[str, Event]]) -> Sample:
    calm()
    with measured() as cost:
        for who, event in traffic:
            table.wake(event.at)
            table.happen(who, event, event.at)
    wrong = table.wrong(traffic[-1][1].at)
    verdict = f"{wrong} wrong" if wrong else f"{len(table.bodies):,} customers stand where they should"
    held = sum(map(len, table.bodies.values())) / len(table.bodies)
    return Sample(len(traffic), cost.wall, cost.cpu, not wrong, verdict, {"bytes": held, "wakes": float(table.woken)})


def _book(segments: int, inputs: Inputs) -> Playbook:
    rules: dict[str, Expr] = {}
    measures: list[Measure] = []
    for number in range(segments):
        place = number if inputs == "own" else 0
        text = _ABSENT if number % 10 == 9 else _KINDS[number % len(_KINDS)]
        parsed = parse_condition(text.format(event=f"did-{place}", trait=f"t{place}"), CUSTOMER)
        assert parsed.expr is not None
        rules[f"s{number}"] = parsed.expr
        measures += parsed.measures
    return Playbook([], Audience(segments=rules, measures=merge(measures)))


def _traffic(dice: random.Random, segments: int, inputs: Inputs, people: Iterable[int]) -> Iterator[tuple[str, Event]]:
    """Yield who did what: each event moves the inputs of one segment (or of all, where they are shared)."""
    now = START
    for number, person in enumerate(people):
        now += dice.randrange(20 * MINUTE)
        place = dice.randrange(max(segments, 50)) if inputs == "own" else 0
        traits = {f"t{place}": dice.choice("xyz")} if number % 4 == 0 else {}
        said = {"total": dice.randrange(100)}
        yield f"u{person}", Event(f"m{number}", f"did-{place}", now, now, properties=said, traits=traits)


class _Table:
    """Customers as the store keeps them, and whose timer is due when."""

    def __init__(self, book: Playbook) -> None:
        self._book = book
        self.bodies: dict[str, bytes] = {}
        self._timers: list[tuple[Micros, str]] = []
        self.woken = 0

    def happen(self, who: str, happening: Happening, now: Micros) -> None:
        """Read, decide, write."""
        body = self.bodies.get(who)
        known = begin({"user_id": who}, now) if body is None else decode(body)
        customer = decide(self._book, known, happening, now).customer
        self.bodies[who] = encode(customer)
        if customer.wake and customer.wake != known.wake:
            heapq.heappush(self._timers, (customer.wake, who))

    def wake(self, until: Micros) -> None:
        """Fire the timers that are due."""
        while self._timers and self._timers[0][0] <= until:
            due, who = heapq.heappop(self._timers)
            if decode(self.bodies[who]).wake == due:
                self.woken += 1
                self.happen(who, Wake(), due)

    def wrong(self, now: Micros) -> int:
        """Return how many of a sample stand in other segments than those whose conditions hold."""
        self.wake(now)
        wrong = 0
        for who in list(self.bodies)[:: max(1, len(self.bodies) // 200)]:
            customer = decode(self.bodies[who])
            context = Context(customer, now, policy=self._book.policy, segments=self._book.segments)
            holding = {f"segment:{name}" for name, holds in self._book.segments.items() if holds(context)}
            wrong += holding != {key for key, held in customer.standing.items() if held.since}
        return wrong

"""The pure core with nothing round it: `decide` over decoded events, customers in a dict, timers in a heap."""

import heapq
from collections.abc import Iterable

from benchmarks.journeys import plans
from benchmarks.measure import Sample, measured
from benchmarks.oracle import Planned, compare, expect
from benchmarks.workload import Shape, accepted_at, messages, population, read, to_event, user_of
from engine.core.audience.identity import begin
from engine.core.commands import Decision, PlanTouch
from engine.core.decide import Happening, Wake, decide
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.runtime.collector import calm


def run(shape: Shape) -> Sample:
    """Decide the traffic and judge every touch."""
    bodies = messages(shape)
    table = _Table(shape)
    happenings = [
        (to_event(read(body), accepted_at(number)), accepted_at(number)) for number, body in enumerate(bodies)
    ]
    seen: set[str] = set()
    calm()
    with measured() as cost:
        for event, now in happenings:
            table.wake(now)
            if event.id not in seen:
                seen.add(event.id)
                table.happen(event.identifiers["user_id"], event, now)
        table.wake(1 << 62)
    verdict = compare(expect(bodies).touches, table.planned())
    return Sample(len(bodies), cost.wall, cost.cpu, verdict.holds, str(verdict))


class _Table:
    """Customers by user id, and whose timer is due when."""

    def __init__(self, shape: Shape) -> None:
        self._book = Playbook(plans(shape.journeys))
        self._customers: dict[str, Customer] = {}
        self._timers: list[tuple[Micros, str]] = []
        self._decisions: list[Decision] = []
        for number, event in enumerate(population(shape)):
            fresh = begin(event.identifiers, event.at)
            self._customers[user_of(number)] = decide(self._book, fresh, event, event.received).customer

    def happen(self, user: str, happening: Happening, now: Micros) -> None:
        before = self._customers[user]
        decision = decide(self._book, before, happening, now)
        self._customers[user] = decision.customer
        if decision.commands:
            self._decisions.append(decision)
        if decision.customer.wake and decision.customer.wake != before.wake:
            heapq.heappush(self._timers, (decision.customer.wake, user))

    def wake(self, until: Micros) -> None:
        while self._timers and self._timers[0][0] <= until:
            due, user = heapq.heappop(self._timers)
            if self._customers[user].wake == due:
                self.happen(user, Wake(), due)

    def planned(self) -> Iterable[Planned]:
        for decision in self._decisions:
            user = decision.customer.identifiers["user_id"][-1]
            for command in decision.commands:
                if isinstance(command, PlanTouch):
                    yield user, command.touch.journey, command.touch.planned

"""Timers: a store full of customers who wait, and a burst of them due at one instant.

The waiting customers are written into the store directly, as a year of waits would have left them; firing them is the
product's own: read what is due, decide, plan a touch each, commit durably.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.embedded import System
from benchmarks.journeys import plans
from benchmarks.measure import Sample, measured
from benchmarks.workload import START, user_of
from engine.core.ids import DAY, HOUR, Micros, derive
from engine.core.state import Consent, Customer, Run
from engine.ports import Changes
from engine.runtime.collector import calm

BURST = 10_000
_CHUNK = 5_000
_BURST_AT = START + HOUR


def run(folder: Path, pending: int) -> Sample:
    """Return the burst; `extra` has the rate of timers that are spread over time, among the same many."""
    folder.mkdir(parents=True)
    system = System(folder, journeys=10)
    _fill(system, pending)
    system.close()
    system = System(folder, journeys=10)  # as after a restart: nothing is warm but what is kept warm
    calm()
    with measured() as cost:
        system.watermark = _BURST_AT
        system.engine.drain()
    fired = sum(n for (_, _, state), n in system.store.counts().touches.items() if state == "planned")
    with measured() as spread:
        # The spread ones begin an hour later: a tenth of them.
        system.watermark = START + 2 * HOUR + 3 * DAY
        system.engine.drain()
    later = sum(system.store.counts().touches.values()) - fired
    system.close()
    extra = {"spread": later / spread.wall if later else 0.0, "spread_cpu": later / spread.cpu if later else 0.0}
    return Sample(fired, cost.wall, cost.cpu, fired == BURST, f"{BURST - fired} missing of {BURST}", extra)


def _fill(system: System, pending: int) -> None:
    numbers = range(pending)
    for start in range(0, pending, _CHUNK):
        customers = {
            customer.id: customer for customer in map(_waiting, numbers[start : start + _CHUNK], _dues(start, pending))
        }
        runs = {run.id: (customer.id, run) for customer in customers.values() for run in customer.runs}
        with system.store.unit() as unit:
            unit.commit(Changes(now=START, customers=customers, runs=runs))


def _dues(start: int, pending: int) -> Iterator[Micros]:
    """Yield when each is due: the burst at one instant, the others over thirty days."""
    step = 30 * DAY // pending
    for number in range(start, pending):
        # Which are in the burst is spread over the whole store, so that they lie on many pages.
        is_burst = number * BURST % pending < BURST
        yield _BURST_AT if is_burst else START + 2 * HOUR + number * step


_RESCUE = plans(2)[1]


def _waiting(number: int, due: Micros) -> Customer:
    user = user_of(number)
    run = Run(
        id=derive("run", user),
        journey=_RESCUE.journey,
        version=_RESCUE.version,
        entered=START,
        event="cart_updated",
        enter={"total": 700, "slot": 0, "cart_id": f"cart-{number}"},
        step="1",
        since=START,
        due=due,
        wake=due,
    )
    return Customer(
        id="c" + user,
        created=START,
        seen=START,
        identifiers={"user_id": (user,), "email": (f"{user}@brand.example",)},
        consents={"marketing": Consent(True, START)},
        runs=(run,),
        wake=due,
    )

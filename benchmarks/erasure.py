"""A customer with 10,000 events: merged from two of 5,000, then erased, among a hundred thousand entries of others.

The merge is one event in one commit. The erasure is the whole of it: ledger, everything taken out of the store, every
entry of the log looked at and those that name the person rewritten, both files scrubbed. The gate is that no byte of
either file names the person afterwards. Besides: what other channels wait for a customer's card.
"""

import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.embedded import GROUP, System
from benchmarks.measure import Sample, measured
from benchmarks.workload import START
from engine.core.events import Directive, Event, encode
from engine.core.ids import SECOND, Micros
from engine.core.policy import Policy
from engine.runtime.collector import calm
from engine.usecases.card import card

EVENTS: Final = 10_000
_NAMES: Final = ({"user_id": "canary-user"}, {"phone": "+8613812345678", "email": "canary@brand.example"})
_LOOKS: Final = 2_000


def run(folder: Path, others: int) -> Sample:
    """Return the erasure; `extra` has the merge and the card (ms)."""
    folder.mkdir(parents=True)
    system = System(folder, journeys=10)
    at = _live(system, others)
    system.watermark = at
    merged = _timed(system, Event("merge", "seen", at, at, "bench", {**_NAMES[0], **_NAMES[1]}))
    (id_,) = system.store.resolve(["user_id:canary-user"]).values()
    looks = _looks(system, id_, at)
    calm()
    with measured() as cost:
        system.log.append([encode(Directive("erase", "erase", at, at, id_))])
        system.engine.drain()
    (line,) = system.store.erasures()
    left = [path.name for path in folder.iterdir() if _names_them(path)]
    holds = bool(line.done) and not left and system.store.customers([id_]) == {}
    extra = {"merge": merged * 1000, "p50": looks[len(looks) // 2], "p99": looks[len(looks) * 99 // 100]}
    extra["mean"] = statistics.fmean(looks)
    system.close()
    shutil.rmtree(folder)
    return Sample(EVENTS, cost.wall, cost.cpu, holds, "no byte names the person" if holds else f"left in {left}", extra)


def _live(system: System, others: int) -> Micros:
    """Apply everybody's events and return the instant after them."""
    bodies: list[bytes] = []
    at = START
    for at, event in enumerate(_events(others), START):
        bodies.append(encode(Event(f"m{at}", "product_viewed", at, at, "bench", event, {"total": at % 100})))
        if len(bodies) == GROUP:
            system.log.append(bodies)
            bodies = []
    system.log.append(bodies)
    system.engine.drain()
    return at + SECOND


def _events(others: int) -> Iterator[dict[str, str]]:
    """Yield whom each event names: the person's lie evenly among the others'."""
    step = max(1, others // EVENTS)
    for number in range(others):
        yield {"user_id": f"u{number % 5_000}"}
        if number % step == 0 and number // step < EVENTS:
            yield _NAMES[number // step % 2]


def _timed(system: System, event: Event) -> float:
    system.log.append([encode(event)])
    start = time.perf_counter()
    system.engine.drain()
    return time.perf_counter() - start


def _looks(system: System, id_: str, now: Micros) -> list[float]:
    """Return how long each look at a card took, in milliseconds, the shortest first."""
    policy, taken = Policy(), []
    for number in range(_LOOKS):
        name = id_ if number % 2 else f"user_id:u{number % 5_000}"
        start = time.perf_counter()
        found = card(system.store, policy, name, "all", now)
        taken.append((time.perf_counter() - start) * 1000)
        assert found is not None
    return sorted(taken)


def _names_them(path: Path) -> bool:
    body = path.read_bytes()
    return any(value.encode() in body for names in _NAMES for value in names.values())

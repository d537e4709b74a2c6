"""The product end to end: bodies -> durable journal -> decision -> durable state, as `journeyd run` does it.

A feeder appends to the journal in groups while the engine drains it in the main thread. Nothing is switched off:
synchronous=FULL in both files, dedupe, identity, traces, runs, timers and touches.
"""

import shutil
import threading
from pathlib import Path

from benchmarks.journeys import plans
from benchmarks.measure import Sample, measured, memory, size_of
from benchmarks.oracle import Planned, compare, expect
from benchmarks.workload import Shape, accepted_at, messages, population, read, to_event, user_of
from engine.core.audience.identity import begin
from engine.core.events import encode
from engine.core.ids import HOUR, Micros
from engine.core.plan import Audience
from engine.ports import TouchQuery
from engine.runtime.collector import calm
from engine.runtime.engine import Engine
from engine.store.sqlite import SqliteLog, SqliteStore
from engine.usecases.publish import playbook_of, publish

GROUP = 500
"""Bodies per append to the journal: a full Segment batch."""


def prepare(folder: Path, shape: Shape) -> None:
    """Make a workspace that knows every customer, once: the rounds work on copies of it."""
    folder.mkdir(parents=True)
    system = System(folder, shape.journeys)
    entries = [encode(event) for event in population(shape)]
    for start in range(0, len(entries), GROUP * 10):
        system.log.append(entries[start : start + GROUP * 10])
        system.engine.drain()
    system.close()


def run(prepared: Path, folder: Path, shape: Shape) -> Sample:
    """Apply the traffic to a copy of a prepared workspace and judge every touch."""
    bodies = messages(shape)
    before = memory()
    shutil.copytree(prepared, folder)
    system = System(folder, shape.journeys)
    calm()
    feeder = threading.Thread(target=_feed, args=(system, bodies), name="feeder")
    with measured() as cost:
        feeder.start()
        while feeder.is_alive() or system.log.tail() > system.store.position():
            system.grown.wait(0.05)
            system.grown.clear()
            system.engine.drain()
        system.watermark = accepted_at(len(bodies)) + 2 * HOUR
        system.engine.drain()
    expected = expect(bodies)
    verdict = compare(expected.touches, system.planned(shape))
    applied = system.engine.applied - system.engine.duplicates
    extra: dict[str, float] = {"memory": memory() - before, "waits": expected.waits, "cancelled": expected.cancelled}
    system.close()
    extra["disk"] = size_of(folder)
    holds = verdict.holds and applied == expected.distinct and not system.engine.dead
    return Sample(len(bodies), cost.wall, cost.cpu, holds, str(verdict), extra)


class System:
    """Journal, store and engine in a folder. Once the journal is drained, timers fire up to `watermark`."""

    def __init__(self, folder: Path, journeys: int) -> None:
        self.log = SqliteLog(folder / "journal.db")
        self.store = SqliteStore(folder / "store.db")
        self.watermark: Micros = 0
        self.grown = threading.Event()
        self.log.on_append(self.grown.set)
        publish(self.store, plans(journeys), 0)
        audience = Audience()
        self.engine = Engine(self.store, self.log, lambda: self.watermark, lambda: playbook_of(self.store, audience))

    def planned(self, shape: Shape) -> list[Planned]:
        """Return every touch in the store, by user id."""
        users = {begin({"user_id": user_of(number)}, 0).id: user_of(number) for number in range(shape.customers)}
        rows = self.store.find_touches(TouchQuery(limit=1 << 40))
        return [(users[row.touch.customer], row.touch.journey, row.touch.planned) for row in rows]

    def close(self) -> None:
        """Release the files."""
        self.log.close()
        self.store.close()


def _feed(system: System, bodies: list[bytes]) -> None:
    for start in range(0, len(bodies), GROUP):
        group = enumerate(bodies[start : start + GROUP], start)
        system.log.append([encode(to_event(read(body), accepted_at(number))) for number, body in group])

"""One measurement of one system on the topic: a fresh database, a fresh topic, workers ready, then all the traffic.

The clock runs from the first message produced to the last one applied durably. Who judges the result is the system's
own part.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, NamedTuple, Protocol

from benchmarks.measure import Sample
from benchmarks.scaled_herd import Herd, Orders, Spent, between, herded
from benchmarks.scaled_services import Services
from benchmarks.scaled_traffic import PARTITIONS, End, Packet, ends, produce
from deploy.local import create_topic

_topics: Final = count(1)


class Watching(Protocol):
    """Looks at one round from outside, over the database."""

    def is_ready(self) -> bool:
        """Does somebody read every partition?"""
        ...

    def is_done(self) -> bool:
        """Is everything applied?"""
        ...

    def judge(self) -> tuple[bool, str]:
        """Say whether it is right, and how it compares with what should have come of it."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class System(NamedTuple):
    """A system under test. `work` is its worker, `wish` what that is told; `template` is the database to begin with.

    `watch` gets the workers, their database and where each partition will end.
    """

    name: str
    work: Callable[[Orders], None]
    template: str
    watch: Callable[[Herd, str, Sequence[End]], Watching]
    wish: Any = None


class Contest(NamedTuple):
    """What came of it: `extra` of the sample tells CPU-seconds apart; `heard` is what each worker said at its end."""

    sample: Sample
    heard: list[Any]


def contest(services: Services, system: System, workers: int, packets: Sequence[Packet]) -> Contest:
    """Let the traffic through `workers` of the system."""
    topic = f"bench-{system.name}-{next(_topics)}"
    create_topic(services.brokers, topic, PARTITIONS)
    database = services.create("round", system.template)
    services.checkpoint()
    url = services.database(database)
    with herded(services, system.work, topic, workers, database=url, wish=system.wish) as herd:
        watching = system.watch(herd, url, ends(packets))
        in_time = herd.until(watching.is_ready, every=0.1)
        before = herd.spent()
        if in_time:
            produce(services.brokers, topic, packets)
            in_time = herd.until(watching.is_done)
        spent = between(before, herd.spent())
        herd.stop()
        holds, verdict = watching.judge() if in_time else (False, "did not finish")
        watching.close()
    services.drop(database)
    events = sum(packet.events for packet in packets)
    return Contest(Sample(events, spent.wall, spent.cpu, holds, verdict, _apart(spent)), herd.heard)


def _apart(spent: Spent) -> dict[str, float]:
    return {"workers_cpu": spent.workers, "postgres_cpu": spent.postgres, "broker_cpu": spent.broker}

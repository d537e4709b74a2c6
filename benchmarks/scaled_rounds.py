"""One measurement of one system on the topic: a fresh database, a fresh topic, workers ready, then all the traffic.

The clock runs from the first message produced to the last one applied durably. Who judges the result is the system's
own part.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from benchmarks.measure import Sample
from benchmarks.scaled_herd import Herd, Orders, Spent, between, herded
from benchmarks.scaled_services import Services
from benchmarks.scaled_traffic import PARTITIONS, Packet, ends, produce
from deploy.local import create_topic

_topics: Final = count(1)


class System(NamedTuple):
    """A system under test. `work` is its worker, `wish` what that is told; `database` is a template of its state.

    `is_done` says whether everything up to these ends of the partitions is applied, `judge` whether it is right.
    """

    name: str
    work: Callable[[Orders], None]
    template: str
    is_done: Callable[[Herd, str, Sequence[int]], bool]
    judge: Callable[[Herd, str], tuple[bool, str]]
    wish: Any = None


def contest(services: Services, system: System, workers: int, packets: Sequence[Packet]) -> Sample:
    """Let the traffic through `workers` of the system; `extra` tells the CPU-seconds apart."""
    topic = f"bench-{system.name}-{next(_topics)}"
    create_topic(services.brokers, topic, PARTITIONS)
    database = services.create("round", system.template)
    services.checkpoint()
    url = services.database(database)
    goal = ends(packets)
    with herded(services, system.work, topic, workers, database=url, wish=system.wish) as herd:
        before = herd.spent()
        produce(services.brokers, topic, packets)
        in_time = herd.until(lambda: system.is_done(herd, url, goal))
        spent = between(before, herd.spent())
        herd.stop()
        holds, verdict = system.judge(herd, url) if in_time else (False, "did not finish")
    services.drop(database)
    return Sample(sum(packet.events for packet in packets), spent.wall, spent.cpu, holds, verdict, _apart(spent))


def _apart(spent: Spent) -> dict[str, float]:
    return {"workers_cpu": spent.workers, "postgres_cpu": spent.postgres, "broker_cpu": spent.broker}


def counted(herd: Herd, _database: str, goal: Sequence[int]) -> bool:
    """Say whether the workers' own counts have reached the ends."""
    return all(applied >= end for applied, end in zip(herd.applied, goal, strict=True))

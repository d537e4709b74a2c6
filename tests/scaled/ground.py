"""The ground of a campaign on the scaled runtime: the shop of the crash campaign, on a database and a topic of its own.

One journey more: every event of a walker begins a run under its own number, so that the order in which a customer's
events were applied can be read off the reasons.
"""

from pathlib import Path
from typing import Final

import msgspec

from deploy.local import Broker, PostgresServer
from engine.core.ids import derive
from tests.crash import ground as shop
from tests.crash.ground import Ground

PARTITIONS: Final = 12
SESSION: Final = 2
"""Seconds that a worker may be silent before others take its partitions."""

STEPPED: Final = "stepped"
WALK: Final = "walk"

_SETTINGS: Final = """\
store: {{url: "{database}", connections: 4}}
stream:
  brokers: ["{broker}"]
  topic: {topic}
  dead_topic: {topic}.dead
  group: {topic}
  partitions: {partitions}
  session_timeout: {session}s
  slack: 300ms
"""

_FILES: Final = {
    "journeys/walk.yaml": f"""\
journey: {WALK}
title: A run for every step of a walker
stage: activate
purpose: transactional
enter: {{on: {STEPPED}, key: event.n, again: always}}
steps:
  - tag: +walker
""",
    "audience/segments.yaml": (
        "segments:\n"
        "  twice: {when: 'count(\"signed_up\") >= 2'}\n"
        f"  walkers: {{when: 'count(\"{STEPPED}\") >= 1'}}\n"
        f'  far: {{when: \'sum("{STEPPED}", "n") >= 10\'}}\n'
    ),
}


class Services(msgspec.Struct, frozen=True):
    """The database server and the broker that campaigns share; each has a database and a topic of its own."""

    postgres: PostgresServer
    broker: Broker


class Field(msgspec.Struct, frozen=True):
    """A workspace, its database and its topic. `dead_topic`: where copies of dead letters go."""

    ground: Ground
    database: str
    broker: str
    topic: str

    @property
    def dead_topic(self) -> str:
        """Where copies of dead letters go."""
        return f"{self.topic}.dead"


def prepare(root: Path, services: Services, *, session: int = SESSION) -> Field:
    """Write the workspace and make its database and topics."""
    name = "scaled_" + derive("scaled", str(root))[:12].lower()
    database = services.postgres.create_database(name)
    services.broker.create_topic(name, PARTITIONS)
    services.broker.create_topic(f"{name}.dead", 1)
    broker = services.broker.address
    settings = _SETTINGS.format(database=database, broker=broker, topic=name, partitions=PARTITIONS, session=session)
    return Field(shop.prepare(root, settings, _FILES), database, broker, name)

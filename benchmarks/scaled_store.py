"""The product's PostgreSQL as the benchmark sees it: opened, filled with customers, asked what came of the traffic."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.journeys import plans
from benchmarks.oracle import Planned
from benchmarks.scaled_services import Services
from benchmarks.scaled_traffic import PARTITIONS
from benchmarks.workload import START, Shape, population, user_of
from engine.core.audience.identity import begin
from engine.core.events import encode
from engine.core.ids import HOUR
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.ports import TouchQuery
from engine.ports.partitions import pack
from engine.runtime.engine import Engine
from engine.runtime.stream.desk import Logs
from engine.store.postgres import PostgresStore
from engine.store.postgres.entries import PostgresHistory
from engine.store.postgres.entries_log import PostgresLog
from engine.usecases.publish import playbook_of, publish

GROUP = 5_000


@contextmanager
def opened(database: str) -> Iterator[PostgresStore]:
    """Open the store."""
    store = PostgresStore(database)
    try:
        yield store
    finally:
        store.close()


def logs_of(store: PostgresStore) -> Logs:
    """Return the logs that stand in the store."""
    history = PostgresHistory(store.database, store.position)
    desk = PostgresLog(store.database)
    return Logs(desk, history, history.find)


def rules_of(store: PostgresStore) -> Playbook:
    """Return the rules in force."""
    return playbook_of(store, Audience())


def prepare(services: Services, shape: Shape) -> str:
    """Make a database that knows every customer, each at home; virtual time stands before the traffic."""
    name = services.create("people")
    with opened(services.database(name)) as store:
        publish(store, plans(shape.journeys), 0)
        log = logs_of(store).desk
        engine = Engine(store, log, lambda: 0, lambda: rules_of(store))
        entries = [encode(event) for event in population(shape)]
        for start in range(0, len(entries), GROUP):
            log.append(entries[start : start + GROUP])
            engine.drain()
        store.arrange(PARTITIONS)
        store.scrub()  # as the database's own sweeping would have left it
        store.tide(START - HOUR)
    return name


def planned(store: PostgresStore, shape: Shape) -> list[Planned]:
    """Return every touch in the store, by user id."""
    users = {begin({"user_id": user_of(number)}, 0).id: user_of(number) for number in range(shape.customers)}
    rows = store.find_touches(TouchQuery(limit=1 << 40))
    return [(users[row.touch.customer], row.touch.journey, row.touch.planned) for row in rows]


def planned_count(store: PostgresStore) -> int:
    """Return how many touches there are."""
    return sum(store.counts().touches.values())


def applied_count(store: PostgresStore) -> int:
    """Return how many entries of the topic the history holds: repeats are not among them."""
    with store.database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM entries WHERE place > $1", (pack(1, 0, 0),)).fetchone()
    return 0 if row is None else int(row[0])

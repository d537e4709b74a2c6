"""Fixtures for what needs PostgreSQL or a broker: shared ones, of which each test has a corner, and ones of its own.

docs/how-to/run-the-tests.md says which to take. Nothing is started until a test asks. Also the order in which files are
dealt out to the processes of `make test`.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
import structlog

from deploy.local import (
    BROKERS,
    Broker,
    PostgresServer,
    ServiceMissing,
    create_database,
    create_topic,
    delete_topic,
    drop_database,
)
from tests.services import BROKER, absent, kafka_of_the_run, postgres_of_the_run

# Other tests run beside: what an example takes says nothing.
hypothesis.settings.register_profile("beside_others", deadline=None)
hypothesis.settings.load_profile("beside_others")

NewDatabase = Callable[..., str]
NewTopic = Callable[[int], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: the last file to be dealt out should be a short one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _own_log() -> None:
    """Begin each test with the log as it is when nobody has set it up: a command of another test may have closed it."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the run's PostgreSQL server; leave its databases alone and make your own."""
    return postgres_of_the_run(tmp_path_factory.getbasetemp())


@pytest.fixture
def new_database(postgres_server: str) -> Iterator[NewDatabase]:
    """Make a database and return its address: `new_database()`, `new_database(template="mine")`; dropped afterwards."""
    with ExitStack() as made:

        def make(template: str = "template0") -> str:
            name = f"test_{secrets.token_hex(6)}"
            create_database(postgres_server, name, template=template)
            made.callback(drop_database, postgres_server, name)
            return _database_of(postgres_server, name)

        yield make


@pytest.fixture
def postgres_url(new_database: NewDatabase) -> str:
    """The address of an empty database."""
    return new_database()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`host:port` of the run's broker: Tansu, unless told otherwise; see its quirks in deploy/local/brokers.py."""
    return kafka_of_the_run(tmp_path_factory.getbasetemp())


@pytest.fixture
def new_topic(kafka: str) -> Iterator[NewTopic]:
    """Make a topic of so many partitions on the run's broker and return its name; deleted afterwards."""
    with ExitStack() as made:

        def make(partitions: int) -> str:
            name = f"test.{secrets.token_hex(6)}"
            create_topic(kafka, name, partitions)
            made.callback(delete_topic, kafka, name)
            return name

        yield make


@pytest.fixture
def services_folder() -> Iterator[Path]:
    """A folder for services of one's own: pytest's is closed to the user that PostgreSQL runs as instead of root."""
    with tempfile.TemporaryDirectory(prefix="journeyd-own-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def own_postgres(services_folder: Path) -> Iterator[PostgresServer]:
    """A server for a test that kills or restarts it; it waits for the disk as in production."""
    try:
        server = PostgresServer(services_folder / "postgres")
    except ServiceMissing as missing:
        absent(str(missing))
    with server:
        yield server


@pytest.fixture
def own_broker(services_folder: Path) -> Iterator[Broker]:
    """A broker for a test that restarts it: what it was given is still there afterwards."""
    yield from _broker_of_ones_own("noida", services_folder)


@pytest.fixture
def own_lasting_broker(services_folder: Path) -> Iterator[Broker]:
    """A broker for a test that ends it under load: what it confirmed stays, and its groups find together again."""
    yield from _broker_of_ones_own("lasting-tansu", services_folder)


@pytest.fixture
def own_tansu(services_folder: Path) -> Iterator[Broker]:
    """A broker for a test that kills members of groups, or fills it: a restart empties it."""
    yield from _broker_of_ones_own("tansu", services_folder)


def _database_of(server: str, name: str) -> str:
    """Return the address of another database of the server at an address."""
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def _broker_of_ones_own(kind: str, folder: Path) -> Iterator[Broker]:
    try:
        broker = BROKERS[os.environ.get(BROKER, kind)](folder / "broker")
        broker.start()
    except ServiceMissing as missing:
        absent(str(missing))
    yield broker
    broker.stop()

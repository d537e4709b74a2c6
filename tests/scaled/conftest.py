"""What campaigns need: a database server and a broker of their own, which they may stop and start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import Broker, PostgresServer
from tests.scaled.ground import Services


@pytest.fixture
def fleeting_postgres(services_folder: Path) -> Iterator[PostgresServer]:
    """A server that does not wait for the disk, though what was committed outlives its own death."""
    with PostgresServer(services_folder / "postgres", durable=False) as postgres:
        yield postgres


@pytest.fixture
def services(fleeting_postgres: PostgresServer, own_tansu: Broker) -> Services:
    """A server and a broker whose groups let go of who was killed; a restart empties it."""
    return Services(fleeting_postgres, own_tansu)


@pytest.fixture
def lasting_services(fleeting_postgres: PostgresServer, own_lasting_broker: Broker) -> Services:
    """A server and a broker that keeps what it confirmed, however it ends."""
    return Services(fleeting_postgres, own_lasting_broker)

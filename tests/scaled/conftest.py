"""What campaigns need: a database server and a broker of their own, which they may stop and start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import Broker, Noida, PostgresServer, Tansu
from tests.scaled.ground import Services


@pytest.fixture
def services(services_folder: Path) -> Iterator[Services]:
    """A server and a broker whose groups let go of who was killed; a restart empties it."""
    yield from _both(services_folder, Tansu(services_folder / "tansu"))


@pytest.fixture
def lasting_services(services_folder: Path) -> Iterator[Services]:
    """A server and a broker that keeps what it was given over a restart."""
    yield from _both(services_folder, Noida(services_folder / "noida"))


def _both(folder: Path, broker: Tansu | Noida) -> Iterator[Services]:
    with PostgresServer(folder / "postgres", durable=False) as postgres, broker:
        started: Broker = broker
        yield Services(postgres, started)

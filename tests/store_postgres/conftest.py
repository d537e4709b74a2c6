"""Stores of one database, each as a process of its own would open it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from engine.store.postgres import PostgresStore

Opener = Callable[[], PostgresStore]


@pytest.fixture
def another(postgres_url: str) -> Iterator[Opener]:
    """Open the test's database once more."""
    with ExitStack() as opened:

        def open_it() -> PostgresStore:
            store = PostgresStore(postgres_url, connections=3)
            opened.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def store(another: Opener) -> PostgresStore:
    """The test's database."""
    return another()

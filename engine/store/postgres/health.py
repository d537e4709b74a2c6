"""What `journeyd doctor` asks of a database: which version, is its clock ours, is there room? Reads only."""

from collections.abc import Callable
from importlib.resources import files
from typing import Final

import msgspec

from engine.core.ids import Micros
from engine.store.postgres.connection import Database, errors_are_said
from engine.store.postgres.migrations import MIGRATIONS, version_of
from engine.store.statements import load

_SQL: Final = load(files("engine.store.postgres").joinpath("health.sql").read_text(encoding="utf-8"))


class Health(msgspec.Struct, frozen=True):
    """`schema` of `known` is the store's, 0 for none. `skew`: how far the server's clock is ahead of ours (µs).

    `is_durable`: a commit is on disk when it is answered.
    """

    version: str
    schema: int
    known: int
    skew: Micros
    allowed: int
    used: int
    is_durable: bool


def look(url: str, now: Callable[[], Micros]) -> Health:
    """Return how the database is; raises `StoreAway` when it does not answer, `NewerSchema`."""
    database = Database(url, 1)
    try:
        with errors_are_said(), database.connect() as connection:
            before = now()
            row = connection.execute(_SQL["server"].encode()).fetchone()
            middle = (before + now()) // 2
            assert row is not None
            version, clock, allowed, used, commits = row
            schema = version_of(connection)
        return Health(version, schema, len(MIGRATIONS), clock - middle, allowed, used, commits != "off")
    finally:
        database.close()

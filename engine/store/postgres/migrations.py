"""Brings a database to this program's schema: under a lock, since many workers may start at once."""

import secrets
from typing import Final

import psycopg

from engine.core.errors import BadInput, NewerSchema
from engine.store.postgres.connection import Connection, Database, errors_are_said
from engine.store.postgres.queries import SQL, resource

MIGRATIONS: Final = ("schema.sql",)
"""What makes version n+1 of the schema from version n; append, never change what was released."""

_LOCK: Final = "SELECT pg_advisory_lock($1::integer, 0)"
_SIZE: Final = 32


def migrate(database: Database) -> None:
    """Bring the database to this version; raises `NewerSchema` when a newer journeyd wrote it."""
    with errors_are_said(), database.connect() as connection:
        connection.execute("SET lock_timeout = 0")
        connection.execute("SET statement_timeout = 0")
        connection.execute(_LOCK, (database.space,))  # goes with the connection
        for version in range(version_of(connection), len(MIGRATIONS)):
            with connection.transaction():
                # No values, so that a file may hold many statements.
                psycopg.ClientCursor(connection).execute(resource(MIGRATIONS[version]).encode())
                connection.execute(SQL["put_meta"], ("schema", version + 1))


def version_of(connection: Connection) -> int:
    """Return the schema's version, 0 for none; raises `NewerSchema` when it is one that this program does not know."""
    there = connection.execute("SELECT to_regclass('meta') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    found = 0 if row is None else int(row[0])
    if found > len(MIGRATIONS):
        raise NewerSchema(
            f"the database has schema {found}, this journeyd knows {len(MIGRATIONS)}. "
            "Upgrade journeyd, or restore a backup"
        )
    return found


def check(database: Database) -> None:
    """Raise `BadInput` unless the database has this version: for those who only read."""
    with errors_are_said(), database.connect() as connection:
        if version_of(connection) < len(MIGRATIONS):
            problem = "the database holds no data of journeyd, or of an older one"
            raise BadInput(problem, "Run `journeyd run` or a worker once: it brings the data up to date")


class Pepper:
    """Hands out the key of fingerprints: the one given, else what the database keeps."""

    def __init__(self, database: Database, given: bytes) -> None:
        self._database = database
        self._key = given

    def make(self) -> None:
        """Make the key unless there is one, one was given, or somebody is known by another that is lost."""
        if not self._key and not self._database.rows("needs_key", ())[0][0]:
            self._database.rows("add_secret", ("pepper", secrets.token_bytes(_SIZE)))

    def key(self) -> bytes:
        """Return the key; raises `BadInput` when it is gone."""
        if not self._key:
            rows = self._database.rows("secret", ("pepper",))
            if not rows or len(rows[0][0]) != _SIZE:
                problem = "the key of the erasure ledger and the suppression list is missing in the table `secrets`"
                raise BadInput(problem, "Restore it from the backup")
            self._key = bytes(rows[0][0])
        return self._key

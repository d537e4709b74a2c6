"""What a store's turns share: the cache of customers, the tables that come with time, the key, the notices."""

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from engine.core.ids import Micros
from engine.store.postgres.connection import Connection, Database
from engine.store.postgres.entries_months import Months
from engine.store.postgres.migrations import Pepper
from engine.store.postgres.queries import SQL
from engine.store.postgres.reader import Hot
from engine.store.postgres.slices import Slices
from engine.store.warm import Warm


class Shelf:
    """One per open store. `window` is how long a message id is remembered."""

    def __init__(self, database: Database, *, hot: int, window: Micros, pepper: bytes) -> None:
        self.database = database
        self.hot: Hot = Warm(hot)
        self.slices = Slices(database)
        self.notes, self.entries = Months("notes"), Months("entries")
        self.pepper = Pepper(database, pepper)
        self.window = window

    def forget(self) -> None:
        """Look again which tables there are: one went away."""
        self.slices.forget()
        self.notes.forget()
        self.entries.forget()

    def put_meta(self, connection: Connection, name: str, value: int) -> None:
        """Set one of the store's numbers."""
        connection.execute(SQL["put_meta"].encode(), (name, value))

    def notify(self, connection: Connection, what: Sequence[str]) -> None:
        """Tell whoever listens, once the connection's transaction is committed."""
        connection.execute(SQL["notify"].encode(), (self.database.channel, list(what)))

    def tell(self, connection: Connection, what: Sequence[str]) -> None:
        """Tell whoever listens, after a commit: such a notice holds up the commits of others, this one nobody.

        One that is lost costs nothing but time: whoever sends also looks now and then by itself. So it does not wait
        for the disk either.
        """
        with suppress(psycopg.Error):
            connection.execute(SQL["tell"].encode(), (self.database.channel, list(what)))

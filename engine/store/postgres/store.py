"""The store in PostgreSQL, for one process or for many: docs/reference/postgres.md tells of tables and locks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from engine.core.errors import BadInput, BadSetting
from engine.core.ids import Micros
from engine.ports import Kept, PartitionRow, Store, Turn
from engine.ports.partitions import DESK
from engine.store.conventions import WINDOW
from engine.store.postgres import migrations
from engine.store.postgres.claims import ClaimingStore
from engine.store.postgres.connection import Database
from engine.store.postgres.ears import Ears
from engine.store.postgres.faces import PostgresReader
from engine.store.postgres.reader import Range
from engine.store.postgres.shelf import Shelf
from engine.store.postgres.turns import opened
from engine.store.postgres.unit import PostgresView

_SCRUBBED: Final = (
    "customers", "states", "identifiers", "runs", "refiled", "touches", "attempts", "facts", "effects", "notes", "dead",
    "coupons", "merges", "reviews", "claims", "labels", "erasures", "erased", "suppressions", "jobs",
)  # fmt: skip


class PostgresStore(PostgresReader):
    """A `SharedStore` in the schema that the address's search_path names; made or brought up to date when opened.

    `connections` is how many it opens at most, and one more for each `listen`. `hot` is how many customers are kept in
    memory (at most twice as many); `dedupe_window` how long a message id is remembered; `pepper` the key of
    fingerprints, which is else made once and kept in the database.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 4,
        hot: int = 20_000,
        dedupe_window: Micros = WINDOW,
        pepper: bytes = b"",
    ) -> None:
        self._open(Database(url, connections), hot, dedupe_window, pepper)
        try:
            migrations.migrate(self.database)
            self._shelf.pepper.make()
            self._shelf.pepper.key()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open_readonly(cls, url: str, *, connections: int = 2) -> Self:
        """Open for reading: nothing is brought up to date, and `unit` raises `BadInput`."""
        store = cls.__new__(cls)
        store._open(Database(url, connections), 1_000, WINDOW, b"")
        store._is_readonly = True
        try:
            migrations.check(store.database)
        except BaseException:
            store.close()
            raise
        return store

    def _open(self, database: Database, hot: int, window: Micros, pepper: bytes) -> None:
        self.database = database
        self._shelf = Shelf(database, hot=hot, window=window, pepper=pepper)
        self._pepper = self._shelf.pepper
        self._is_readonly = False
        super().__init__(database, self._shelf.hot, Range(DESK, None, self._count))

    def _count(self) -> int:
        return self._meta()["partitions"]

    def _meta(self) -> dict[str, int]:
        return dict(self.database.rows("meta", ()))

    # --- work

    @contextmanager
    def turn(self, terms: Turn) -> Iterator[PostgresView | None]:
        """Open one transaction as a store; None when the duty is somebody else's for now."""
        if self._is_readonly:
            raise BadInput("the database is open for reading only", "Ask a running worker to change it")
        with opened(self._shelf, terms) as view:
            yield view

    @contextmanager
    def unit(self) -> Iterator[PostgresView]:
        """Open a write transaction for partition 0, alone; leaving without `commit` rolls back."""
        with self.turn(Turn(DESK, alone=True)) as view:
            assert view is not None
            with view.unit() as unit:
                yield unit

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop up to `limit` of what is over and older than `before`, in one commit; return how many went."""
        with self.turn(Turn()) as view:
            assert view is not None
            return view.prune(kind, before, limit)

    def scrub(self) -> None:
        """Let the database clear what was erased out of its tables, while others work on; not inside a unit.

        The bytes go when their place is written over. Write-ahead logs, standbys and backups keep theirs for as long as
        the operator keeps those: docs/reference/postgres.md.
        """
        with self.database.connect() as connection:
            connection.execute("SET statement_timeout = 0")
            for table in _SCRUBBED:
                connection.execute(f"VACUUM {table}".encode())

    def close(self) -> None:
        """Close every connection; idempotent."""
        self.database.close()

    # --- partitions

    def arrange(self, partitions: int) -> None:
        """Give every customer a home among so many partitions, once. Raises `BadSetting` for another number later."""
        with opened(self._shelf, Turn(alone=True)) as view:
            assert view is not None
            view.arrange(partitions)

    def take(self, partition: int, owner: str, now: Micros) -> int:
        """Make `owner` the partition's only owner, whoever it was before; return its position."""
        rows = self.database.rows("take_partition", (partition, owner, now))
        if not rows:
            raise BadSetting(f"there is no partition {partition}: the store has {self._count()}")
        return int(rows[0][0])

    def beat(self, owner: str, times: dict[int, Micros], now: Micros) -> None:
        """Say that these partitions of the owner's are lived through up to these instants; never goes back."""
        if times:
            self.database.rows("beat", (owner, list(times), list(times.values()), now))

    def partitions(self) -> list[PartitionRow]:
        """Return every partition, by number; `owner` and `beat` of partition 0 are of whoever turns the tide."""
        return [PartitionRow(*row) for row in self.database.rows("partitions", ())]

    def lived(self) -> Micros:
        """Return up to when every partition is lived through; 0 before each was."""
        return int(self.database.rows("lived", ())[0][0])

    def epoch(self) -> int:
        """Return the number of the rules in force."""
        return self._meta()["epoch"]

    def tide(self, until: Micros | None) -> None:
        """Let virtual time stand at `until`; None: the clock's time counts again."""
        with self.database.connection() as connection, connection.transaction():
            if until is None:
                connection.execute(b"DELETE FROM meta WHERE name = 'tide'")
            else:
                self._shelf.put_meta(connection, "tide", until)
            self._shelf.notify(connection, ["tide"])

    def tide_at(self) -> Micros | None:
        """Return where virtual time stands, None when the clock's time counts."""
        return self._meta().get("tide")

    # --- several at once

    def claiming(self, owner: str, hold: Micros, now: Callable[[], Micros]) -> Store:
        """Return the store for one of several dispatchers: what `sendable` returns nobody else gets for `hold`."""
        return ClaimingStore(self._shelf, self._span, owner, hold, now)

    def listen(self, hear: Callable[[str], None]) -> Callable[[], None]:
        """Call `hear` (from a thread of its own) with what moved; return what ends it."""
        ears = Ears(self.database, hear)
        ears.start()
        return ears.stop

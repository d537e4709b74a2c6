"""The one connection of a turn: its transaction, what is asked in it, and what must have come of each write.

Writes are sent without waiting for each other's answers (pipeline mode); `settle` waits, before anything is committed.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from engine.core.errors import Conflict
from engine.store.postgres.connection import Connection, errors_are_said, pipelined
from engine.store.postgres.queries import SQL
from engine.store.totals import Tallies

Answer = psycopg.Cursor[TupleRow]


class Session:
    """A transaction in the making. `stripe` is where its totals are added up, `partitions` how many the store has."""

    def __init__(self, connection: Connection, *, stripe: int) -> None:
        self.connection = connection
        self.stripe = stripe
        self.partitions = 0
        self.is_open = True
        self._expected: list[tuple[Answer, int, str]] = []

    def rows(self, name: str, values: Sequence[Any]) -> list[Any]:
        """Return what a named statement answers, in this transaction."""
        with errors_are_said():
            return self.send(name, *values).fetchall()

    def add_up(self, tallies: Tallies) -> None:
        """Add what a commit counted to the totals of this session's stripe."""
        if rows := tallies.rows():
            self.send("add_tallies", self.stripe, *columns(rows))

    def select(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return what a statement answers that was made for the occasion, in this transaction."""
        with errors_are_said():
            return self.connection.execute(statement.encode(), values, binary=True).fetchall()

    def send(self, name: str, *values: Any) -> Answer:
        """Send a named statement; inside `pipeline` the answer comes when it is asked for."""
        return self.connection.execute(SQL[name].encode(), values, binary=True)

    def expect(self, answer: Answer, rows: int, what: str) -> None:
        """Let `settle` raise `Conflict` unless the statement wrote as many rows."""
        self._expected.append((answer, rows, what))

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Send what is inside without waiting for answers that nobody asks for."""
        with errors_are_said(), pipelined(self.connection):
            yield

    def settle(self) -> None:
        """Wait until everything sent is done; raises `Conflict` where somebody else was faster."""
        with errors_are_said(), pipelined(self.connection) as pipeline:
            pipeline.sync()
        expected, self._expected = self._expected, []
        for answer, rows, what in expected:
            if answer.rowcount != rows:
                raise Conflict(f"{what} came from somebody else meanwhile")


def columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows (one at least) as columns, each bound as one array."""
    return [list(column) for column in zip(*rows, strict=True)]

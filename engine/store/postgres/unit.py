"""A turn's transaction as a store: reads that lock what they show, and the one commit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import psycopg

from engine.core.errors import BadSetting, Conflict, JourneydError
from engine.core.ids import Micros
from engine.core.state import Account, Customer
from engine.ports import Changes, Kept, TouchRow
from engine.store.conventions import mentioned
from engine.store.postgres import records
from engine.store.postgres.connection import pipelined, say
from engine.store.postgres.deliveries import Deliveries
from engine.store.postgres.entries import write_entries
from engine.store.postgres.erasing import drop_labels, erase
from engine.store.postgres.faces import PostgresReader
from engine.store.postgres.issue import write_world
from engine.store.postgres.people_writes import write_people
from engine.store.postgres.pruning import drop_touches, prune
from engine.store.postgres.reader import Range, storable, touch_rows
from engine.store.postgres.roster import Roster
from engine.store.postgres.seen import Seen
from engine.store.postgres.shelf import Shelf
from engine.store.postgres.world import accounts
from engine.store.totals import Tallies

Applied = Callable[[int], Sequence[tuple[int, Micros, bytes]]]


class PostgresView(PostgresReader):
    """One transaction as a `TurnStore`, and as the `Unit` that it may be opened as once.

    What is read is locked, in the order of keys, and what was not there must still not be there at the commit.
    """

    def __init__(self, shelf: Shelf, span: Range, seen: Seen, roster: Roster) -> None:
        session = roster.session
        super().__init__(session, shelf.hot, span)
        self._session = session
        self._shelf = shelf
        self._pepper = shelf.pepper
        self._roster = roster
        self._seen = seen
        self._rows_read: dict[str, TouchRow | None] = {}
        self._unheard: set[str] = set()
        self._unknown: set[str] = set()
        self._applied: Applied | None = None
        self._is_used = False

    # --- reads that lock

    def position(self) -> int:
        """Return the place up to which the partition is applied."""
        known = self._seen.position if self._session.is_open else None
        return super().position() if known is None else known

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> place for those keys that are in the dedupe window."""
        return self._seen.find(keys)

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known; those customers are locked."""
        return self._roster.resolve(storable(identifiers))

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id, locked; a merged id returns the winner under the asked id."""
        return self._roster.customers(storable(ids))

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id, locked."""
        asked = storable(ids)
        missing = [id_ for id_ in dict.fromkeys(asked) if id_ not in self._rows_read]
        if missing:
            self._rows_read |= dict.fromkeys(missing)
            self._rows_read |= {id_: touch_rows.decode(body) for id_, _, body in self._all("hold_touches", missing)}
        return {id_: row for id_ in asked if (row := self._rows_read[id_]) is not None}

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`, locked; those that somebody is settling are not."""
        rows = [touch_rows.decode(body) for (body,) in self._all("hold_lapsed", now, max(limit, 0))]
        self._rows_read |= {row.touch.id: row for row in rows}
        return rows

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        is_known = super().has_fact(fact_id)
        if not is_known:
            self._unheard.add(fact_id)
        return is_known

    def accounts(self, ids: Iterable[str]) -> dict[str, Account]:
        """Return the accounts by id, locked; unknown ids are absent."""
        asked = storable(ids)
        if not asked:
            return {}
        found = {id_: accounts.decode(body) for id_, body in self._all("hold_accounts", asked)}
        self._unknown.update(id_ for id_ in asked if id_ not in found)
        return found

    def codes(self, pool: str, count: int) -> list[str]:
        """Return up to `count` free codes of the pool that nobody else is about to take, in the pool's order."""
        return [code for (code,) in self._all("hold_codes", pool, max(count, 0))]

    # --- the one commit

    @contextmanager
    def unit(self) -> Iterator["PostgresView"]:
        """Open the turn's transaction for writing, once."""
        if self._is_used:
            raise RuntimeError("a turn has one unit of work")
        self._is_used = True
        yield self

    def keep(self, applied: Applied) -> None:
        """Let the commit also write the entries that it applies into the history."""
        self._applied = applied

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop what is kept no longer, and commit that alone."""
        gone = prune(self._session, kind, before, limit)
        self._session.settle()
        self._finish()
        return gone

    def commit(self, changes: Changes) -> None:
        """Write everything and make it durable; on any error write nothing and raise."""
        tallies = Tallies()
        try:
            with pipelined(self._session.connection):
                version, news = self._write(changes, tallies)
                self._session.add_up(tallies)
                self._session.settle()
                self._finish()
        except psycopg.errors.CheckViolation as error:
            self._shelf.forget()
            raise Conflict("a table of the history went away meanwhile") from error
        except JourneydError:
            raise
        except psycopg.Error as error:
            say(error)
        self._roster.committed(version)
        self._seen.committed()
        if news:
            self._shelf.tell(self._session.connection, ["touches"])

    def arrange(self, partitions: int) -> None:
        """Give every customer a home among so many partitions, and commit that alone."""
        session = self._session
        if session.partitions not in {0, partitions}:
            raise BadSetting(
                f"the store has {session.partitions} partitions, the topic {partitions}: "
                "it must keep the number that it was begun with"
            )
        if partitions and not session.partitions:
            session.connection.execute(b"SET LOCAL statement_timeout = 0")
            with session.pipeline():
                session.send("add_partitions", partitions)
                session.send("give_homes", partitions)
                session.send("spread_schedules", partitions)
                session.send("drop_spread_schedules")
                session.send("put_meta", "partitions", partitions)
                session.settle()
            self._finish()

    def _keep(self, changes: Changes) -> None:
        if self._applied is not None and changes.offset and (kept := self._applied(changes.offset)):
            months = self._shelf.entries
            write_entries(self._session.connection, kept, seen=changes.seen.values(), months=months)

    def _write(self, changes: Changes, tallies: Tallies) -> tuple[int, bool]:
        session, roster = self._session, self._roster
        roster.prepare(mentioned(changes), _written(changes))
        deliveries = Deliveries(session, self._rows_read, self._unheard)
        version = session.send("version")
        if losers := roster.write(changes, tallies):
            drop_labels(session, losers, tallies)
        self._seen.write(changes)
        records.write_runs(session, changes, roster, tallies)
        deliveries.write(changes, roster, tallies)
        records.write_effects(session, changes, roster, tallies)
        records.write_notes(session, changes, roster, self._shelf.notes)
        homes = [self._span.home] if self._span.home else list(range(1, session.partitions + 1)) or [0]
        is_ruled = records.write_rest(session, changes, homes)
        write_world(session, changes, roster, tallies, self._unknown)
        write_people(session, changes, roster, tallies)
        if gone := roster.erased():
            erase(session, gone, tallies)
        if changes.addressed:
            drop_touches(session, changes.addressed, tallies)
        self._keep(changes)
        if is_ruled:
            session.send("next_epoch")
            self._shelf.notify(session.connection, ["rules"])
        return int(version.fetchall()[0][0]), deliveries.is_news

    def _finish(self) -> None:
        self._session.connection.execute(b"COMMIT")
        self._session.is_open = False

    def scrub(self) -> None:
        """Not inside a turn."""
        raise RuntimeError("a turn does not scrub")

    def close(self) -> None:
        """A turn ends with its `with` block."""


def _written(changes: Changes) -> Iterable[str]:
    """Return the customer ids that a commit changes."""
    ways = (changes.merged, changes.merged.values(), changes.parted, changes.parted.values())
    return chain(changes.customers, *ways, changes.erased)

"""What the console, the CLI and reports read from store.db."""

from array import array
from collections.abc import Iterator
from typing import Any, Final

import apsw
import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.state import Run
from engine.ports import Attempt, Counts, DeadLetter, FactRow, RunQuery, TouchQuery, TouchRow
from engine.store.sqlite.people import PeopleReads
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.reader import fact_rows, touch_rows
from engine.store.totals import counts_of

_attempts: Final[msgspec.msgpack.Decoder[Attempt]] = msgspec.msgpack.Decoder(Attempt)
_runs: Final[msgspec.msgpack.Decoder[Run]] = msgspec.msgpack.Decoder(Run)
_effects: Final[msgspec.msgpack.Decoder[RecordEffect]] = msgspec.msgpack.Decoder(RecordEffect)
_notes: Final[msgspec.msgpack.Decoder[list[Note]]] = msgspec.msgpack.Decoder(list[Note])
_ACTIVE: Final = {"": -1, "no": 0, "yes": 1}


class SqliteReader(PeopleReads):
    """The whole of `ports.Reader` over one connection."""

    def find_touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, the last planned first; `since` compares with the instant of planning."""
        with self._lock:
            wheres, values = _columns(query)
            if query.customer or query.run:
                # A run's touches are found through its customer: that index is there anyway.
                people = self._person(query.customer) if query.customer else self._all("people_of_run", query.run)
                if not people and query.customer:
                    return []
                if people:
                    wheres.append(f"num IN ({', '.join('?' * len(people))})")
                    values += [num for (num,) in people]
            where = " AND ".join(wheres) or "1"
            sql = f"SELECT body FROM touches WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - fixed terms
            rows: list[Any] = self._connection().execute(sql, (*values, query.limit)).fetchall()
        found = [touch_rows.decode(body) for (body,) in rows]
        return [row for row in found if row.touch.recipient == query.recipient] if query.recipient else found

    def _person(self, customer: str) -> list[Any]:
        """Return the numbers, a row each, of all ids that the person has; empty for an id never heard of."""
        return self._all("person", customer)

    def attempts(self, touch: str) -> list[Attempt]:
        """Return the hand-offs of a touch, oldest first."""
        return [_attempts.decode(body) for (body,) in self._all("attempts", touch)]

    def facts(self, touch: str) -> list[FactRow]:
        """Return the receipts of a touch, oldest first."""
        return [fact_rows.decode(body) for (body,) in self._all("facts", touch)]

    def notes(self, customer: str, journey: str = "", limit: int = 1000) -> list[Note]:
        """Return the trace of a customer, oldest first; of a long one the last `limit` notes."""
        chosen: list[Note] = []
        with self._lock:
            nums = array("q", [num for (num,) in self._person(customer)])
            if not nums:
                return []
            name, asked = ("notes", nums[0]) if len(nums) == 1 else ("notes_of_many", apsw.carray(nums))
            bodies: Iterator[Any] = self._connection().execute(SQL[name], (asked,))
            for (body,) in bodies:
                lines = [note for note in _notes.decode(body) if not journey or note.is_about(journey)]
                chosen += [line.told_of(journey) for line in reversed(lines)]
                if len(chosen) >= limit:
                    break
        told = chosen[: max(limit, 0)][::-1]
        # A commit keeps the notes of each name together: of one who was several they are put back into their order.
        return told if len(nums) == 1 else sorted(told, key=lambda note: note.at)

    def runs(self, query: RunQuery) -> list[tuple[str, Run]]:
        """Return (customer id, run), newest entrance first."""
        values = [query.journey, _ACTIVE[query.active], query.limit]
        if query.customer:
            rows = self._all("runs_of_customer", *values, query.customer)
        else:
            rows = self._all("runs_of_journey" if query.journey else "runs", *values)
        return [(customer, _runs.decode(body)) for customer, body in rows]

    def effects(
        self, journey: str = "", kind: str = "", limit: int = 100_000, *, customer: str = ""
    ) -> list[RecordEffect]:
        """Return effects, oldest first; with `customer`, those of the person whom that id stands for."""
        if customer:
            rows = self._all("effects_of_person", journey, kind, limit, customer)
        else:
            rows = self._all("effects", journey, kind, limit)
        return [_effects.decode(body) for (body,) in rows]

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return entries that could not be applied, newest first."""
        return [DeadLetter(*row) for row in self._all("dead", limit)]

    def counts(self) -> Counts:
        """Return the totals, which every commit keeps."""
        with self._lock:
            connection = self._connection()
            dead, parked = (connection.execute(SQL[name]).get for name in ("count_dead", "count_parked"))
            return counts_of(connection.execute(SQL["tallies"]), dead=dead, parked=parked)


def _columns(query: TouchQuery) -> tuple[list[str], list[Any]]:
    given = {
        "journey": query.journey,
        "channel": query.channel,
        "state": query.state,
        "run": query.run,
        "template": query.template,
    }
    wheres = [f"{column} = ?" for column, value in given.items() if value]
    values: list[Any] = [value for value in given.values() if value]
    if query.since:
        wheres.append("planned >= ?")
        values.append(query.since)
    if query.recipient:
        wheres.append("instr(body, ?) > 0")
        values.append(query.recipient.encode())
    return wheres, values

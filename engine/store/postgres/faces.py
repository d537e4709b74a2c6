"""What the console, the CLI and reports read from PostgreSQL."""

from typing import Any, Final

import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.delivery import TouchState
from engine.core.state import Run
from engine.ports import Attempt, Counts, DeadLetter, FactRow, RunQuery, TouchQuery, TouchRow
from engine.store.postgres.people import PeopleReads
from engine.store.postgres.reader import fact_rows, touch_rows
from engine.store.totals import counts_of

_attempts: Final[msgspec.msgpack.Decoder[Attempt]] = msgspec.msgpack.Decoder(Attempt)
_runs: Final[msgspec.msgpack.Decoder[Run]] = msgspec.msgpack.Decoder(Run)
_effects: Final[msgspec.msgpack.Decoder[RecordEffect]] = msgspec.msgpack.Decoder(RecordEffect)
_notes: Final[msgspec.msgpack.Decoder[list[Note]]] = msgspec.msgpack.Decoder(list[Note])
_ACTIVE: Final = {"": None, "no": False, "yes": True}
_NEWEST: Final = 2**63 - 1


class PostgresReader(PeopleReads):
    """The whole of `ports.Reader` over one source of rows."""

    def find_touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, the last planned first; `since` compares with the instant of planning."""
        people: list[int] | None = None
        if query.customer or query.run:
            # A run's touches are found through its customer: that index is there anyway.
            found = self._person(query.customer) if query.customer else self._all("people_of_run", query.run)
            people = [num for (num,) in found] or None
            if people is None and query.customer:
                return []
        statement, values = _looked_up(query, people)
        rows = self._source.select(statement, values)
        touches = [touch_rows.decode(body) for (body,) in rows]
        return [row for row in touches if row.touch.recipient == query.recipient] if query.recipient else touches

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
        nums = [num for (num,) in self._person(customer)]
        page, below = max(limit, 1), _NEWEST
        while nums and len(chosen) < limit and (rows := self._all("notes", nums, below, page)):
            for seq, body in rows:
                lines = [note for note in _notes.decode(body) if not journey or note.is_about(journey)]
                chosen += [line.told_of(journey) for line in reversed(lines)]
                below = seq
            if len(rows) < page:
                break
        told = chosen[: max(limit, 0)][::-1]
        # A commit keeps the notes of each name together: of one who was several they are put back into their order.
        return told if len(nums) == 1 else sorted(told, key=lambda note: note.at)

    def runs(self, query: RunQuery) -> list[tuple[str, Run]]:
        """Return (customer id, run), newest entrance first."""
        values = [query.journey, _ACTIVE[query.active], query.limit]
        name = "runs_of_customer" if query.customer else "runs"
        rows = self._all(name, *values, *([query.customer] if query.customer else []))
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
        return counts_of(self._all("tallies"), dead=self._one("count_dead"), parked=self._one("count_parked"))


def _looked_up(query: TouchQuery, people: list[int] | None) -> tuple[str, list[Any]]:
    """Return the statement and its values: terms that are not given are not in it, so that it goes by an index."""
    values: list[Any] = []

    def value(of: Any) -> str:
        values.append(of)
        return f"${len(values)}"

    given = {"journey": query.journey, "channel": query.channel, "run": query.run, "template": query.template}
    wheres = [f"{column} = {value(of)}" for column, of in given.items() if of]
    if query.state:
        # In words where it is one: the index of doubtful touches is of that state alone.
        is_doubtful = query.state == TouchState.UNCERTAIN
        wheres.append("state = 'uncertain'" if is_doubtful else f"state = {value(query.state)}")
    if query.since:
        wheres.append(f"planned >= {value(query.since)}")
    if people is not None:
        wheres.append(f"num = ANY({value(people)}::bigint[])")
    if query.recipient:
        wheres.append(f"position({value(query.recipient.encode())}::bytea IN body) > 0")
    # Of few they are sorted; among many the last come first by themselves.
    order = "seq + 0" if people is not None or query.state == TouchState.UNCERTAIN else "seq"
    where = " AND ".join(wheres) or "true"
    limit = value(max(query.limit, 0))
    return f"SELECT body FROM touches WHERE {where} ORDER BY {order} DESC LIMIT {limit}", values  # noqa: S608 - fixed terms

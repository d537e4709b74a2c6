"""The writer's book of customers: ids to numbers, identifiers to ids, and the hot ones decoded.

The caches are right because there is one writer: they change only after a commit. Used by units of work alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

import apsw

from engine.core import state
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Changes
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.tally import Tallies
from engine.store.sqlite.warm import Warm

_MANY_MERGES = 50_000


class _Row(NamedTuple):
    """The index columns of a customer as stored. `root` is the number it stands for: its winner's, else its own."""

    num: int
    root: int
    root_id: str
    known: bool = False
    wake: Micros = 0
    stage: str = ""
    reached: str = ""


class Roster:
    """Numbers, reads and writes customers for one writer connection."""

    def __init__(self, connection: apsw.Connection, hot: int) -> None:
        self._connection = connection
        self._hot: Warm[str, tuple[int, Customer]] = Warm(hot)
        self._names: Warm[str, str] = Warm(2 * hot)
        self._merged: dict[str, str] = {}  # merges committed since `_names` was last cleared
        self._last: int = connection.execute(SQL["last_number"]).get
        self._rows: dict[str, _Row] = {}  # of the commit that is being written
        self._lost: dict[str, str] = {}  # loser -> winner, of the commit that is being written

    # --- reads

    def resolve(self, names: Iterable[str]) -> dict[str, str]:
        """Return identifier -> customer id for those that are known."""
        found: dict[str, str] = {}
        missing: list[str] = []
        for name in names:
            if (customer := self._names.get(name)) is None:
                missing.append(name)
            else:
                found[name] = self._follow(customer) if self._merged else customer
        if missing:
            for name, customer in self._connection.execute(SQL["resolve"], (apsw.carray(tuple(missing)),)):
                self._names.put(name, customer)
                found[name] = customer
        return found

    def _follow(self, customer: str) -> str:
        while (winner := self._merged.get(customer)) is not None:
            customer = winner
        return customer

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id, a merged id's winner under the asked id."""
        found: dict[str, Customer] = {}
        missing: list[str] = []
        for asked in ids:
            if (entry := self._hot.get(asked)) is None:
                missing.append(asked)
            else:
                found[asked] = entry[1]
        if missing:
            for asked, num, body in self._connection.execute(SQL["load_states"], (apsw.carray(tuple(missing)),)):
                customer = state.decode(body)
                found[asked] = customer
                if customer.id == asked:
                    self._hot.put(asked, (num, customer))
        return found

    # --- writes

    def prepare(self, ids: Iterable[str]) -> None:
        """Look up the numbers of all ids of a commit; those never heard of get a row of their own."""
        self._rows, self._lost = {}, {}
        cold = tuple(customer for customer in dict.fromkeys(ids) if self._hot.get(customer) is None)
        if not cold:
            return
        for oneid, num, known, winner, winner_id, wake, stage, reached in self._connection.execute(
            SQL["numbers"], (apsw.carray(cold),)
        ):
            self._rows[oneid] = _Row(num, winner or num, winner_id or oneid, bool(known), wake, stage, reached)
        fresh = [customer for customer in cold if customer not in self._rows]
        for num, oneid in enumerate(fresh, start=self._last + 1):
            self._rows[oneid] = _Row(num, num, oneid)
        self._connection.executemany(SQL["add_customer"], [(self._rows[oneid].num, oneid) for oneid in fresh])
        self._last += len(fresh)

    def number(self, customer: str) -> int:
        """Return the number that an id of `prepare` stands for."""
        return self._row(customer).root

    def _row(self, customer: str) -> _Row:
        row = self._rows.get(customer)
        if row is None:
            entry = self._hot.get(customer)
            assert entry is not None, "prepare() looks up every id that is not hot"
            num, value = entry
            row = _Row(num, num, customer, True, value.wake, value.stage, _joined(value))
            self._rows[customer] = row
        return row

    def write(self, changes: Changes, tallies: Tallies) -> None:
        """Write merges, customers and identifiers."""
        for loser, winner in changes.merged.items():
            self._merge(loser, winner, tallies)
        moves: list[tuple[int, Micros, str, str]] = []
        bodies: list[tuple[int, bytes]] = []
        for oneid, customer in changes.customers.items():
            before = self._row(oneid)
            if before.root != before.num:
                continue  # merged away: its value lives on in the winner's
            reached = _joined(customer)
            after = _Row(before.num, before.num, oneid, True, customer.wake, customer.stage, reached)
            if after != before:
                moves.append((after.num, after.wake, after.stage, reached))
                _count(tallies, before, -1)
                _count(tallies, after, 1)
            bodies.append((before.num, state.encode(customer)))
        self._connection.executemany(SQL["move_customer"], moves)
        self._connection.executemany(SQL["put_state"], bodies)
        rows = [(name, self.number(customer)) for name, customer in changes.identifiers.items()]
        self._connection.executemany(SQL["put_identifier"], rows)

    def _merge(self, loser_id: str, winner_id: str, tallies: Tallies) -> None:
        loser, winner = self._row(loser_id), self._row(winner_id)
        if loser.root != loser.num or winner.root == loser.num:
            return  # merged before, or with itself
        pair = (loser.num, winner.root)
        for name in ("merge_redirects", "merge_customer", "merge_runs", "merge_touches", "merge_notes"):
            self._connection.execute(SQL[name], pair)
        self._connection.execute(SQL["merge_state"], pair[:1])
        _count(tallies, loser, -1)
        for oneid, row in self._rows.items():
            if row.root == loser.num:
                self._rows[oneid] = row._replace(root=winner.root, root_id=winner.root_id)
        self._lost[loser_id] = winner.root_id

    def committed(self, changes: Changes) -> None:
        """Take what was committed into the caches."""
        for loser, winner in self._lost.items():
            self._hot.drop(loser)
            self._merged[loser] = winner
        if len(self._merged) > _MANY_MERGES:
            self._names.clear()
            self._merged.clear()
        for oneid, customer in changes.customers.items():
            row = self._row(oneid)
            if row.root == row.num:
                self._hot.put(oneid, (row.num, customer))
        for name, oneid in changes.identifiers.items():
            self._names.put(name, self._row(oneid).root_id)

    def rolled_back(self) -> None:
        """Forget what was being written."""
        self._rows, self._lost = {}, {}
        self._last = self._connection.execute(SQL["last_number"]).get


def _joined(customer: Customer) -> str:
    return ",".join(sorted(customer.stages)) if customer.stages else ""


def _count(tallies: Tallies, row: _Row, n: int) -> None:
    if not row.known:
        return
    tallies.add("customers", (), n)
    if row.stage:
        tallies.add("stage", (row.stage,), n)
    for stage in filter(None, row.reached.split(",")):
        tallies.add("reached", (stage,), n)

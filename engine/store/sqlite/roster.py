"""The writer's book of customers: ids to numbers, identifiers to ids, and the index columns of the hot ones.

The caches are right because there is one writer: they change only after a commit. Used by units of work alone.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import apsw

from engine.core import state
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Changes
from engine.store.sqlite.erasing import drop_labels
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.writeback import WriteBack
from engine.store.totals import Indexed, Tallies, count, reached_of, recount
from engine.store.warm import Warm

_MANY_MERGES: Final = 50_000
_DECODED: Final = 16  # one in so many hot customers is kept decoded: that costs six times the memory


class _Entry(Indexed, gc=False):
    """A customer as committed. Never one that was merged away. `customer` is kept of the most recent ones."""

    body: bytes | None = None  # None: not loaded; empty: there is none


class _Change(NamedTuple):
    """What an entry becomes when the commit succeeds."""

    entry: _Entry
    customer: Customer
    reached: str
    body: bytes


class Roster:
    """Numbers, reads and writes customers for one writer connection."""

    def __init__(self, connection: apsw.Connection, values: WriteBack, hot: int) -> None:
        self._connection = connection
        self._values = values
        self._hot: Warm[str, _Entry] = Warm(hot)
        self._decoded: deque[_Entry] = deque()
        self._most_decoded = max(hot // _DECODED, 1)
        self._names: Warm[str, str] = Warm(2 * hot)
        self._merged: dict[str, str] = {}  # merges committed since `_names` was last cleared
        self._last: int = connection.execute(SQL["last_number"]).get
        # The commit that is being written.
        self._now: dict[str, _Entry] = {}
        self._own: dict[str, int] = {}  # the own numbers of ids that were merged away
        self._changes: list[_Change] = []
        self._lost: dict[str, str] = {}
        self._erased: list[_Entry] = []
        self._gone: list[int] = []  # the numbers of the erased

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
        entries = self._look_up(ids)
        unread = [entry for entry in entries.values() if entry.body is None]
        if unread:
            bodies = self._values.load({entry.num for entry in unread})
            for entry in unread:
                entry.body = bodies.get(entry.num, b"")
        return {asked: self._decode(entry, entry.body) for asked, entry in entries.items() if entry.body}

    def _decode(self, entry: _Entry, body: bytes) -> Customer:
        customer = entry.customer
        if customer is None:
            customer = state.decode(body)
            self._keep_decoded(entry, customer)
        return customer

    def _keep_decoded(self, entry: _Entry, customer: Customer) -> None:
        if entry.customer is None:
            self._decoded.append(entry)
            if len(self._decoded) > self._most_decoded:
                self._decoded.popleft().customer = None
        entry.customer = customer

    def _look_up(self, ids: Iterable[str]) -> dict[str, _Entry]:
        found: dict[str, _Entry] = {}
        cold: list[str] = []
        for oneid in ids:
            if (entry := self._hot.get(oneid)) is None:
                cold.append(oneid)
            else:
                found[oneid] = entry
        if cold:
            rows: list[Any] = self._connection.execute(SQL["numbers"], (apsw.carray(tuple(cold)),)).fetchall()
            here = {entry.oneid: entry for entry in found.values()}  # one entry per customer, whatever the cache drops
            for oneid, own, num, root, known, *columns in rows:
                if own != num:
                    self._own[oneid] = own
                if (entry := here.get(root) or self._hot.get(root)) is None:
                    entry = _Entry(num, root, bool(known), *columns)
                    self._hot.put(root, entry)
                found[oneid] = here[root] = entry
        return found

    # --- writes

    def prepare(self, ids: Iterable[str]) -> None:
        """Look up the numbers of all ids of a commit; those never heard of get a row of their own."""
        wanted = dict.fromkeys(ids)
        self._own, self._gone = {}, []
        self._changes, self._lost, self._erased = [], {}, []
        self._now = self._look_up(wanted)
        fresh = [oneid for oneid in wanted if oneid not in self._now]
        for num, oneid in enumerate(fresh, start=self._last + 1):
            self._now[oneid] = _Entry(num, oneid, body=b"")
        self._connection.executemany(SQL["add_customer"], [(self._now[oneid].num, oneid) for oneid in fresh])
        self._last += len(fresh)

    def number(self, customer: str) -> int:
        """Return the own number of an id of `prepare`, also when it was merged away: its rows stay its own."""
        return self._own[customer] if customer in self._own else self._now[customer].num

    def stands(self, customer: str) -> bool:
        """Does an id of `prepare` stand for itself, once this commit's merges and partings are done?"""
        return self._now[customer].oneid == customer

    def write(self, changes: Changes, tallies: Tallies) -> dict[int, bytes]:
        """Write merges, partings, index columns and identifiers; return the values to write, empty for who is gone."""
        losers = [self._merge(loser, winner, tallies) for loser, winner in changes.merged.items()]
        bodies = {num: b"" for num in losers if num}
        if changes.parted:
            self._part(changes.parted)
        if changes.erased:
            bodies |= dict.fromkeys(self._erase(changes.erased, tallies), b"")
        moves: list[tuple[int, Micros, str, str]] = []
        for oneid, customer in changes.customers.items():
            entry = self._now[oneid]
            if entry.oneid != oneid or entry in self._erased:
                continue  # merged away: its value lives on in the winner's
            reached = reached_of(entry, customer)
            if not entry.known or (entry.wake, entry.stage, entry.reached) != (customer.wake, customer.stage, reached):
                moves.append((entry.num, customer.wake, customer.stage, reached))
                recount(tallies, entry, customer.stage, reached)
            bodies[entry.num] = body = state.encode(customer)
            self._changes.append(_Change(entry, customer, reached, body))
        self._connection.executemany(SQL["move_customer"], moves)
        rows = [(name, self.number(customer)) for name, customer in changes.identifiers.items() if customer]
        self._connection.executemany(SQL["put_identifier"], rows)
        if len(rows) < len(changes.identifiers):
            drops = [(name,) for name, customer in changes.identifiers.items() if not customer]
            self._connection.executemany(SQL["drop_identifier"], drops)
        return bodies

    def _merge(self, loser_id: str, winner_id: str, tallies: Tallies) -> int:
        """Return the number of the loser; 0 when it was merged before, or with itself."""
        loser, winner = self._now[loser_id], self._now[winner_id]
        if loser.oneid != loser_id or winner is loser:
            return 0
        self._connection.execute(SQL["merge_redirects"], (loser.num, winner.num))
        self._connection.execute(SQL["merge_customer"], (loser.num, winner.num))
        drop_labels(self._connection, loser.num, tallies)
        if loser.known:
            count(tallies, loser.stage, loser.reached, -1)
        for oneid, entry in self._now.items():
            if entry is loser:
                self._now[oneid] = winner
        self._own[loser_id] = loser.num
        self._lost[loser_id] = winner.oneid
        return loser.num

    def _part(self, parted: dict[str, str]) -> None:
        """Let merged ids stand for themselves again, and then others for whom they are told to."""
        for oneid, to in parted.items():
            if oneid == to and not self.stands(oneid):
                num = self._own.pop(oneid)
                self._connection.execute(SQL["part_customer"], (num, None))
                self._now[oneid] = _Entry(num, oneid, body=b"")
        for oneid, to in parted.items():
            if not self.stands(oneid):
                self._connection.execute(SQL["part_customer"], (self._own[oneid], self._now[to].num))
                self._now[oneid] = self._now[to]

    def _erase(self, erased: list[str], tallies: Tallies) -> list[int]:
        """Forget the persons that these ids stand for; return the numbers of all their ids."""
        nums: list[int] = []
        for oneid in erased:
            entry = self._now[oneid]
            if entry in self._erased:
                continue
            self._erased.append(entry)
            if entry.known:
                count(tallies, entry.stage, entry.reached, -1)
            led: list[Any] = self._connection.execute(SQL["led"], (entry.num,)).fetchall()
            nums += [entry.num, *(num for (num,) in led)]
        self._connection.executemany(SQL["erase_customer"], [(num,) for num in nums])
        self._gone = nums
        return nums

    def erased(self) -> list[int]:
        """Return the numbers of the ids that this commit erases."""
        return self._gone

    def committed(self, changes: Changes) -> None:
        """Take what was committed into the caches."""
        for loser, winner in self._lost.items():
            self._hot.drop(loser)
            self._merged[loser] = winner
        for entry in self._erased:
            self._hot.drop(entry.oneid)
        if changes.parted or self._erased or len(self._merged) > _MANY_MERGES:
            self._names.clear()
            self._merged.clear()
        for entry, customer, reached, body in self._changes:
            if not entry.known:
                self._hot.put(entry.oneid, entry)
            entry.known, entry.wake, entry.stage, entry.reached = True, customer.wake, customer.stage, reached
            entry.body = body
            self._keep_decoded(entry, customer)
        for name, oneid in changes.identifiers.items():
            if not oneid or self._now[oneid] in self._erased:
                self._names.drop(name)
            else:
                self._names.put(name, self._now[oneid].oneid)
        self._now, self._changes = {}, []

    def rolled_back(self) -> None:
        """Forget what was being written."""
        self._now, self._changes, self._lost, self._erased = {}, [], {}, []
        self._last = self._connection.execute(SQL["last_number"]).get

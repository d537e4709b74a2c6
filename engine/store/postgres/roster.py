"""A turn's book of customers: who was read and is locked, their numbers, index columns and values.

Nobody changes a customer that is locked here; whoever is read without being there must still not be there at the end.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from engine.core import state
from engine.core.audience.identity import name_after
from engine.core.errors import Conflict
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Changes
from engine.ports.partitions import home_of
from engine.store.postgres.reader import UNREAD, Hot
from engine.store.postgres.session import Session, columns
from engine.store.totals import Indexed, Tallies, count, reached_of, recount

_TRIES = 5


class Entry(Indexed, gc=False):
    """A customer as it stands, at its version. Never one that was merged away."""

    version: int = UNREAD


class _Change(NamedTuple):
    """What an entry becomes when the commit succeeds."""

    entry: Entry
    customer: Customer


class Roster:
    """Reads, locks, numbers and writes customers for one turn."""

    def __init__(self, session: Session, hot: Hot) -> None:
        self.session = session
        self._hot = hot
        self._held: set[int] = set()  # the numbers that are locked
        self._led: set[str] = set()  # those that identifiers led to: they are among them
        self._here: dict[str, Entry] = {}  # by every id asked, and by the id each stands for
        self._absent: set[str] = set()  # ids that were asked for and unknown
        self._names: dict[str, str | None] = {}  # identifiers asked for, and to whom they lead
        # The commit that is being written.
        self._own: dict[str, int] = {}  # the own numbers of ids that were merged away
        self._changes: list[_Change] = []
        self._erased: list[Entry] = []
        self._gone: list[int] = []  # the numbers of the erased

    # --- reads

    def resolve(self, names: Iterable[str]) -> dict[str, str]:
        """Return identifier -> customer id for those that are known; lock those customers."""
        asked = list(names)
        if missing := [name for name in asked if name not in self._names]:
            rows = self._fetch(("hold_named", "resolve"), missing)
            self._names |= dict.fromkeys(missing)
            self._names |= {name: oneid for name, oneid, _ in rows}
            self._led.update(oneid for _, oneid, _ in rows)
            # Who is not known is likely to be begun: whether its name is free is asked for all at once.
            self._look_up(name_after(name) for name in missing if self._names[name] is None)
        return {name: oneid for name in asked if (oneid := self._names[name]) is not None}

    def _fetch(self, statements: tuple[str, str], asked: list[str], *more: Any) -> list[Any]:
        """Lock customers, then read; again while one was merged between the two. Numbers come third in a row."""
        hold, read = statements
        for _ in range(_TRIES):
            with self.session.pipeline():
                held = self.session.send(hold, asked)
                found = self.session.send(read, asked, *more)
                self._held.update(num for (num,) in held.fetchall())
                rows: list[Any] = found.fetchall()
            if self._held.issuperset(row[2] for row in rows):
                return rows
        raise Conflict("some of these customers are being merged")

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id, a merged id's winner under the asked id; lock them."""
        asked = list(ids)
        self._look_up(asked)
        found = {oneid: self._here[oneid].customer for oneid in asked if oneid in self._here}
        return {oneid: customer for oneid, customer in found.items() if customer is not None}

    def _look_up(self, ids: Iterable[str]) -> None:
        missing = [oneid for oneid in dict.fromkeys(ids) if oneid not in self._here and oneid not in self._absent]
        if not missing:
            return
        kept = {oneid: self._hot.get(oneid) for oneid in missing}
        versions = [UNREAD if (one := kept[oneid]) is None else one[0] for oneid in missing]
        if self._led.issuperset(missing):
            rows = self.session.rows("numbers", (missing, versions))
        else:
            rows = self._fetch(("hold_customers", "numbers"), missing, versions)
        for oneid, own, num, root, *rest in rows:
            if own != num:
                self._own[oneid] = own
            if (entry := self._here.get(root)) is None:
                entry = self._here[root] = self._entry(num, root, rest, kept.get(root))
            self._here[oneid] = entry
        self._absent.update(oneid for oneid in missing if oneid not in self._here)

    def _entry(self, num: int, root: str, rest: list[Any], kept: tuple[int, Customer] | None) -> Entry:
        *columns_, version, body = rest
        entry = Entry(num, root, *columns_)
        if version is not None:
            entry.version = version
            if body is not None:
                entry.customer = state.decode(body)
                self._hot.put(root, (version, entry.customer))
            elif kept is not None:
                entry.customer = kept[1]
        return entry

    # --- writes

    def prepare(self, ids: Iterable[str], written: Iterable[str]) -> None:  # noqa: ARG002 - of those who lock late
        """Look up the numbers of all ids of a commit; those never heard of get a row of their own.

        `written`: those whose values or whose way to each other it changes.
        """
        wanted = dict.fromkeys(ids)
        self._look_up(wanted)
        fresh = [oneid for oneid in wanted if oneid not in self._here]
        if not fresh:
            return
        homes = [home_of(oneid, self.session.partitions) for oneid in fresh]
        rows = self.session.rows("add_customers", (fresh, homes))
        if len(rows) != len(fresh):
            raise Conflict("a customer came from somebody else meanwhile")
        for oneid, num in rows:
            self._here[oneid] = Entry(num, oneid)

    def number(self, customer: str) -> int:
        """Return the own number of an id of `prepare`, also when it was merged away: its rows stay its own."""
        return self._own[customer] if customer in self._own else self._here[customer].num

    def stands(self, customer: str) -> bool:
        """Does an id of `prepare` stand for itself, once this commit's merges and partings are done?"""
        return self._here[customer].oneid == customer

    def write(self, changes: Changes, tallies: Tallies) -> list[int]:
        """Write merges, partings, values, index columns and identifiers; return the numbers of who carries nothing."""
        gone = [num for loser, winner in changes.merged.items() if (num := self._merge(loser, winner, tallies))]
        losers = list(gone)
        if changes.parted:
            self._part(changes.parted)
        if changes.erased:
            gone += self._erase(changes.erased, tallies)
        moves: list[tuple[int, Micros, str, str]] = []
        bodies: dict[int, bytes] = {}
        for oneid, customer in changes.customers.items():
            entry = self._here[oneid]
            if entry.oneid != oneid or entry in self._erased:
                continue  # merged away: its value lives on in the winner's
            reached = reached_of(entry, customer)
            if not entry.known or (entry.wake, entry.stage, entry.reached) != (customer.wake, customer.stage, reached):
                moves.append((entry.num, customer.wake, customer.stage, reached))
                recount(tallies, entry, customer.stage, reached)
            bodies[entry.num] = state.encode(customer)
            self._changes.append(_Change(entry, customer))
        if moves:
            self.session.send("move_customers", *columns(moves))
        if gone := [num for num in gone if num not in bodies]:
            self.session.send("drop_states", gone)
        if bodies:
            self.session.send("put_states", list(bodies), list(bodies.values()))
        self._write_identifiers(changes.identifiers)
        return losers

    def _write_identifiers(self, identifiers: dict[str, str]) -> None:
        rows = {name: self.number(customer) for name, customer in identifiers.items() if customer}
        added = [name for name in rows if name in self._names and self._names[name] is None]
        put = [name for name in rows if name not in self._names or self._names[name] is not None]
        drops = [name for name, customer in identifiers.items() if not customer]
        if added:
            answer = self.session.send("add_identifiers", added, [rows[name] for name in added])
            self.session.expect(answer, len(added), "an identifier")
        if put:
            self.session.send("put_identifiers", put, [rows[name] for name in put])
        if drops:
            self.session.send("drop_identifiers", drops)

    def _merge(self, loser_id: str, winner_id: str, tallies: Tallies) -> int:
        """Return the number of the loser; 0 when it was merged before, or with itself."""
        loser, winner = self._here[loser_id], self._here[winner_id]
        if loser.oneid != loser_id or winner is loser:
            return 0
        self.session.send("merge_redirects", loser.num, winner.num)
        self.session.send("merge_customer", loser.num, winner.num)
        if loser.known:
            count(tallies, loser.stage, loser.reached, -1)
        for oneid, entry in self._here.items():
            if entry is loser:
                self._here[oneid] = winner
        self._own[loser_id] = loser.num
        self._hot.drop(loser_id)
        return loser.num

    def _part(self, parted: dict[str, str]) -> None:
        """Let merged ids stand for themselves again, and then others for whom they are told to."""
        for oneid, to in parted.items():
            if oneid == to and not self.stands(oneid):
                num = self._own.pop(oneid)
                self.session.send("part_customer", num, None)
                self._here[oneid] = Entry(num, oneid)
        for oneid, to in parted.items():
            if not self.stands(oneid):
                self.session.send("part_customer", self._own[oneid], self._here[to].num)
                self._here[oneid] = self._here[to]

    def _erase(self, erased: list[str], tallies: Tallies) -> list[int]:
        """Forget the persons that these ids stand for; return the numbers of all their ids."""
        for oneid in erased:
            entry = self._here[oneid]
            if entry in self._erased:
                continue
            self._erased.append(entry)
            self._hot.drop(entry.oneid)
            if entry.known:
                count(tallies, entry.stage, entry.reached, -1)
        roots = [entry.num for entry in self._erased]
        led = self.session.send("led", roots).fetchall()
        self._gone = [*roots, *(num for (num,) in led)]
        self.session.send("erase_customers", self._gone)
        return self._gone

    def erased(self) -> list[int]:
        """Return the numbers of the ids that this commit erases."""
        return self._gone

    def committed(self, version: int) -> None:
        """Take what was committed into the cache."""
        for entry, customer in self._changes:
            self._hot.put(entry.oneid, (version, customer))


class LooseRoster(Roster):
    """The same for who mostly looks: only customers that it writes are locked, at the end, if they are as they were."""

    def _fetch(self, statements: tuple[str, str], asked: list[str], *more: Any) -> list[Any]:
        return self.session.rows(statements[1], (asked, *more))

    def prepare(self, ids: Iterable[str], written: Iterable[str]) -> None:
        """Look up the numbers; lock who is written, and see that nobody else wrote them meanwhile."""
        super().prepare(ids, written)
        if not (names := list(dict.fromkeys(written))):
            return
        rows = super()._fetch(("hold_customers", "numbers"), names, [UNREAD] * len(names))
        for oneid, _, num, root, *_, version, _ in rows:
            entry = self._here[oneid]
            if (entry.num, entry.oneid, entry.version) != (num, root, UNREAD if version is None else version):
                raise Conflict(f"customer {root} was changed by somebody else meanwhile")

"""Ten thousand merges and unmerges at random, among purchases and messages: M1 to M5 of the identity invariants hold.

M1 every name leads to one customer, at once. M2 the same log read in other batches, by another store, gives the same.
M3 no touch is lost, doubled or planned again. M4 two known users are one only by somebody's word. M5 each purchase
counts once. An oracle of dictionaries says who is one and who was told to be.
"""

from collections import Counter
from pathlib import Path
from typing import Literal

import pytest

from engine.core.events import Directive, Entry, Event, encode
from engine.core.expression import Compare, Constant, Measure, Measured
from engine.core.ids import share
from engine.core.plan import Again, Audience, OnEvent, Plan, Send, Stop, TagRule, seal
from engine.core.playbook import Playbook
from engine.ports import EventLog, Store, TouchQuery
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.sqlite import SqliteStore
from engine.usecases.advance import advance

PEOPLE = 150
PAID = Measure("paid", "order_paid", "total")
BOOK = Playbook(
    [
        seal(
            Plan(
                "thanks",
                "Thanks",
                "retain",
                OnEvent(("order_paid",)),
                (Send("1", "thanks", ("email",), next="2"), Stop("2")),
                again=Again("always"),
                purpose="transactional",
            )
        )
    ],
    Audience(
        tags={"often": TagRule(Compare(">=", Measured("paid", "count"), Constant(3)))},
        measures=(PAID,),
    ),
)


class Dice:
    """The storm's luck, all of it from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed, self.thrown = seed, 0

    def below(self, n: int) -> int:
        self.thrown += 1
        return int(share("storm", self.seed, self.thrown) * n)


class Storm:
    """Makes entries one by one, applies each, and asks the store who is there: the next one depends on it."""

    def __init__(self, seed: int, store: Store, log: EventLog) -> None:
        self.dice, self.store, self.log = Dice(seed), store, log
        self.now = 1_000_000
        self.purchases = self.paid = 0

    def append(self, entry: Entry) -> None:
        self.log.append([encode(entry)])
        done = advance(self.store, self.log, BOOK)
        assert done is not None
        assert done.dead == 0, self.store.dead_letters(1)

    def step(self) -> None:
        self.now += 1_000
        chance = self.dice.below(100)
        if chance < 30:
            self.buy()
        elif chance < 55:
            self.meet()
        elif chance < 78:
            self.unite()
        else:
            self.part()

    def name(self) -> str:
        return f"n{self.now}"

    def buy(self) -> None:
        total = 1 + self.dice.below(50)
        who = self.somebodys(1)
        self.purchases, self.paid = self.purchases + 1, self.paid + total
        self.append(Event(self.name(), "order_paid", self.now, self.now, "shop", who, {"total": total}))

    def meet(self) -> None:
        """Somebody shows two or three identifiers at once: they are linked, united or contested."""
        self.append(Event(self.name(), "seen", self.now, self.now, "web", self.somebodys(2 + self.dice.below(2))))

    def somebodys(self, count: int) -> dict[str, str]:
        """Return identifiers: mostly of one person, at times one of somebody else's."""
        person = self.dice.below(PEOPLE)
        found = {}
        for _ in range(count):
            kind = ("user_id", "phone", "email", "device_id", "anonymous_id")[self.dice.below(5)]
            owner = person if self.dice.below(10) else self.dice.below(PEOPLE)
            found[kind] = f"{kind}-{owner}-{0 if kind == 'user_id' else self.dice.below(4)}"
        return found

    def unite(self) -> None:
        found = self.store.scan("", 10_000)
        if len(found) < 2:
            return
        one, other = (found[self.dice.below(len(found))] for _ in range(2))
        if one.id != other.id:
            self.say("merge", one.id, other.id)

    def part(self) -> None:
        found = self.store.scan("", 10_000)
        chosen = found[self.dice.below(len(found))].id if found else ""
        lines = [row for row in self.store.merges(chosen) if row.winner == chosen and not row.undone]
        if lines:
            self.say("unmerge", lines[self.dice.below(len(lines))].loser)

    def say(self, verb: Literal["merge", "unmerge"], subject: str, value: str = "") -> None:
        self.append(Directive(self.name(), verb, self.now, self.now, subject, value, "storm"))


def check(storm: Storm) -> None:
    """Hold the store against the invariants."""
    store = storm.store
    customers = {one.id: one for one in store.scan("", 10_000)}
    # M1: each identifier leads to a living customer who holds it, and to nobody else.
    holders: dict[str, list[str]] = {}
    for one in customers.values():
        for kind, values in one.identifiers.items():
            for value in values:
                holders.setdefault(f"{kind}:{value}", []).append(one.id)
    leads = store.resolve(holders)
    for key, held_by in holders.items():
        assert held_by == [leads.get(key)], (key, held_by, leads.get(key))
    # M1: each name that was merged away leads to a living customer at once, and that one to itself.
    for one in customers.values():
        for row in store.merges(one.id):
            end = store.customers([row.loser])[row.loser]
            assert end.id in customers
            if row.undone or row.winner not in customers:
                continue
            assert end.id == row.winner
    # M5: each purchase counts for one customer, once.
    tallies = [one.behaviour["paid"] for one in customers.values() if "paid" in one.behaviour]
    assert sum(tally.count for tally in tallies) == storm.purchases
    assert sum(tally.total for tally in tallies) == storm.paid
    # What follows of itself is true of each.
    for one in customers.values():
        count = one.behaviour["paid"].count if "paid" in one.behaviour else 0
        assert ("often" in one.tags) == (count >= 3), (one.id, count, one.tags)


def check_touches(storm: Storm) -> None:
    """M3: one touch a purchase, under whoever it is found today; the dropped ones too."""
    rows = storm.store.find_touches(TouchQuery(limit=1_000_000))
    assert len(rows) == len({row.touch.id for row in rows}) == storm.purchases
    per_customer = Counter(row.touch.customer for row in rows)
    found = 0
    for one in storm.store.scan("", 10_000):
        found += len(storm.store.find_touches(TouchQuery(customer=one.id, limit=1_000_000)))
    assert found == sum(per_customer.values())


def check_log(storm: Storm) -> int:
    """M4: nobody known was united with another known user but by somebody's word. Return merges and unmerges."""
    rows = {row.id: row for one in everybody(storm) for row in storm.store.merges(one)}
    for row in rows.values():
        assert row.ours is not None
        assert row.theirs is not None
        if not row.why.startswith("told by"):
            ours, theirs = (set(one.identifiers.get("user_id", ())) for one in (row.ours, row.theirs))
            assert not ours or not theirs or ours <= theirs or theirs <= ours, row.why
    return len(rows) + sum(row.undone > 0 for row in rows.values())


def everybody(storm: Storm) -> set[str]:
    """Return every name that a customer ever had: those who are, and by the merge log those who were."""
    ahead = [one.id for one in storm.store.scan("", 10_000)]
    seen = set(ahead)
    while ahead:
        for row in storm.store.merges(ahead.pop()):
            fresh = {row.winner, row.loser} - seen
            seen |= fresh
            ahead += fresh
    return seen


def test_ten_thousand_merges_and_unmerges_hold_every_invariant() -> None:
    storm = Storm(7, MemoryStore(), MemoryLog())
    done = 0
    while done < 10_000:
        for _ in range(2_000):
            storm.step()
        check(storm)
        done = check_log(storm)
    check_touches(storm)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_log_in_other_batches_and_in_a_file_gives_the_same_customers(seed: int, tmp_path: Path) -> None:
    storm = Storm(seed, MemoryStore(), MemoryLog())
    for _ in range(600):
        storm.step()
    others: list[Store] = [MemoryStore(), SqliteStore(tmp_path / "store.db", hot=8)]
    for store, limit in zip(others, (7, 50), strict=True):
        while advance(store, storm.log, BOOK, limit=limit) is not None:
            pass
        ours, theirs = storm.store.scan("", 10_000), store.scan("", 10_000)
        assert [one.id for one in ours] == [one.id for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one == other
            mine, lines = storm.store.merges(one.id), store.merges(one.id)
            assert len(mine) == len(lines)
            for row, line in zip(mine, lines, strict=True):
                assert row == line
        store.close()

"""Whatever is written, the SQLite store answers what the memory store answers: also after a restart."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.commands import Note, RecordEffect, Touch
from engine.core.delivery import TouchState
from engine.core.errors import CouponTaken, IllegalMove
from engine.core.ids import DAY
from engine.core.plan import Manual, Plan, Stop
from engine.core.state import Account, Customer, Run
from engine.core.world import ArmResult
from engine.ports import (
    Attempt,
    Changes,
    CouponRow,
    DeadLetter,
    ErasureRow,
    FactRow,
    JobRow,
    LabelRow,
    MergeRow,
    Reader,
    ReviewRow,
    RunQuery,
    SuppressionRow,
    TouchQuery,
    TouchRow,
)
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore

IDS = [f"c{n}" for n in range(6)]
NAMES = [f"user_id:u{n}" for n in range(4)]
TOUCHES = [f"t{n}" for n in range(6)]
KEYS = list(range(1, 9))
POOLS = ["P", "Q"]
VERSIONS = ["v0", "v1", "v2"]
codes = st.sampled_from(["A", "B", "C", "D", "E"])
ids, names, touch_ids = st.sampled_from(IDS), st.sampled_from(NAMES), st.sampled_from(TOUCHES)
stages = st.sampled_from(["", "acquire", "activate", "retain"])

customers = st.builds(
    lambda name, wake, stage: Customer(
        name, 1, wake=wake, stage=stage, stages={reached: 1 for reached in {stage, "acquire"} if stage}
    ),
    ids,
    st.integers(0, 5),
    stages,
)
runs = st.builds(
    lambda n, owner, step, entered, ended, goal: (
        f"r{n}",
        (
            owner,
            Run(
                f"r{n}",
                f"j{n % 2}",
                f"v{entered % 3}",
                entered=n,
                step=step,
                ended=ended,
                outcome="done",
                goal_until=goal,
            ),
        ),
    ),
    st.integers(0, 3),
    ids,
    st.sampled_from(["1", "2"]),
    st.integers(0, 9),
    st.sampled_from([0, 5]),
    st.integers(0, 300),
)
touches = st.builds(
    lambda n, owner, due: Touch(
        f"t{n}", f"r{n % 4}", f"j{n % 2}", "v1", "1", owner, "sms" if n % 3 else "email", "x", f"a{n}", "", n, due=due
    ),
    st.integers(0, 5),
    ids,
    st.integers(0, 9),
)
effects = st.builds(
    lambda n, owner, value: RecordEffect(f"e{n}", "converted", n, owner, journey=f"j{n % 2}", value=float(value)),
    st.integers(0, 5),
    ids,
    st.integers(0, 9),
)
labels = st.builds(
    lambda owner, name, since, until: LabelRow(owner, "tag" if name < "v" else "segment", name, since, until),
    ids,
    st.sampled_from(["tall", "old", "vip"]),
    st.integers(0, 3),
    st.sampled_from([0, 0, 4, 9]),
)
merges = st.builds(
    lambda winner, loser, at, undone: MergeRow(f"{winner}<{loser}@{at}", winner, loser, at, undone=undone),
    ids,
    ids,
    st.integers(1, 3),
    st.sampled_from([0, 5]),
)
keys = st.sampled_from(["k1", "k2", "k3", "k4"])


class StoresAgree(RuleBasedStateMachine):
    """The same units of work go to both stores."""

    @initialize(hot=st.sampled_from([1, 4, 100]), sweep_after=st.sampled_from([1, 200, 1000, 10**9]))
    def open_both(self, hot: int, sweep_after: int) -> None:
        self.hot, self.sweep_after = hot, sweep_after
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.memory = MemoryStore()
        self.sqlite = SqliteStore(self.path, hot=hot, sweep_after=sweep_after)
        self.other_process = SqliteStore.open_readonly(self.path)
        self.offset = 0
        self.day = 100

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.other_process.close()
            self.sqlite.close()
            self.folder.cleanup()

    def write(self, changes: Changes) -> None:
        answers = []
        for store in (self.memory, self.sqlite):
            try:
                with store.unit() as unit:
                    unit.customers(IDS[::2])
                    unit.resolve(NAMES[::2])
                    unit.commit(changes)
                answers.append("")
            except (IllegalMove, CouponTaken) as error:
                answers.append(str(error))
        assert answers[0] == answers[1]

    @rule(
        known=st.lists(customers, max_size=4),
        said=st.dictionaries(names, st.one_of(ids, st.just("")), max_size=3),
        united=st.tuples(
            st.dictionaries(ids, ids, max_size=2), st.dictionaries(ids, ids, max_size=2), st.lists(ids, max_size=2)
        ),
        days=st.integers(0, 3),
        seen=st.sets(st.sampled_from(KEYS), max_size=3),
        noted=st.lists(ids, max_size=3),
    )
    def apply_a_batch(self, known: Any, said: Any, united: Any, days: int, seen: Any, noted: Any) -> None:
        merged, parted, alone = united
        self.offset += 1
        self.day += days
        self.write(
            Changes(
                offset=self.offset,
                now=self.day * DAY,
                customers={one.id: one for one in known},
                identifiers=said,
                merged=merged,
                parted={**parted, **dict(zip(alone, alone, strict=True))},
                seen=dict.fromkeys(seen, self.offset),
                notes=[(name, Note("entered", self.offset, data={"n": n})) for n, name in enumerate(noted)],
            )
        )

    @rule(
        entered=st.lists(runs, max_size=3),
        planned=st.lists(touches, max_size=3),
        cancelled=st.lists(st.tuples(st.sampled_from(["r0", "r1", "r2"]), st.just("why")), max_size=1),
        withdrawn=st.lists(st.tuples(st.sampled_from([*TOUCHES, "none"]), st.just("moot")), max_size=1),
        achieved=st.lists(effects, max_size=2),
    )
    def travel(self, entered: Any, planned: Any, cancelled: Any, withdrawn: Any, achieved: Any) -> None:
        changes = Changes(now=self.day, runs=dict(entered), touches=planned, effects=achieved)
        self.write(msgspec.structs.replace(changes, cancelled=cancelled, withdrawn=withdrawn))

    @rule(
        stock=st.lists(st.tuples(st.sampled_from(POOLS), st.lists(codes, max_size=4)), max_size=2),
        issued=st.lists(st.tuples(st.sampled_from(POOLS), codes, st.integers(0, 9), ids), max_size=2),
    )
    def stock_and_issue(self, stock: Any, issued: Any) -> None:
        rows = [CouponRow(pool, code, f"k{n}", owner, n, run="r1") for pool, code, n, owner in issued]
        self.write(Changes(stock=stock, coupons=rows))

    @rule(published=st.sampled_from(["j0", "j1"]), title=st.sampled_from(VERSIONS), gone=st.sampled_from(["", "j0"]))
    def publish(self, published: str, title: str, gone: str) -> None:
        plan = Plan(published, title, "acquire", Manual(), (Stop("1"),), version=title)
        self.write(Changes(plans=[plan], gone=[gone] if gone else []))

    @rule(
        tried=st.dictionaries(st.tuples(st.just("j0"), st.just("s"), st.sampled_from("ab")), st.integers(0, 3)),
        account=st.sampled_from(["acme", "globex"]),
        jobs=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["", "move", "back-fill"])), max_size=2),
    )
    def learn(self, tried: Any, account: str, jobs: Any) -> None:
        changes = Changes(jobs=[JobRow(name, phase, done=len(tried)) for name, phase in jobs])
        changes.arms = {key: ArmResult(n, 1) for key, n in tried.items()}
        changes.accounts = {account: Account(account, {"seats": len(tried)})}
        self.write(changes)

    @rule(
        gone=st.lists(ids, min_size=1, max_size=2),
        known=st.lists(customers, max_size=2),
        said=st.dictionaries(names, ids, max_size=1),
        entered=st.lists(runs, max_size=1),
        planned=st.lists(touches, max_size=1),
        carried=st.lists(labels, max_size=2),
    )
    def erase(self, gone: Any, known: Any, said: Any, entered: Any, planned: Any, carried: Any) -> None:
        changes = Changes(now=self.day, erased=gone, identifiers=said, runs=dict(entered), touches=planned)
        changes.customers = {one.id: one for one in known}
        changes.labels = carried
        self.write(changes)

    @rule(
        carried=st.lists(labels, min_size=1, max_size=4), known=customers, merged=st.dictionaries(ids, ids, max_size=1)
    )
    def carry(self, carried: Any, known: Customer, merged: Any) -> None:
        self.write(Changes(labels=carried, customers={known.id: known}, merged=merged))

    @rule(
        lines=st.lists(st.builds(ErasureRow, ids, st.integers(1, 3), st.tuples(keys, keys)), max_size=2),
        dropped=st.dictionaries(ids, st.integers(1, 3), max_size=1),
        readmitted=st.lists(keys, max_size=1),
        shut=st.lists(st.builds(SuppressionRow, keys, names, st.just("manual"), st.integers(1, 3)), max_size=2),
        released=st.lists(keys, max_size=1),
    )
    def keep_the_ledger(self, lines: Any, dropped: Any, readmitted: Any, shut: Any, released: Any) -> None:
        changes = Changes(erasures=lines, dropped=dropped, readmitted=readmitted)
        changes.suppressions, changes.released = shut, released
        self.write(changes)

    @rule(
        merges=st.lists(merges, max_size=2),
        reviews=st.lists(
            st.builds(ReviewRow, names, ids, st.tuples(ids), st.just("why"), st.just(1), st.integers(1, 3)), max_size=2
        ),
        state=st.sampled_from(["open", "settled"]),
    )
    def keep_the_merge_log(self, merges: Any, reviews: Any, state: str) -> None:
        self.write(Changes(merges=merges, reviews=[msgspec.structs.replace(row, state=state) for row in reviews]))

    @rule(touch=touch_ids, n=st.integers(1, 3), forgotten=st.lists(st.integers(1, 3), max_size=1))
    def hand_over(self, touch: str, n: int, forgotten: Any) -> None:
        changes = Changes(attempts=[Attempt(touch, n, n)], facts=[FactRow(f"f{n}{touch}", touch, "opened", n)])
        changes.dead, changes.forgotten = [DeadLetter(n, n, "why", b"")], forgotten
        self.write(changes)

    @rule()
    def scrub(self) -> None:
        self.sqlite.scrub()

    @rule(name=touch_ids, state=st.sampled_from(TouchState), due=st.integers(0, 9))
    def move_a_touch(self, name: str, state: TouchState, due: int) -> None:
        row = self.memory.touches([name]).get(name)
        if row is not None:
            moved = msgspec.structs.replace(row, state=state, due=due, lease_until=due, provider="p", provider_id="x")
            self.write(Changes(rows=[moved], flags={"stop:*": state.value}))

    @rule(customer=customers)
    def give_up_a_unit(self, customer: Customer) -> None:
        changes = Changes(
            customers={customer.id: customer, "new": Customer("new", 1)},
            identifiers={NAMES[0]: "new"},
            rows=[TouchRow(Touch("none", "", "", "", "", "", "", "", "", "", 0, 0), TouchState.SENT, 0, 0)],
        )
        self.write(changes)

    @rule()
    def restart(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path, hot=self.hot, sweep_after=self.sweep_after)

    @rule()
    def another_process_looks_now_and_then(self) -> None:
        assert answers(self.other_process) == answers(self.memory)

    @precondition(lambda self: hasattr(self, "sqlite"))
    @invariant()
    def both_answer_alike(self) -> None:
        expected = answers(self.memory)
        with closing(SqliteStore.open_readonly(self.path)) as newcomer:
            assert answers(newcomer) == expected
        assert answers(self.sqlite) == expected
        with self.sqlite.unit() as unit:
            assert answers(unit) == expected


def answers(reader: Reader) -> dict[str, Any]:
    """Ask everything; ties in time are sorted, for their order is not promised."""
    return {
        "position": reader.position(),
        "customers": reader.customers([*IDS, "new"]),
        "resolve": reader.resolve(NAMES),
        "due": sorted(reader.due(9, 99)),
        "next_due": reader.next_due(),
        "scan": reader.scan("c1", 3),
        "seen": reader.seen(KEYS),
        "sendable": sorted((-row.touch.priority, row.due, row.touch.id) for row in reader.sendable(5, 99)),
        "next_send": (reader.next_send(), reader.next_send(["sms"])),
        "lapsed": sorted(row.touch.id for row in reader.lapsed(5, 99)),
        "touches": reader.touches(TOUCHES),
        "provider": reader.touch_by_provider("p", "x", "a1"),
        "found": [row.touch.id for row in reader.find_touches(TouchQuery())],
        "found of": [[row.touch.id for row in reader.find_touches(TouchQuery(customer=name))] for name in IDS],
        "runs": reader.runs(RunQuery()),
        "runs of": [reader.runs(RunQuery(customer=name, active="yes")) for name in IDS],
        "notes": [sorted(note.data["n"] for note in reader.notes(name)) for name in IDS],
        "effects": reader.effects(),
        "flags": reader.flags(),
        "codes": [reader.codes(pool, 3) for pool in POOLS],
        "pools": reader.pools(),
        "coupons": (reader.coupons(), reader.coupons(pool="P"), reader.coupons("c1", "Q")),
        "coupons of": [reader.coupons(name) for name in IDS],
        "arms": reader.arms("j0", "s"),
        "accounts": reader.accounts(["acme", "globex", "none"]),
        "jobs": reader.jobs(),
        "plans": sorted((plan.journey, plan.title) for plan in reader.plans()),
        "current": reader.current(),
        "underway": [reader.underway(journey, "v1") for journey in ("j0", "j1")],
        "travellers": [reader.travellers("j0", "v1", after, limit) for after in ("", "c1") for limit in (1, 99)],
        "counts": reader.counts(),
        "merges": [reader.merges(name) for name in IDS],
        "reviews": (reader.reviews(), reader.reviews(""), reader.review(NAMES)),
        "labels": [reader.labels(name) for name in IDS],
        "label counts": [reader.label_counts(now) for now in (0, 4, 99)],
        "members": [reader.members("tag", "old", 4, after, limit) for after in ("", "c1") for limit in (1, 99)],
        "ledger": (reader.erasures(), reader.erased(["k1", "k2", "k3"])),
        "suppressions": (reader.suppressions("k1"), reader.suppressed(["k1", "k2"])),
        "attempts": [(reader.attempts(name), reader.facts(name)) for name in TOUCHES],
        "dead": reader.dead_letters(),
    }


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

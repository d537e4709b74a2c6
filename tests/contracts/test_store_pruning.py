"""Every store lets go of what is over and older than it is kept, chunk by chunk, and of nothing else."""

from msgspec.structs import replace

from engine.core.commands import Note, Touch
from engine.core.delivery import TouchState
from engine.core.state import Customer, Run
from engine.ports import Attempt, Changes, FactRow, RunQuery, Store, TouchQuery, TouchRow
from tests.contracts.writing import write

OLD, YOUNG = 100, 900
BEFORE = 500


def fill(store: Store) -> None:
    """Write four lives: old and over, old and open, young, and old but ended lately."""
    changes = Changes(offset=1, now=YOUNG)
    lives = {"old": (OLD, OLD), "open": (OLD, 0), "young": (YOUNG, YOUNG), "late": (OLD, YOUNG)}
    for name, (at, ended) in lives.items():
        changes.customers[name] = Customer(name, at)
        run = Run(f"r-{name}", "welcome", "v1", entered=at, step="" if ended else "1", ended=ended, outcome="completed")
        changes.runs[run.id] = (name, run)
        touch = Touch(f"t-{name}", run.id, "welcome", "v1", "1", name, "sms", "hi", "+86", "marketing", at, due=at)
        changes.touches.append(touch)
        row = TouchRow(touch, TouchState.PLANNED, at, at)
        if ended:
            changes.rows.append(replace(row, state=TouchState.DROPPED, updated=ended))
        changes.attempts.append(Attempt(touch.id, 1, at))
        changes.facts.append(FactRow(f"f-{name}", touch.id, "DELIVERED", at))
    changes.facts += [
        FactRow("parked old", "", "OPENED", OLD, "p", "1"),
        FactRow("parked", "", "OPENED", YOUNG, "p", "2"),
    ]
    write(store, changes)
    write(store, Changes(offset=2, now=YOUNG, notes=[("old", Note("entered", OLD)), ("open", Note("entered", OLD))]))
    write(store, Changes(offset=3, now=YOUNG, notes=[("old", Note("entered", YOUNG))]))


def test_touches_that_ended_long_ago_go_with_hand_overs_and_receipts(store: Store) -> None:
    fill(store)
    assert store.prune("deliveries", BEFORE, 10) == 2
    assert sorted(row.touch.id for row in store.find_touches(TouchQuery())) == ["t-late", "t-open", "t-young"]
    assert (store.attempts("t-old"), store.facts("t-old")) == ([], [])
    assert [len(store.facts(touch)) for touch in ("t-open", "t-young", "t-late")] == [1, 1, 1]
    assert (store.parked("p", "1"), len(store.parked("p", "2"))) == ([], 1)
    assert store.counts().touches == {("welcome", "sms", "dropped"): 2, ("welcome", "sms", "planned"): 1}
    assert store.prune("deliveries", BEFORE, 10) == 0


def test_reasons_go_from_the_oldest_on(store: Store) -> None:
    fill(store)
    gone = 0
    while found := store.prune("traces", BEFORE, 1):
        gone += found
    assert gone == 2
    assert [note.at for note in store.notes("old")] == [YOUNG]
    assert store.notes("open") == []


def test_runs_that_ended_long_ago_go_and_those_under_way_stay(store: Store) -> None:
    fill(store)
    assert store.prune("runs", BEFORE, 10) == 1
    assert sorted(run.id for _, run in store.runs(RunQuery())) == ["r-late", "r-open", "r-young"]
    assert sum(store.counts().runs.values()) == 3


def test_what_is_not_old_enough_stays(store: Store) -> None:
    fill(store)
    assert [store.prune(kind, OLD, 10) for kind in ("traces", "deliveries", "runs")] == [0, 0, 0]


def test_touches_addressed_to_somebody_erased_are_found_and_go_whoever_they_belong_to(store: Store) -> None:
    fill(store)
    touch = Touch("t-boss", "r-old", "welcome", "v1", "1", "old", "sms", "hi", "+86", "marketing", YOUNG, due=YOUNG)
    write(
        store,
        Changes(offset=4, now=YOUNG, touches=[replace(touch, recipient="boss")], attempts=[Attempt("t-boss", 1, 1)]),
    )
    assert [row.touch.id for row in store.find_touches(TouchQuery(recipient="boss"))] == ["t-boss"]
    assert store.find_touches(TouchQuery(recipient="nobody")) == []
    write(store, Changes(offset=5, now=YOUNG, addressed=["t-boss", "no such touch"]))
    assert store.find_touches(TouchQuery(recipient="boss")) == []
    assert (store.attempts("t-boss"), len(store.find_touches(TouchQuery(customer="old")))) == ([], 1)
    assert store.counts().touches[("welcome", "sms", "planned")] == 1

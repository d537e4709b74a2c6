"""Every store keeps runs, traces, effects, dead letters, schedules, flags, plans and totals alike."""

import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.plan import Manual, Plan, Stop, seal
from engine.core.state import Customer, Run
from engine.ports import Changes, DeadLetter, MergeRow, RunQuery, ScheduleRow, Store
from tests.contracts.writing import write


def run(name: str, **fields: object) -> Run:
    return msgspec.structs.replace(Run(name, "welcome", "v1", entered=1, step="1"), **fields)


def made(journey: str, title: str) -> Plan:
    return seal(Plan(journey=journey, title=title, stage="acquire", enter=Manual(), nodes=(Stop("1"),)))


def test_runs_are_found_newest_entrance_first(store: Store) -> None:
    a, b = run("a", entered=5, enter={"sku": "x"}), run("b", entered=9, journey="win")
    c = run("c", entered=7, ended=8, outcome="completed", step="")
    write(store, Changes(runs={"a": ("c1", a), "b": ("c1", b), "c": ("c2", c)}))
    assert store.runs(RunQuery()) == [("c1", b), ("c2", c), ("c1", a)]
    assert store.runs(RunQuery(customer="c1")) == [("c1", b), ("c1", a)]
    assert store.runs(RunQuery(journey="welcome")) == [("c2", c), ("c1", a)]
    assert store.runs(RunQuery(journey="welcome", active="yes")) == [("c1", a)]
    assert store.runs(RunQuery(active="no")) == [("c2", c)]
    assert store.runs(RunQuery(customer="c1", journey="win", active="yes", limit=5)) == [("c1", b)]
    assert store.runs(RunQuery(limit=1)) == [("c1", b)]
    assert store.runs(RunQuery(customer="nobody")) == []


def test_a_run_written_again_moves(store: Store) -> None:
    write(store, Changes(runs={"a": ("c1", run("a"))}))
    assert store.counts().runs == {("welcome", "v1", "1"): 1}
    done = run("a", step="", ended=9, outcome="completed")
    write(store, Changes(runs={"a": ("c1", done)}))
    assert store.runs(RunQuery(customer="c1")) == [("c1", done)]
    assert store.counts().runs == {("welcome", "v1", "completed"): 1}


def test_the_winner_of_a_merge_owns_the_losers_runs_and_trace(store: Store) -> None:
    write(
        store,
        Changes(
            customers={"anon": Customer("anon", 1), "user": Customer("user", 1)},
            runs={"a": ("anon", run("a"))},
            notes=[("anon", Note("entered", 1)), ("user", Note("entered", 2))],
        ),
    )
    write(store, Changes(notes=[("anon", Note("completed", 3))]))
    write(store, Changes(merged={"anon": "user"}, notes=[("anon", Note("merged", 4))]))
    write(store, Changes(runs={"a": ("anon", run("a", step="2"))}))
    assert store.runs(RunQuery(customer="user")) == [("user", run("a", step="2"))]
    assert store.runs(RunQuery(customer="anon")) == [("user", run("a", step="2"))]
    assert [note.code for note in store.notes("user")] == ["entered", "entered", "completed", "merged"]
    assert store.notes("anon") == store.notes("user")


def test_a_trace_is_told_from_the_beginning_and_a_long_one_ends_with_the_latest(store: Store) -> None:
    notes = [Note("entered", n, journey="win" if n % 2 else "welcome", data={"n": n}) for n in range(10)]
    write(store, Changes(notes=[("c1", note) for note in notes[:4]]))
    write(store, Changes(notes=[("c1", note) for note in notes[4:]] + [("c2", Note("entered", 99))]))
    assert store.notes("c1") == notes
    assert store.notes("c1", "win") == notes[1::2]
    assert store.notes("c1", limit=3) == notes[-3:]
    assert store.notes("c1", "win", 2) == [notes[7], notes[9]]
    assert store.notes("nobody") == []


def test_a_line_about_several_journeys_is_found_by_each_and_told_of_it_alone(store: Store) -> None:
    line = Note("skipped.where", 5, journey="a", likewise=("b", "c"))
    with store.unit() as unit:
        unit.commit(Changes(now=5, notes=[("c1", line)]))
    assert store.notes("c1") == [line]
    assert store.notes("c1", "c") == [Note("skipped.where", 5, journey="c")]
    assert store.notes("c1", "a") == [Note("skipped.where", 5, journey="a")]
    assert store.notes("c1", "d") == []


def test_an_effect_counts_once_per_key(store: Store) -> None:
    first = RecordEffect("k1", "converted", 5, "c1", journey="welcome", value=10.0, arms={"s": "a"})
    write(store, Changes(effects=[first, RecordEffect("k2", "stage_reached", 6, "c1", name="retain")]))
    again = msgspec.structs.replace(first, value=99.0)
    more = RecordEffect("k3", "converted", 7, "c2", journey="welcome", value=2.5)
    write(store, Changes(effects=[again, more]))
    assert store.effects(kind="converted") == [first, more]
    assert store.effects("welcome", "converted", 1) == [first]
    assert [effect.key for effect in store.effects()] == ["k1", "k2", "k3"]
    assert store.effects("win") == []
    assert store.counts().conversions == {"welcome": (2, 12.5)}


def test_effects_of_a_customer_are_found_by_any_id_of_the_person(store: Store) -> None:
    rows = [
        RecordEffect("k1", "converted", 5, "a", journey="welcome", value=1.0),
        RecordEffect("k2", "stage_reached", 6, "b", name="retain"),
        RecordEffect("k3", "converted", 7, "c", journey="win", value=2.0),
        RecordEffect("k4", "converted", 8, "a", journey="win", value=3.0),
    ]
    write(store, Changes(customers={id_: Customer(id_, 1) for id_ in "abc"}, effects=rows))
    assert [effect.key for effect in store.effects(customer="a")] == ["k1", "k4"]
    assert [effect.key for effect in store.effects("win", customer="a")] == ["k4"]
    assert [effect.key for effect in store.effects(kind="converted", limit=1, customer="a")] == ["k1"]
    assert store.effects(customer="nobody") == []
    write(store, Changes(merged={"b": "a"}, merges=[MergeRow("m1", "a", "b", 9)]))
    for asked in ("a", "b"):
        assert [effect.key for effect in store.effects(customer=asked)] == ["k1", "k2", "k4"]
    assert [effect.key for effect in store.effects(customer="c")] == ["k3"]


def test_a_poison_entry_is_kept_once_with_its_reason(store: Store) -> None:
    letter = DeadLetter(4, 9, "not msgpack", b"\xff")
    write(store, Changes(offset=4, dead=[letter]))
    write(store, Changes(dead=[DeadLetter(4, 10, "again", b""), DeadLetter(9, 11, "too deep", b"x")]))
    assert store.dead_letters() == [DeadLetter(9, 11, "too deep", b"x"), letter]
    assert store.dead_letters(1) == [DeadLetter(9, 11, "too deep", b"x")]
    assert store.counts().dead == 2


def test_a_schedule_is_one_row_per_journey_earliest_first(store: Store) -> None:
    write(store, Changes(schedules=[ScheduleRow("b", "v1", 20), ScheduleRow("a", "v1", 30)]))
    moved = ScheduleRow("a", "v2", 10, occurrence=1, expanding=30, cursor="c7")
    write(store, Changes(schedules=[moved]))
    assert store.schedules() == [moved, ScheduleRow("b", "v1", 20)]


def test_an_empty_word_lowers_a_flag(store: Store) -> None:
    write(store, Changes(flags={"stop:*": "storm", "stop:welcome": "typo", "stop:win": ""}))
    assert store.flags() == {"stop:*": "storm", "stop:welcome": "typo"}
    write(store, Changes(flags={"stop:*": ""}))
    with store.unit() as unit:
        assert unit.flags() == {"stop:welcome": "typo"}


def test_a_published_plan_is_current_and_an_old_one_stays_while_travelled(store: Store) -> None:
    old, new, other = made("welcome", "one"), made("welcome", "two"), made("win", "back")
    write(store, Changes(plans=[old, other]))
    write(store, Changes(plans=[new]))
    assert store.current() == {"welcome": new.version, "win": other.version}
    assert {plan.title for plan in store.plans()} == {"two", "back"}
    walking = run("r", version=old.version)
    write(store, Changes(offset=1, now=50, runs={"r": ("c1", walking)}))
    assert {plan.title for plan in store.plans()} == {"one", "two", "back"}
    ended = msgspec.structs.replace(walking, step="", ended=60, outcome="completed", goal_until=100)
    write(store, Changes(offset=2, now=60, runs={"r": ("c1", ended)}))
    assert {plan.title for plan in store.plans()} == {"one", "two", "back"}  # its goal window is open
    write(store, Changes(offset=3, now=100))
    assert {plan.title for plan in store.plans()} == {"two", "back"}
    write(store, Changes(plans=[old]))  # published again: back to it
    assert store.current()["welcome"] == old.version
    assert {plan.title for plan in store.plans()} == {"one", "back"}


def test_a_plan_comes_back_whole(store: Store) -> None:
    plan = made("welcome", "one")
    write(store, Changes(plans=[plan]))
    with store.unit() as unit:
        assert unit.plans() == [plan]
        assert unit.current() == {"welcome": plan.version}


def test_stages_are_counted_as_they_are_and_as_they_were_reached(store: Store) -> None:
    first = Customer("c1", 1, stage="activate", stages={"acquire": 1, "activate": 2})
    write(store, Changes(customers={"c1": first, "c2": Customer("c2", 1, stage="acquire", stages={"acquire": 1})}))
    write(store, Changes(customers={"c1": msgspec.structs.replace(first, stage="retain", stages={"retain": 3})}))
    counts = store.counts()
    assert counts.customers == 2
    assert counts.stages == {"retain": 1, "acquire": 1}
    assert counts.reached == {"retain": 1, "acquire": 1}

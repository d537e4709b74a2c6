"""Every store keeps what publishing needs alike: releases, jobs, versions, who still travels old ones."""

import pytest

from engine.core.commands import Touch
from engine.core.delivery import TouchState
from engine.core.errors import IllegalMove
from engine.core.plan import Audience, Manual, Plan, Stop, seal
from engine.core.release import Release
from engine.core.release import seal as seal_release
from engine.core.state import Customer, Run
from engine.ports import Changes, JobRow, ScheduleRow, Store, TouchRow
from tests.contracts.writing import write


def made(journey: str, title: str) -> Plan:
    return seal(Plan(journey=journey, title=title, stage="acquire", enter=Manual(), nodes=(Stop("1"),)))


def run(name: str, version: str, *, ended: int = 0, journey: str = "welcome") -> Run:
    return Run(name, journey, version, entered=1, step="" if ended else "1", ended=ended, outcome="done")


def touch(name: str, run_id: str = "r") -> Touch:
    return Touch(name, run_id, "welcome", "v1", "1", "c1", "sms", "hi", "+861", "marketing", planned=1, due=1)


def test_releases_come_back_whole_and_newest_first(store: Store) -> None:
    plan = made("welcome", "one")
    first = seal_release(Release((plan,), Audience(), {"hi.txt": b"\x00hello"}, by="mei"))
    second = seal_release(Release((), Audience(), note="nothing left"))
    assert store.releases() == []
    for release in (first, second, first):
        write(store, Changes(release=release))
    assert store.releases() == [first, second, first]
    assert store.releases(1) == [first]


def test_any_version_ever_published_is_found(store: Store) -> None:
    old, new = made("welcome", "one"), made("welcome", "two")
    write(store, Changes(plans=[old]))
    write(store, Changes(plans=[new]))
    assert store.plan("welcome", old.version) == old
    assert store.plan("welcome", new.version) == new
    assert store.plan("welcome", "none") is None
    assert store.plan("none", new.version) is None


def test_a_journey_that_is_gone_keeps_the_version_that_is_travelled(store: Store) -> None:
    plan, other = made("welcome", "one"), made("win", "back")
    write(store, Changes(plans=[plan, other], schedules=[ScheduleRow("welcome", plan.version, 5)]))
    write(store, Changes(runs={"r": ("c1", run("r", plan.version))}))
    write(store, Changes(gone=["welcome", "never-there"]))
    assert store.current() == {"win": other.version}
    assert {found.title for found in store.plans()} == {"one", "back"}
    assert store.schedules() == []
    write(store, Changes(runs={"r": ("c1", run("r", plan.version, ended=9))}))
    assert {found.title for found in store.plans()} == {"back"}
    assert store.plan("welcome", plan.version) == plan
    write(store, Changes(plans=[plan]))
    assert store.current() == {"welcome": plan.version, "win": other.version}


def test_a_job_is_kept_in_the_order_asked_for_until_its_phase_is_empty(store: Store) -> None:
    first, second = JobRow("b", "move", body=b"\x01"), JobRow("a", "back-fill", total=10)
    write(store, Changes(jobs=[first, second]))
    further = JobRow("b", "move", cursor="c9", done=4, total=8, body=b"\x01")
    write(store, Changes(jobs=[further]))
    assert store.jobs() == [further, second]
    write(store, Changes(jobs=[JobRow("b", "")]))
    assert store.jobs() == [second]
    write(store, Changes(jobs=[JobRow("b", ""), JobRow("a", "")]))
    assert store.jobs() == []


def test_active_runs_of_other_versions_are_underway(store: Store) -> None:
    rows = {
        "a": ("c1", run("a", "v1")),
        "b": ("c2", run("b", "v2")),
        "c": ("c3", run("c", "v3")),
        "d": ("c4", run("d", "v1", ended=5)),
        "e": ("c4", run("e", "v1", journey="win")),
    }
    write(store, Changes(runs=rows))
    assert store.underway("welcome", "v3") == 2
    assert store.underway("welcome", "v9") == 3
    assert store.underway("none", "v1") == 0
    write(store, Changes(runs={"a": ("c1", run("a", "v3")), "b": ("c2", run("b", "v2", ended=7))}))
    assert store.underway("welcome", "v3") == 0
    assert store.underway("welcome", "v1") == 2
    with store.unit() as unit:
        assert unit.underway("win", "") == 1


def test_travellers_of_other_versions_are_paged_in_id_order(store: Store) -> None:
    write(
        store,
        Changes(
            customers={f"c{n:02}": Customer(f"c{n:02}", 1) for n in range(40)},
            runs={f"r{n}": (f"c{n:02}", run(f"r{n}", "v1" if n % 2 else "v2")) for n in range(40)},
        ),
    )
    write(store, Changes(runs={"r41": ("c01", run("r41", "v1")), "r5": ("c05", run("r5", "v1", ended=3))}))
    odd = [f"c{n:02}" for n in range(1, 40, 2) if n != 5]
    assert store.travellers("welcome", "v2", "", 100) == odd
    for limit in (1, 3, 100):  # one way for few of them, another for many
        pages, after = [], ""
        while page := store.travellers("welcome", "v2", after, limit):
            pages += page
            after = page[-1]
        assert pages == odd
    write(store, Changes(merged={"c01": "c02"}))
    assert store.travellers("welcome", "v2", "", 2) == ["c02", "c03"]
    assert store.travellers("win", "v2", "", 2) == []


def test_a_withdrawn_touch_is_cancelled_if_it_can_still_be_stopped(store: Store) -> None:
    write(store, Changes(touches=[touch("t1"), touch("t2"), touch("t3")]))
    flying = TouchRow(touch("t2"), TouchState.READY, 1, 2)
    write(store, Changes(rows=[flying, TouchRow(touch("t2"), TouchState.IN_FLIGHT, 1, 2, lease_until=9)]))
    write(store, Changes(now=7, withdrawn=[("t1", "moot"), ("t2", "moot"), ("none", "moot")]))
    rows = store.touches(["t1", "t2", "t3"])
    assert (rows["t1"].state, rows["t1"].reason, rows["t1"].updated) == (TouchState.CANCELLED, "moot", 7)
    assert rows["t2"].state is TouchState.IN_FLIGHT
    assert rows["t3"].state is TouchState.PLANNED
    assert [row.touch.id for row in store.sendable(99, 9)] == ["t3"]
    assert store.counts().touches["welcome", "sms", "cancelled"] == 1


def test_a_touch_planned_and_withdrawn_in_one_unit_is_cancelled(store: Store) -> None:
    write(store, Changes(now=3, touches=[touch("t1")], withdrawn=[("t1", "moot")]))
    assert store.touches(["t1"])["t1"].state is TouchState.CANCELLED
    with pytest.raises(IllegalMove):
        write(store, Changes(rows=[TouchRow(touch("t1"), TouchState.READY, 1, 2)]))

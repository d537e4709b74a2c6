"""Which step of a new version is whose, and what becomes of a run that is taken along."""

import pytest

from engine.core.decide import Wake, decide
from engine.core.events import Event
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.moves import align, next_move
from engine.core.plan import Audience, Plan
from engine.core.playbook import Doors, Move, Playbook
from engine.core.state import Customer, Run
from journeys.compile import load_journey

NOON: Micros = 1_772_366_400_000_000
HEAD = """
journey: j
title: J
stage: retain
purpose: transactional
enter: {on: signed_up, again: always}
steps:
"""


def made(steps: str) -> Plan:
    plan = load_journey((HEAD + steps).encode(), "j.yaml").plan
    assert plan is not None
    return plan


ROAD = """
  - send: hello
    via: email
  - wait: 1h
  - send: again
    via: email
  - wait for: {on: order_paid, within: 2d}
    then: [{tag: +bought}]
    else:
      - wait: 3d
      - send: last
        via: email
"""


def carried(old: Plan, new: Plan, run: Run, now: Micros, *, stopped: bool = False) -> Run:
    """Return the run after a publish of `new` at `now`."""
    doors = Doors(moves={("j", old.version): Move(new.version, align(old, new), now)})
    stops = {"j": "hold"} if stopped else {}
    book = Playbook([old, new], Audience(), stops, {"j": new.version}, doors=doors)
    customer = Customer("c", created=1, seen=1, runs=(run,), wake=run.wake)
    (after,) = decide(book, customer, Wake(), now).customer.runs
    return after


def standing(plan: Plan, step: str, due: Micros) -> Run:
    return Run("r", "j", plan.version, entered=NOON, step=step, since=NOON, due=due, wake=due)


def test_an_added_step_moves_nobody_to_another_wait() -> None:
    old = made(ROAD)
    new = made(ROAD.replace("  - wait: 1h", "  - tag: +greeted\n  - wait: 1h"))
    assert align(old, new) == {"2": "3", "4": "5", "4.else.1": "5.else.1"}


def test_a_wait_whose_length_changed_is_still_the_same_wait() -> None:
    assert align(made(ROAD), made(ROAD.replace("1h", "20m")))["2"] == "2"


def test_a_wait_that_is_gone_has_no_counterpart() -> None:
    new = made(ROAD.replace("  - wait: 1h\n", ""))
    assert align(made(ROAD), new) == {"4": "3", "4.else.1": "3.else.1"}


def test_two_waits_for_one_are_for_the_marketer_to_tell_apart() -> None:
    new = made(ROAD.replace("  - wait: 1h\n", "  - wait: 20m\n  - wait: 30m\n"))
    assert "2" not in align(made(ROAD), new)
    assert align(made(ROAD), new, {"2": "3"})["2"] == "3"


def test_a_step_with_a_name_of_its_own_is_found_wherever_it_went() -> None:
    old = made("  - {id: think, wait: 1h}\n  - send: a\n    via: email\n  - wait: 2h\n")
    new = made("  - wait: 2h\n  - send: b\n    via: email\n  - {id: think, wait: 3h}\n")
    assert align(old, new)["think"] == "think"


def test_the_marketers_word_wins_and_pin_lets_runs_stay() -> None:
    old, new = made(ROAD), made(ROAD.replace("1h", "20m"))
    assert align(old, new, {"2": "4"})["2"] == "4"
    assert "2" not in align(old, new, {"2": ""})
    assert align(old, new, {"nowhere": "2", "2": "nowhere"}).get("2") is None


def test_a_shortened_wait_counts_from_when_the_run_came_to_it() -> None:
    old, new = made(ROAD), made(ROAD.replace("1h", "40m"))
    run = carried(old, new, standing(old, "2", NOON + HOUR), NOON + 10 * MINUTE)
    assert (run.version, run.step, run.due, run.wake) == (new.version, "2", NOON + 40 * MINUTE, NOON + 40 * MINUTE)


def test_a_wait_that_is_over_by_the_new_length_is_over_at_the_next_instant() -> None:
    old, new = made(ROAD), made(ROAD.replace("1h", "5m"))
    run = carried(old, new, standing(old, "2", NOON + HOUR), NOON + 10 * MINUTE)
    assert run.due == run.wake == NOON + 10 * MINUTE + 1


def test_a_wait_that_did_not_change_keeps_its_due() -> None:
    old, new = made(ROAD), made(ROAD.replace("1h", "5m"))
    run = carried(old, new, standing(old, "4", NOON + 7), NOON + 1)
    assert (run.step, run.due, run.wake) == ("4", NOON + 7, NOON + 7)


def test_what_is_due_by_the_publish_was_due_before_it() -> None:
    old, new = made(ROAD), made(ROAD.replace("send: again", "send: anew"))
    run = carried(old, new, standing(old, "2", NOON + HOUR), NOON + HOUR)
    assert (run.version, run.step, run.visits) == (old.version, "4", {"3": 1})


def test_a_run_without_a_counterpart_stays_in_its_version() -> None:
    old, new = made(ROAD), made(ROAD.replace("  - wait: 1h\n", ""))
    run = standing(old, "2", NOON + HOUR)
    assert carried(old, new, run, NOON + 1) == run


def test_a_held_run_moves_and_stays_held() -> None:
    old, new = made(ROAD), made(ROAD.replace("1h", "40m"))
    held = Run("r", "j", old.version, entered=NOON, step="2", since=NOON, due=NOON + HOUR)
    run = carried(old, new, held, NOON + 2 * HOUR, stopped=True)
    assert (run.version, run.due, run.wake) == (new.version, NOON + 2 * HOUR + 1, 0)


@pytest.mark.parametrize(
    ("wait", "due"),
    [
        ('wait until: "18:30"', NOON + 6 * HOUR + 30 * MINUTE),
        ("wait for: {on: order_paid, within: 5h}", NOON + 5 * HOUR),
        ('wait while: not tag("x")', 0),
    ],
)
def test_a_run_mapped_onto_another_kind_of_wait_parks_there(wait: str, due: Micros) -> None:
    old, new = made("  - {id: here, wait: 1h}\n  - stop\n"), made(f"  - {wait}\n  - stop\n")
    book = Playbook([old, new], doors=Doors(moves={("j", old.version): Move(new.version, {"here": "1"}, NOON + 1)}))
    customer = Customer("c", created=1, seen=1, traits={"timezone": "UTC"}, runs=(standing(old, "here", NOON + HOUR),))
    (run,) = decide(book, customer, Wake(), NOON + 1).customer.runs
    assert (run.step, run.due, run.is_active) == ("1", due, True)


def test_a_run_mapped_onto_a_step_that_waits_for_nothing_takes_it_next() -> None:
    old, new = made("  - wait: 1h\n  - stop\n"), made("  - tag: +seen\n  - wait: 1d\n")
    doors = Doors(moves={("j", old.version): Move(new.version, {"1": "1"}, NOON)})
    book = Playbook([old, new], doors=doors)
    customer = Customer("c", created=1, seen=1, runs=(standing(old, "1", NOON + HOUR),), wake=NOON + HOUR)
    customer = decide(book, customer, Wake(), NOON).customer
    assert customer.wake == NOON + 1
    customer = decide(book, customer, Wake(), NOON + 1).customer
    assert "seen" in customer.tags
    assert customer.runs[0].due == NOON + 1 + DAY


def test_a_run_follows_every_publish_in_turn() -> None:
    first, second, third = (made(ROAD.replace("1h", f"{hours}h")) for hours in (1, 2, 3))
    moves = {
        ("j", first.version): Move(second.version, align(first, second), NOON + 1),
        ("j", second.version): Move(third.version, align(second, third), NOON + 5),
    }
    book = Playbook([first, second, third], doors=Doors(moves=moves))
    customer = Customer("c", created=1, seen=1, runs=(standing(first, "2", NOON + HOUR),))
    assert next_move(book, customer) == NOON + 1
    customer = decide(book, customer, Wake(), NOON + 1).customer
    assert customer.runs[0].version == second.version
    assert next_move(book, customer) == NOON + 5
    (run,) = decide(book, customer, Wake(), NOON + 9).customer.runs
    assert (run.version, run.due) == (third.version, NOON + 3 * HOUR)
    assert next_move(book, decide(book, customer, Wake(), NOON + 9).customer) == 0


def test_a_moved_run_hears_what_the_new_version_waits_for() -> None:
    old = made(ROAD)
    new = made(ROAD.replace("on: order_paid, within: 2d", "on: [order_paid, called], within: 2d"))
    doors = Doors(moves={("j", old.version): Move(new.version, align(old, new), NOON)})
    customer = Customer("c", created=1, seen=1, runs=(standing(old, "4", NOON + DAY),))
    decision = decide(Playbook([old, new], doors=doors), customer, Event("m", "called", NOON + 9, NOON + 9), NOON + 9)
    assert [note.code for note in decision.trace if note.run == "r"] == [
        "moved", "step.happened", "step.tag", "completed",
    ]  # fmt: skip

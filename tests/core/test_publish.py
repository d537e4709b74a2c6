"""A release through the log: what it puts in force, what it leaves to do, and that a crash in between loses nothing."""

from collections.abc import Sequence

import msgspec
import pytest

from engine.core import plan as plans
from engine.core import release as releases
from engine.core.delivery import Retry
from engine.core.errors import BadInput
from engine.core.events import Directive, Event, Outcome, encode
from engine.core.ids import HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Audience, Cap, InFlight, Manual, Plan, Policy, Stop, TagRule
from engine.core.release import Release
from engine.ports import Rendered, RunQuery, TouchQuery
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.usecases import deliver, doubt
from engine.usecases.plan_publish import preview
from engine.usecases.publish import in_force, must_settle, newest
from journeys.compile import load_journey
from journeys.expressions import parse_condition

NOON: Micros = 1_772_366_400_000_000
ROAD = """
journey: {name}
title: A letter, later
stage: retain
purpose: transactional
enter: {{on: signed_up, again: always}}
steps:
  - wait: {wait}
  - send: letter
    via: email
"""


def road(wait: str, name: str = "letter") -> Plan:
    plan = load_journey(ROAD.format(name=name, wait=wait).encode(), f"{name}.yaml").plan
    assert plan is not None
    return plan


def released(*held: Plan, audience: Audience | None = None, policy: str = "pin", **said: object) -> Release:
    in_flight = {plan.journey: InFlight(policy) for plan in held}  # type: ignore[arg-type]
    return releases.seal(Release(held, audience or Audience(), in_flight=in_flight, **said))  # type: ignore[arg-type]


class Desk:
    """An engine over memory, its log, and a clock that only the test moves."""

    def __init__(self, *, batch: int = 500) -> None:
        self.store, self.log, self.clock, self.batch = MemoryStore(), MemoryLog(), ManualClock(NOON), batch
        self.engine = self.open()

    def open(self) -> Engine:
        return Engine(self.store, self.log, self.clock.now, lambda: in_force(self.store), batch=self.batch)

    def sign_up(self, names: Sequence[str], event: str = "signed_up") -> None:
        now = self.clock.now()
        self.log.append([encode(one(name, event, now, f"{event}-{name}-{now}")) for name in names])

    def say(self, verb: str, subject: str = "", body: bytes = b"") -> None:
        self.clock.advance(SECOND)
        now = self.clock.now()
        word = Directive(f"{verb}-{now}", verb, now, now, subject=subject, body=body)  # type: ignore[arg-type]
        self.log.append([encode(word)])

    def publish(self, release: Release) -> None:
        self.say("publish", release.id, releases.encode(release))
        self.engine.drain()

    def pass_by(self, span: Micros) -> None:
        self.clock.advance(span)
        self.engine.drain()

    def sent(self) -> list[str]:
        return sorted(row.touch.address for row in self.store.find_touches(TouchQuery()))

    def why(self, name: str) -> list[str]:
        (id_,) = self.store.resolve([f"user_id:{name}"]).values()
        return [note.code for note in self.store.notes(id_)]


def one(name: str, event: str, at: Micros, id_: str) -> Event:
    return Event(id_, event, at=at, received=at, identifiers={"user_id": name, "email": f"{name}@x.example"})


def test_a_release_is_in_force_with_its_commit_and_stays_so_after_a_restart() -> None:
    desk = Desk()
    desk.publish(released(road("1h"), by="mei", note="the first"))
    assert desk.store.current() == {"letter": road("1h").version}
    assert desk.engine.playbook.live("letter") is not None
    kept = newest(desk.store)
    assert kept is not None
    assert (kept.by, kept.note, kept.at) == ("mei", "the first", NOON + SECOND)
    assert desk.open().playbook.current == {"letter": road("1h").version}


def test_a_journey_left_out_takes_nobody_and_its_runs_finish() -> None:
    desk = Desk()
    desk.publish(released(road("1h"), road("1h", "other")))
    desk.sign_up(["mei"])
    desk.engine.drain()
    desk.publish(released(road("1h", "other")))
    desk.sign_up(["li"])
    desk.engine.drain()
    active = {run.journey for _, run in desk.store.runs(RunQuery(active="yes"))}
    assert active == {"letter", "other"}
    assert [who for who, _ in desk.store.runs(RunQuery(journey="letter"))] == list(
        desk.store.resolve(["user_id:mei"]).values()
    )
    desk.pass_by(2 * HOUR)
    assert len(desk.sent()) == 3


def test_pinned_runs_keep_their_wait_and_migrated_ones_get_the_new_one() -> None:
    for policy, letters in (("pin", 0), ("migrate", 1)):
        desk = Desk()
        desk.publish(released(road("3h"), policy=policy))
        desk.sign_up(["mei"])
        desk.pass_by(HOUR)
        desk.publish(released(road("2h"), policy=policy))
        desk.pass_by(HOUR)
        assert len(desk.sent()) == letters, policy
        desk.pass_by(HOUR)
        assert len(desk.sent()) == 1, policy


def test_a_drained_journey_opens_again_when_the_last_run_has_ended() -> None:
    desk = Desk()
    desk.publish(released(road("3h"), policy="drain"))
    desk.sign_up(["mei"])
    desk.engine.drain()
    desk.publish(released(road("2h"), policy="drain"))
    desk.sign_up(["li"])
    desk.engine.drain()
    assert "skipped.draining" in desk.why("li")
    desk.pass_by(4 * HOUR)
    assert desk.sent() == ["mei@x.example"]
    desk.sign_up(["li"])
    desk.engine.drain()
    assert desk.why("li")[-2:] == ["entered", "step.wait"]


def test_a_pause_shuts_the_door_and_lets_runs_go_on_until_resumed() -> None:
    desk = Desk()
    desk.publish(released(road("1h")))
    desk.sign_up(["mei"])
    desk.say("pause", "letter")
    desk.engine.drain()
    desk.sign_up(["li"])
    desk.pass_by(2 * HOUR)
    assert desk.sent() == ["mei@x.example"]
    assert "skipped.paused" in desk.why("li")
    desk.say("resume", "letter")
    desk.engine.drain()
    assert desk.store.flags() == {}
    desk.sign_up(["li"])
    desk.pass_by(2 * HOUR)
    assert len(desk.sent()) == 2


@pytest.mark.parametrize("dies_after", [0, 1, 2, 5, 11])
def test_a_process_that_dies_in_a_sweep_goes_on_where_it_was(dies_after: int) -> None:
    desk = Desk(batch=7)
    names = [f"u{number}" for number in range(60)]
    desk.publish(released(road("3h"), policy="migrate"))
    desk.sign_up(names)
    desk.pass_by(HOUR)
    release = released(road("2h"), policy="migrate")
    desk.say("publish", release.id, releases.encode(release))
    while not desk.store.jobs():
        desk.engine.step()
    for _ in range(dies_after):
        desk.engine.step()
    desk.engine = desk.open()
    desk.pass_by(HOUR)
    assert desk.store.jobs() == []
    assert len(desk.sent()) == len(names)
    assert {run.version for _, run in desk.store.runs(RunQuery())} == {road("2h").version}


def test_publishes_in_a_row_carry_runs_through_all_of_them() -> None:
    desk = Desk(batch=5)
    names = [f"u{number}" for number in range(40)]
    desk.publish(released(road("9h"), policy="migrate"))
    desk.sign_up(names)
    desk.engine.drain()
    for wait in ("8h", "7h", "6h"):
        release = released(road(wait), policy="migrate")
        desk.say("publish", release.id, releases.encode(release))
        desk.engine.step()  # the next comes long before the sweep of this one is over
        desk.engine.step()
    desk.pass_by(6 * HOUR)
    assert len(desk.sent()) == len(names)
    assert {run.version for _, run in desk.store.runs(RunQuery())} == {road("6h").version}


def test_a_rollback_in_the_middle_of_a_sweep_brings_everybody_back() -> None:
    desk = Desk(batch=5)
    names = [f"u{number}" for number in range(40)]
    desk.publish(released(road("3h"), policy="migrate"))
    desk.sign_up(names)
    desk.engine.drain()
    for wait in ("2h", "3h"):
        release = released(road(wait), policy="migrate")
        desk.say("publish", release.id, releases.encode(release))
        for _ in range(4):
            desk.engine.step()
    desk.engine.drain()
    assert {run.version for _, run in desk.store.runs(RunQuery())} == {road("3h").version}
    desk.pass_by(2 * HOUR + 30 * MINUTE)
    assert desk.sent() == []
    desk.pass_by(HOUR)
    assert len(desk.sent()) == len(names)


def test_new_statistics_are_filled_and_new_tags_given_before_the_next_entry() -> None:
    desk = Desk(batch=4)
    desk.publish(released(road("1h")))
    for number in range(3):
        desk.sign_up([f"u{number}" for number in range(10)], "order_paid")
        desk.clock.advance(1 + number)
    desk.sign_up(["li"])
    desk.engine.drain()
    (buyer,) = desk.store.resolve(["user_id:u3"]).values()
    assert desk.store.customers([buyer])[buyer].behaviour == {}
    condition = parse_condition('count("order_paid") >= 3')
    assert condition.expr is not None
    audience = Audience(tags={"loyal": TagRule(condition.expr)}, measures=tuple(condition.measures))
    release = released(road("1h"), audience=audience)
    desk.say("publish", release.id, releases.encode(release))
    desk.sign_up(["li"], "order_paid")
    position = desk.store.position()
    while desk.store.position() == position:
        desk.engine.step()
    assert [job.name.partition(":")[0] for job in desk.store.jobs()] == ["backfill", "settle"]
    desk.engine = desk.open()  # a crash: the jobs are still there, and still come first
    while desk.store.jobs():
        assert desk.store.position() == position + 1
        desk.engine.step()
    customers = desk.store.scan("", 100)
    assert sum("loyal" in customer.tags for customer in customers) == 10
    desk.engine.drain()
    assert desk.store.position() == desk.log.tail()


def test_who_may_be_written_to_is_asked_anew_of_everybody_when_the_policy_changes() -> None:
    desk = Desk()
    reached = parse_condition('reachable("email")').expr
    assert reached is not None
    tags = {"reached": TagRule(reached)}
    desk.publish(released(road("1h"), audience=Audience(tags=tags)))
    desk.sign_up(["mei"])
    desk.engine.drain()
    (id_,) = desk.store.resolve(["user_id:mei"]).values()
    assert "reached" in desk.store.customers([id_])[id_].tags
    capped = Audience(tags=tags, policy=Policy(caps=(Cap(1, HOUR),)))
    assert not must_settle(newest(desk.store), released(road("1h"), audience=capped))
    strict = Audience(tags=tags, policy=Policy(channels={"email": "opt_in"}))
    desk.publish(released(road("1h"), audience=strict))
    assert desk.store.customers([id_])[id_].tags == {}


def test_what_was_due_before_a_publish_happens_by_the_old_rules_in_a_replay_too() -> None:
    desk = Desk()
    desk.publish(released(road("1h"), policy="migrate"))
    desk.sign_up(["mei"])
    desk.pass_by(HOUR + MINUTE)
    assert len(desk.sent()) == 1
    desk.publish(released(road("30d"), policy="migrate"))
    again = Desk()
    again.clock = desk.clock
    again.log = desk.log
    again.engine = again.open()
    again.engine.drain()
    assert again.sent() == desk.sent()
    assert again.store.scan("", 9) == desk.store.scan("", 9)


def test_a_release_that_is_none_is_a_dead_letter_and_changes_nothing() -> None:
    desk = Desk()
    desk.publish(released(road("1h")))
    twice = Release((road("1h"), road("2h")), Audience())
    forged = Release((msgspec.structs.replace(road("1h"), title="Other"),), Audience())
    for body in (b"\xc1nonsense", releases.encode(twice), releases.encode(forged)):
        desk.say("publish", "x", body)
    desk.engine.drain()
    assert len(desk.store.dead_letters()) == 3
    assert desk.store.current() == {"letter": road("1h").version}
    with pytest.raises(BadInput, match="over 8,000,000"):
        releases.read_release(b"x" * (releases.LIMIT + 1))


def test_a_scheduled_push_that_left_and_came_back_is_due_again() -> None:
    push = plans.seal(
        Plan("push", "Push", "retain", plans.Every("0 10 * * *", "UTC"), (Stop("1"),), purpose="transactional")
    )
    desk = Desk()
    desk.publish(released(push))
    (row,) = desk.store.schedules()
    assert row.due == NOON + 22 * HOUR
    desk.publish(released(road("1h")))
    assert desk.store.schedules() == []
    desk.publish(released(push))
    assert [row.due for row in desk.store.schedules()] == [NOON + 22 * HOUR]
    assert desk.engine.next_instant() == NOON + 22 * HOUR


# --- what a publish would change ------------------------------------------------------------------------


def test_a_preview_says_where_runs_go_and_what_leaves_tomorrow() -> None:
    desk = Desk()
    desk.publish(released(road("2d")))
    desk.sign_up(["mei", "li", "wu"])
    desk.pass_by(HOUR)
    now = desk.clock.now()
    pinned = preview(desk.store, released(road("1d")), now)
    assert [(row.step, row.runs, row.goes) for row in pinned.underway] == [("1", 3, "")]
    assert pinned.forecast.sends == {}
    moved = preview(desk.store, released(road("1d"), policy="migrate"), now)
    assert [(row.step, row.runs, row.goes) for row in moved.underway] == [("1", 3, "1")]
    assert moved.forecast.sends == {("letter", "email"): 3}
    assert (moved.difference.changed, moved.refusals) == (("letter",), ())
    assert desk.store.jobs() == []
    assert desk.sent() == []


def test_a_preview_refuses_runs_that_would_have_nowhere_to_go() -> None:
    desk = Desk()
    desk.publish(released(road("2d")))
    desk.sign_up(["mei"])
    desk.engine.drain()
    bare = plans.seal(Plan("letter", "Bare", "retain", Manual(), (Stop("1"),), purpose="transactional"))
    found = preview(desk.store, released(bare, policy="migrate"), desk.clock.now())
    assert [(row.step, row.runs) for row in found.refusals] == [("1", 1)]
    pinned = releases.seal(Release((bare,), Audience(), in_flight={"letter": InFlight("migrate", {"1": ""})}))
    assert preview(desk.store, pinned, desk.clock.now()).refusals == ()
    assert preview(desk.store, released(bare), desk.clock.now()).refusals == ()


def test_a_preview_of_what_is_in_force_is_empty() -> None:
    desk = Desk()
    desk.publish(released(road("2d")))
    found = preview(desk.store, released(road("2d")), desk.clock.now())
    assert found.is_empty
    assert found.underway == ()


def test_a_preview_counts_who_a_push_of_the_next_day_would_take_in() -> None:
    desk = Desk()
    desk.publish(released(road("9d")))
    desk.sign_up(["mei", "li"])
    desk.engine.drain()
    source = b"""
journey: push
title: Every morning
stage: retain
purpose: transactional
enter: {every: "0 10 * * *", zone: UTC, audience: in_journey("letter")}
steps:
  - send: news
    via: email
  - wait: 1h
  - send: more
    via: email
"""
    push = load_journey(source, "push.yaml").plan
    assert push is not None
    found = preview(desk.store, released(road("9d"), push), desk.clock.now())
    assert found.forecast.entering == {"push": 2}
    assert found.forecast.sends == {("push", "email"): 4}
    assert (found.forecast.looked_at, found.forecast.customers) == (2, 2)
    assert found.difference.new == ("push",)


# --- messages that were on their way --------------------------------------------------------------------


def test_a_message_planned_before_a_publish_still_fails_over_after_its_run_has_moved() -> None:
    source = b"""
journey: letter
title: By mail, else by text
stage: retain
purpose: transactional
enter: {on: signed_up}
steps:
  - send: letter
    via: [email, sms]
  - wait: %s
"""
    old, new = (load_journey(source % wait, "letter.yaml").plan for wait in (b"9d", b"8d"))
    assert old is not None
    assert new is not None
    desk = Desk()
    desk.publish(released(old, policy="migrate"))
    now = desk.clock.now()
    who = {"user_id": "mei", "email": "mei@x.example", "phone": "+8613800000000"}
    desk.log.append([encode(Event("m", "signed_up", at=now, received=now, identifiers=who))])
    desk.engine.drain()
    desk.publish(released(new, policy="migrate"))
    desk.engine = desk.open()
    (row,) = desk.store.find_touches(TouchQuery())
    assert row.touch.version == old.version
    assert desk.engine.playbook.plan("letter", old.version) is None
    refuse(desk, row.touch.id)
    assert {row.touch.channel for row in desk.store.find_touches(TouchQuery())} == {"email", "sms"}


def refuse(desk: Desk, touch: str) -> None:
    """Let the provider refuse the touch for good."""
    desk.clock.advance(SECOND)
    now = desk.clock.now()
    terms = doubt.Terms()
    picked = deliver.pick(desk.store, now, {"email": 5, "sms": 5}, terms)
    ready = [(one.row, Rendered(b"body", "hash")) for one in picked]
    (leased,) = deliver.commit_in_flight(desk.store, desk.engine.playbook, ready, now, terms)
    outcome = Outcome(touch, leased.row.token, "failed", at=now, received=now, reason=Retry.PERMANENT)
    desk.log.append([encode(outcome)])
    desk.engine.drain()


def test_who_stands_in_a_segment_at_the_publish_enters_once_if_the_journey_says_so() -> None:
    source = b"""
journey: sleepers
title: Who sleeps already
stage: retain
purpose: transactional
enter: {segment: buyers, existing: true}
steps:
  - send: hello
    via: email
"""
    journey = load_journey(source, "sleepers.yaml").plan
    assert journey is not None
    condition = parse_condition('ever("order_paid")')
    assert condition.expr is not None
    rules = Audience(segments={"buyers": condition.expr}, measures=tuple(condition.measures))
    desk = Desk(batch=3)
    desk.publish(released(road("9d"), audience=rules))
    desk.sign_up([f"u{number}" for number in range(8)], "order_paid")
    desk.sign_up(["li"])
    desk.engine.drain()
    found = preview(desk.store, released(road("9d"), journey, audience=rules), desk.clock.now())
    assert found.settles
    assert found.forecast.entering == {"sleepers": 8}
    desk.publish(released(road("9d"), journey, audience=rules))
    assert len(desk.sent()) == 8
    desk.publish(released(road("9d"), audience=rules))
    desk.publish(released(road("9d"), journey, audience=rules))
    assert len(desk.sent()) == 8
    desk.sign_up(["li"], "order_paid")
    desk.engine.drain()
    assert len(desk.sent()) == 9

"""Waiting for events, for conditions and for rounds: what counts, when it is looked at, and what comes next."""

from typing import Any

import msgspec

from engine.core.commands import Decision, PlanTouch
from engine.core.decide import Wake, decide
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Duration, Expr, HasTag, Measure, Measured, Not, Path
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Exit,
    OnEvent,
    Plan,
    Policy,
    Repeat,
    Send,
    Span,
    Split,
    Tag,
    Wait,
    WaitFor,
    WaitWhile,
    seal,
)
from engine.core.playbook import Playbook
from engine.core.state import Customer, Held, Round, Run

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z
MEI = Customer("c1", created=NOON - DAY, identifiers={"email": ("mei@brand.example",)})
BIG: Expr = Compare(">=", Path("event", ("total",)), Constant(100))


class Play:
    """One customer through one playbook: events are told, and timers due before them fire at their instants."""

    def __init__(self, *nodes: Any, customer: Customer = MEI, stages: Any = None, **settings: Any) -> None:
        plan = seal(Plan("j", "J", "retain", OnEvent(("began",)), nodes, again=Again("always"), **settings))
        policy = Policy(purposes={"marketing": "none"})
        self.book = Playbook([plan], Audience(policy=policy, stages=stages or {}))
        self.customer, self.made = customer, list[Decision]()

    def tell(self, name: str, after: int = 0, traits: dict[str, Any] | None = None, **properties: Any) -> "Play":
        at = NOON + after
        self.until(after)
        event = Event(f"{name}-{at}", name, at, at, properties=properties, traits=traits or {})
        self._take(decide(self.book, self.customer, event, at))
        return self

    def until(self, after: int) -> "Play":
        for _ in range(1000):
            if not 0 < self.customer.wake <= NOON + after:
                return self
            self._take(decide(self.book, self.customer, Wake(), self.customer.wake))
        raise AssertionError("time does not move on")

    def _take(self, decision: Decision) -> None:
        self.made.append(decision)
        self.customer = decision.customer

    @property
    def run(self) -> Run:
        return self.customer.runs[-1]

    @property
    def codes(self) -> list[str]:
        return [note.code for note in self.made[-1].trace]

    @property
    def sent(self) -> list[tuple[str, int]]:
        """Templates with the time after noon at which they were planned."""
        touches = [c.touch for made in self.made for c in made.commands if isinstance(c, PlanTouch)]
        assert len({touch.id for touch in touches}) == len(touches)
        return [(touch.template, touch.planned - NOON) for touch in touches]


def letter(id_: str, template: str, goes: str = "") -> Send:
    return Send(id_, template, ("email",), next=goes)


def wait_for(*parts: Awaited, **settings: Any) -> tuple[Any, ...]:
    fields = {"within": Span(DAY), "then": "y", "otherwise": "n", **settings}
    return WaitFor("1", parts, **fields), letter("y", "yes"), letter("n", "no")


# --- wait for


def test_any_of_the_awaited_events_goes_on() -> None:
    play = Play(*wait_for(Awaited(("paid",)), Awaited(("called",)))).tell("began").tell("called", HOUR)
    assert play.sent == [("yes", HOUR)]
    assert play.codes == ["step.happened", "touch.planned", "completed"]


def test_all_of_the_awaited_events_must_come_in_whatever_order() -> None:
    play = Play(*wait_for(Awaited(("paid",)), Awaited(("called",)), need="all")).tell("began").tell("called", HOUR)
    assert (play.codes, play.run.progress, play.sent) == (["step.progress"], (0, 1), [])
    assert play.made[-1].trace[0].data == {"event": "called", "done": 1, "of": 2}
    play.tell("called", 2 * HOUR)
    assert play.run.progress == (0, 2)
    assert play.tell("paid", 3 * HOUR).sent == [("yes", 3 * HOUR)]


def test_only_some_of_all_by_the_time_out_is_in_vain() -> None:
    play = Play(*wait_for(Awaited(("paid",)), Awaited(("called",)), need="all")).tell("began").tell("called", HOUR)
    assert play.until(DAY).sent == [("no", DAY)]
    assert play.codes[0] == "step.timed_out"


def test_a_count_is_reached_by_that_many_matches_and_by_no_others() -> None:
    play = Play(*wait_for(Awaited(("paid",), BIG), count=3)).tell("began")
    for hour, total in enumerate((100, 99, 200), start=1):
        play.tell("paid", hour * HOUR, total=total)
    assert (play.run.progress, play.sent) == ((2,), [])
    assert play.tell("paid", 4 * HOUR, total=100).sent == [("yes", 4 * HOUR)]


def test_what_was_counted_is_forgotten_when_the_run_comes_again() -> None:
    again = (
        WaitFor("1", (Awaited(("paid",)),), Span(DAY), count=2, then="2", otherwise="3"),
        Wait("2", Span(HOUR), "1"),
    )
    play = Play(*again, letter("3", "no")).tell("began").tell("paid", 1).tell("paid", 2).tell("paid", 2 * HOUR)
    assert play.run.progress == (1,)
    assert play.until(3 * DAY).sent == [("no", HOUR + 2 + DAY)]


def test_what_was_counted_survives_an_exit_condition_that_is_watched() -> None:
    watched = Exit(when=HasTag("gone"))
    play = Play(*wait_for(Awaited(("paid",)), count=2), exits=(watched,)).tell("began").tell("paid", 1)
    assert (play.run.progress, play.run.wake) == ((1,), NOON + DAY)
    assert play.tell("paid", 2).sent == [("yes", 2)]


def test_history_that_is_imported_answers_no_wait() -> None:
    play = Play(*wait_for(Awaited(("paid",)))).tell("began")
    past = Event("old", "paid", NOON + 1, NOON + 1, backfill=True)
    assert decide(play.book, play.customer, past, NOON + 1).customer.runs == play.customer.runs


def test_what_happened_within_the_lookback_counts_on_arrival() -> None:
    late = (Wait("0", Span(5 * MINUTE), "1"), *wait_for(Awaited(("paid",), BIG), lookback=10 * MINUTE))
    assert Play(*late).tell("began").tell("paid", MINUTE, total=100).until(HOUR).sent == [("yes", 5 * MINUTE)]
    assert Play(*late).tell("began").tell("paid", MINUTE, total=99).until(DAY).sent == []
    before = Play(*late).tell("paid", -6 * MINUTE, total=100).tell("began")
    assert before.until(5 * MINUTE).sent == []


def test_the_lookback_ends_where_it_says() -> None:
    at_once = wait_for(Awaited(("paid",)), lookback=10 * MINUTE)
    assert Play(*at_once).tell("paid", -10 * MINUTE + 1).tell("began").sent == [("yes", 0)]
    assert Play(*at_once).tell("paid", -10 * MINUTE).tell("began").sent == []


def test_a_lookback_counts_towards_a_number_and_each_event_once() -> None:
    play = Play(*wait_for(Awaited(("paid",)), count=3, lookback=HOUR)).tell("paid", -2).tell("paid", -1).tell("began")
    assert play.run.progress == (2,)
    assert play.tell("paid", 1).sent == [("yes", 1)]


def test_the_event_that_answered_a_wait_is_not_the_second_one_that_the_next_waits_for() -> None:
    first = WaitFor("0", (Awaited(("paid",)),), Span(DAY), then="1")
    play = Play(first, *wait_for(Awaited(("paid",)), lookback=10 * MINUTE)).tell("began").tell("paid", HOUR)
    assert (play.run.step, play.sent) == ("1", [])
    assert play.tell("paid", HOUR + 1).sent == [("yes", HOUR + 1)]


def test_the_event_that_opened_the_journey_counts_when_it_is_looked_back_for() -> None:
    assert Play(*wait_for(Awaited(("began",)), lookback=MINUTE)).tell("began").sent == [("yes", 0)]


# --- wait while


def while_(when: Expr, within: Span | None = None) -> tuple[Any, ...]:
    return WaitWhile("1", when, within, then="y", otherwise="n"), letter("y", "yes"), letter("n", "no")


NEW: Expr = HasTag("new")
TAGGED = msgspec.structs.replace(MEI, tags={"new": Held(NOON - HOUR, NOON + HOUR)})


def test_a_condition_that_does_not_hold_is_not_waited_for() -> None:
    play = Play(*while_(NEW)).tell("began")
    assert (play.sent, play.codes[1]) == ([("yes", 0)], "step.no_longer")


def test_a_wait_while_ends_at_the_instant_at_which_its_condition_changes_by_time() -> None:
    play = Play(*while_(NEW), customer=TAGGED).tell("began")
    assert (play.run.due, play.run.wake) == (0, NOON + HOUR)
    assert play.until(DAY).sent == [("yes", HOUR)]


def test_a_wait_while_ends_with_the_event_that_changes_the_customer() -> None:
    away: Expr = Compare("==", Path("customer", ("mood",)), Constant("busy"))
    busy = msgspec.structs.replace(MEI, traits={"mood": "busy"})
    play = Play(*while_(away), customer=busy).tell("began")
    assert (play.run.wake, play.run.is_active) == (0, True)
    play.tell("anything", MINUTE)
    assert play.sent == []
    assert play.tell("said", HOUR, traits={"mood": "free"}).sent == [("yes", HOUR)]


def test_a_wait_while_has_a_time_out_of_its_own() -> None:
    play = Play(*while_(NEW, Span(MINUTE)), customer=TAGGED).tell("began")
    assert play.run.wake == NOON + MINUTE
    assert play.until(DAY).sent == [("no", MINUTE)]
    assert play.codes[0] == "step.still_holds"


def test_a_condition_that_ends_at_the_time_out_has_ended() -> None:
    play = Play(*while_(NEW, Span(HOUR)), customer=TAGGED).tell("began")
    assert play.until(DAY).sent == [("yes", HOUR)]


def test_an_exit_that_is_watched_and_a_wait_while_share_the_wake() -> None:
    tags = {"new": Held(NOON, NOON + 2 * HOUR), "here": Held(NOON, NOON + HOUR)}
    both = msgspec.structs.replace(MEI, tags=tags)
    play = Play(*while_(NEW), customer=both, exits=(Exit(when=Not(HasTag("here"))),)).tell("began")
    assert play.run.wake == NOON + HOUR
    assert play.until(DAY).codes == ["exited.when"]


def test_another_journeys_tag_ends_a_wait_while() -> None:
    giver = seal(Plan("giver", "", "retain", OnEvent(("gift",)), (Tag("1", add=("rich",)),)))
    play = Play(*while_(Not(HasTag("rich"))))
    play.book = Playbook([*[c.plan for c in play.book.plans()], giver], play.book.audience)
    assert play.tell("began").tell("gift", HOUR).sent == [("yes", HOUR)]


# --- repeat

DAILY = Span(DAY)


def repeat(times: int, *body: Any, every: Span = DAILY, until: Expr | None = None) -> tuple[Any, ...]:
    return (Repeat("r", every, times, until, body=body[0].id if body else "", next="z"), *body, letter("z", "after"))


def test_rounds_come_at_their_interval_and_end_after_the_last() -> None:
    play = Play(*repeat(3, letter("b", "round", "r"))).tell("began").until(30 * DAY)
    assert play.sent == [("round", 0), ("round", DAY), ("round", 2 * DAY), ("after", 2 * DAY)]
    assert play.customer.runs == ()


def test_between_rounds_the_run_remembers_how_many_there_were() -> None:
    play = Play(*repeat(3, letter("b", "round", "r"))).tell("began").until(DAY)
    assert (play.run.step, play.run.rounds, play.run.due) == ("r", {"r": Round(2, NOON + DAY)}, NOON + 2 * DAY)


def test_a_repeat_of_no_times_or_that_is_over_already_begins_no_round() -> None:
    assert Play(*repeat(0, letter("b", "round", "r"))).tell("began").sent == [("after", 0)]
    over = repeat(3, letter("b", "round", "r"), until=HasTag("new"))
    assert Play(*over, customer=TAGGED).tell("began").sent == [("after", 0)]


def test_until_ends_the_repeat_at_once_between_two_rounds() -> None:
    rich: Expr = Compare(">", Path("customer", ("worth",)), Constant(10))
    play = (
        Play(*repeat(9, letter("b", "round", "r"), until=rich)).tell("began").tell("grew", HOUR, traits={"worth": 11})
    )
    assert play.sent == [("round", 0), ("after", HOUR)]
    assert play.codes[0] == "step.rounds_over"


def test_until_within_the_body_waits_for_the_bodys_end() -> None:
    rich: Expr = Compare(">", Path("customer", ("worth",)), Constant(10))
    body = (Wait("b", Span(2 * HOUR), "c"), letter("c", "round", "r"))
    play = Play(*repeat(9, *body, until=rich)).tell("began").tell("grew", HOUR, traits={"worth": 11}).until(DAY)
    assert play.sent == [("round", 2 * HOUR), ("after", 2 * HOUR)]


def test_a_body_longer_than_the_interval_is_followed_by_the_next_round_at_once_and_by_no_burst() -> None:
    body = (letter("b", "round", "c"), WaitFor("c", (Awaited(("done",)),), Span(30 * DAY), then="r", otherwise="r"))
    play = Play(*repeat(3, *body)).tell("began").tell("done", 5 * DAY).tell("done", 5 * DAY + HOUR).until(9 * DAY)
    assert play.sent == [("round", 0), ("round", 5 * DAY), ("round", 6 * DAY)]


def test_an_empty_body_and_no_interval_still_end() -> None:
    assert Play(*repeat(4)).tell("began").until(9 * DAY).sent == [("after", 3 * DAY)]
    play = Play(*repeat(50, letter("b", "round", "r"), every=Span())).tell("began").until(MINUTE)
    assert [template for template, _ in play.sent] == ["round"] * 50 + ["after"]
    assert play.sent[-1][1] == 49


def test_a_repeat_within_a_repeat_begins_anew_each_time() -> None:
    inner = (Repeat("i", Span(HOUR), 2, body="b", next="r"), letter("b", "round", "i"))
    play = Play(Repeat("r", Span(DAY), 2, body="i", next=""), *inner).tell("began").until(9 * DAY)
    assert play.sent == [("round", at) for at in (0, HOUR, DAY, DAY + HOUR)]


def test_monthly_rounds_follow_the_customers_calendar() -> None:
    play = Play(*repeat(3, letter("b", "round", "r"), every=Span(months=1))).tell("began").until(90 * DAY)
    assert [at for template, at in play.sent if template == "round"] == [0, 31 * DAY, 61 * DAY]


def test_every_round_takes_the_same_arm() -> None:
    arms = Split("b", "s", (Arm("x", 0.5, "x"), Arm("y", 0.5, "y")))
    play = Play(*repeat(5, arms, letter("x", "x", "r"), letter("y", "y", "r"))).tell("began").until(9 * DAY)
    assert len({template for template, _ in play.sent} - {"after"}) == 1


def test_a_repeat_until_a_statistic_holds_wakes_when_it_comes_true_by_time() -> None:
    measure = Measure("seen", "seen", window=30 * DAY)
    dormant: Expr = Compare(">", Measured("seen", "last"), Duration(3 * DAY))
    play = Play(*repeat(9, letter("b", "round", "r"), every=Span(2 * DAY), until=dormant), measures=(measure,))
    play.tell("seen", -HOUR).tell("began").until(30 * DAY)
    assert play.sent[-1][0] == "after"
    assert 3 * DAY - HOUR <= play.sent[-1][1] <= 3 * DAY - HOUR + 1

"""The loop of a rehearsal: what falls due in which order, what gates and merges do, and that the engine agrees."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import Event, encode
from engine.core.expression import HasTag, Not, Touched
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Cap,
    Coupon,
    Every,
    Exit,
    Goal,
    OnEvent,
    OnSegment,
    Plan,
    Policy,
    Quiet,
    Send,
    Span,
    Split,
    Wait,
    WaitFor,
    Winner,
    seal,
)
from engine.core.playbook import Playbook
from engine.ports import TouchQuery
from engine.rehearsal import passing
from engine.rehearsal.ledger import Track
from engine.rehearsal.stage import Dials, Stage
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.wake import wake

NOON: Micros = 1_772_366_400_000_000  # 2026-03-01T12:00Z
ALWAYS = Again("always")


def plan(name: str, *nodes: Any, on: str = "seen", **more: Any) -> Plan:
    return seal(Plan(name, name, "retain", more.pop("enter", OnEvent((on,))), nodes, **more))


def hello(name: str = "hello", **more: Any) -> Plan:
    return plan(name, Send("1", name, ("email",), next=""), **more)


def event(name: str, at: Micros, user: str = "u1", **more: Any) -> Event:
    who = {"user_id": user, "email": f"{user}@home.example"}
    consents = {"marketing": True}
    said: dict[str, Any] = {"identifiers": who, "consents": consents} | more
    return Event(f"{name}-{at}-{user}", name, at, at, **said)


def rehearsed(
    plans: list[Plan], events: list[Event], *, audience: Audience | None = None, dials: Dials | None = None, **span: int
) -> Stage:
    stage = Stage(Playbook(plans, audience), dials)
    passing.live_through(events, [stage], passing.Span(**span))
    return stage


def sent(stage: Stage) -> dict[str, int]:
    return {track.template: n for track, n in stage.ledger.sent.items()}


def told(stage: Stage, code: str) -> list[tuple[Any, ...]]:
    return [details for (found, _, _, details, _), n in stage.ledger.told().items() if found == code for _ in range(n)]


def test_a_wait_that_ends_before_the_last_event_sends_and_a_later_one_does_not() -> None:
    road = plan("j", Wait("1", Span(HOUR), next="2"), Send("2", "later", ("email",), next=""), again=ALWAYS)
    events = [event("seen", NOON), event("other", NOON + 2 * HOUR), event("seen", NOON + 3 * HOUR)]
    assert sent(rehearsed([road], events)) == {"later": 1}
    assert sent(rehearsed([road], events, end=NOON + 5 * HOUR)) == {"later": 2}


def test_a_timer_due_at_the_instant_of_an_event_comes_before_it() -> None:
    road = plan("j", Wait("1", Span(HOUR), next="2"), Send("2", "later", ("email",), next=""), exits=(Exit(("paid",)),))
    assert sent(rehearsed([road], [event("seen", NOON), event("paid", NOON + HOUR)])) == {"later": 1}
    assert sent(rehearsed([road], [event("seen", NOON), event("paid", NOON + HOUR - 1)])) == {}


def test_quiet_hours_hold_a_message_back_and_leaving_takes_it_back() -> None:
    quiet = Quiet(11 * 60, 15 * 60)
    road = plan(
        "j",
        Send("1", "hello", ("email",), next="2"),
        Wait("2", Span(DAY), next=""),
        quiet=quiet,
        exits=(Exit(("paid",)),),
    )
    stage = rehearsed([road], [event("seen", NOON)], end=NOON + 4 * HOUR)
    assert (sent(stage), told(stage, "touch.deferred")) == ({"hello": 1}, [("hello", "email", "quiet hours")])
    gone = rehearsed([road], [event("seen", NOON), event("paid", NOON + HOUR)], end=NOON + 4 * HOUR)
    assert (sent(gone), gone.ledger.cancelled) == ({}, {("j", "event"): 1})


def test_a_cap_drops_and_the_reason_is_counted() -> None:
    audience = Audience(policy=Policy(caps=(Cap(1, DAY),)))
    stage = rehearsed([hello(again=ALWAYS)], [event("seen", NOON), event("seen", NOON + HOUR)], audience=audience)
    assert sent(stage) == {"hello": 1}
    assert told(stage, "touch.dropped") == [("hello", "email", "frequency_cap: at most 1 in 1d")]


def test_a_word_taken_back_before_the_message_is_due_drops_it() -> None:
    road = hello(quiet=Quiet(11 * 60, 15 * 60))
    no = event("said", NOON + HOUR, consents={"marketing": False})
    stage = rehearsed([road], [event("seen", NOON), no], end=NOON + DAY)
    assert told(stage, "touch.dropped") == [("hello", "email", "no consent for marketing")]


def test_history_before_the_start_is_known_and_sends_nothing() -> None:
    road = hello(again=ALWAYS)
    stage = rehearsed([road], [event("seen", NOON), event("seen", NOON + DAY)], start=NOON + HOUR)
    assert sent(stage) == {"hello": 1}
    assert stage.ledger.events == {"seen": 1}
    [customer] = stage.people.customers.values()
    assert customer.created == NOON


def test_who_stood_in_a_segment_before_the_start_does_not_enter_it() -> None:
    audience = Audience(segments={"quiet": Not(HasTag("loud"))})
    road = hello(enter=OnSegment("quiet"))
    events = [event("seen", NOON), event("seen", NOON + DAY), event("seen", NOON + DAY, "u2")]
    assert sent(rehearsed([road], events, audience=audience, start=NOON + HOUR)) == {"hello": 1}


def test_a_push_reaches_everybody_known_when_it_is_due() -> None:
    road = hello(enter=Every("0 18 * * *", "UTC"), again=ALWAYS)
    events = [event("seen", NOON, "u1"), event("seen", NOON + HOUR, "u2"), event("seen", NOON + DAY, "u3")]
    stage = rehearsed([road], events, end=NOON + 2 * DAY)
    assert sent(stage) == {"hello": 2 + 3}


def test_a_visitor_who_logs_in_is_one_customer_and_counted_once() -> None:
    visitor = Event("m1", "seen", NOON, NOON, identifiers={"anonymous_id": "a1"}, consents={"marketing": True})
    login = event("login", NOON + 2, identifiers={"user_id": "u1", "anonymous_id": "a1", "email": "u1@home.example"})
    events = [visitor, event("seen", NOON + 1), login, event("seen", NOON + 3)]
    stage = rehearsed([hello(again=ALWAYS)], events)
    assert len(stage.people.customers) == 1
    assert stage.ledger.tracks[Track("entered", "hello")].customers() == 1
    assert len(told(stage, "entered")) == 3


def test_clicks_are_made_only_when_asked_for_and_always_for_the_same_messages() -> None:
    road = plan(
        "j",
        Send("1", "hello", ("email",), next="2"),
        WaitFor("2", (Awaited(("link_clicked",)),), Span(3 * DAY), then="3", otherwise=""),
        Send("3", "thanks", ("email",), next=""),
    )
    events = [event("seen", NOON + n, f"u{n}") for n in range(200)]
    assert sent(rehearsed([road], events, end=NOON + 3 * DAY)) == {"hello": 200}
    half = [sent(rehearsed([road], events, dials=Dials(clicks=0.5), end=NOON + 3 * DAY)) for _ in range(2)]
    assert half[0] == half[1]
    assert 70 < half[0]["thanks"] < 130


def test_a_rule_that_asks_for_messages_hears_of_them() -> None:
    road = hello(where=Not(Touched("received", "hello", within=DAY)), again=ALWAYS)
    stage = rehearsed([road], [event("seen", NOON), event("seen", NOON + HOUR), event("seen", NOON + 2 * DAY)])
    assert sent(stage) == {"hello": 2}


def test_coupon_codes_are_counted_and_run_out_only_when_told_to() -> None:
    road = plan("j", Coupon("1", "SPRING", next="2"), Send("2", "coupon", ("email",), next=""))
    events = [event("seen", NOON + n, f"u{n}") for n in range(5)]
    stage = rehearsed([road], events)
    assert (stage.scene.issued, sent(stage)) == ({"SPRING": 5}, {"coupon": 5})
    few = rehearsed([road], events, dials=Dials(stock={"SPRING": 2}))
    assert (few.scene.issued, sent(few)) == ({"SPRING": 2}, {"coupon": 2})


def test_a_split_that_learns_learns_from_conversions() -> None:
    arms = (Arm("a", 1.0, next="2"), Arm("b", 1.0, next="3"))
    road = plan(
        "j",
        Split("1", "words", arms, winner=Winner("convert", after=20)),
        Send("2", "a", ("email",), next=""),
        Send("3", "b", ("email",), next=""),
        goal=Goal(("paid",), DAY),
    )
    events = [event("seen", NOON + n * MINUTE, f"u{n}") for n in range(100)]
    stage = rehearsed([road], events)
    results = stage.scene.results("j", "words")
    assert sum(result.tried for result in results.values()) == 100


def test_a_message_told_twice_counts_once() -> None:
    stage = Stage(Playbook([hello(again=ALWAYS)]))
    passed = passing.live_through([event("seen", NOON), event("seen", NOON)], [stage], passing.Span())
    assert (passed.counted, passed.repeats, sent(stage)) == (1, 1, {"hello": 1})


def test_timers_that_were_moved_do_not_pile_up() -> None:
    road = plan("j", Wait("1", Span(300 * DAY), next=""), exits=(Exit(("seen",)),), again=ALWAYS)
    stage = Stage(Playbook([road]))
    passing.live_through((event("seen", NOON + n) for n in range(30_000)), [stage], passing.Span())
    assert len(stage._heap) < 11_000


# --- the engine agrees


def journeys() -> list[Plan]:
    return [
        hello("hello", on="signed_up", quiet=Quiet(21 * 60, 9 * 60)),
        plan(
            "rescue",
            WaitFor("1", (Awaited(("viewed",)),), Span(5 * HOUR), then="2", otherwise="3"),
            Send("2", "viewed", ("sms", "email"), next="4"),
            Send("3", "unseen", ("email",), next="4"),
            Wait("4", Span(DAY), next=""),
            on="cart",
            exits=(Exit(("paid",)),),
            again=Again("after", Span(DAY)),
            holdout=0.2,
        ),
    ]


CAPPED = Audience(policy=Policy(caps=(Cap(2, DAY),)))
NAMES = ("signed_up", "cart", "viewed", "paid")


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    at, found = NOON, []
    for number in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, MINUTE, HOUR, 7 * HOUR, DAY]))
        name, who = draw(st.sampled_from(NAMES)), draw(st.sampled_from(["u1", "u2"]))
        identifiers = {"user_id": who, "email": f"{who}@home.example"}
        if draw(st.booleans()):
            identifiers = {"anonymous_id": f"a-{who}"} | (identifiers if draw(st.booleans()) else {})
        said = {"marketing": True} if draw(st.integers(0, 9)) else {"marketing": False}
        found.append(Event(f"m{number}", name, at, at, identifiers=identifiers, consents=said))
    return found


def planned_by_the_engine(events: list[Event], plans: list[Plan]) -> set[str]:
    store, log, book = MemoryStore(), MemoryLog(), Playbook(plans, CAPPED)
    log.append([encode(one) for one in events])
    while advance(store, log, book, limit=1) is not None:
        pass
    while wake(store, book, events[-1].received).customers:
        pass
    return {row.touch.id for row in store.find_touches(TouchQuery(limit=10_000))}


class _Planned(Stage):
    """A stage that remembers which touches were asked for, and lets none of them leave."""

    def __init__(self, book: Playbook) -> None:
        super().__init__(book)
        self.asked: set[str] = set()

    def _carry(self, customer: Any, commands: Any, trace: Any) -> None:
        for command in commands:
            touch = getattr(command, "touch", None)
            if touch is not None and not isinstance(touch, str):
                self.asked.add(touch.id)
        super()._carry(customer, commands, trace)

    def _dispatch(self, touch: Any, now: Micros) -> None:
        self._forget(touch)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_a_rehearsal_plans_what_the_engine_plans(events: list[Event]) -> None:
    stage = _Planned(Playbook(journeys(), CAPPED))
    passing.live_through(events, [stage], passing.Span())
    assert stage.asked == planned_by_the_engine(events, journeys())

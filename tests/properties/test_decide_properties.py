"""What holds for every history: the decision is total and deterministic, its keys are stable, time moves on."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.commands import Decision, PlanTouch
from engine.core.decide import Called, Happening, Wake, decide
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Expr, HasTag, Measure, Measured, Not, Path
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Branch,
    Cap,
    Daily,
    Exit,
    Goal,
    OnEvent,
    Plan,
    Policy,
    Quiet,
    Send,
    Span,
    Split,
    Stop,
    Tag,
    Wait,
    WaitFor,
    WaitUntil,
    seal,
)
from engine.core.playbook import Playbook
from engine.core.state import Customer, decode, encode

NOON = 1_772_366_400_000_000
NAMES = ("signed_up", "order_paid", "cart_updated", "link_clicked")
BIG: Expr = Compare(">=", Path("event", ("total",)), Constant(100))
PAID = Measure("paid", "order_paid", "total", window=30 * DAY)


def road(*nodes: Any, **settings: Any) -> Plan:
    return seal(Plan(settings.pop("name"), "", "retain", OnEvent((settings.pop("on"),)), nodes, **settings))


PLAYBOOK = Playbook(
    [
        road(
            Send("1", "hello", ("wechat", "email"), next="2"),
            WaitFor("2", (Awaited(("link_clicked",)),), Span(DAY), then="3", otherwise="4"),
            Tag("3", add=("engaged",), lasts=Span(3 * DAY), next="4"),
            WaitUntil("4", Daily(9, 30), "5"),
            Send("5", "bye", ("email",), expires=Span(HOUR), next="6"),
            Stop("6"),
            name="welcome",
            on="signed_up",
            exits=(Exit(when=HasTag("engaged")),),
            again=Again("after", Span(2 * DAY)),
            quiet=Quiet(21 * 60, 9 * 60),
        ),
        road(
            Branch("1", ((BIG, "2"),), otherwise="5"),
            Split("2", "s", (Arm("a", 0.3, "3"), Arm("b", 0.7, "5"))),
            Wait("3", Span(HOUR), "4"),
            Send("4", "rescue", ("sms", "email"), next="5"),
            Stop("5"),
            name="rescue",
            on="cart_updated",
            key=Path("event", ("cart",)),
            again=Again("always"),
            holdout=0.2,
            exits=(
                Exit(("order_paid",)),
                Exit(when=Not(Compare(">", Measured("paid", "count", 30 * DAY), Constant(-1)))),
            ),
            goal=Goal(("order_paid",), DAY, value=Path("event", ("total",))),
        ),
    ],
    Audience(
        stages={"monetize": Compare(">", Measured("paid", "count"), Constant(0))},
        measures=(PAID,),
        policy=Policy(
            purposes={"marketing": "none"}, caps=(Cap(3, DAY, purpose="marketing"),), default_zone="Australia/Lord_Howe"
        ),
    ),
)

events = st.builds(
    lambda name, total, cart, traits, late: (name, total, cart, traits, late),
    st.sampled_from(NAMES),
    st.one_of(st.none(), st.integers(-5, 500), st.text(max_size=3), st.floats(allow_nan=False)),
    st.sampled_from(["c1", "c2"]),
    st.dictionaries(st.sampled_from(["timezone", "city"]), st.sampled_from(["Asia/Kathmandu", "Mars", 7, None])),
    st.integers(0, 5 * HOUR),
)
histories = st.lists(st.tuples(st.integers(0, 40 * HOUR), events), max_size=30)
REACHABLE = Customer("c1", created=NOON, identifiers={"email": ("x@y.example",), "phone": ("+8613800138000",)})


def live(history: list[tuple[Micros, Any]]) -> list[tuple[Decision, Micros]]:
    """Fire each timer at its instant, then the event: as the use cases do."""
    customer, now, made = REACHABLE, NOON, list[tuple[Decision, Micros]]()

    def happen(happening: Happening, at: Micros) -> None:
        nonlocal customer
        made.append((decide(PLAYBOOK, customer, happening, at), at))
        customer = decode(encode(made[-1][0].customer))

    for number, (pause, (name, total, cart, traits, late)) in enumerate(history):
        now += pause
        while customer.wake and customer.wake <= now:
            happen(Wake(), customer.wake)
        properties = {"total": total, "cart": cart}
        happen(Event(f"m{number}", name, now - late, now, properties=properties, traits=traits), now)
    return made


@given(histories)
def test_any_history_is_decided_and_decided_alike_each_time(history: list[tuple[Micros, Any]]) -> None:
    assert live(history) == live(history)


@given(histories)
def test_no_key_is_ever_given_twice(history: list[tuple[Micros, Any]]) -> None:
    touches = [c.touch for decision, _ in live(history) for c in decision.commands if isinstance(c, PlanTouch)]
    assert len({touch.id for touch in touches}) == len(touches)


@given(histories)
def test_a_timer_is_never_due_before_now_and_never_stands_still(history: list[tuple[Micros, Any]]) -> None:
    for decision, now in live(history):
        assert decision.customer.wake == 0 or decision.customer.wake > now


@given(histories)
def test_every_active_run_waits_for_something(history: list[tuple[Micros, Any]]) -> None:
    for decision, _ in live(history):
        for run in decision.customer.runs:
            assert run.wake > 0 or not run.is_active


@given(histories)
def test_caps_hold_and_no_message_is_planned_into_the_night(history: list[tuple[Micros, Any]]) -> None:
    touches = [c.touch for decision, _ in live(history) for c in decision.commands if isinstance(c, PlanTouch)]
    for touch in touches:
        window = [t for t in touches if touch.due <= t.due < touch.due + DAY]
        assert len(window) <= 3


@given(st.integers(0, MINUTE), st.text(max_size=5))
def test_calling_a_journey_that_does_not_exist_changes_nothing(pause: int, name: str) -> None:
    decision = decide(PLAYBOOK, REACHABLE, Called("nowhere" + name, "1"), NOON + pause)
    assert decision == Decision(REACHABLE)

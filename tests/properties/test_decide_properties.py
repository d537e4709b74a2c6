"""What holds for every history: the decision is total and deterministic, its keys are stable, time moves on."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.commands import CancelTouch, CancelTouches, Decision, DropTouch, IssueCoupon, PlanTouch
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
    Coupon,
    Daily,
    Exit,
    Goal,
    Leave,
    Manual,
    OnEvent,
    Plan,
    Policy,
    Quiet,
    Record,
    Repeat,
    Send,
    Span,
    Split,
    Start,
    Stop,
    Tag,
    Task,
    Wait,
    WaitFor,
    WaitUntil,
    WaitWhile,
    Webhook,
    Winner,
    seal,
)
from engine.core.playbook import Playbook
from engine.core.state import Account, Customer, decode, encode
from engine.core.world import Given

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
        road(
            Repeat("r", Span(20 * HOUR), 4, until=HasTag("done"), body="1", next="7"),
            WaitFor(
                "1",
                (Awaited(("link_clicked",)), Awaited(("order_paid",), BIG)),
                Span(6 * HOUR),
                need="all",
                lookback=2 * HOUR,
                then="2",
                otherwise="3",
            ),
            Coupon("2", "SPRING", otherwise="3", next="3"),
            Split("3", "w", (Arm("x", 0.5, "4"), Arm("y", 0.5, "5")), Winner("click", 3)),
            Send("4", "round", ("email", "sms"), next="r"),
            WaitWhile("5", HasTag("engaged"), Span(5 * HOUR), then="6", otherwise="r"),
            Task("6", Path("customer", ("email",)), "call", due=Span(DAY), next="r"),
            Repeat("7", Span(), 3, body="8", next="9"),
            Webhook("8", "https://crm.example/hooks", Record({"total": Path("enter", ("total",))}), next="7"),
            Start("9", "gift", {"n": Constant(1)}, next="10"),
            Leave("10", "rescue", next="11"),
            WaitWhile("11", Not(HasTag("done")), then="12"),
            Coupon("12", "SPRING", next=""),
            name="rounds",
            on="order_paid",
            again=Again("always"),
            key=Path("event", ("cart",)),
            priority=5,
            exits=(Exit(when=Compare(">", Measured("paid", "count", DAY), Constant(6))),),
        ),
        seal(
            Plan(
                "gift",
                "",
                "refer",
                Manual(),
                (
                    WaitFor("1", (Awaited(("link_clicked",)),), Span(3 * DAY), count=2, then="2", otherwise="2"),
                    Tag("2", add=("done",), lasts=Span(DAY), next="3"),
                    Send("3", "thanks", ("email",), role="buyer", next="4"),
                    Start("4", "gift"),
                ),
                again=Again("after", Span(5 * DAY)),
                priority=9,
            )
        ),
    ],
    Audience(
        stages={"monetize": Compare(">", Measured("paid", "count"), Constant(0))},
        measures=(PAID,),
        policy=Policy(
            purposes={"marketing": "none"}, caps=(Cap(2, DAY, purpose="marketing"),), default_zone="Australia/Lord_Howe"
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
REACHABLE = Customer(
    "c1", created=NOON, identifiers={"email": ("x@y.example",), "phone": ("+8613800138000",)}, account="acme"
)


def beyond() -> Given:
    """A world with few codes, and an account whose buyer is somebody else."""
    buyer = Customer("c2", created=NOON, identifiers={"email": ("buyer@acme.example",)})
    accounts = {"acme": Account("acme", contacts={"buyer": "c2"})}
    return Given(pools={"SPRING": ["A1", "A2", "A3"]}, accounts=accounts, customers={"c2": buyer})


def live(history: list[tuple[Micros, Any]]) -> list[tuple[Decision, Micros]]:
    """Fire each timer at its instant, then the event: as the use cases do."""
    customer, now, made, world = REACHABLE, NOON, list[tuple[Decision, Micros]](), beyond()

    def happen(happening: Happening, at: Micros) -> None:
        nonlocal customer
        made.append((decide(PLAYBOOK, customer, happening, at, world), at))
        customer = decode(encode(made[-1][0].customer))
        for command in made[-1][0].commands:
            world.learn(command)

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
    commands = [command for decision, _ in live(history) for command in decision.commands]
    touches = [c.touch for c in commands if isinstance(c, PlanTouch | DropTouch)]
    assert len({touch.id for touch in touches}) == len(touches)
    issued = [c for c in commands if isinstance(c, IssueCoupon)]
    assert len({c.key for c in issued}) == len({c.code for c in issued}) == len(issued)


@given(histories)
def test_a_timer_is_never_due_before_now_and_never_stands_still(history: list[tuple[Micros, Any]]) -> None:
    for decision, now in live(history):
        assert decision.customer.wake == 0 or decision.customer.wake > now


@given(histories)
def test_every_active_run_waits_for_something(history: list[tuple[Micros, Any]]) -> None:
    for decision, _ in live(history):
        for run in decision.customer.runs:
            # "11" waits on a condition for as long as it takes.
            assert run.wake > 0 or not run.is_active or run.step == "11"


@given(histories)
def test_what_a_run_has_counted_and_repeated_stays_within_its_bounds(history: list[tuple[Micros, Any]]) -> None:
    for decision, _ in live(history):
        for run in decision.customer.runs:
            assert all(1 <= round_.number <= 4 for round_ in run.rounds.values())
            assert len(run.rounds) <= 1
            assert len(run.progress) in {0, 1, 2}
            assert not run.progress or run.step == "1"


@given(histories)
def test_caps_hold_for_what_was_planned_and_not_displaced(history: list[tuple[Micros, Any]]) -> None:
    commands = [command for decision, _ in live(history) for command in decision.commands]
    gone = {command.touch for command in commands if isinstance(command, CancelTouch)}
    left = {command.run for command in commands if isinstance(command, CancelTouches)}
    planned = [command.touch for command in commands if isinstance(command, PlanTouch)]
    # Without those of runs that left: what they had still to come has given its place back.
    counted = [t for t in planned if t.purpose == "marketing" and not t.recipient and t.id not in gone]
    for touch in counted:
        window = [t for t in counted if touch.due <= t.due < touch.due + DAY and t.run not in left]
        assert len(window) <= 2


@given(st.integers(0, MINUTE), st.text(max_size=5))
def test_calling_a_journey_that_does_not_exist_changes_nothing(pause: int, name: str) -> None:
    decision = decide(PLAYBOOK, REACHABLE, Called("nowhere" + name, "1"), NOON + pause)
    assert decision == Decision(REACHABLE)

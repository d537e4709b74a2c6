"""Examples of the one decision: what follows from an event, a timer, a call and a failure."""

from typing import Any

import msgspec

from engine.core.commands import CancelTouches, Decision, DropTouch, PlanTouch, RecordEffect, Touch
from engine.core.decide import Called, Failed, Happening, Wake, decide
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Duration, Expr, HasConsent, HasTag, Measure, Measured, Not, Path
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Branch,
    Cap,
    Exit,
    Goal,
    Manual,
    OnEvent,
    Plan,
    Policy,
    Quiet,
    Send,
    Set,
    Span,
    Split,
    Stop,
    Tag,
    Wait,
    WaitFor,
    seal,
)
from engine.core.playbook import Playbook
from engine.core.state import Consent, Customer

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z
MEI = Customer(
    "c1",
    created=NOON - DAY,
    identifiers={"user_id": ("u1",), "email": ("mei@brand.example",), "openid": ("o-1",)},
    consents={"marketing": Consent(True, NOON - DAY)},
)
OPEN = Policy()


def event(name: str, at: int = NOON, **properties: Any) -> Event:
    return Event(f"{name}-{at}", name, at, at, identifiers={"user_id": "u1"}, properties=properties)


def journey(*nodes: Any, **settings: Any) -> Plan:
    return seal(Plan("rescue", "Rescue", "monetize", OnEvent(("cart_updated",)), nodes, **settings))


def book(*plans: Plan, policy: Policy = OPEN) -> Playbook:
    return Playbook(plans, Audience(policy=policy))


def live(playbook: Playbook, customer: Customer, *happenings: tuple[Happening, int]) -> list[Decision]:
    decisions: list[Decision] = []
    for happening, now in happenings:
        decisions.append(decide(playbook, customer, happening, now))
        customer = decisions[-1].customer
    return decisions


def planned(decision: Decision) -> list[Touch]:
    return [command.touch for command in decision.commands if isinstance(command, PlanTouch)]


def codes(decision: Decision) -> list[str]:
    return [note.code for note in decision.trace]


RESCUE = journey(
    Wait("1", Span(HOUR), "2"),
    Send("2", "cart-reminder", ("wechat", "sms", "email"), next="3"),
    Stop("3"),
    exits=(Exit(("order_paid",), where=Compare("==", Path("event", ("cart",)), Path("enter", ("cart",)))),),
    goal=Goal(("order_paid",), 7 * DAY, value=Path("event", ("total",))),
    again=Again("after", Span(14 * DAY)),
)


def test_a_wait_is_a_timer_and_then_the_message_is_planned_by_the_first_reachable_channel() -> None:
    entered, woken = live(book(RESCUE), MEI, (event("cart_updated", cart="C1"), NOON), (Wake(), NOON + HOUR))
    assert entered.customer.wake == NOON + HOUR
    assert planned(entered) == []
    [touch] = planned(woken)
    assert (touch.channel, touch.address, touch.others) == ("wechat", "o-1", ("sms", "email"))
    assert codes(woken) == ["touch.planned", "completed"]
    assert woken.customer.wake == 0


def test_paying_for_the_same_cart_leaves_and_counts_as_conversion() -> None:
    _, paid = live(
        book(RESCUE),
        MEI,
        (event("cart_updated", cart="C1"), NOON),
        (event("order_paid", NOON + MINUTE, cart="C1", total=260), NOON + MINUTE),
    )
    assert codes(paid) == ["converted", "exited.event"]
    [effect] = [command for command in paid.commands if isinstance(command, RecordEffect)]
    assert (effect.kind, effect.value) == ("converted", 260.0)
    assert any(isinstance(command, CancelTouches) for command in paid.commands)
    assert paid.customer.wake == 0


def test_another_carts_payment_does_not_end_the_run() -> None:
    _, paid = live(
        book(RESCUE),
        MEI,
        (event("cart_updated", cart="C1"), NOON),
        (event("order_paid", NOON + 1, cart="C9"), NOON + 1),
    )
    assert "exited.event" not in codes(paid)
    assert paid.customer.wake == NOON + HOUR


def test_again_after_a_fortnight_refuses_the_second_day_and_admits_the_fifteenth() -> None:
    first, second, third = live(
        book(RESCUE),
        MEI,
        (event("cart_updated", cart="C1"), NOON),
        (event("order_paid", NOON + 1, cart="C1"), NOON + 1),
        (event("cart_updated", NOON + DAY), NOON + DAY),
    )
    assert codes(first)[0] == "entered"
    assert codes(third) == ["skipped.again"]
    later = NOON + 15 * DAY
    assert codes(decide(book(RESCUE), third.customer, event("cart_updated", later), later))[0] == "entered"
    assert codes(second) == ["converted", "exited.event"]


def test_without_consent_nobody_enters_and_the_reason_is_kept() -> None:
    stranger = msgspec.structs.replace(MEI, consents={})
    decision = decide(book(RESCUE), stranger, event("cart_updated"), NOON)
    assert codes(decision) == ["skipped.consent"]


def test_the_control_group_travels_and_receives_nothing() -> None:
    held = journey(Send("1", "hello", ("email",), next="2"), Stop("2"), holdout=1.0)
    decision = decide(book(held), MEI, event("cart_updated"), NOON)
    assert planned(decision) == []
    assert codes(decision) == ["entered", "held_out", "touch.held_out", "completed"]


def test_an_awaited_event_goes_one_way_and_the_time_out_the_other() -> None:
    plan = journey(
        WaitFor("1", (Awaited(("link_clicked",)),), Span(DAY), then="2", otherwise="3"),
        Tag("2", add=("engaged",)),
        Tag("3", add=("cold",)),
    )
    _, clicked = live(book(plan), MEI, (event("cart_updated"), NOON), (event("link_clicked", NOON + 9), NOON + 9))
    assert list(clicked.customer.tags) == ["engaged"]
    _, timed_out = live(book(plan), MEI, (event("cart_updated"), NOON), (Wake(), NOON + DAY))
    assert list(timed_out.customer.tags) == ["cold"]


def test_a_hard_failure_passes_the_message_to_the_next_channel_under_its_own_key() -> None:
    plan = journey(Send("1", "hello", ("wechat", "email"), next="2"), Stop("2"))
    [entered] = live(book(plan), MEI, (event("cart_updated"), NOON))
    [first] = planned(entered)
    failed = decide(book(plan), entered.customer, Failed(first, "unreachable"), NOON + 5)
    [second] = planned(failed)
    assert (second.channel, second.others) == ("email", ())
    assert second.id != first.id
    last = decide(book(plan), failed.customer, Failed(second, "permanent"), NOON + 6)
    assert planned(last) == []
    assert codes(last) == ["touch.given_up"]


def test_quiet_hours_plan_the_touch_for_their_end() -> None:
    plan = journey(Send("1", "hello", ("email",), next="2"), Stop("2"), quiet=Quiet(11 * 60, 14 * 60))
    [touch] = planned(decide(book(plan), MEI, event("cart_updated"), NOON))
    assert touch.due == NOON + 2 * HOUR


def test_a_full_cap_drops_the_touch_and_the_delivery_log_says_so() -> None:
    policy = Policy(caps=(Cap(at_most=1, per=DAY, purpose="marketing"),))
    plan = journey(
        Send("1", "one", ("email",), next="2"), Send("2", "two", ("email",), next="3"), Stop("3"), again=Again("always")
    )
    decision = decide(book(plan, policy=policy), MEI, event("cart_updated"), NOON)
    assert [touch.template for touch in planned(decision)] == ["one"]
    [drop] = [command for command in decision.commands if isinstance(command, DropTouch)]
    assert drop.touch.template == "two"
    assert "cap" in drop.why


def test_history_folds_in_and_triggers_nothing() -> None:
    old = msgspec.structs.replace(event("cart_updated"), backfill=True)
    assert codes(decide(book(RESCUE), MEI, old, NOON)) == ["skipped.backfill"]
    late = msgspec.structs.replace(event("cart_updated", NOON - 2 * HOUR), received=NOON)
    assert codes(decide(book(RESCUE), MEI, late, NOON)) == ["skipped.late"]


def test_losing_consent_ends_the_run_wherever_it_stands() -> None:
    plan = journey(Wait("1", Span(DAY), "2"), Stop("2"), exits=(Exit(when=Not(HasConsent("marketing"))),))
    no = msgspec.structs.replace(event("preferences_changed", NOON + 5), consents={"marketing": False})
    _, left = live(book(plan), MEI, (event("cart_updated"), NOON), (no, NOON + 5))
    assert codes(left) == ["consent.withdrawn", "exited.when"]


def test_an_exit_condition_is_watched_through_every_wait() -> None:
    measure = Measure("paid", "order_paid")
    silent = Compare(">", Measured("paid", "last"), Duration(3 * DAY))
    plan = journey(Wait("1", Span(HOUR), "2"), Wait("2", Span(30 * DAY), "3"), Stop("3"), exits=(Exit(when=silent),))
    playbook = Playbook([plan], Audience(measures=(measure,)))
    *_, waited = live(
        playbook,
        MEI,
        (event("order_paid"), NOON),
        (event("cart_updated", NOON + 1), NOON + 1),
        (Wake(), NOON + 1 + HOUR),
    )
    assert waited.customer.runs[0].step == "2"
    assert NOON + 3 * DAY <= waited.customer.wake <= NOON + 3 * DAY + 1
    left = decide(playbook, waited.customer, Wake(), NOON + 3 * DAY + 1)
    assert codes(left) == ["exited.when"]


def test_a_run_that_makes_its_own_exit_condition_true_leaves_at_once() -> None:
    plan = journey(
        Tag("1", add=("done",), next="2"), Wait("2", Span(DAY), "3"), Stop("3"), exits=(Exit(when=HasTag("done")),)
    )
    entered, left = live(book(plan), MEI, (event("cart_updated"), NOON), (Wake(), NOON + 1))
    assert entered.customer.wake == NOON + 1
    assert codes(left) == ["exited.when"]


def test_a_branch_and_a_split_are_remembered_and_set_changes_the_traits() -> None:
    plan = journey(
        Branch("1", ((Compare(">=", Path("event", ("total",)), Constant(200)), "2"),), otherwise="9"),
        Split("2", "incentive", (Arm("a", 1.0, "3"),)),
        Set("3", {"last_offer": Constant("SPRING10")}, next="4"),
        Wait("4", Span(DAY), "9"),
        Stop("9"),
    )
    decision = decide(book(plan), MEI, event("cart_updated", total=260), NOON)
    [run] = decision.customer.runs
    assert run.arms == {"incentive": "a"}
    assert decision.customer.traits["last_offer"] == "SPRING10"


def test_a_manual_journey_is_entered_when_called() -> None:
    plan = seal(Plan("hello", "", "acquire", Manual(), (Stop("1"),)))
    assert codes(decide(book(plan), MEI, Called("hello", "op-1"), NOON)) == ["entered", "completed"]


def test_stages_are_reached_once_with_their_date() -> None:
    measure = Measure("paid", "order_paid")
    stages: dict[str, Expr] = {"monetize": Compare(">", Measured("paid", "count"), Constant(0))}
    playbook = Playbook([], Audience(stages=stages, measures=(measure,)))
    first, again = live(playbook, MEI, (event("order_paid"), NOON), (event("order_paid", NOON + 1), NOON + 1))
    assert first.customer.stage == "monetize"
    assert first.customer.stages == {"monetize": NOON}
    assert codes(first) == ["stage.reached"]
    assert codes(again) == []


def test_a_stopped_journey_holds_its_runs_and_admits_nobody() -> None:
    entered = decide(book(RESCUE), MEI, event("cart_updated"), NOON)
    stopped = Playbook([RESCUE], Audience(), {"rescue": "complaints"})
    held = decide(stopped, entered.customer, Wake(), NOON + HOUR)
    assert planned(held) == []
    assert held.customer.wake == 0
    assert held.customer.runs[0].due == NOON + HOUR
    assert codes(decide(stopped, MEI, event("cart_updated"), NOON)) == ["skipped.stopped"]

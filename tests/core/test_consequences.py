"""What follows of itself: segments, tags and stages as entrances, rules that chain, dates that come round."""

from typing import Any

import msgspec

from engine.core.commands import Decision, PlanTouch
from engine.core.decide import Happening, Settle, Wake, decide
from engine.core.events import Event
from engine.core.expression import (
    AllOf,
    Compare,
    Constant,
    Duration,
    Expr,
    HasTag,
    Journeyed,
    Measure,
    Measured,
    Path,
)
from engine.core.ids import DAY, HOUR, Micros
from engine.core.plan import (
    Again,
    Audience,
    Exit,
    Leave,
    Manual,
    OnAnniversary,
    OnChange,
    OnEvent,
    OnSegment,
    OnStage,
    OnTag,
    Plan,
    Policy,
    Send,
    Span,
    Start,
    Stop,
    Tag,
    TagRule,
    Wait,
    WaitWhile,
    seal,
)
from engine.core.playbook import Doors, Playbook
from engine.core.state import Customer, Held

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z
MEI = Customer("c1", created=NOON - DAY, seen=NOON - DAY, identifiers={"email": ("mei@brand.example",)})
PAID = Measure("paid", "order_paid", window=90 * DAY)
SPENT = Measure("spent", "order_paid", "total", window=90 * DAY)
DORMANT = AllOf(
    (Measured("paid", "ever"), Compare(">", Measured("paid", "last"), Duration(30 * DAY))),
)


def event(name: str, at: int = NOON, *, traits: dict[str, Any] | None = None, **properties: Any) -> Event:
    return Event(f"{name}-{at}", name, at, at, properties=properties, traits=traits or {})


def journey(name: str, enter: Any, *nodes: Any, **settings: Any) -> Plan:
    settings.setdefault("again", Again("always"))
    road = nodes or (Send("1", "hello", ("email",)),)
    return seal(Plan(name, name, "retain", enter, road, purpose="transactional", **settings))


def book(*plans: Plan, doors: Doors | None = None, **audience: Any) -> Playbook:
    rules = Audience(stages={}, measures=(PAID, SPENT), **audience)
    return Playbook(plans, rules, doors=doors or Doors())


def live(playbook: Playbook, customer: Customer, *happenings: tuple[Happening, int]) -> list[Decision]:
    decisions: list[Decision] = []
    for happening, now in happenings:
        while customer.wake and customer.wake <= now and not isinstance(happening, Wake):
            decisions.append(decide(playbook, customer, Wake(), customer.wake))
            customer = decisions[-1].customer
        decisions.append(decide(playbook, customer, happening, now))
        customer = decisions[-1].customer
    return decisions


def entered(decisions: list[Decision]) -> list[tuple[str, Micros]]:
    return [(note.journey, note.at) for one in decisions for note in one.trace if note.code == "entered"]


def codes(decisions: list[Decision]) -> list[str]:
    return [note.code for one in decisions for note in one.trace]


def templates(decisions: list[Decision]) -> list[str]:
    return [command.touch.template for one in decisions for command in one.commands if isinstance(command, PlanTouch)]


def test_a_customer_enters_a_segment_at_the_very_instant_time_brings_it() -> None:
    playbook = book(journey("win-back", OnSegment("dormant")), segments={"dormant": DORMANT})
    decisions = live(playbook, MEI, (event("order_paid", total=5), NOON))
    assert entered(decisions) == []
    due = decisions[-1].customer.wake
    assert due == NOON + 30 * DAY + 1
    decisions = live(playbook, decisions[-1].customer, (Wake(), due))
    assert entered(decisions) == [("win-back", due)]


def test_leaving_a_segment_is_an_entrance_of_its_own() -> None:
    playbook = book(journey("welcome-back", OnSegment("dormant", "leaves")), segments={"dormant": DORMANT})
    back = NOON + 40 * DAY
    decisions = live(playbook, MEI, (event("order_paid"), NOON), (event("order_paid", back), back))
    assert entered(decisions) == [("welcome-back", back)]


def test_who_stands_in_a_segment_at_the_publish_enters_only_where_the_journey_says_existing() -> None:
    known = live(book(), MEI, (event("order_paid"), NOON))[-1].customer
    later = NOON + 60 * DAY
    silent = book(journey("win-back", OnSegment("dormant")), segments={"dormant": DORMANT})
    asking = book(journey("win-back", OnSegment("dormant", existing=True)), segments={"dormant": DORMANT})
    assert entered(live(silent, known, (Settle(), later))) == []
    first = live(asking, known, (Settle(), later))
    assert entered(first) == [("win-back", later)]
    assert entered(live(asking, first[-1].customer, (Settle(), later + 1))) == []


def test_a_new_customer_stands_in_what_holds_from_the_first_event() -> None:
    nobody_paid = Measured("paid", "never")
    playbook = book(journey("first", OnSegment("no-order")), segments={"no-order": nobody_paid})
    stranger = Customer("c2", created=NOON)
    assert entered(live(playbook, stranger, (event("page_viewed"), NOON))) == [("first", NOON)]


def test_rule_tags_chain_to_a_fixpoint_and_open_journeys() -> None:
    rules = {
        "vip": TagRule(AllOf((HasTag("big-spender"), Compare(">=", Measured("paid", "count"), Constant(2))))),
        "big-spender": TagRule(Compare(">", Measured("spent", "sum", 90 * DAY), Constant(100)), Span(30 * DAY)),
    }
    playbook = book(journey("vip-hello", OnTag("vip")), tags=rules)
    second = NOON + HOUR
    decisions = live(
        playbook, MEI, (event("order_paid", total=90), NOON), (event("order_paid", second, total=20), second)
    )
    assert entered(decisions) == [("vip-hello", second)]
    customer = decisions[-1].customer
    assert customer.tags == {"big-spender": Held(second, 0, "rule"), "vip": Held(second, 0, "rule")}
    # The sum falls below 100 when the first order leaves its window; the tag outlives that by its `for:`.
    [woken] = live(playbook, customer, (Wake(), customer.wake))
    assert woken.customer.tags["big-spender"].until == NOON + 120 * DAY


def test_a_tag_that_somebody_else_gave_is_not_taken_by_a_rule() -> None:
    rules = {"vip": TagRule(Compare(">=", Measured("paid", "count"), Constant(5)))}
    held = msgspec.structs.replace(MEI, tags={"vip": Held(NOON - DAY, 0, "import:list")})
    decisions = live(book(tags=rules), held, (event("order_paid"), NOON))
    assert decisions[-1].customer.tags["vip"].by == "import:list"


def test_losing_a_tag_by_its_end_starts_a_run_at_that_instant() -> None:
    engage = journey("engage", OnEvent(("clicked",)), Tag("1", add=("engaged",), lasts=Span(2 * DAY)))
    cool = journey("cooled", OnTag("engaged", "loses"))
    playbook = book(engage, cool)
    decisions = live(playbook, MEI, (event("clicked"), NOON))
    customer = decisions[-1].customer
    assert customer.wake == NOON + 2 * DAY
    decisions = live(playbook, customer, (Wake(), customer.wake))
    assert entered(decisions) == [("cooled", NOON + 2 * DAY)]
    assert decisions[-1].customer.tags == {} and decisions[-1].customer.wake == 0


def test_a_tag_given_by_one_journey_opens_another_in_the_same_decision() -> None:
    engage = journey("engage", OnEvent(("clicked",)), Tag("1", add=("engaged",)))
    playbook = book(engage, journey("thanks", OnTag("engaged")))
    assert entered(live(playbook, MEI, (event("clicked"), NOON))) == [("engage", NOON), ("thanks", NOON)]


def test_reaching_a_stage_opens_a_journey_once() -> None:
    playbook = Playbook(
        [journey("paid-hello", OnStage("monetize"))],
        Audience(stages={"monetize": Measured("paid", "ever")}, measures=(PAID,)),
    )
    decisions = live(playbook, MEI, (event("order_paid"), NOON), (event("order_paid", NOON + 1), NOON + 1))
    assert entered(decisions) == [("paid-hello", NOON)]


def test_a_changed_trait_opens_a_journey_with_both_values() -> None:
    playbook = book(
        journey("moved", OnChange("city"), where=Compare("==", Path("enter", ("to",)), Constant("Beijing")))
    )
    at_home = msgspec.structs.replace(MEI, traits={"city": "Shanghai"})
    to_berlin = event("identified", traits={"city": "Berlin"})
    to_beijing = event("identified", NOON + 1, traits={"city": "Beijing"})
    decisions = live(
        playbook, at_home, (to_berlin, NOON), (to_beijing, NOON + 1), (event("page_viewed", NOON + 2), NOON + 2)
    )
    assert entered(decisions) == [("moved", NOON + 1)]
    assert "skipped.where" in codes(decisions)


def test_history_brings_a_segment_up_to_date_and_starts_nothing() -> None:
    playbook = book(journey("hello", OnSegment("buyers")), segments={"buyers": Measured("paid", "ever")})
    past = msgspec.structs.replace(event("order_paid"), backfill=True)
    decisions = live(playbook, MEI, (past, NOON))
    assert entered(decisions) == []
    assert decisions[-1].customer.standing["segment:buyers"].since == NOON


def test_a_birthday_comes_round_every_year_in_the_customers_zone() -> None:
    birthday = OnAnniversary(Path("customer", ("birthday",)), 10, offset_days=-3)
    playbook = book(journey("birthday", birthday))
    said = event("identified", traits={"birthday": "1992-02-29", "timezone": "Asia/Shanghai"})
    decisions = live(playbook, MEI, (said, NOON))
    first = decisions[-1].customer.wake
    assert first == 1_803_520_800_000_000  # 2027-02-25T10:00+08:00
    decisions = live(playbook, decisions[-1].customer, (Wake(), first))
    assert entered(decisions) == [("birthday", first)]
    assert decisions[-1].customer.wake == 1_835_143_200_000_000  # 2028-02-26T10:00+08:00: a leap year has its 29th


def test_a_changed_birthday_moves_the_day_and_a_gone_journey_forgets_it() -> None:
    birthday = OnAnniversary(Path("customer", ("birthday",)))
    playbook = book(journey("birthday", birthday))
    decisions = live(
        playbook,
        MEI,
        (event("identified", traits={"birthday": "1990-06-01"}), NOON),
        (event("identified", NOON + 1, traits={"birthday": "1990-03-02"}), NOON + 1),
    )
    assert decisions[-1].customer.dates == {"birthday": NOON - 3 * HOUR + DAY}
    assert live(book(), decisions[-1].customer, (Settle(), NOON + 2))[-1].customer.dates == {}


def test_a_journey_starts_another_and_lets_a_third_be_left() -> None:
    slow = journey("slow", OnEvent(("signed_up",)), Wait("1", Span(DAY), "2"), Stop("2"))
    offer = journey("offer", Manual())
    fast = journey(
        "fast",
        OnEvent(("order_paid",)),
        Start("1", "offer", {"total": Path("enter", ("total",))}, "2"),
        Leave("2", "slow", "3"),
        Stop("3"),
    )
    playbook = book(slow, fast, offer)
    decisions = live(playbook, MEI, (event("signed_up"), NOON), (event("order_paid", NOON + 1, total=7), NOON + 1))
    assert [name for name, _ in entered(decisions)] == ["slow", "fast", "offer"]
    assert "exited.leave" in codes(decisions)
    assert decisions[-1].customer.runs == ()
    [touch] = [command.touch for command in decisions[-1].commands if isinstance(command, PlanTouch)]
    assert touch.enter == {"total": 7}


def test_a_run_leaves_when_another_journey_takes_its_reason_away() -> None:
    waits = journey(
        "waits", OnEvent(("signed_up",)), Wait("1", Span(DAY), "2"), Stop("2"), exits=(Exit(when=HasTag("done")),)
    )
    marks = journey("marks", OnEvent(("order_paid",)), Tag("1", add=("done",)))
    playbook = book(waits, marks)
    decisions = live(playbook, MEI, (event("signed_up"), NOON), (event("order_paid", NOON + 5), NOON + 5))
    customer = decisions[-1].customer
    assert customer.wake == NOON + 6
    assert codes(live(playbook, customer, (Wake(), NOON + 6))) == ["exited.when"]


def test_a_wait_while_ends_by_what_another_journey_does() -> None:
    waits = journey(
        "waits", OnEvent(("signed_up",)), WaitWhile("1", HasTag("new"), then="2"), Send("2", "go", ("email",))
    )
    marks = journey("marks", OnEvent(("order_paid",)), Tag("1", remove=("new",)))
    fresh = msgspec.structs.replace(MEI, tags={"new": Held(NOON - DAY)})
    decisions = live(book(waits, marks), fresh, (event("signed_up"), NOON), (event("order_paid", NOON + 5), NOON + 5))
    assert templates(decisions) == ["go"]


def test_nobody_enters_a_paused_or_draining_journey_and_the_reason_is_kept() -> None:
    plan = journey("hello", OnEvent(("signed_up",)))
    paused = book(plan, doors=Doors(paused={"hello": "too many"}))
    assert codes(live(paused, MEI, (event("signed_up"), NOON))) == ["skipped.paused"]


def test_the_global_control_group_travels_and_receives_nothing() -> None:
    plan = seal(
        Plan("hello", "", "retain", OnEvent(("signed_up",)), (Send("1", "hi", ("email",)),), purpose="marketing")
    )
    policy = Policy(purposes={"marketing": "none"}, holdout=1.0)
    decisions = live(Playbook([plan], Audience(policy=policy)), MEI, (event("signed_up"), NOON))
    assert codes(decisions) == ["entered", "held_out.global", "touch.held_out", "completed"]


def test_a_condition_of_a_segment_may_ask_for_tags_and_stages() -> None:
    both: Expr = AllOf((HasTag("vip"), Measured("paid", "ever")))
    rules = {"vip": TagRule(Measured("paid", "ever"))}
    playbook = book(journey("hello", OnSegment("best")), segments={"best": both}, tags=rules)
    assert entered(live(playbook, MEI, (event("order_paid"), NOON))) == [("hello", NOON)]


def test_a_wait_while_ends_when_another_journey_ends_by_its_own_timer() -> None:
    busy = Journeyed("in_journey", "slow")
    slow = journey("slow", OnEvent(("signed_up",)), Wait("1", Span(DAY), "2"), Stop("2"))
    waits = journey(
        "waits", OnEvent(("signed_up",)), WaitWhile("1", busy, then="2"), Send("2", "go", ("email",)), priority=-1
    )
    [entering] = live(book(slow, waits), MEI, (event("signed_up"), NOON))
    [woken] = live(book(slow, waits), entering.customer, (Wake(), NOON + DAY))
    assert templates([entering, woken]) == ["go"]

"""The engine's own event when a customer comes to stand in another stage: who hears it, and when it is not told."""

import msgspec

from engine.core.decide import Settle, Wake, decide
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Expr, Measure, Measured, Path
from engine.core.ids import DAY
from engine.core.plan import Again, Audience, OnEvent, Plan, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Customer

PAID = Measure("paid", "order_paid")
LATELY = Measure("lately", "order_paid", window=30 * DAY)
START = 400 * DAY


def book(way: str, regress: str = "follow") -> Playbook:
    plan = seal(
        Plan(
            "moved",
            "Moved",
            "retain",
            OnEvent(("stage_changed",)),
            (Stop("1"),),
            where=Compare("==", Path("event", ("way",)), Constant(way)),
            again=Again("always"),
            purpose="transactional",
        )
    )
    stages = {
        "acquire": Compare(">=", Measured("paid", "count"), Constant(1)),
        "retain": Compare(">=", Measured("lately", "count", 30 * DAY), Constant(2)),
    }
    return Playbook([plan], Audience(stages=stages, measures=(PAID, LATELY), regress=regress))  # type: ignore[arg-type]


def paid(number: int, at: int, *, backfill: bool = False) -> Event:
    return Event(f"m{number}", "order_paid", at, at, identifiers={"user_id": "u1"}, backfill=backfill)


def lived(playbook: Playbook, *events: Event) -> Customer:
    customer = Customer("c1", START)
    for event in events:
        customer = decide(playbook, customer, event, event.received).customer
    return customer


def test_whoever_reaches_a_further_stage_is_told_with_the_one_before() -> None:
    playbook = book("reached")
    customer = lived(playbook, paid(1, START), paid(2, START + DAY))
    assert customer.stage == "retain"
    assert customer.travelled["moved"].times == 2


def test_time_alone_takes_a_stage_away_and_that_is_told_but_no_sign_of_life() -> None:
    playbook = book("fell_back")
    customer = lived(playbook, paid(1, START), paid(2, START + DAY))
    assert "moved" not in customer.travelled
    due = customer.wake
    after = decide(playbook, customer, Wake(), due).customer
    assert (after.stage, after.seen) == ("acquire", START + DAY)
    assert after.travelled["moved"].entered == due


def test_history_and_new_rules_tell_nobody() -> None:
    playbook = book("reached")
    past = lived(playbook, paid(1, START, backfill=True), paid(2, START + DAY, backfill=True))
    assert (past.stage, past.travelled) == ("retain", {})
    before = msgspec.structs.replace(past, stage="", stages={}, standing={})
    settled = decide(playbook, before, Settle(), START + DAY).customer
    assert (settled.stage, settled.travelled) == ("retain", {})


def test_nobody_asks_and_nothing_is_told() -> None:
    stages: dict[str, Expr] = {"acquire": Compare(">=", Measured("paid", "count"), Constant(1))}
    playbook = Playbook([], Audience(stages=stages, measures=(PAID,)))
    assert not playbook.hears_of_stages
    assert book("reached").hears_of_stages

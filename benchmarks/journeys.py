"""The journeys of the benchmark: half greet a sign-up, half remind of a big cart an hour later unless bought."""

from benchmarks.workload import BIG_CART, WAIT
from engine.core.expression import AllOf, Compare, Constant, Path
from engine.core.plan import Again, Exit, OnEvent, Plan, Send, Span, Stop, Wait, seal


def plans(number: int) -> list[Plan]:
    """Return `number` journeys; an event's `slot` names the one of a kind that it is for, and the others look at it."""
    return [plan for slot in range(max(number // 2, 1)) for plan in (_welcome(slot), _rescue(slot))]


def _welcome(slot: int) -> Plan:
    return seal(
        Plan(
            f"welcome-{slot}",
            "Welcome",
            "activate",
            OnEvent(("signed_up",)),
            (Send("1", "welcome", ("email",), next="2"), Stop("2")),
            where=_is_slot(slot),
            again=Again("always"),
        )
    )


def _rescue(slot: int) -> Plan:
    is_big = Compare(">=", Path("event", ("total",)), Constant(BIG_CART))
    return seal(
        Plan(
            f"rescue-{slot}",
            "Cart rescue",
            "monetize",
            OnEvent(("cart_updated",)),
            (Wait("1", Span(WAIT), next="2"), Send("2", "reminder", ("email",), next="3"), Stop("3")),
            where=AllOf((is_big, _is_slot(slot))),
            again=Again("always"),
            exits=(Exit(("order_paid",)),),
        )
    )


def _is_slot(slot: int) -> Compare:
    return Compare("==", Path("event", ("slot",)), Constant(slot))

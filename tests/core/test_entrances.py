"""The index of journeys by equal values: it spares asking, and never changes the answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.decide import decide
from engine.core.events import Event
from engine.core.expression import AllOf, Compare, Constant, Expr, Path
from engine.core.plan import Again, OnEvent, Plan, Stop, seal
from engine.core.playbook import Playbook
from engine.core.predicates import Context, compile_truth
from engine.core.state import Customer

MEI = Customer("c1", created=1)


def event(**properties: Any) -> Event:
    return Event("m1", "bought", at=5, received=5, properties=properties)


def is_(name: str, value: Any) -> Expr:
    return Compare("==", Path("event", (name,)), Constant(value))


def journey(name: str, where: Expr | None) -> Plan:
    entrance = OnEvent(("bought",))
    again = Again("always")
    return seal(Plan(name, name, "retain", entrance, (Stop("1"),), where=where, again=again, purpose="transactional"))


def entered(plans: list[Plan], happened: Event) -> set[str]:
    decision = decide(Playbook(plans), MEI, happened, happened.received)
    return {note.journey for note in decision.trace if note.code == "entered"}


VALUES = st.sampled_from([0, 1, 1.0, 2, "1", "red", "", True, False, None, ["red"], {"a": 1}, float("nan")])
LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.builds(is_, st.sampled_from(["color", "size", "name"]), VALUES),
    st.builds(lambda values: Compare("in", Path("event", ("color",)), Constant(values)), st.lists(VALUES, max_size=3)),
    st.just(Compare(">", Path("event", ("size",)), Constant(0))),
)
WHERES = st.one_of(st.none(), LEAVES, st.lists(LEAVES, max_size=3).map(lambda parts: AllOf(tuple(parts))))


@given(st.lists(WHERES, max_size=8), st.dictionaries(st.sampled_from(["color", "size", "name"]), VALUES))
def test_the_index_opens_what_asking_every_journey_opens(wheres: list[Expr | None], properties: dict[str, Any]) -> None:
    plans = [journey(f"j{number}", where) for number, where in enumerate(wheres)]
    happened = event(**properties)
    context = Context(MEI, 5, happened)
    expected = {plan.journey for plan in plans if plan.where is None or compile_truth(plan.where)(context)}
    assert entered(plans, happened) == expected


@given(st.lists(WHERES, max_size=8), st.dictionaries(st.sampled_from(["color", "size", "name"]), VALUES))
def test_every_journey_that_an_event_does_not_open_is_told_why(
    wheres: list[Expr | None], properties: dict[str, Any]
) -> None:
    plans = [journey(f"j{number}", where) for number, where in enumerate(wheres)]
    trace = decide(Playbook(plans), MEI, event(**properties), 5).trace
    for plan in plans:
        codes = [note.code for note in trace if note.is_about(plan.journey)]
        assert codes in (["entered", "completed"], ["skipped.where"])


def test_all_refusals_of_an_event_are_one_line() -> None:
    plans = [journey(f"j{number}", is_("slot", number)) for number in range(100)]
    [entered, completed, refused] = decide(Playbook(plans), MEI, event(slot=7), 5).trace
    assert (entered.journey, completed.journey) == ("j7", "j7")
    assert len({refused.journey, *refused.likewise}) == 99
    assert refused.told_of("j8").journey == "j8"
    assert refused.told_of("j8").likewise == ()


@pytest.mark.parametrize("stopped", ["j1", "*"])
def test_a_stopped_journey_says_that_it_is_stopped_whatever_its_where_says(stopped: str) -> None:
    plans = [journey(f"j{number}", is_("slot", number)) for number in range(3)]
    trace = decide(Playbook(plans, stopped={stopped: "broken"}), MEI, event(slot=2), 5).trace
    assert [note.code for note in trace if note.is_about("j1")] == ["skipped.stopped"]

"""Plans and traces in words, and drawings of plans."""

import pytest

from engine.core.commands import Note, Touch
from engine.core.delivery import TouchState
from engine.core.expression import AllOf, AnyOf, Compare, Constant, Duration, HasTag, Measure, Measured, Not, Path
from engine.core.ids import DAY, HOUR
from engine.core.plan import (
    Arm,
    Awaited,
    Branch,
    Daily,
    Every,
    Exit,
    Goal,
    OnDate,
    Plan,
    Quiet,
    Send,
    Set,
    Span,
    Split,
    Stop,
    Tag,
    Wait,
    WaitFor,
    WaitUntil,
)
from engine.core.state import Run
from engine.core.trace import CODES
from engine.ports import TouchRow
from journeys.explain import explain_customer, explain_plan, mermaid
from journeys.phrases import condition

ORDERS = Measure("k1", "order_paid")
PLAN = Plan(
    "letter", "Letter", "retain", Every("0 10 * * MON", "Asia/Shanghai", HasTag("vip")),
    (
        Wait("1", Span(3 * DAY, 1), next="2"),
        WaitUntil("2", Daily(9, 30, weekday=0), next="3"),
        WaitUntil("3", OnDate(Path("enter", ("day",)), 18, offset_days=-1), next="4"),
        WaitFor("4", (Awaited(("order_paid", "link_clicked")),), Span(HOUR), then="5", otherwise="6"),
        Branch("5", ((Compare(">=", Measured("k1", "count", 7 * DAY), Constant(2)), "7"),), "8"),
        Split("6", "offer", (Arm("a", 0.5, "7"), Arm("b", 0.5, ""))),
        Send("7", "hello", ("wechat", "email"), expires=Span(HOUR), next="8"),
        Tag("8", add=("x",), remove=("y",), lasts=Span(DAY), next="9"),
        Set("9", {"city": Constant("B")}, next="10"),
        Stop("10"),
    ),
    "v1",
    exits=(Exit(("order_paid",)), Exit(when=Not(HasTag("vip")))),
    goal=Goal(("order_paid",), 7 * DAY),
    quiet=Quiet(1260, 540),
    holdout=0.1,
    measures=(ORDERS,),
)  # fmt: skip


def test_a_plan_is_told_step_by_step() -> None:
    said = explain_plan(PLAN)
    assert "Enters: on the schedule 0 10 * * MON (Asia/Shanghai), if is tagged vip" in said
    assert "Leaves: as soon as is not tagged vip" in said
    assert "1. wait 1 month 3 days" in said
    assert "2. wait until Monday 09:30" in said
    assert "4. wait up to 1 hour for order_paid or link_clicked: then → 5; else → 6" in said
    assert "5. if the number of order_paid in the last 7 days is at least 2 → 7; else → 8" in said
    assert "6. split offer: a 50% → 7; b 50% → the end" in said
    assert "7. send hello by wechat, else email (no later than 1 hour)" in said
    assert "Quiet: 21:00-09:00" in said


def test_a_plan_is_told_in_chinese_without_english_left_over() -> None:
    said = explain_plan(PLAN, "zh")
    assert "等到周一 09:30" in said
    assert "安静时段：21:00-09:00" in said
    for english in ("wait ", "send ", " if ", "the end", "Enters", " days"):
        assert english not in said


def test_mixed_conditions_are_bracketed() -> None:
    tree = AllOf((HasTag("a"), AnyOf((HasTag("b"), Compare(">", Measured("k1", "last"), Duration(30 * DAY))))))
    assert condition(tree, {"k1": ORDERS}) == (
        "is tagged a and (is tagged b or the time since the last order_paid is above 30 days)"
    )


def test_a_customers_trace_is_told_in_the_customers_zone() -> None:
    noon = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
    touch = Touch("t", "r", "letter", "v1", "7", "c", "email", "hello", "m@x.example", "marketing", noon, noon)
    data = {"template": "hello", "channel": "email", "due": noon + HOUR}
    lines = explain_customer(
        [
            Note("entered", noon, "letter", "r", data={"event": "order_paid"}),
            Note("touch.planned", noon, "letter", "r", "7", data),
        ],
        [Run("r", "letter", "v1", noon, step="8", wake=noon + DAY)],
        [TouchRow(touch, TouchState.DROPPED, noon, noon, reason="quiet hours")],
        zone="Asia/Shanghai",
    )
    assert lines[0] == "2026-03-01 20:00  letter  entered the journey on order_paid"
    assert lines[1] == "2026-03-01 20:00  letter [7]  hello by email is planned for 2026-03-01 21:00"
    assert "  letter: since 2026-03-01 20:00, at step 8, moves on at 2026-03-02 20:00" in lines
    assert lines[-1] == "  2026-03-01 20:00  hello / email: dropped (quiet hours)"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_trace_code_is_told_even_without_its_data(lang: str) -> None:
    for code in CODES:
        assert explain_customer([Note(code, 0)], [], [], lang)


def test_a_customer_without_a_trace_and_an_unknown_zone_do_not_fail() -> None:
    assert explain_customer([], [], [], zone="Mars/Base") == ["Nothing is recorded of this customer here."]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_drawing_has_every_step_and_every_way(lang: str) -> None:
    drawn = mermaid(PLAN, lang)
    assert drawn.startswith("flowchart TD\n")
    for number in range(len(PLAN.nodes)):
        assert f"n{number}" in drawn
    assert drawn.count("-->") == 14
    assert 'n5 -- "a" --> n6' in drawn
    assert 'n5 -- "b" --> done' in drawn

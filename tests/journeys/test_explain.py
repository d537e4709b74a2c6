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
    Coupon,
    Daily,
    Entrance,
    Every,
    Exit,
    Goal,
    Leave,
    Manual,
    OnAnniversary,
    Once,
    OnChange,
    OnDate,
    OnEvent,
    OnSegment,
    OnStage,
    OnTag,
    Plan,
    Quiet,
    Repeat,
    Send,
    Set,
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
)
from engine.core.state import Run
from engine.core.trace import CODES
from engine.ports import TouchRow
from journeys.drawing.mermaid import mermaid
from journeys.explain import explain_customer, explain_plan
from journeys.words.phrases import condition
from journeys.words.ways_in import entrance_in_words

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


BUSY = Plan(
    "busy", "Busy", "retain", OnSegment("dormant-30d"),
    (
        WaitFor(
            "1",
            (
                Awaited(("profile_completed",)),
                Awaited(("deposit",), Compare(">", Path("event", ("sum",)), Constant(5))),
            ),
            Span(7 * DAY), "all", lookback=HOUR, then="2", otherwise="3",
        ),
        WaitFor("2", (Awaited(("product_viewed",)),), Span(DAY), count=3, then="3", otherwise="3"),
        WaitWhile("3", Not(HasTag("vip")), Span(DAY), then="4", otherwise=""),
        WaitWhile("4", HasTag("vip"), then="5"),
        Repeat("5", Span(7 * DAY), 4, HasTag("vip"), body="5.1", next="6"),
        Send("5.1", "news", ("email",), next="5", role="decision_maker"),
        Coupon("6", "SPRING10", otherwise="8", next="7"),
        Start("7", "other", {"code": Path("enter", ("code",)), "kind": Constant("gift")}, next="8"),
        Leave("8", "another", next="9"),
        Task("9", Path("account", ("owner",)), "Call {{ customer.name }}", due=Span(2 * DAY), next="10"),
        Webhook("10", "https://crm.example/hooks", next="11"),
        Split("11", "subject", (Arm("a", 1, ""), Arm("b", 3, "")), Winner("open", 200)),
    ),
    "v1",
)  # fmt: skip
WAYS_IN: tuple[tuple[Entrance, str], ...] = (
    (OnEvent(("signed_up",)), "on signed_up"),
    (OnSegment("s"), "on entering segment s"),
    (OnSegment("s", existing=True), "on entering segment s, those already in it too"),
    (OnSegment("s", "leaves"), "on leaving segment s"),
    (OnStage("retain"), "on reaching stage retain"),
    (OnTag("vip"), "on gaining tag vip"),
    (OnTag("vip", "loses"), "on losing tag vip"),
    (OnChange("city"), "on a change of the customer's city"),
    (
        OnAnniversary(Path("customer", ("birthday",)), 10, 0, -3),
        "every year 3 days before the customer's birthday at 10:00",
    ),
    (Once(1_772_366_400_000_000, HasTag("vip")), "once, at 2026-03-01 12:00 UTC, if the customer is tagged vip"),
    (Every("0 10 * * MON", "UTC"), "on the schedule 0 10 * * MON (UTC)"),
    (Manual(), "by the API, the command line or another journey"),
)  # fmt: skip


@pytest.mark.parametrize(("enter", "said"), WAYS_IN)
def test_every_way_in_is_told_in_both_languages(enter: Entrance, said: str) -> None:
    plan = Plan("x", "X", "retain", enter, ())
    assert entrance_in_words(plan) == said
    assert entrance_in_words(plan, "zh") != said


def test_every_step_of_the_language_is_told_with_its_ways() -> None:
    said = explain_plan(BUSY)
    for line in (
        "1. wait up to 7 days for all of profile_completed and (deposit, if the event's sum is above 5) "
        "(or in the 1 hour before): then → 2; else → 3",
        "2. wait up to 1 day for 3 times product_viewed: then → 3; else → 3",
        "3. wait up to 1 day while the customer is not tagged vip: then → 4; else → the end",
        "4. wait while the customer is tagged vip → 5",
        "5. repeat every 7 days, at most 4 times, until the customer is tagged vip: each round → 5.1; afterwards → 6",
        "5.1. send news by email to the account's decision_maker",
        "6. issue one code of SPRING10; when none is left → 8",
        "7. start journey other with code = the entering event's code, kind = gift",
        "8. leave journey another",
        '9. task for the account\'s owner: "Call {{ customer.name }}" (due in 2 days)',
        "10. webhook to crm.example",
        "11. split subject (the better arm by opens after 200): a 25% → the end; b 75% → the end",
    ):
        assert line in said


def test_every_step_of_the_language_is_told_in_chinese() -> None:
    said = explain_plan(BUSY, "zh")
    for english in ("wait ", "send ", "while", "repeat", "issue", "start ", "task", " → the end", "split", " times"):
        assert english not in said


def test_a_plan_is_told_step_by_step() -> None:
    said = explain_plan(PLAN)
    assert "Enters: on the schedule 0 10 * * MON (Asia/Shanghai), if the customer is tagged vip" in said
    assert "Leaves: as soon as the customer is not tagged vip" in said
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
        "the customer is tagged a and (the customer is tagged b or the time since the last order_paid is above 30 days)"
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

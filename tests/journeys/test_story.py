"""The story runner against a hand-built plan: reading, playing, judging, reporting."""

from textwrap import dedent

import pytest

from engine.core.expression import Compare, Constant, Path
from engine.core.ids import DAY, HOUR
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Awaited,
    Every,
    Exit,
    Goal,
    Manual,
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
    seal,
)
from journeys.stories.report import junit, render, summary
from journeys.stories.times import quoted
from journeys.story import StoryReport, run_stories

AUDIENCE = Audience(policy=Policy(default_zone="Asia/Shanghai"))

RESCUE = seal(
    Plan(
        journey="rescue",
        title="Rescue",
        stage="monetize",
        enter=OnEvent(("cart_updated",)),
        where=Compare(">=", Path("event", ("total",)), Constant(200)),
        again=Again("always"),
        exits=(Exit(("order_paid",)),),
        goal=Goal(("order_paid",), 7 * DAY, value=Path("event", ("total",))),
        quiet=Quiet(21 * 60, 9 * 60),
        holdout=0.5,
        nodes=(
            Wait("1", Span(HOUR), next="2"),
            Send("2", "reminder", ("wechat", "email"), next="3"),
            WaitFor("3", (Awaited(("link_clicked",)),), Span(DAY), then="3.then.1", otherwise="3.else.1"),
            Tag("3.then.1", add=("engaged",), next="4"),
            Split("3.else.1", "offer", (Arm("nothing", 0.5, "4"), Arm("coupon", 0.5, "3.else.1.coupon.1"))),
            Send("3.else.1.coupon.1", "coupon", ("email",), next="4"),
            Stop("4"),
        ),
    )
)

WHO = "{consents: [marketing], openid: o-1, email: mei@home.example}"


def run(happens: str, expect: str, plan: Plan = RESCUE, who: str = WHO, more: str = "") -> StoryReport:
    def listed(block: str) -> str:
        return "\n".join("      " + line for line in dedent(block).strip().splitlines())

    text = "\n".join(
        [
            "stories:",
            "  - story: it",
            f"    customer: {who}",
            f"    {more}" if more else "",
            "    happens:",
            listed(happens),
            "    expect:",
            listed(expect),
        ]
    )
    return run_stories(plan, AUDIENCE, text, "rescue.story.yaml")


def why(report: StoryReport) -> str:
    return render(report)


def test_a_message_waits_for_nine_in_the_customers_zone() -> None:
    report = run(
        """
        - 2026-03-01 20:10: cart_updated {total: 260, cart_id: C1}
        - +2d
        """,
        """
        - 2026-03-02 09:00: send reminder by wechat
        - entered
        """,
        more="arms: {offer: nothing}",
    )
    assert report.passed, why(report)


def test_paying_within_the_hour_exits_converts_and_sends_nothing() -> None:
    report = run(
        """
        - 2026-03-01 20:10: cart_updated {total: 260}
        - +30m: order_paid {total: 260}
        - +2d
        """,
        """
        - no touches
        - exited: {by: order_paid}
        - converted: {value: 260}
        """,
    )
    assert report.passed, why(report)


def test_a_wrong_expectation_fails_with_what_happened_and_its_place() -> None:
    report = run("- 2026-03-02 10:00: cart_updated {total: 260}\n- +2h", "- 2026-03-02 11:00: send reminder by sms")
    (result,) = report.results
    (failure,) = result.failures
    assert failure.expected == "2026-03-02 11:00: send reminder by sms"
    assert failure.happened == "2026-03-02 11:00: send reminder by wechat"
    assert str(failure.place).startswith("rescue.story.yaml:9:")
    assert "✗ it" in why(report)
    assert "entered the journey on cart_updated" in why(report)


def test_a_refused_entrance_can_be_expected_with_its_reason() -> None:
    report = run("- 2026-03-02 10:00: cart_updated {total: 100}", "- not entered: where\n- no touches")
    assert report.passed, why(report)
    wrong = run("- 2026-03-02 10:00: cart_updated {total: 100}", "- not entered: consent")
    assert not wrong.passed


@pytest.mark.parametrize("arm", ["nothing", "coupon"])
def test_a_story_chooses_its_arm(arm: str) -> None:
    expect = f"- arm: {{offer: {arm}}}\n- touches: {2 if arm == 'coupon' else 1}\n- completed"
    report = run("- 2026-03-02 10:00: cart_updated {total: 300}\n- +3d", expect, more=f"arms: {{offer: {arm}}}")
    assert report.passed, why(report)


def test_nobody_is_held_out_unless_the_story_says_so() -> None:
    happens = "- 2026-03-02 10:00: cart_updated {total: 300}\n- +3d"
    for number in range(20):
        report = run(happens, "- sent: reminder", who=f"{{consents: [marketing], user_id: u{number}, openid: o}}")
        assert report.passed, why(report)
    held = run(happens, "- held out\n- no touches\n- completed", more="holdout: true")
    assert held.passed, why(held)


def test_a_channel_that_fails_hands_over_to_the_next() -> None:
    report = run(
        "- 2026-03-02 10:00: cart_updated {total: 300}\n- +2h",
        "- 2026-03-02 11:00: send reminder by email\n- touches: 1",
        more="fails: {wechat: not a follower}",
    )
    assert report.passed, why(report)


def test_a_click_is_just_an_event() -> None:
    report = run(
        "- 2026-03-02 10:00: cart_updated {total: 300}\n- +2h: link_clicked {journey: rescue}\n- +1h",
        "- tagged: engaged\n- completed",
    )
    assert report.passed, why(report)


def test_consents_and_traits_change_in_the_middle_of_a_story() -> None:
    report = run(
        """
        - 2026-03-02 10:00: cart_updated {total: 300}
        - +10m: identified {traits: {city: Beijing}, consents: {wechat: false, email: false}}
        - +2h
        """,
        "- no touches\n- customer: {city: Beijing}",
    )
    assert report.passed, why(report)


def test_a_schedule_calls_by_itself_and_only_inside_the_story() -> None:
    weekly = Plan(
        "weekly", "W", "retain", Every("0 10 * * MON", "Asia/Shanghai"), (Send("1", "news", ("email",)),), "v1",
        again=Again("always"),
    )  # fmt: skip
    report = run(
        "- 2026-03-02 08:00\n- 2026-03-16 10:00",
        "- 2026-03-02 10:00: send news by email\n- 2026-03-16 10:00: send news by email\n- touches: 3",
        plan=weekly,
    )
    assert report.passed, why(report)


def test_a_manual_journey_is_entered_by_hand() -> None:
    manual = Plan("manual", "M", "retain", Manual(), (Send("1", "hello", ("email",)),), "v1")
    report = run("- 2026-03-02 10:00: enter {by: sales}", "- sent: hello\n- completed", plan=manual)
    assert report.passed, why(report)


def test_coverage_names_steps_and_branches_never_travelled() -> None:
    report = run("- 2026-03-02 10:00: cart_updated {total: 300}\n- +3d", "- touches: 1", more="arms: {offer: nothing}")
    assert report.coverage is not None
    assert report.coverage.missed_steps == ["3.then.1", "3.else.1.coupon.1"]
    said = why(report)
    assert "arm `coupon` is never travelled" in said
    assert "`then` of the wait for is never travelled" in said
    assert "4" in report.coverage.travelled


def test_a_run_that_still_waits_has_not_travelled_what_follows() -> None:
    report = run("- 2026-03-02 10:00: cart_updated {total: 300}\n- +30m", "- still in\n- no touches")
    assert report.passed, why(report)
    assert report.coverage is not None
    assert report.coverage.travelled == {"1"}


def test_the_same_story_gives_the_same_report() -> None:
    happens, expect = "- 2026-03-02 10:00: cart_updated {total: 300}\n- +3d", "- sent: reminder"
    assert run(happens, expect) == run(happens, expect)


def test_the_reports_tell_the_same_in_chinese_and_as_junit() -> None:
    report = run("- 2026-03-02 10:00: cart_updated {total: 300}", "- completed")
    assert "期望: completed" in render(report, "zh")
    xml = junit([report])
    assert '<testsuite name="rescue" tests="1" failures="1" errors="0">' in xml
    assert "expected completed" in xml
    assert summary([report]) == "1 story, 1 failed"


@pytest.mark.parametrize(
    ("happens", "expect", "code", "line"),
    [
        ("- tomorrow: order_paid", "- completed", "S003", 6),
        ("- +2d: order_paid", "- completed", "S009", 6),
        ("- 2026-03-02 10:00: order_paid {total", "- completed", "S002", 6),
        ("- 2026-03-02 10:00: order_paid\n- 2026-03-01 10:00: order_paid", "- completed", "S004", 7),
        ("- 2026-03-02 10:00: order_paid", "- complete", "S005", 8),
        ("- 2026-03-02 10:00: order_paid", "- 2026-03-02 10:00: sent x", "S005", 8),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(happens: str, expect: str, code: str, line: int) -> None:
    report = run(happens, expect)
    assert not report.passed
    assert [(problem.code, problem.place.line) for problem in report.problems] == [(code, line)]
    assert str(report.problems[0])
    assert str(report.problems[0].in_language("zh"))


def test_unknown_keys_arms_and_empty_files_are_refused() -> None:
    said = run("- 2026-03-02 10:00: a", "- completed", more="custmer: {}")
    assert [problem.code for problem in said.problems] == ["S001"]
    said = run("- 2026-03-02 10:00: a", "- completed", more="arms: {offer: cupon}")
    assert [problem.code for problem in said.problems] == ["S006"]
    assert [p.code for p in run_stories(RESCUE, AUDIENCE, "stories: []", "x").problems] == ["S008"]
    assert run_stories(RESCUE, AUDIENCE, "stories: [", "x").problems


def test_two_stories_of_one_name_are_refused() -> None:
    story = "  - story: twin\n    happens: [2026-03-02 10:00: signed_up]\n    expect: [not entered]\n"
    found = run_stories(RESCUE, AUDIENCE, "stories:\n" + story * 2, "rescue.story.yaml").problems
    assert [(problem.code, problem.place.line) for problem in found] == [("S010", 5)]


def test_the_shorthand_is_quoted_and_comments_stay() -> None:
    assert quoted("- +1h: order_paid {note: it's}") == "- +1h: 'order_paid {note: it''s}'"
    assert quoted("- +1h: order_paid {a: '}'}  # x") == "- +1h: 'order_paid {a: ''}''}'  # x"
    assert quoted("- exited: {by: order_paid}") == "- exited: {by: order_paid}"
    assert quoted("- +1h: {order_paid: {total: 1}}") == "- +1h: {order_paid: {total: 1}}"

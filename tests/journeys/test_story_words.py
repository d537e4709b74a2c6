"""The words of stories: what is known before, who plays along, what may be expected, and what is complained of."""

from textwrap import dedent

import pytest

from engine.core.expression import Compare, Constant, HasTag, Measured, Path
from engine.core.expression import Measure as Statistic
from engine.core.ids import DAY, HOUR
from engine.core.plan import (
    Arm,
    Audience,
    Branch,
    Coupon,
    Manual,
    OnEvent,
    Plan,
    Policy,
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
    Webhook,
    Winner,
)
from journeys.stories.cast import Setting
from journeys.stories.report import junit, render
from journeys.story import StoryReport, run_on, run_stories

AUDIENCE = Audience(segments={"big": Compare(">", Path("customer", ("cart",)), Constant(5))}, policy=Policy())
BUSY = Plan(
    "busy", "Busy", "retain", OnEvent(("asked",)),
    (
        Coupon("1", "SPRING10", otherwise="8", next="2"),
        Send("2", "letter", ("email",), next="3"),
        Task("3", Path("account", ("owner",)), "Call {{ customer.name }}", next="4"),
        Webhook("4", "https://crm.example/hooks", next="5"),
        Start("5", "other", next="6"),
        Set("6", {"city": Constant("Beijing")}, next="7"),
        Wait("7", Span(DAY), next="8"),
        Tag("8", add=("done",), next=""),
    ),
    "v1", purpose="transactional",
)  # fmt: skip
OTHER = Plan("other", "Other", "retain", Manual(), (Send("1", "thanks", ("email",)),), "v1", purpose="transactional")


def play(text: str, plan: Plan = BUSY, beside: dict[str, Plan] | None = None) -> StoryReport:
    return run_on(Setting(plan, AUDIENCE, beside or {}), dedent(text), "busy.story.yaml")


def test_every_word_of_expect_holds_for_what_happened() -> None:
    report = play(
        """
        stories:
          - story: all of them
            with: [other]
            customer: {email: mei@home.example, cart: 9, tags: [old]}
            account: {id: acme, owner: sales@brand.example}
            coupons: {SPRING10: [A1]}
            happens:
              - 2026-03-02 10:00: asked
              - +1h: tag -old
              - +1d
            expect:
              - entered
              - entered: {by: asked}
              - 2026-03-02 10:00: entered
              - coupon SPRING10
              - coupon: {SPRING10: A1}
              - 2026-03-02 10:00: send letter by email
              - send letter
              - task "Call {{ customer.name }}"
              - task: Call ...
              - webhook https://crm.example/hooks
              - starts other
              - sent: [letter, thanks]
              - touches: 2
              - set: {city: Beijing}
              - customer: {city: Beijing}
              - tag: +done -old
              - in segment: big
              - not in segment: []
              - 2026-03-03 10:00: completed
              - completed: {journey: other}
        """,
        beside={"other": OTHER},
    )
    assert report.passed, render(report)


def test_where_a_run_stands_can_be_expected() -> None:
    story = """
        stories:
          - story: it waits
            customer: {email: mei@home.example}
            account: {owner: sales@brand.example}
            happens:
              - 2026-03-02 10:00: asked
            expect:
              - at step: STEP
              - still in
        """
    assert play(story.replace("STEP", "7")).passed
    (failure,) = play(story.replace("STEP", "3")).results[0].failures
    assert failure.happened == "at step 7"


def test_a_journey_that_does_not_play_along_is_only_started() -> None:
    report = play(
        """
        stories:
          - story: alone
            customer: {email: mei@home.example}
            happens:
              - 2026-03-02 10:00: asked
            expect:
              - starts other
              - touches: 1
        """
    )
    assert report.passed, render(report)


def test_what_happened_before_is_known_and_starts_nothing() -> None:
    asked = Statistic("k1", "order_paid")
    plan = Plan(
        "counts", "Counts", "retain", OnEvent(("asked", "order_paid")),
        (Branch("1", ((Compare("==", Measured("k1", "count"), Constant(2)), "2"),), ""), Tag("2", add=("two",))),
        "v1", purpose="transactional", measures=(asked,),
    )  # fmt: skip
    report = play(
        """
        stories:
          - story: two orders in the past
            customer: {user_id: u-1}
            before:
              - 2026-01-02 10:00: order_paid
              - +1d: order_paid
            happens:
              - 2026-03-02 10:00: asked
            expect:
              - entered: 1
              - tagged: two
        """,
        plan,
    )
    assert report.passed, render(report)


def test_what_arms_did_so_far_decides_a_winner_split() -> None:
    plan = Plan(
        "split", "Split", "retain", OnEvent(("asked",)),
        (Split("1", "subject", (Arm("a", 1, "2"), Arm("b", 1, "3")), Winner("click", 10)), Stop("2"), Stop("3")),
        "v1", purpose="transactional",
    )  # fmt: skip
    story = """
        stories:
          - story: the better one
            customer: {user_id: u-1}
            results: {subject: {a: [900, A], b: [900, B]}}
            happens:
              - 2026-03-02 10:00: asked
            expect:
              - arm: {subject: ARM}
        """
    assert play(story.replace("A]", "1]").replace("B]", "300]").replace("ARM", "b"), plan).passed
    assert play(story.replace("A]", "300]").replace("B]", "1]").replace("ARM", "a"), plan).passed


def test_coverage_knows_rounds_and_empty_pools() -> None:
    plan = Plan(
        "rounds", "Rounds", "retain", OnEvent(("asked",)),
        (
            Repeat("1", Span(HOUR), 3, HasTag("enough"), body="1.1", next="2"),
            Tag("1.1", add=("round",), next="1"),
            Coupon("2", "POOL", otherwise="3", next="3"),
            Stop("3"),
        ),
        "v1", purpose="transactional",
    )  # fmt: skip
    story = """
        stories:
          - story: it
            customer: {user_id: u-1}
            coupons: {POOL: [CODES]}
            happens:
              - 2026-03-02 10:00: asked
              - +TIME
            expect: [entered]
        """
    short = play(story.replace("CODES", "A1").replace("TIME", "30m"), plan).coverage
    assert short is not None
    assert short.missed_steps == ["2", "3"]
    assert [way.name for way in short.missed_ways] == ["afterwards", "a code", "none left"]
    long = play(story.replace("CODES", "").replace("TIME", "5h"), plan)
    assert long.coverage is not None
    assert [way.name for way in long.coverage.missed_ways] == ["a code"]
    assert "`a code` of the coupon is never travelled" in render(long)
    assert long.coverage.branch_share == 0.75


def test_a_failure_names_what_came_nearest_and_shows_both_sides() -> None:
    report = play(
        """
        stories:
          - story: too early
            customer: {email: mei@home.example}
            happens:
              - 2026-03-02 10:00: asked
              - +2d
            expect:
              - 2026-03-02 11:00: send letter by email
              - 2026-03-02 10:00: send thanks by email
              - completed
        """
    )
    (result,) = report.results
    assert [failure.happened for failure in result.failures] == [
        "2026-03-02 10:00: send letter by email",
        "2026-03-02 10:00: send letter by email",
    ]
    assert result.diff[0].split() == ["expected", "happened"]
    assert any(line.startswith("~ 2026-03-02 11:00: send letter by email") for line in result.diff)
    assert any(line.startswith("- 2026-03-02 10:00: send thanks by email") for line in result.diff)
    assert any(line.startswith("=") and line.endswith("completed") for line in result.diff)
    assert result.diff[1] in render(report)
    assert "~ 2026-03-02" in junit([report])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("holdout: maybe", "S007"),
        ("with: [nobody]", "S006"),
        ("results: {subject: {a: [1, 2]}}", "S006"),
        ("coupons: {SPRING10: A1}", "S007"),
        ("account: [acme]", "S007"),
        ("before: [{2026-03-03 10:00: asked}]", "S004"),
        ("before: [yesterday]", "S003"),
    ],
)
def test_what_cannot_be_is_complained_of(more: str, code: str) -> None:
    report = play(
        f"""
        stories:
          - story: it
            {more}
            customer: {{user_id: u-1}}
            happens:
              - 2026-03-02 10:00: asked
            expect: [entered]
        """
    )
    assert [problem.code for problem in report.problems] == [code]
    assert str(report.problems[0].in_language("zh"))


def test_stories_of_one_journey_need_no_setting() -> None:
    text = "stories:\n  - story: it\n    happens: ['2026-03-02 10:00': asked]\n    expect: [entered]\n"
    assert run_stories(
        BUSY, AUDIENCE, text.replace("['2026-03-02 10:00': asked]", "[{'2026-03-02 10:00': asked}]"), "x"
    ).passed

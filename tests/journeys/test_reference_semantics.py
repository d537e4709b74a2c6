"""What the reference says of ways in, steps and policies, statement by statement, each as a story that is played."""

from textwrap import indent

import pytest

from engine.core.expression import Compare, Constant, HasTag, Path
from engine.core.plan import Audience, Policy
from journeys.compile import load_journey
from journeys.stories.report import render
from journeys.story import run_stories

AUDIENCE = Audience(
    segments={"gold": Compare(">=", Path("customer", ("points",)), Constant(100)), "tagged": HasTag("vip")},
    policy=Policy(default_zone="Asia/Shanghai"),
)
SEND = "steps: [{send: hello, via: email}]"


def told(enter_and_steps: str, story: str) -> str:
    """Play the story of this journey; return what went wrong, "" when nothing did."""
    loaded = load_journey(f"journey: a\nstage: acquire\n{enter_and_steps}\n", "a.yaml")
    assert loaded.plan is not None, [str(problem) for problem in loaded.problems]
    person = "" if "customer:" in story else "customer: {consents: [marketing], email: a@b.example}\n"
    text = "stories:\n  -\n" + indent("story: told\n" + person + story, "    ")
    report = run_stories(loaded.plan, AUDIENCE, text, "a.story.yaml")
    return "" if report.passed else render(report)


STATEMENTS = {
    "a segment is entered with the event that brings it about": (
        f"enter: {{segment: gold}}\n{SEND}",
        "happens:\n  - 2026-03-01 10:00: x {traits: {points: 50}}\n  - +1h: x {traits: {points: 100}}\n"
        "expect:\n  - 2026-03-01 11:00: send hello\n  - touches: 1\n",
    ),
    "those in the segment when the journey is published do not enter": (
        f"enter: {{segment: gold}}\n{SEND}",
        "customer: {consents: [marketing], email: a@b.example, points: 200}\n"
        "happens:\n  - 2026-03-01 10:00: x\n  - +1d\nexpect:\n  - not entered\n",
    ),
    "leaving a segment is a way in": (
        f"enter: {{leaves: gold}}\n{SEND}",
        "happens:\n  - 2026-03-01 10:00: x {traits: {points: 100}}\n  - +1h: x {traits: {points: 1}}\n"
        "expect:\n  - 2026-03-01 11:00: send hello\n",
    ),
    "a tag that is taken away is lost": (
        f"enter: {{loses: vip}}\n{SEND}",
        "happens:\n  - 2026-03-01 10:00: tag +vip\n  - +1d: tag -vip\nexpect:\n  - 2026-03-02 10:00: send hello\n",
    ),
    "a tag given again is not gained": (
        f"enter: {{tag: vip, again: always}}\n{SEND}",
        "happens:\n  - 2026-03-01 10:00: tag +vip\n  - +1d: tag +vip\nexpect:\n  - entered: 1\n",
    ),
    "a trait that changes is remembered as from and to": (
        'enter: {changed: customer.city, where: enter.from == "Bonn" and enter.to == "Trier"}\n'
        "steps: [{set: {customer.was: enter.from}}]",
        "customer: {consents: [marketing], email: a@b.example, city: Bonn}\n"
        "happens:\n  - 2026-03-01 10:00: x {traits: {city: Trier}}\nexpect:\n  - entered\n  - customer: {was: Bonn}\n",
    ),
    "the same value again is no change": (
        f"enter: {{changed: customer.city}}\n{SEND}",
        "customer: {consents: [marketing], email: a@b.example, city: Bonn}\n"
        "happens:\n  - 2026-03-01 10:00: x {traits: {city: Bonn}}\nexpect:\n  - not entered\n",
    ),
    "a birthday on the 29th of February is kept on the 28th, then the offset is applied": (
        f'enter: {{date: customer.birthday, offset: -3d, at: "10:30"}}\n{SEND}',
        "customer: {consents: [marketing], email: a@b.example, birthday: 2000-02-29}\n"
        "happens:\n  - 2026-02-01 10:00: x\n  - +30d\nexpect:\n  - 2026-02-25 10:30: send hello\n  - touches: 1\n",
    ),
    "a date comes round every year, at nine when no time is said": (
        f"enter: {{date: customer.birthday}}\n{SEND}",
        "customer: {consents: [marketing], email: a@b.example, birthday: 2000-03-05}\n"
        "happens:\n  - 2026-02-01 10:00: x\n  - +400d\n"
        "expect:\n  - 2026-03-05 09:00: send hello\n  - 2027-03-05 09:00: send hello\n  - touches: 2\n",
    ),
    "a date at a time that daylight saving skips is kept after the gap": (
        f'enter: {{date: customer.birthday, at: "02:30"}}\n{SEND}',
        "customer: {consents: [marketing], email: a@b.example, birthday: 2000-03-29, timezone: Europe/Berlin}\n"
        "happens:\n  - 2026-03-01 10:00: x\n  - +40d\nexpect:\n  - 2026-03-29 03:00: send hello\n",
    ),
    "a changed date moves the entrance": (
        f"enter: {{date: customer.birthday}}\n{SEND}",
        "customer: {consents: [marketing], email: a@b.example, birthday: 2000-03-05}\n"
        "happens:\n  - 2026-03-01 10:00: x {traits: {birthday: 2000-03-20}}\n  - +30d\n"
        "expect:\n  - 2026-03-20 09:00: send hello\n  - touches: 1\n",
    ),
    "who has no date never enters": (
        f"enter: {{date: customer.birthday}}\n{SEND}",
        "customer: {consents: [marketing], email: a@b.example, birthday: soon}\n"
        "happens:\n  - 2026-03-01 10:00: x\n  - +400d\nexpect:\n  - not entered\n",
    ),
    "a wait for all is met in any order": (
        "enter: {on: x}\nsteps: [{wait for: {all: [b, c], within: 2d}, then: [{tag: +met}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +1h: c\n  - +1h: b\nexpect:\n  - tagged: met\n",
    ),
    "a wait for all runs out when one is missing": (
        "enter: {on: x}\nsteps: [{wait for: {all: [b, c], within: 2d}, then: [{tag: +met}], else: [{tag: +late}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +1h: c\n  - +3d\nexpect:\n  - not tagged: met\n  - tagged: late\n",
    ),
    "a wait counts from arrival": (
        "enter: {on: x}\nsteps: [{wait: 1h}, {wait for: {on: b, count: 2, within: 1d}, then: [{tag: +met}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +30m: b\n  - +1h: b\n  - +1d\nexpect:\n  - not tagged: met\n",
    ),
    "a wait that looks back counts what came shortly before arriving": (
        "enter: {on: x}\nsteps: [{wait: 1h}, {wait for: {on: b, within: 1d, lookback: 45m}, then: [{tag: +met}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +30m: b\n  - +1d\nexpect:\n  - tagged: met\n",
    ),
    "a wait while goes on when the condition no longer holds": (
        "enter: {on: x}\nsteps: [{wait while: customer.busy == true, within: 2d, then: [{send: hello, via: email}]}]",
        "customer: {consents: [marketing], email: a@b.example, busy: true}\n"
        "happens:\n  - 2026-03-01 10:00: x\n  - +5h: y {traits: {busy: false}}\n"
        "expect:\n  - 2026-03-01 15:00: send hello\n",
    ),
    "a wait while without within waits as long as it takes": (
        "enter: {on: x}\nsteps: [{wait while: customer.busy == true}, {send: hello, via: email}]",
        "customer: {consents: [marketing], email: a@b.example, busy: true}\n"
        "happens:\n  - 2026-03-01 10:00: x\n  - +400d\nexpect:\n  - still in\n  - no touches\n",
    ),
    "rounds begin at once and then each every": (
        "enter: {on: x}\nsteps: [{repeat: {every: 7d, times: 3}, steps: [{send: hello, via: email}, {wait: 1d}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +30d\nexpect:\n  - 2026-03-01 10:00: send hello\n"
        "  - 2026-03-08 10:00: send hello\n  - 2026-03-15 10:00: send hello\n  - touches: 3\n  - completed\n",
    ),
    "a repeat ends between rounds as soon as until holds": (
        "enter: {on: x}\n"
        "steps: [{repeat: {every: 7d, times: 3, until: tag('done')}, steps: [{send: hello, via: email}]}]",
        "happens:\n  - 2026-03-01 10:00: x\n  - +1d: tag +done\nexpect:\n  - touches: 1\n  - completed\n",
    ),
    "an empty pool ends the run unless there is an else": (
        f"enter: {{on: x}}\nsteps: [{{coupon: SPRING10}}, {SEND[8:-1]}]",
        "coupons: {SPRING10: []}\nhappens:\n  - 2026-03-01 10:00: x\nexpect:\n  - no touches\n  - exited\n",
    ),
    "an empty pool leads to else": (
        f"enter: {{on: x}}\nsteps: [{{coupon: SPRING10, else: [{{tag: +late}}]}}, {SEND[8:-1]}]",
        "coupons: {SPRING10: []}\nhappens:\n  - 2026-03-01 10:00: x\nexpect:\n  - touches: 1\n  - tagged: late\n",
    ),
    "the control group travels and receives nothing": (
        "enter: {on: x, holdout: 10%}\n"
        'steps: [{send: hello, via: email}, {tag: +there}, {webhook: {url: "https://crm.example/x"}}]',
        "holdout: true\nhappens:\n  - 2026-03-01 10:00: x\nexpect:\n  - held out\n  - no touches\n  - tagged: there\n",
    ),
    "where is asked before consent": (
        f"enter: {{on: x, where: event.n > 1}}\n{SEND}",
        "customer: {email: a@b.example}\nhappens:\n  - 2026-03-01 10:00: x {n: 1}\nexpect:\n  - not entered: where\n",
    ),
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_language_does_what_the_reference_says(statement: str) -> None:
    journey, story = STATEMENTS[statement]
    assert told(journey, story) == ""

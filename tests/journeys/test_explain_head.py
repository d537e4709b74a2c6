"""Whatever a journey says at its head and in a step stands in its words, so that a plan's diff shows it changed."""

import pytest

from journeys.compile import load_journey
from journeys.explain import explain_plan

SOURCE = """journey: a
stage: retain
enter: {on: cart_updated, key: event.cart_id, again: always}
priority: 20
expires: 2d
purpose: transactional
steps:
  - send: receipt
    via: email
    purpose: marketing
  - set: {customer.gift: tea, customer.spent: enter.total * 2}
"""


def words(source: str, lang: str = "en") -> str:
    plan = load_journey(source, "a.yaml").plan
    assert plan is not None
    return explain_plan(plan, lang)


def test_the_head_is_told_whole() -> None:
    assert words(SOURCE).splitlines()[2:] == [
        "Again: always",
        "One run per customer and value of the event's cart_id",
        "Purpose: transactional",
        "Messages are dropped when they have waited 2 days",
        "Priority: 20",
        "",
        "  1. send receipt by email as marketing",
        "  2. set gift = tea, spent = the entering event's total * 2",
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("priority: 20", "priority: 30"),
        ("expires: 2d", "expires: 3d"),
        ("purpose: transactional", "purpose: internal"),
        (", key: event.cart_id", ""),
        ("    purpose: marketing\n", ""),
        ("gift: tea", "gift: cake"),
    ],
)
def test_what_is_edited_reads_differently(old: str, new: str, lang: str) -> None:
    assert old in SOURCE
    assert words(SOURCE, lang) != words(SOURCE.replace(old, new), lang)

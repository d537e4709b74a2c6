"""Who opened and clicked: machines are told from people, with the reason."""

import pytest

from engine.core.delivery import Fact
from engine.core.ids import MINUTE, SECOND
from engine.tracking.machine import Hit, Verdict, classify
from engine.tracking.receipts import of_hit, of_unsubscribe

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.49"
SENT = 1_000 * SECOND
LATER = SENT + 10 * MINUTE


def click(index: int = 0, at: int = LATER, agent: str = PHONE) -> Hit:
    return Hit(touch="t1", fact="CLICKED", at=at, index=index, url="https://shop.example/", agent=agent)


def opened(agent: str, at: int = LATER) -> Hit:
    return Hit(touch="t1", fact="OPENED", at=at, agent=agent)


@pytest.mark.parametrize(
    ("hit", "why"),
    [
        (opened("Mozilla/5.0"), "apple_privacy"),
        (opened(""), "no_agent"),
        (opened(PHONE, at=SENT + SECOND), "too_quick"),
        (click(at=SENT + SECOND), "too_quick"),
        (click(agent="Mozilla/5.0"), "bare_agent"),
        (click(agent="python-requests/2.32"), "scanner"),
        (click(agent="Mozilla/5.0 (compatible; Googlebot/2.1)"), "scanner"),
        (click(agent="Mimecast-URL-Protect"), "scanner"),
        (click(agent="Mozilla/5.0 HeadlessChrome/120"), "scanner"),
        (Hit(touch="t1", fact="CLICKED", at=LATER, agent=PHONE, prefetch=True), "prefetch"),
    ],
)
def test_a_machine_is_told_with_the_reason(hit: Hit, why: str) -> None:
    assert classify(hit, sent=SENT, others=[]) == Verdict(True, why)


@pytest.mark.parametrize(
    "hit",
    [
        click(),
        opened("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"),
        click(agent="Mozilla/5.0 (Linux; Android 13; CUBOT P80) Chrome/120"),
    ],
)
def test_a_person_is_left_a_person(hit: Hit) -> None:
    assert classify(hit, sent=SENT, others=[hit]) == Verdict(False, "person")


def test_three_links_of_one_message_in_two_seconds_are_a_scanner() -> None:
    burst = [click(index, LATER + index * SECOND // 2) for index in range(3)]
    assert {classify(hit, sent=SENT, others=burst).why for hit in burst} == {"burst"}


def test_the_same_link_pressed_again_and_again_is_an_impatient_person() -> None:
    presses = [click(1, LATER + press) for press in range(5)]
    assert not classify(presses[0], sent=SENT, others=presses).machine


def test_a_fact_is_one_the_contract_knows_and_repeats_collapse() -> None:
    receipt = of_hit(click(), Verdict(False, "person"))
    assert Fact[receipt.fact] is Fact.CLICKED
    assert of_hit(click(at=LATER + SECOND), Verdict(False, "person")).id == receipt.id
    assert of_hit(click(at=LATER + MINUTE), Verdict(False, "person")).id != receipt.id
    assert of_hit(click(), Verdict(True, "burst")).id != receipt.id
    first, again = (of_unsubscribe("t1", at, "one_click") for at in (LATER, LATER + MINUTE))
    assert first.id == again.id
    assert Fact[first.fact] is Fact.UNSUBSCRIBED

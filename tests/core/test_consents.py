"""A customer's word: the newest stands, the stricter at one instant, and a double opt-in waits to be confirmed."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.audience import consents
from engine.core.decide import decide
from engine.core.events import Event
from engine.core.ids import DAY, HOUR
from engine.core.plan import Audience, OnEvent, Plan, Policy, Stop, seal
from engine.core.playbook import Playbook
from engine.core.policy import PURPOSES
from engine.core.state import Consent, Customer

NOON = 20_000 * DAY + 12 * HOUR
DOUBLE = Policy(purposes={**PURPOSES, "newsletter": "opt_in"}, double=("newsletter",))
ASKS = seal(Plan("ask", "Ask", "acquire", OnEvent(("consent_requested",)), (Stop("1"),), purpose="transactional"))
BOOK = Playbook([ASKS], Audience(policy=DOUBLE))


def said(granted: bool, at: int = NOON, to: str = "newsletter", **fields: Any) -> Event:
    plain = {"id": f"m{at}", "name": "identified", "at": at, "received": at, "source": "web"}
    return Event(**{**plain, "consents": {to: granted}, **fields})


def confirmed(at: int, to: str = "newsletter") -> Event:
    return said(True, at, to, name="consent_confirmed", source="journeyd", confirmed=True, proof="ip=192.0.2.1")


def heard(*events: Event, policy: Policy = DOUBLE) -> Customer:
    customer = Customer("c1", created=0)
    for event in events:
        customer = decide(Playbook([ASKS], Audience(policy=policy)), customer, event, event.received).customer
    return customer


def test_a_yes_with_double_opt_in_waits_and_a_journey_is_asked_to_confirm_it() -> None:
    decision = decide(BOOK, Customer("c1", created=0), said(True, proof="footer form v3"), NOON)
    word = decision.customer.consents["newsletter"]
    assert (word.granted, word.pending, word.source, word.proof) == (False, True, "web", "footer form v3")
    assert [note.code for note in decision.trace] == ["consent.asked", "entered", "completed"]
    assert decision.trace[0].data == {"name": "newsletter", "source": "web", "proof": "footer form v3", "at": NOON}


def test_the_request_says_what_is_to_be_confirmed() -> None:
    event = said(True, to="newsletter:sms")
    [request] = consents.requests(consents.words(Customer("c", 0), heard(event), event), event)
    assert request.properties == {"purpose": "newsletter", "channel": "sms", "asked": NOON, "form": "web"}
    assert (request.name, request.source, request.backfill) == ("consent_requested", "journeyd", False)


def test_a_confirmation_makes_the_waiting_yes_a_yes_and_a_second_one_changes_nothing() -> None:
    once = heard(said(True), confirmed(NOON + HOUR))
    assert once.consents["newsletter"] == Consent(True, NOON + HOUR, "journeyd", "ip=192.0.2.1")
    assert heard(said(True), confirmed(NOON + HOUR), confirmed(NOON + 2 * HOUR)).consents == once.consents


def test_a_no_after_the_ask_wins_over_the_confirmation_of_the_ask() -> None:
    word = heard(said(True), said(False, NOON + 1), confirmed(NOON + HOUR)).consents["newsletter"]
    assert (word.granted, word.pending) == (False, False)


def test_nobody_confirms_what_was_never_asked() -> None:
    assert heard(confirmed(NOON)).consents == {}


def test_an_ask_runs_out_after_thirty_days() -> None:
    assert heard(said(True), confirmed(NOON + 30 * DAY)).consents["newsletter"].granted
    assert not heard(said(True), confirmed(NOON + 30 * DAY + 1)).consents["newsletter"].granted


def test_a_yes_that_comes_confirmed_asks_nobody_again() -> None:
    decision = decide(BOOK, Customer("c1", created=0), said(True, confirmed=True), NOON)
    assert decision.customer.consents["newsletter"].granted
    assert [note.code for note in decision.trace] == ["consent.given"]


def test_a_repeated_yes_stays_confirmed() -> None:
    word = heard(said(True), confirmed(NOON + 1), said(True, NOON + 2)).consents["newsletter"]
    assert (word.granted, word.pending, word.at) == (True, False, NOON + 2)


def test_history_waits_for_a_confirmation_but_asks_nobody() -> None:
    decision = decide(BOOK, Customer("c1", created=0), said(True, backfill=True), NOON)
    assert decision.customer.consents["newsletter"].pending
    assert [note.code for note in decision.trace] == ["consent.asked", "skipped.backfill"]


def test_a_purpose_without_double_opt_in_takes_the_yes_at_once() -> None:
    assert heard(said(True, to="marketing")).consents["marketing"].granted


def test_proof_is_bounded() -> None:
    word = heard(said(False, proof="x" * 2_000)).consents["newsletter"]
    assert len(word.proof) == consents.PROOF_LIMIT


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_late_words_fold_in_where_they_belong(order: tuple[int, ...]) -> None:
    events = [said(True, NOON, "sms"), said(False, NOON + 1, "sms"), said(True, NOON + 2, "sms")]
    word = heard(*(events[place] for place in order)).consents["sms"]
    assert (word.granted, word.at) == (True, NOON + 2)


@given(st.permutations([(True, 0), (False, 0), (False, 1), (True, 1), (True, 2), (False, 2)]))
def test_whatever_the_order_the_stricter_of_the_newest_words_stands(order: list[tuple[bool, int]]) -> None:
    word = heard(*(said(granted, NOON + at, "sms", id=f"m{granted}{at}") for granted, at in order)).consents["sms"]
    assert (word.granted, word.at) == (False, NOON + 2)


@given(st.lists(st.sampled_from(["yes", "no", "confirm"]), max_size=12))
def test_a_double_opt_in_is_granted_only_by_a_confirmation_with_no_no_after_it(steps: list[str]) -> None:
    times = [(step, NOON + place) for place, step in enumerate(steps)]
    customer = heard(*(confirmed(at) if step == "confirm" else said(step == "yes", at) for step, at in times))
    last_no = max((place for place, step in enumerate(steps) if step == "no"), default=-1)
    since = steps[last_no + 1 :]
    is_confirmed = "yes" in since and "confirm" in since[since.index("yes") :]
    word = customer.consents.get("newsletter")
    assert (word is not None and word.granted) == is_confirmed

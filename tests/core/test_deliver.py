"""Outbound up to the first byte, and how doubt is handled: over the memory store."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.commands import Touch
from engine.core.delivery import Fact, TouchState
from engine.core.errors import BadInput
from engine.core.events import Directive, Outcome
from engine.core.ids import DAY, HOUR, MINUTE, SECOND
from engine.core.plan import Audience, Cap, Manual, Plan, Policy, Quiet, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Consent, Customer, Reserved, Run
from engine.ports import Changes, Rendered, TouchQuery, TouchRow
from engine.store.memory.store import MemoryStore
from engine.usecases import deliver, doubt
from engine.usecases.doubt import Terms
from engine.usecases.settle import settle
from engine.usecases.work import Told, Work

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z
MEI = Customer(
    "c1", created=NOON - DAY, identifiers={"email": ("mei@x.example",)}, consents={"marketing": Consent(True, NOON)}
)
PLAN = seal(Plan("rescue", "Rescue", "monetize", Manual(), (Stop("1"),)))
PLAIN = Terms()
KEYED = Terms(key_windows={"email": 10 * MINUTE})
BODY = Rendered(b"hello", "h1")


def touch(id_: str = "t1", **fields: Any) -> Touch:
    return Touch(
        **{
            "id": id_,
            "run": "r1",
            "journey": "rescue",
            "version": PLAN.version,
            "step": "1",
            "customer": "c1",
            "channel": "email",
            "template": "hello",
            "address": "mei@x.example",
            "purpose": "marketing",
            "planned": NOON,
            "due": NOON,
            **fields,
        }
    )


def book(**policy: Any) -> Playbook:
    return Playbook([PLAN], Audience(policy=Policy(**policy)))


def store_of(*touches: Touch, customer: Customer | None = MEI, **changes: Any) -> MemoryStore:
    store = MemoryStore()
    people = {} if customer is None else {customer.id: customer}
    commit(store, Changes(customers=people, touches=list(touches), **changes))
    return store


def commit(store: MemoryStore, changes: Changes) -> None:
    with store.unit() as unit:
        unit.commit(changes)


def fly(store: MemoryStore, now: int = NOON, playbook: Playbook | None = None, terms: Terms = PLAIN) -> list[str]:
    """Pick everything that is due and commit what may leave; return the touch ids."""
    found = deliver.pick(store, now, {"email": 10, "sms": 10}, terms)
    ready = [(c.row, BODY) for c in found]
    return [one.message.key for one in deliver.commit_in_flight(store, playbook or book(), ready, now, terms)]


def row(store: MemoryStore, id_: str = "t1") -> TouchRow:
    return store.touches([id_])[id_]


def apply(store: MemoryStore, verb: Callable[[Work], list[Told]], now: int = NOON) -> list[Told]:
    with store.unit() as unit:
        work = Work(unit, now)
        told = verb(work)
        unit.commit(work.flush())
    return told


def end(store: MemoryStore, kind: Any, now: int = NOON, token: int = 1, **fields: Any) -> list[Told]:
    outcome = Outcome("t1", token, kind, now, now, provider="smtp", **fields)
    return apply(store, lambda work: settle(work, outcome, Policy()), now)


def test_a_due_touch_is_committed_in_flight_under_a_new_token_with_its_attempt() -> None:
    store = store_of(touch())
    assert fly(store) == ["t1"]
    found = row(store)
    assert (found.state, found.token, found.lease_until) == (TouchState.IN_FLIGHT, 1, NOON + 2 * MINUTE)
    assert (found.first_attempt, found.body_hash, found.content) == (NOON, "h1", b"")
    assert [(a.token, a.started, a.outcome) for a in store.attempts("t1")] == [(1, NOON, "")]


def test_a_touch_in_flight_is_not_committed_twice() -> None:
    store = store_of(touch())
    stale = deliver.pick(store, NOON, {"email": 1}, Terms())
    assert fly(store) == ["t1"]
    assert deliver.commit_in_flight(store, book(), [(c.row, BODY) for c in stale], NOON, Terms()) == []
    assert row(store).token == 1


def test_a_channel_without_room_is_not_picked() -> None:
    store = store_of(touch("t1"), touch("t2"), touch("t3", channel="sms"))
    assert [c.row.touch.id for c in deliver.pick(store, NOON, {"email": 1, "sms": 0}, Terms())] == ["t1"]


def test_a_consent_withdrawn_since_planning_drops_the_touch_and_gives_its_place_back() -> None:
    gone = replace(
        MEI,
        consents={"marketing": Consent(False, NOON)},
        reserved=(Reserved(NOON, "email", "marketing", "t1"),),
    )
    store = store_of(touch(), customer=gone)
    assert fly(store) == []
    assert (row(store).state, row(store).reason) == (TouchState.DROPPED, "no consent for marketing")
    assert store.customers(["c1"])["c1"].reserved == ()
    assert [note.code for note in store.notes("c1")] == ["touch.dropped"]


def test_quiet_hours_defer_at_the_last_moment_and_the_caps_count_the_new_instant() -> None:
    asked = replace(MEI, reserved=(Reserved(NOON, "email", "marketing", "t1"),))
    store = store_of(touch(), customer=asked)
    quiet = book(quiet=Quiet(11 * 60, 14 * 60))
    assert fly(store, playbook=quiet) == []
    assert (row(store).state, row(store).due) == (TouchState.PLANNED, NOON + 2 * HOUR)
    assert store.customers(["c1"])["c1"].reserved[0].at == NOON + 2 * HOUR
    assert deliver.next_pick(store, NOON, ["email"], Terms()) == NOON + 2 * HOUR
    assert fly(store, NOON + 2 * HOUR, quiet) == ["t1"]


def test_a_touch_that_quiet_hours_outlast_never_leaves() -> None:
    store = store_of(touch(expires=NOON + HOUR))
    assert fly(store, playbook=book(quiet=Quiet(11 * 60, 14 * 60))) == []
    assert row(store).state in {TouchState.DROPPED, TouchState.EXPIRED}


def test_an_expired_touch_never_leaves() -> None:
    store = store_of(touch(expires=NOON + 1))
    assert fly(store, NOON + 1) == []
    assert row(store).state is TouchState.EXPIRED


def test_its_own_reservation_does_not_count_against_a_touch() -> None:
    asked = replace(MEI, reserved=(Reserved(NOON, "email", "marketing", "t1"),))
    assert fly(store_of(touch(), customer=asked), playbook=book(caps=(Cap(1, DAY),))) == ["t1"]


def test_a_stop_of_everything_picks_nothing_and_wakes_nobody() -> None:
    store = store_of(touch(), flags={"stop:*": "ops"})
    assert deliver.pick(store, NOON, {"email": 1}, Terms()) == []
    assert deliver.next_pick(store, NOON, ["email"], Terms()) == 0


def test_a_stop_that_comes_between_pick_and_commit_holds_the_touch() -> None:
    store = store_of(touch())
    picked = deliver.pick(store, NOON, {"email": 1}, Terms())
    commit(store, Changes(flags={"stop:rescue": "ops"}))
    assert deliver.commit_in_flight(store, book(), [(c.row, BODY) for c in picked], NOON, Terms()) == []
    assert (row(store).state, row(store).due) == (TouchState.PLANNED, NOON + HOUR)
    with store.unit() as unit:
        work = Work(unit, NOON + SECOND)
        deliver.release_held(work, "rescue")
        unit.commit(work.flush())
    commit(store, Changes(flags={"stop:rescue": ""}))
    assert fly(store, NOON + SECOND) == ["t1"]


def test_a_touch_whose_customer_is_gone_is_dropped() -> None:
    store = store_of(touch(), customer=None)
    assert deliver.pick(store, NOON, {"email": 1}, Terms())[0].customer is None
    deliver.refuse(store, [deliver.Refused("t1", "no_customer", "")], NOON)
    assert (row(store).state, row(store).reason) == (TouchState.DROPPED, "no_customer")


def test_a_message_to_a_contact_asks_the_contacts_consent_at_the_last_moment() -> None:
    silent = replace(MEI, id="c2", consents={})
    store = store_of(touch(recipient="c2"), touch("t2"), touch("t3", recipient="gone"))
    commit(store, Changes(customers={"c2": silent}))
    assert fly(store) == ["t2"]
    assert row(store).reason == "no consent for marketing"
    assert row(store, "t3").reason == "no_customer"


def test_a_task_needs_no_consent_at_the_last_moment_either() -> None:
    store = store_of(touch(kind="task", purpose="internal"), customer=replace(MEI, consents={}))
    assert fly(store, playbook=book(exempt=(), purposes={"internal": "opt_in"})) == ["t1"]


def test_a_run_that_ended_without_a_coupon_keeps_what_it_had_planned() -> None:
    for outcome, state in (("exited:no_coupon", TouchState.DEFERRED), ("exited:paid", TouchState.CANCELLED)):
        ended = Run("r1", "rescue", "v", NOON, ended=NOON, outcome=outcome)
        store = store_of(touch(), customer=replace(MEI, runs=(ended,)))
        fly(store)
        said = Outcome("t1", 1, "deferred", NOON, NOON, retry_at=NOON + HOUR)
        with store.unit() as unit:
            work = Work(unit, NOON)
            settle(work, said, Policy())
            unit.commit(work.flush())
        assert row(store).state is state


def test_a_touch_that_cannot_be_rendered_is_dropped_with_the_words_for_ops() -> None:
    store = store_of(touch())
    deliver.refuse(store, [deliver.Refused("t1", "template_problem", "hello/email.html:3 no `city`")], NOON)
    assert row(store).detail == "hello/email.html:3 no `city`"


def test_sent_is_told_and_closes_the_attempt() -> None:
    store = store_of(touch())
    fly(store)
    told = end(store, "sent", NOON + SECOND, provider_id="m1", latency=SECOND)
    assert [(t.customer, t.happening.name) for t in told if hasattr(t.happening, "name")] == [("c1", "message_sent")]
    assert (row(store).state, row(store).provider_id) == (TouchState.SENT, "m1")
    assert row(store).facts == Fact.ACCEPTED
    attempt = store.attempts("t1")[0]
    assert (attempt.started, attempt.ended, attempt.outcome) == (NOON, NOON + SECOND, "sent")


def test_deferred_waits_for_its_instant_and_flies_again_under_the_next_token() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "deferred", retry_at=NOON + MINUTE, reason="transient")
    assert row(store).state is TouchState.DEFERRED
    assert fly(store, NOON + SECOND) == []
    assert fly(store, NOON + MINUTE) == ["t1"]
    assert (row(store).token, row(store).first_attempt) == (2, NOON)


def test_deferred_after_its_run_left_the_journey_is_cancelled() -> None:
    store = store_of(touch())
    fly(store)
    left = Run("r1", "rescue", PLAN.version, NOON, ended=NOON, outcome="exited:event")
    commit(store, Changes(runs={"r1": ("c1", left)}))
    end(store, "deferred", retry_at=NOON + MINUTE, reason="transient")
    assert row(store).state is TouchState.CANCELLED


def test_deferred_after_its_run_came_to_its_end_still_flies() -> None:
    store = store_of(touch())
    fly(store)
    commit(store, Changes(runs={"r1": ("c1", Run("r1", "rescue", "v", NOON, ended=NOON, outcome="completed"))}))
    end(store, "deferred", retry_at=NOON + MINUTE, reason="transient")
    assert fly(store, NOON + MINUTE) == ["t1"]


def test_refused_for_good_suppresses_the_address_and_tells_the_failure() -> None:
    store = store_of(touch(others=("sms",)))
    fly(store)
    told = end(store, "failed", reason="permanent", detail="550 no such user")
    assert [type(t.happening).__name__ for t in told] == ["Failed"]
    assert row(store).state is TouchState.FAILED
    assert store.customers(["c1"])["c1"].suppressed == {"email:mei@x.example": "550 no such user"}


def test_a_bad_message_leaves_the_address_innocent() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "failed", reason="content", detail="554 spam")
    assert store.customers(["c1"])["c1"].suppressed == {}


def test_opted_out_at_the_provider_withdraws_the_channel() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "failed", reason="opted_out")
    assert not store.customers(["c1"])["c1"].consents["email"].granted


def test_an_outcome_of_an_older_attempt_changes_only_its_own_record() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "deferred", retry_at=NOON, reason="transient")
    fly(store)
    assert end(store, "sent", token=1, provider_id="m1") == []
    assert row(store).state is TouchState.IN_FLIGHT
    assert [a.outcome for a in store.attempts("t1")] == ["sent", ""]


def test_the_same_outcome_twice_changes_nothing() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "sent", provider_id="m1")
    assert end(store, "sent", provider_id="m1") == []
    assert end(store, "failed", reason="permanent") == []
    assert row(store).state is TouchState.SENT


def test_a_lapsed_lease_is_doubt_and_never_another_send() -> None:
    store = store_of(touch())
    fly(store)
    later = NOON + 2 * MINUTE + 1
    assert doubt.lapse(store, NOON + MINUTE, leased_before=0) == 0
    assert doubt.lapse(store, later) == 1
    assert (row(store).state, store.attempts("t1")[0].outcome) == (TouchState.UNCERTAIN, "uncertain")
    assert fly(store, later + DAY) == []
    assert doubt.lapse(store, later) == 0


def test_a_start_settles_every_lease_of_the_last_process_at_the_present_instant() -> None:
    store = store_of(touch())
    fly(store)
    assert doubt.lapse(store, NOON + SECOND, leased_before=1 << 62) == 1
    assert row(store).updated == NOON + SECOND


@pytest.mark.parametrize(
    ("kind", "state"),
    [("sent", TouchState.SENT), ("failed", TouchState.FAILED), ("deferred", TouchState.READY)],
)
def test_the_providers_word_settles_a_lapsed_touch(kind: str, state: TouchState) -> None:
    store = store_of(touch())
    fly(store)
    doubt.lapse(store, NOON + HOUR)
    end(store, kind, NOON + HOUR, reason="transient", retry_at=NOON + HOUR)
    assert row(store).state is state


def test_doubt_with_a_live_key_is_sent_again_byte_for_byte() -> None:
    store = store_of(touch())
    fly(store, terms=KEYED)
    assert row(store).content == b"hello"
    end(store, "uncertain")
    assert fly(store, NOON, terms=KEYED) == []
    again = deliver.next_pick(store, NOON, ["email"], KEYED)
    assert again == NOON + doubt.RESEND_PAUSE
    picked = deliver.pick(store, again, {"email": 1}, KEYED)
    leased = deliver.commit_in_flight(store, book(), [(picked[0].row, Rendered(b"new", "h2"))], again, KEYED)
    assert (leased[0].message.content, leased[0].message.attempt) == (b"hello", 2)
    assert row(store).body_hash == "h1"


def test_a_resend_that_is_refused_leaves_the_doubt_about_the_first_hand_over() -> None:
    store = store_of(touch())
    fly(store, terms=KEYED)
    end(store, "uncertain")
    assert fly(store, NOON + MINUTE, terms=KEYED) == ["t1"]
    assert end(store, "failed", NOON + MINUTE, token=2, reason="permanent") == []
    assert row(store).state is TouchState.UNCERTAIN
    assert store.customers(["c1"])["c1"].suppressed == {}


def test_doubt_whose_key_window_closes_is_held() -> None:
    store = store_of(touch())
    fly(store, terms=KEYED)
    end(store, "uncertain")
    late = NOON + 10 * MINUTE - KEYED.lease // 3
    assert fly(store, late, terms=KEYED) == []
    assert deliver.next_pick(store, late, ["email"], KEYED) == 0


def test_doubt_is_not_sent_again_to_somebody_who_has_said_no() -> None:
    store = store_of(touch())
    fly(store, terms=KEYED)
    end(store, "uncertain")
    commit(store, Changes(customers={"c1": replace(MEI, consents={"marketing": Consent(False, NOON)})}))
    assert fly(store, NOON + MINUTE, terms=KEYED) == []
    assert (row(store).state, row(store).reason) == (TouchState.UNCERTAIN, doubt.BARRED)
    assert deliver.pick(store, NOON + MINUTE, {"email": 1}, KEYED) == []


def test_old_doubt_is_assumed_sent_only_where_the_channel_says_so() -> None:
    store = store_of(touch())
    fly(store)
    end(store, "uncertain")
    assert doubt.close_doubts(store, NOON + DAY, Terms()) == 0
    terms = Terms(assume_after={"email": HOUR})
    assert doubt.close_doubts(store, NOON + MINUTE, terms) == 0
    assert doubt.close_doubts(store, NOON + HOUR, terms) == 1
    assert (row(store).state, row(store).reason) == (TouchState.SENT, "assumed")


@pytest.mark.parametrize(
    ("word", "state", "told"),
    [
        ("sent", TouchState.SENT, "Event"),
        ("not_sent", TouchState.FAILED, "Failed"),
        ("send_again", TouchState.READY, ""),
    ],
)
def test_ops_resolve_doubt(word: str, state: TouchState, told: str) -> None:
    store = store_of(touch())
    fly(store)
    end(store, "uncertain")
    directive = Directive("d1", "resolve", NOON, NOON, subject="t1", value=word, by="mei")
    heard = apply(store, lambda work: deliver.resolve(work, directive))
    assert row(store).state is state
    assert "".join(type(t.happening).__name__ for t in heard) == told


@pytest.mark.parametrize(("subject", "value"), [("nope", "sent"), ("t1", "maybe"), ("t2", "sent")])
def test_a_word_that_makes_no_sense_changes_nothing(subject: str, value: str) -> None:
    store = store_of(touch("t1"), touch("t2", due=NOON + DAY))
    fly(store)
    end(store, "uncertain")
    before = store.find_touches(TouchQuery())
    directive = Directive("d1", "resolve", NOON, NOON, subject=subject, value=value)
    with pytest.raises(BadInput):
        apply(store, lambda work: deliver.resolve(work, directive))
    assert store.find_touches(TouchQuery()) == before

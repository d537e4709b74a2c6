"""How one attempt ended, folded into the touch and the customer. Called inside the engine's batch, per `Outcome`.

Never sends and never retries by itself: `deferred` touches are picked again when due (`usecases/deliver.py`).
"""

from typing import Final

from msgspec.structs import replace

from engine.core import gates
from engine.core.audience.consents import PROOF_LIMIT
from engine.core.decide import Failed
from engine.core.delivery import EVIDENCE, MOVES, Fact, Retry, TouchState
from engine.core.events import Outcome
from engine.core.policy import Policy
from engine.core.state import Consent
from engine.ports import Attempt, RunQuery, TouchRow
from engine.usecases.receive import absorb, event_of, withdraw
from engine.usecases.suppression import shut
from engine.usecases.whose import others, traveller
from engine.usecases.work import Told, Work

_AWAITED: Final = (TouchState.IN_FLIGHT, TouchState.UNCERTAIN)


def settle(work: Work, outcome: Outcome, policy: Policy) -> list[Told]:
    """Move the touch along `outcome`; return what the customer's runs should hear.

    `sent` tells `message_sent` (and whatever receipts were parked for it); `failed` tells `Failed`, so that the next
    channel may carry the message. An outcome of an older attempt, or of a touch that is settled, only completes that
    attempt's record.
    """
    row = work.row(outcome.touch)
    if row is None:
        return []
    work.changes.attempts.append(_attempt(outcome))
    row = _caught_up(work, row, outcome)
    if outcome.kind == "sent" and outcome.token > row.token and row.state is TouchState.CANCELLED:
        # Only in a replay: its run left the journey while it was in flight, too late to cancel it, and it arrived.
        return _told_sent(work, row, outcome)
    if outcome.token != row.token or row.state not in _AWAITED:
        return []
    if outcome.kind != "sent":
        outcome = _in_the_light_of(work, row, outcome)
    match outcome.kind:
        case "sent":
            return _sent(work, row, outcome, policy)
        case "failed":
            return _failed(work, row, outcome, policy)
        case "deferred":
            _deferred(work, row, outcome)
        case "uncertain":
            if row.state is TouchState.IN_FLIGHT:
                work.move(row, TouchState.UNCERTAIN, reason=outcome.reason or Retry.UNKNOWN, detail=outcome.detail)
    return []


def _in_the_light_of(work: Work, row: TouchRow, outcome: Outcome) -> Outcome:
    """Return the outcome corrected by what else is known of the touch."""
    if Fact(row.facts) & EVIDENCE:
        # A receipt came first and proves that the provider had it, whatever the connection said.
        return replace(outcome, kind="sent", reason="receipt")
    if _was_doubtful(work, row):
        # An earlier hand-over may have arrived: that a resend was refused does not prove that it did not.
        return replace(outcome, kind="uncertain")
    return outcome


def _caught_up(work: Work, row: TouchRow, outcome: Outcome) -> TouchRow:
    """Take the log's word for a hand-over that the store does not know of: it was restored from an older backup.

    The log is replayed over it then, and what had left before must never leave again.
    """
    if outcome.token <= row.token or TouchState.READY not in MOVES[row.state]:
        return row
    row = work.move(row, TouchState.READY)
    return work.move(row, TouchState.IN_FLIGHT, token=outcome.token, first_attempt=outcome.at)


def _was_doubtful(work: Work, row: TouchRow) -> bool:
    return row.token > 1 and any(
        attempt.token < row.token and attempt.outcome == "uncertain" for attempt in work.unit.attempts(row.touch.id)
    )


def _attempt(outcome: Outcome) -> Attempt:
    return Attempt(
        touch=outcome.touch,
        token=outcome.token,
        started=outcome.at - outcome.latency,
        ended=outcome.at,
        outcome=outcome.kind,
        reason=outcome.reason,
        detail=outcome.detail,
        provider=outcome.provider,
        provider_id=outcome.provider_id,
    )


def _sent(work: Work, row: TouchRow, outcome: Outcome, policy: Policy) -> list[Told]:
    row = work.move(
        row,
        TouchState.SENT,
        provider=outcome.provider or row.provider,
        provider_id=outcome.provider_id or row.provider_id,
        reason=outcome.reason,
        detail=outcome.detail,
        facts=row.facts | Fact.ACCEPTED,
        content=b"",
    )
    told = _told_sent(work, row, outcome)
    if row.provider_id:
        for fact in work.parked(row.provider, row.provider_id):
            told += absorb(work, work.rows[row.touch.id], fact, policy)
    return told


def _told_sent(work: Work, row: TouchRow, outcome: Outcome) -> list[Told]:
    customer = traveller(work, row.touch)
    if customer is None or row.touch.kind != "message":
        return []
    return [Told(customer.id, event_of(row, "message_sent", outcome.at, row.touch.id))]


def _failed(work: Work, row: TouchRow, outcome: Outcome, policy: Policy) -> list[Told]:
    row = work.move(row, TouchState.FAILED, reason=outcome.reason, detail=outcome.detail, content=b"")
    if outcome.reason == Retry.PERMANENT and row.touch.kind == "message":
        shut(work, policy, row, outcome.detail or "refused for good", outcome.at)
    elif outcome.reason == Retry.OPTED_OUT:
        proof = f"touch={row.touch.id} {outcome.detail}".strip()[:PROOF_LIMIT]
        no = Consent(granted=False, at=outcome.at, source=f"provider:{outcome.provider}", proof=proof)
        withdraw(work, row, [row.touch.channel], no)
    return failed(work, row, outcome.reason or "failed")


def failed(work: Work, row: TouchRow, why: str) -> list[Told]:
    """Return what the run of a touch that was not sent should hear; its place under the caps is free again."""
    customer, holder = traveller(work, row.touch), work.customer(row.touch.customer)
    if customer is None or holder is None:
        return []
    if holder is customer:
        return [Told(customer.id, Failed(row.touch, why))]
    work.put(gates.release(holder, row.touch.id))
    return [Told(customer.id, Failed(replace(row.touch, customer=customer.id), why))]


def _deferred(work: Work, row: TouchRow, outcome: Outcome) -> None:
    """Certainly not sent: wait for `retry_at`, unless the run has left the journey in the meantime."""
    state = TouchState.DEFERRED if row.state is TouchState.IN_FLIGHT else TouchState.READY
    row = work.move(row, state, due=outcome.retry_at, reason=outcome.reason, detail=outcome.detail)
    if has_left(work, row):
        work.move(row, TouchState.CANCELLED, reason="exited", content=b"")


def has_left(work: Work, row: TouchRow) -> bool:
    """Say whether the touch's run left its journey early; a run that reached its end keeps its touches.

    A touch in flight cannot be cancelled when its run exits, so whoever lets it fly again asks here.
    """
    customer = traveller(work, row.touch)
    if customer is None:
        return True
    run = next((r for r in customer.runs if r.id == row.touch.run), None)
    if run is None and row.touch.run in work.changes.runs:
        run = work.changes.runs[row.touch.run][1]
    if run is None:
        # Ended and forgotten by the customer: the run's own row knows how.
        people = [customer.id, *(one.id for one in others(work, customer))]
        asked = (RunQuery(customer=id_, journey=row.touch.journey) for id_ in people)
        run = next((r for query in asked for _, r in work.unit.runs(query) if r.id == row.touch.run), None)
    return run is not None and run.left_early

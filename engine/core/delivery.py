"""The delivery contract's state table: the one place that says where a touch may go next.

`docs/operations.md` draws its diagram from `diagram()`; every store and the simulator's auditor check moves with
`is_allowed`. Gates are in `core/gates.py`, retry times in `core/backoff.py`.
"""

from enum import IntFlag, StrEnum
from typing import Final


class TouchState(StrEnum):
    """Where a touch stands. Terminal: sent, failed, dropped, expired, cancelled."""

    PLANNED = "planned"  # waits for its instant
    READY = "ready"  # gates passed; may be leased
    IN_FLIGHT = "in_flight"  # committed before the first byte left
    DEFERRED = "deferred"  # the provider said "later", certainly not sent
    UNCERTAIN = "uncertain"  # nobody can say yet; never resent blindly
    SENT = "sent"  # the provider took it
    FAILED = "failed"  # the provider refused it for good
    DROPPED = "dropped"  # a gate refused it
    EXPIRED = "expired"  # its time passed
    CANCELLED = "cancelled"  # its run left the journey


_S = TouchState

MOVES: Final[dict[TouchState, frozenset[TouchState]]] = {
    _S.PLANNED: frozenset({_S.READY, _S.DROPPED, _S.EXPIRED, _S.CANCELLED}),
    _S.READY: frozenset({_S.IN_FLIGHT, _S.DROPPED, _S.EXPIRED, _S.CANCELLED}),
    _S.IN_FLIGHT: frozenset({_S.SENT, _S.DEFERRED, _S.FAILED, _S.UNCERTAIN}),
    _S.DEFERRED: frozenset({_S.READY, _S.DROPPED, _S.EXPIRED, _S.CANCELLED, _S.FAILED}),
    # A receipt, a query or an operator decides; READY only with a provider key still valid or the
    # provider's word that it never arrived.
    _S.UNCERTAIN: frozenset({_S.SENT, _S.FAILED, _S.READY}),
    _S.SENT: frozenset(),
    _S.FAILED: frozenset(),
    _S.DROPPED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}

TERMINAL: Final = frozenset(state for state, targets in MOVES.items() if not targets)
OPEN: Final = frozenset(TouchState) - TERMINAL
STOPPABLE: Final = frozenset(state for state, targets in MOVES.items() if _S.CANCELLED in targets)


def is_allowed(before: TouchState, after: TouchState) -> bool:
    """Say whether a touch may move from `before` to `after` (staying put is always allowed).

    >>> is_allowed(TouchState.IN_FLIGHT, TouchState.READY)
    False
    """
    return before is after or after in MOVES[before]


class Fact(IntFlag):
    """What receipts say, as an order-free, idempotent mask: facts only accumulate."""

    ACCEPTED = 1
    DEFERRED = 2
    DELIVERED = 4
    SOFT_BOUNCE = 8
    HARD_BOUNCE = 16
    REJECTED = 32
    OPENED_MACHINE = 64
    OPENED = 128
    CLICKED_MACHINE = 256
    CLICKED = 512
    COMPLAINED = 1024
    UNSUBSCRIBED = 2048
    REPLIED = 4096


EVIDENCE: Final = (
    Fact.DELIVERED
    | Fact.OPENED
    | Fact.OPENED_MACHINE
    | Fact.CLICKED
    | Fact.CLICKED_MACHINE
    | Fact.SOFT_BOUNCE
    | Fact.HARD_BOUNCE
    | Fact.COMPLAINED
    | Fact.UNSUBSCRIBED
)
"""Facts that prove the provider had the message: they move `uncertain` to `sent`."""


class Retry(StrEnum):
    """Why an attempt did not end in `sent`, per provider class; what follows is in `core/backoff.py`."""

    PERMANENT = "permanent"  # this recipient, for good: fail, suppress the address
    CONTENT = "content"  # this message: fail, the address is innocent
    TRANSIENT = "transient"  # certainly not sent: again, with backoff
    RATE_LIMITED = "rate_limited"  # certainly not sent: later, and slower
    OPTED_OUT = "opted_out"  # the recipient said no: fail, record it
    UNREACHABLE = "unreachable"  # not now (not a follower, window closed): fail, the next channel may
    CONFIGURATION = "configuration"  # our fault: hold the whole channel, tell ops
    UNKNOWN = "unknown"  # bytes left and no word came back


def diagram() -> str:
    """Return the state table as a Mermaid state diagram.

    >>> diagram().splitlines()[0]
    'stateDiagram-v2'
    """
    lines = ["stateDiagram-v2", "    [*] --> planned"]
    for before, targets in MOVES.items():
        lines += [f"    {before} --> {after}" for after in TouchState if after in targets]
    lines += [f"    {state} --> [*]" for state in TouchState if state in TERMINAL]
    return "\n".join(lines)

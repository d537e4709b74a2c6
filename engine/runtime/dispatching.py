"""The dispatcher's vocabulary: its dials, what it asks of the engine, and how a result becomes a log entry.

No loop here; `dispatcher.py` has it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
import structlog

from engine.core.backoff import Backoff, next_retry
from engine.core.delivery import Retry
from engine.core.events import Entry, Outcome, Receipt
from engine.core.ids import Micros, derive
from engine.core.playbook import Playbook
from engine.ports import NotSent, Result, Sent, Store, Unclear
from engine.runtime.rates import Pace
from engine.usecases import doubt
from engine.usecases.deliver import Leased

T = TypeVar("T")
Make: TypeAlias = Callable[[Micros], Sequence[Entry]]
Trip: TypeAlias = Callable[[str], None]

POINTS: Final = ("commit.before", "commit.after", "send.before", "send.after", "outcome.before", "outcome.after")
"""Where `Dispatcher.trip` is called; `embedded.POINTS` are all places at which the crash harness kills."""


class EngineCalls(Protocol):
    """What the dispatcher asks of the engine."""

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run it in the engine's thread, between two batches."""
        ...

    async def accept(self, make: Make) -> int:
        """Append the entries durably; they are made when their `received` stamp is known."""
        ...

    async def drained(self) -> None:
        """Return once the log is applied up to the tail it has now."""
        ...


class Dispatching(msgspec.Struct, frozen=True):
    """The dials. `paces` by channel (absent: the default pace). A send is given up on after 30 % of the lease."""

    terms: doubt.Terms = doubt.Terms()
    paces: Mapping[str, Pace] = {}
    backoff: Backoff = Backoff()

    @property
    def time_out(self) -> Micros:
        """How long one hand-over may take: under a third of the lease, so that a zombie is noticed in time."""
        return self.terms.lease * 3 // 10


class HandedOver(NamedTuple):
    """One hand-over that ended, with its instants."""

    leased: Leased
    result: Result
    provider: str
    started: Micros
    ended: Micros


def tell_trouble(problem: Exception) -> None:
    """Log what the store, the log or an adapter raised: the dispatcher tries again."""
    structlog.get_logger("dispatcher").warning("dispatch_failed", error=type(problem).__name__)


def entries_of(done: Sequence[HandedOver], backoff: Backoff, stamp: Micros) -> list[Entry]:
    """Return the log entries of a group of hand-overs; `stamp` is their `received`."""
    entries: list[Entry] = []
    for one in done:
        entries.append(outcome_of(one, backoff, stamp))
        if isinstance(one.result, Sent) and one.result.delivered:
            touch = one.leased.message.key
            entries.append(
                Receipt(derive("delivered", touch), "DELIVERED", one.ended, stamp, one.provider, touch=touch)
            )
    return entries


def outcome_of(done: HandedOver, backoff: Backoff, stamp: Micros) -> Outcome:
    """Return the log's word for one hand-over."""
    leased, result = done.leased, done.result
    touch, token = leased.message.key, leased.row.token
    outcome = Outcome(
        touch=touch,
        token=token,
        kind="uncertain",
        at=done.ended,
        received=stamp,
        provider=done.provider,
        latency=done.ended - done.started,
        detail=result.detail,
    )
    match result:
        case Sent(provider_id=provider_id):
            return msgspec.structs.replace(outcome, kind="sent", provider_id=provider_id)
        case Unclear():
            return msgspec.structs.replace(outcome, reason=Retry.UNKNOWN)
        case NotSent(retry=retry, code=code, retry_after=retry_after):
            again = next_retry(retry, token, touch, done.ended, retry_after, backoff)
            told = msgspec.structs.replace(outcome, reason=retry, detail=f"{code} {result.detail}".strip())
            if again is None:
                return msgspec.structs.replace(told, kind="failed")
            return msgspec.structs.replace(told, kind="deferred", retry_at=again)

"""What the use cases ask of the world, one Protocol each. Adapters implement them; nobody else imports adapters.

Times are integer microseconds since the epoch. Everything here is synchronous but `Channel`.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from engine.core.commands import Note, RecordEffect, Touch
from engine.core.delivery import Retry, TouchState
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.state import Customer, Run


class Clock(Protocol):
    """The only source of `now`."""

    def now(self) -> Micros:
        """Return the current instant; never goes back within one process."""
        ...


# --- the log ---------------------------------------------------------------------------------------


class Logged(msgspec.Struct, frozen=True, gc=False):
    """An entry at its place in the log. `body` is its bytes as stored; `entry` decodes them."""

    offset: int
    body: bytes


class EventLog(Protocol):
    """An append-only, durable sequence of entries; offsets start at 1 and have no gaps."""

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order, durably, and return the last one's offset.

        Returns only after the commit is on disk; concurrent callers share one commit (group commit).
        Raises `StoreFull` when nothing was written.
        """
        ...

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        ...

    def tail(self) -> int:
        """Return the last durable offset, 0 when empty."""
        ...

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` (from any thread) after each commit."""
        ...

    def close(self) -> None:
        """Flush and release; idempotent."""
        ...


# --- the store -------------------------------------------------------------------------------------


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An entry that could not be applied, kept once with the reason; `body` is what came."""

    offset: int
    at: Micros
    reason: str
    body: bytes


class TouchRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A touch and where it stands: what the delivery log shows.

    `due` is when it may next be leased. `token` counts attempts and fences them. `facts` is a `delivery.Fact` mask.
    """

    touch: Touch
    state: TouchState
    due: Micros
    updated: Micros
    token: int = 0
    lease_until: Micros = 0
    first_attempt: Micros = 0
    provider: str = ""
    provider_id: str = ""
    reason: str = ""
    detail: str = ""
    facts: int = 0
    body_hash: str = ""
    content: bytes = b""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One hand-off, as the delivery log keeps it: key (touch, token)."""

    touch: str
    token: int
    started: Micros
    ended: Micros = 0
    outcome: str = ""
    reason: str = ""
    detail: str = ""
    provider: str = ""
    provider_id: str = ""


class FactRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A receipt that was applied or parked: `id` unique; parked while `touch` is ""."""

    id: str
    touch: str
    fact: str
    at: Micros
    provider: str = ""
    provider_id: str = ""
    detail: str = ""
    link: str = ""
    machine: bool = False


class ScheduleRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A scheduled entrance: next `due`, and while an audience is being expanded the `cursor` (last customer id done)."""

    journey: str
    version: str
    due: Micros
    occurrence: int = 0
    expanding: Micros = 0
    cursor: str = ""


class Changes(msgspec.Struct):
    """Everything one unit of work writes, in one transaction. Lists may be empty; order inside a list is kept.

    `offset` 0 leaves the stored offset as it is. `seen` maps a dedupe key (ids.key64 of source, message id) to the
    offset it stands at. `identifiers` maps "kind:value" to a customer id. `merged` maps a loser's id to the winner's;
    the loser's row is removed in the same transaction. `touches` are inserted if absent; `rows` overwrite by touch id
    and must be legal moves (`IllegalMove` otherwise). `cancelled` moves every STOPPABLE touch of a run.
    """

    offset: int = 0
    now: Micros = 0
    seen: dict[int, int] = msgspec.field(default_factory=dict)
    customers: dict[str, Customer] = msgspec.field(default_factory=dict)
    identifiers: dict[str, str] = msgspec.field(default_factory=dict)
    merged: dict[str, str] = msgspec.field(default_factory=dict)
    runs: dict[str, tuple[str, Run]] = msgspec.field(default_factory=dict)  # run id -> (customer id, run)
    touches: list[Touch] = msgspec.field(default_factory=list)
    rows: list[TouchRow] = msgspec.field(default_factory=list)
    cancelled: list[tuple[str, str]] = msgspec.field(default_factory=list)  # (run id, why)
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    facts: list[FactRow] = msgspec.field(default_factory=list)
    effects: list[RecordEffect] = msgspec.field(default_factory=list)
    notes: list[tuple[str, Note]] = msgspec.field(default_factory=list)  # (customer id, note)
    dead: list[DeadLetter] = msgspec.field(default_factory=list)
    schedules: list[ScheduleRow] = msgspec.field(default_factory=list)
    flags: dict[str, str] = msgspec.field(default_factory=dict)  # "" deletes the flag
    plans: list[Plan] = msgspec.field(default_factory=list)  # published: becomes the journey's current version


class TouchQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which touches the delivery log shows: every given field must match; newest first."""

    journey: str = ""
    channel: str = ""
    state: str = ""
    customer: str = ""
    run: str = ""
    template: str = ""
    since: Micros = 0
    limit: int = 100


class Reader(Protocol):
    """Reads, inside a unit of work or on their own (then of the last commit)."""

    def position(self) -> int:
        """Return the offset up to which the log is applied."""
        ...

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for those keys that are in the dedupe window."""
        ...

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        ...

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; unknown ids are absent; a merged id returns the winner under the asked id."""
        ...

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        """Return (customer id, wake) with 0 < wake <= now, earliest first."""
        ...

    def next_due(self) -> Micros:
        """Return the earliest wake of all customers, 0 when none."""
        ...

    def scan(self, after: str, limit: int) -> list[Customer]:
        """Return customers in id order above `after`: the cursor of audiences, audits and exports."""
        ...

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return planned, ready and deferred touches with due <= now: higher priority, then earlier due first."""
        ...

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a planned, ready or deferred touch (of these channels), 0 when none."""
        ...

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`."""
        ...

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id."""
        ...

    def touch_by_provider(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the touch that the provider knows under its own id (and address, where one id covers several)."""
        ...

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return receipts that came before their touch was known."""
        ...

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        ...

    def schedules(self) -> list[ScheduleRow]:
        """Return all scheduled entrances, earliest due first."""
        ...

    def flags(self) -> dict[str, str]:
        """Return the operator's flags: "stop:*", "stop:<journey>" -> reason."""
        ...

    def plans(self) -> list[Plan]:
        """Return every published plan that is current or still travelled."""
        ...

    def current(self) -> dict[str, str]:
        """Return journey -> current version."""
        ...

    # --- what the faces ask

    def find_touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, newest first."""
        ...

    def attempts(self, touch: str) -> list[Attempt]:
        """Return the hand-offs of a touch, oldest first."""
        ...

    def facts(self, touch: str) -> list[FactRow]:
        """Return the receipts of a touch, oldest first."""
        ...

    def notes(self, customer: str, journey: str = "", limit: int = 1000) -> list[Note]:
        """Return the trace of a customer, oldest first, of one journey when given."""
        ...

    def runs(self, query: "RunQuery") -> list[tuple[str, Run]]:
        """Return (customer id, run), newest entrance first."""
        ...

    def effects(self, journey: str = "", kind: str = "", limit: int = 100_000) -> list[RecordEffect]:
        """Return effects, oldest first."""
        ...

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return entries that could not be applied, newest first."""
        ...

    def counts(self) -> "Counts":
        """Return the totals."""
        ...


class RunQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which runs: every given field must match. `active` "" = both, "yes" or "no"."""

    customer: str = ""
    journey: str = ""
    active: Literal["", "yes", "no"] = ""
    limit: int = 1000


class Counts(msgspec.Struct, frozen=True):
    """Totals for reports, `/metrics` and audits."""

    customers: int
    touches: dict[tuple[str, str, str], int]  # (journey, channel, state) -> n
    runs: dict[tuple[str, str, str], int]  # (journey, version, step or outcome) -> n
    stages: dict[str, int]  # current stage -> customers
    reached: dict[str, int]  # stage ever reached -> customers
    conversions: dict[str, tuple[int, float]]  # journey -> (n, value)
    dead: int
    parked: int


class Unit(Reader, Protocol):
    """A write transaction: reads see the state under its lock; `commit` writes once."""

    def commit(self, changes: Changes) -> None:
        """Write everything and make it durable; raises and writes nothing on any error."""
        ...


class Store(Reader, Protocol):
    """State that survives. `unit()` is exclusive: one at a time per store (embedded) or per row locks (scaled)."""

    def unit(self) -> AbstractContextManager[Unit]:
        """Open a write transaction; leaving without `commit` rolls back."""
        ...

    def close(self) -> None:
        """Release files and locks; idempotent."""
        ...


# --- channels --------------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rendered touch, ready to hand over: the same touch always renders to the same `content`.

    `content` is msgpack of the channel's own content struct (channels/<channel>); `key` is the touch id.
    """

    key: str
    channel: str
    address: str
    template: str
    content: bytes
    attempt: int = 1
    purpose: str = "marketing"


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, tag="sent"):
    """The provider took it. `delivered` when the channel knows no later receipt."""

    provider_id: str = ""
    detail: str = ""
    delivered: bool = False


class NotSent(msgspec.Struct, frozen=True, omit_defaults=True, tag="not_sent"):
    """Certainly not sent: no byte of the message was accepted. `retry_after` microseconds, when the provider said so."""

    retry: Retry
    detail: str
    code: str = ""
    retry_after: Micros = 0


class Unclear(msgspec.Struct, frozen=True, omit_defaults=True, tag="unclear"):
    """Bytes left and no certain word came back."""

    detail: str


Result: TypeAlias = Sent | NotSent | Unclear


class Channel(Protocol):
    """An adapter to one provider. It never raises for what a provider does: it answers with a `Result`.

    `provider` names it ("smtp", "aliyun", "wechat"); `key_window` is how long (microseconds) the provider
    collapses a resend under the same key, 0 when it does not.
    """

    provider: str
    channel: str
    key_window: Micros

    async def open(self) -> None:
        """Make pools and clients; may be called again after `close`."""
        ...

    async def send(self, message: Message) -> Result:
        """Hand the message over. Bounded by the adapter's own time-outs."""
        ...

    async def close(self) -> None:
        """Finish what is in flight and release; idempotent."""
        ...


class Rendering(Protocol):
    """Turns a touch and its customer into content. Pure: same input, same bytes."""

    def render(self, touch: Touch, customer: Customer) -> "Rendered":
        """Return the content; raises `TemplateProblem` with file and line."""
        ...


class Rendered(msgspec.Struct, frozen=True):
    """`content`: msgpack of the channel's content struct. `hash`: hex digest of it, kept with the touch.

    `keyed` is false for a kind of message whose resend the provider does not collapse although the channel has a
    `key_window` (a WeChat customer-service message): an uncertain one is never sent again.
    """

    content: bytes
    hash: str
    keyed: bool = True


Verdict: TypeAlias = Literal["go", "wait", "drop"]
Json: TypeAlias = dict[str, Any]

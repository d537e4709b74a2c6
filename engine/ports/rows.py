"""The rows that stores keep and faces show, and the `Changes` that one unit of work writes. Values only."""

from typing import Literal, TypeAlias

import msgspec

from engine.core.commands import Note, RecordEffect, Touch
from engine.core.delivery import TouchState
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.release import Release
from engine.core.state import Account, Customer, Run
from engine.core.world import ArmResult
from engine.ports.people import ErasureRow, LabelRow, MergeRow, ReviewRow, SuppressionRow


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An entry that could not be applied, kept once with the reason; `body` is what came."""

    offset: int
    at: Micros
    reason: str
    body: bytes


class TouchRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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


class FactRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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
    """A scheduled entrance: next `due`, and the `cursor` (last customer done) while it expands."""

    journey: str
    version: str
    due: Micros
    occurrence: int = 0
    expanding: Micros = 0
    cursor: str = ""


class CouponRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A code of a pool that a customer got: (pool, code) and `key` are unique."""

    pool: str
    code: str
    key: str
    customer: str
    at: Micros
    run: str = ""
    journey: str = ""
    step: str = ""


class PoolRow(msgspec.Struct, frozen=True):
    """How full a coupon pool is."""

    pool: str
    free: int
    issued: int


class JobRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Work that a publish left to do, and how far it got: gone from the store once `phase` is "".

    `cursor` is the last customer id or log offset done; `done` of `total` for the progress bar; `body` what to do.
    """

    name: str
    phase: str
    cursor: str = ""
    done: int = 0
    total: int = 0
    body: bytes = b""


class Changes(msgspec.Struct):
    """Everything one unit of work writes, in one transaction. Lists may be empty; order inside a list is kept.

    `offset` 0 leaves the stored offset as it is. `seen` maps a dedupe key (ids.key64 of source, message id) to the
    offset it stands at. `identifiers` maps "kind:value" to a customer id; "" lets it lead to nobody. `merged` maps
    a loser's id to the winner's; the loser's value and labels are removed in the same transaction, while runs,
    touches, notes and coupons stay its own and are found under the winner. `parted` maps an id to the one it stands
    for from now on (itself for a customer who stands on its own again); it comes after `merged`. `merges` and
    `reviews` overwrite by id and identifier. `labels` are what `customers` gained and lost. `erased` customers go
    with all that is theirs (values, identifiers, runs, touches, attempts, facts, notes, coupons, labels, merge log,
    reviews; their effects stay, nameless) after everything else was written; those merged into them too. `erasures`
    overwrite the ledger by customer; `readmitted` fingerprints leave it. `suppressions` overwrite by key,
    `released` keys go. `dropped` is added to the ledger's counts, by customer. `forgotten` dead letters, named by their
    offsets, go, and `addressed` touches, with hand-overs and receipts: they went to somebody erased. `touches` are
    inserted if absent; `rows` overwrite by touch id and must be legal moves (`IllegalMove` otherwise). `cancelled`
    moves every STOPPABLE touch of a run, `withdrawn` one touch if it is STOPPABLE. `stock` adds codes to the end of a
    pool (known ones are left alone), `coupons` takes codes out of it (`CouponTaken` for one that is not free, or a key
    used before). `arms` are added to what is counted. `release` is kept as the newest. `gone` journeys lose their
    schedule too; it comes after `plans`.
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
    gone: list[str] = msgspec.field(default_factory=list)  # journeys that have no current version any more
    release: Release | None = None
    jobs: list[JobRow] = msgspec.field(default_factory=list)
    withdrawn: list[tuple[str, str]] = msgspec.field(default_factory=list)  # (touch id, why)
    stock: list[tuple[str, list[str]]] = msgspec.field(default_factory=list)  # (pool, codes)
    coupons: list[CouponRow] = msgspec.field(default_factory=list)
    arms: dict[tuple[str, str, str], ArmResult] = msgspec.field(default_factory=dict)  # (journey, split, arm) -> more
    accounts: dict[str, Account] = msgspec.field(default_factory=dict)
    parted: dict[str, str] = msgspec.field(default_factory=dict)
    merges: list[MergeRow] = msgspec.field(default_factory=list)
    reviews: list[ReviewRow] = msgspec.field(default_factory=list)
    labels: list[LabelRow] = msgspec.field(default_factory=list)
    erased: list[str] = msgspec.field(default_factory=list)
    erasures: list[ErasureRow] = msgspec.field(default_factory=list)
    readmitted: list[str] = msgspec.field(default_factory=list)
    suppressions: list[SuppressionRow] = msgspec.field(default_factory=list)
    released: list[str] = msgspec.field(default_factory=list)
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
    forgotten: list[int] = msgspec.field(default_factory=list)
    addressed: list[str] = msgspec.field(default_factory=list)


Kept: TypeAlias = Literal["traces", "deliveries", "runs"]
"""What grows with time and may be let go: reasons; ended touches with hand-overs and receipts; ended runs."""


class TouchQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which touches the delivery log shows: every given field must match; newest first.

    `recipient`: those of others that are addressed to this contact of an account; every touch is looked at.
    """

    journey: str = ""
    channel: str = ""
    state: str = ""
    customer: str = ""
    run: str = ""
    template: str = ""
    since: Micros = 0
    limit: int = 100
    recipient: str = ""


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

"""What a journey compiles to: a graph of nodes with stable ids, content-hashed into a version.

Written by `journeys/compile.py`, read by `decide`. A plan is immutable and kept as long as a run stands on it.
"""

from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.core.expression import Expr, Measure
from engine.core.ids import Micros

StageName: TypeAlias = Literal["acquire", "activate", "retain", "monetize", "refer"]
STAGES: tuple[StageName, ...] = ("acquire", "activate", "retain", "monetize", "refer")


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """A length of time as the marketer wrote it: fixed microseconds plus calendar months."""

    micros: Micros = 0
    months: int = 0


class Daily(msgspec.Struct, frozen=True, omit_defaults=True, tag="daily"):
    """The next wall-clock time in the customer's zone; `weekday` 0 = Monday."""

    hour: int
    minute: int = 0
    weekday: int | None = None


class OnDate(msgspec.Struct, frozen=True, omit_defaults=True, tag="on_date"):
    """A wall-clock time on a date read from the run or the customer, moved by `offset_days`."""

    date: Expr
    hour: int
    minute: int = 0
    offset_days: int = 0


class Quiet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Quiet hours in minutes of the customer's day; may pass midnight. `late`: wait (default) or drop."""

    start: int
    end: int
    late: Literal["wait", "drop"] = "wait"


# --- ways in ---------------------------------------------------------------------------------------


class OnEvent(msgspec.Struct, frozen=True, omit_defaults=True, tag="on"):
    """One of these events starts a run."""

    events: tuple[str, ...]


class Once(msgspec.Struct, frozen=True, omit_defaults=True, tag="once"):
    """A one-off push at an instant to the customers for whom `audience` holds."""

    at: Micros
    audience: Expr | None = None


class Every(msgspec.Struct, frozen=True, omit_defaults=True, tag="every"):
    """A recurring push by a cron line in `zone` to the customers for whom `audience` holds."""

    cron: str
    zone: str
    audience: Expr | None = None


class Manual(msgspec.Struct, frozen=True, omit_defaults=True, tag="manual"):
    """Runs start by the API, the CLI or another journey's `start`."""


Entrance: TypeAlias = OnEvent | Once | Every | Manual


class Again(msgspec.Struct, frozen=True, omit_defaults=True):
    """May a customer travel again: never, always, or after a span since the last entrance."""

    policy: Literal["never", "always", "after"] = "never"
    span: Span = Span()


class Exit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Leaves from wherever the run stands: on an event (with `where`), or when a condition comes true."""

    events: tuple[str, ...] = ()
    where: Expr | None = None
    when: Expr | None = None


class Goal(msgspec.Struct, frozen=True, omit_defaults=True):
    """The conversion this journey is judged by, counted once per run within `within` of the entrance."""

    events: tuple[str, ...]
    within: Micros
    where: Expr | None = None
    value: Expr | None = None


# --- steps -----------------------------------------------------------------------------------------
# `id` is the step's path ("3", "3.then.1") or the marketer's own `id:`; `next` is "" at the end.


class Wait(msgspec.Struct, frozen=True, omit_defaults=True, tag="wait"):
    """Elapsed time from arrival (months by the customer's calendar)."""

    id: str
    span: Span
    next: str = ""


class WaitUntil(msgspec.Struct, frozen=True, omit_defaults=True, tag="wait_until"):
    """A wall-clock time in the customer's zone. A date that is missing or past passes at once."""

    id: str
    until: Daily | OnDate
    next: str = ""


class WaitFor(msgspec.Struct, frozen=True, omit_defaults=True, tag="wait_for"):
    """An event of the same customer, or the time-out."""

    id: str
    events: tuple[str, ...]
    within: Span
    where: Expr | None = None
    then: str = ""
    otherwise: str = ""


class Branch(msgspec.Struct, frozen=True, omit_defaults=True, tag="branch"):
    """The first arm whose condition holds; `otherwise` when none does."""

    id: str
    arms: tuple[tuple[Expr, str], ...]
    otherwise: str = ""


class Arm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One arm of a split: its share of the whole (0..1) and where it leads."""

    name: str
    share: float
    next: str = ""


class Split(msgspec.Struct, frozen=True, omit_defaults=True, tag="split"):
    """A stable random arm per customer and run."""

    id: str
    name: str
    arms: tuple[Arm, ...]


class Send(msgspec.Struct, frozen=True, omit_defaults=True, tag="send"):
    """One message by the first reachable channel; the next one on a hard failure."""

    id: str
    template: str
    channels: tuple[str, ...]
    variables: dict[str, Expr] = {}
    expires: Span | None = None
    next: str = ""


class Tag(msgspec.Struct, frozen=True, omit_defaults=True, tag="tag"):
    """Adds and removes tags; `lasts` gives an expiry."""

    id: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    lasts: Span | None = None
    next: str = ""


class Set(msgspec.Struct, frozen=True, omit_defaults=True, tag="set"):
    """Sets customer traits to values computed now; a missing value removes the trait."""

    id: str
    traits: dict[str, Expr]
    next: str = ""


class Stop(msgspec.Struct, frozen=True, omit_defaults=True, tag="stop"):
    """The end of the road."""

    id: str


Node: TypeAlias = Wait | WaitUntil | WaitFor | Branch | Split | Send | Tag | Set | Stop


class Programme(msgspec.Struct, frozen=True, omit_defaults=True):
    """The marketer's plan block (方案): shown in reports."""

    goal: str = ""
    owner: str = ""
    budget: str = ""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """A compiled journey. `nodes[0]` is the first step. `version` is the hash of everything else."""

    journey: str
    title: str
    stage: StageName
    enter: Entrance
    nodes: tuple[Node, ...]
    version: str = ""
    programme: Programme = Programme()
    where: Expr | None = None
    again: Again = Again()
    key: Expr | None = None
    holdout: float = 0.0
    exits: tuple[Exit, ...] = ()
    goal: Goal | None = None
    quiet: Quiet | None = None
    expires: Span | None = None
    priority: int = 0
    purpose: str = "marketing"
    measures: tuple[Measure, ...] = ()

    @cached_property
    def steps(self) -> dict[str, Node]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def hears(self) -> frozenset[str]:
        """Names of the events that can move a run of this plan."""
        names: set[str] = set()
        for exit_ in self.exits:
            names.update(exit_.events)
        if self.goal is not None:
            names.update(self.goal.events)
        for node in self.nodes:
            if isinstance(node, WaitFor):
                names.update(node.events)
        return frozenset(names)

    @cached_property
    def watches(self) -> bool:
        """Does a condition over the customer end its runs (`exit: when`)?"""
        return any(exit_.when is not None for exit_ in self.exits)


def seal(plan: Plan) -> Plan:
    """Return the plan with `version` set to the 12-hex-digit hash of its content."""
    body = msgspec.msgpack.encode(msgspec.structs.replace(plan, version=""))
    return msgspec.structs.replace(plan, version=blake2b(body, digest_size=6).hexdigest())


def encode(plan: Plan) -> bytes:
    """Return the plan's bytes in the store."""
    return msgspec.msgpack.encode(plan)


_decoder: msgspec.msgpack.Decoder[Plan] = msgspec.msgpack.Decoder(Plan)


def decode(body: bytes) -> Plan:
    """Return the plan that `encode` wrote."""
    return _decoder.decode(body)


# --- audience: the rules that hold for every journey -------------------------------------------------


class Cap(msgspec.Struct, frozen=True, omit_defaults=True):
    """At most `at_most` touches per `per` microseconds, of one channel ("" = any) and purpose ("" = any)."""

    at_most: int
    per: Micros
    channel: str = ""
    purpose: str = ""


ConsentMode: TypeAlias = Literal["opt_in", "opt_out", "none"]


PURPOSES: Final[dict[str, ConsentMode]] = {"marketing": "opt_in", "transactional": "none"}
CHANNELS: Final[dict[str, ConsentMode]] = {"email": "opt_out", "sms": "opt_out", "wechat": "opt_out"}
ADDRESSES: Final = {"email": "email", "sms": "phone", "wechat": "openid"}


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Consent by purpose and channel, frequency caps, quiet hours and addresses that hold for all journeys.

    opt_in: allowed only after a yes; opt_out: until a no; none: always. `addresses` maps a channel to the kind of
    identifier it sends to.
    """

    purposes: dict[str, ConsentMode] = msgspec.field(default_factory=lambda: dict(PURPOSES))
    channels: dict[str, ConsentMode] = msgspec.field(default_factory=lambda: dict(CHANNELS))
    addresses: dict[str, str] = msgspec.field(default_factory=lambda: dict(ADDRESSES))
    caps: tuple[Cap, ...] = ()
    quiet: Quiet | None = None
    default_zone: str = "UTC"
    max_event_age: Micros = 3_600_000_000
    exempt: tuple[str, ...] = ("transactional",)  # purposes outside caps and quiet hours


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """The audience files, compiled: stage conditions in order, segments, and the policy."""

    stages: dict[str, Expr] = {}
    segments: dict[str, Expr] = {}
    policy: Policy = Policy()
    measures: tuple[Measure, ...] = ()


def describe(value: Any) -> Any:
    """Return any plan value as plain dicts and lists, for `--json` and tests."""
    return msgspec.to_builtins(value)

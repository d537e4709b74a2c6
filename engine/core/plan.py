"""What a journey compiles to: ways in, a graph of nodes with stable ids, content-hashed into a version.

Written by `journeys/compile.py`, read by `decide`. A plan is immutable and kept as long as a run stands on it. The
steps stand in `core/nodes.py`, the rules of the whole audience in `core/policy.py`; both are had from here.
"""

from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import msgspec

from engine.core.expression import Expr, Measure
from engine.core.ids import Micros
from engine.core.nodes import (
    Arm,
    Awaited,
    Branch,
    Coupon,
    Leave,
    Node,
    Record,
    Repeat,
    Send,
    Set,
    Split,
    Start,
    Stop,
    Tag,
    Task,
    Wait,
    WaitFor,
    WaitUntil,
    WaitWhile,
    Webhook,
    Winner,
)
from engine.core.policy import ADDRESSES, CHANNELS, PURPOSES, Audience, Cap, ConsentMode, Identity, Policy, TagRule
from engine.core.spans import Daily, OnDate, Quiet, Span

__all__ = [
    "ADDRESSES",
    "CHANNELS",
    "PURPOSES",
    "STAGES",
    "Again",
    "Arm",
    "Audience",
    "Awaited",
    "Branch",
    "Cap",
    "ConsentMode",
    "Coupon",
    "Daily",
    "Entrance",
    "Every",
    "Exit",
    "Goal",
    "Identity",
    "InFlight",
    "Leave",
    "Manual",
    "Node",
    "OnAnniversary",
    "OnChange",
    "OnDate",
    "OnEvent",
    "OnSegment",
    "OnStage",
    "OnTag",
    "Once",
    "Plan",
    "Policy",
    "Programme",
    "Quiet",
    "Record",
    "Repeat",
    "Send",
    "Set",
    "Span",
    "Split",
    "StageName",
    "Start",
    "Stop",
    "Tag",
    "TagRule",
    "Task",
    "Wait",
    "WaitFor",
    "WaitUntil",
    "WaitWhile",
    "Webhook",
    "Winner",
    "decode",
    "describe",
    "encode",
    "seal",
]

StageName: TypeAlias = Literal["acquire", "activate", "retain", "monetize", "refer"]
STAGES: tuple[StageName, ...] = ("acquire", "activate", "retain", "monetize", "refer")

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


class OnSegment(msgspec.Struct, frozen=True, omit_defaults=True, tag="segment"):
    """The customer enters (or leaves) a segment. `existing`: those in it at the publish enter too."""

    segment: str
    way: Literal["enters", "leaves"] = "enters"
    existing: bool = False


class OnStage(msgspec.Struct, frozen=True, omit_defaults=True, tag="stage"):
    """The customer reaches a lifecycle stage for the first time."""

    stage: StageName


class OnTag(msgspec.Struct, frozen=True, omit_defaults=True, tag="tagged"):
    """The customer gains (or loses) a tag, by whatever gives or takes it."""

    name: str
    way: Literal["gains", "loses"] = "gains"


class OnChange(msgspec.Struct, frozen=True, omit_defaults=True, tag="changed"):
    """A trait of the customer gets another value; the run's `enter.from` and `enter.to` hold both."""

    trait: str


class OnAnniversary(msgspec.Struct, frozen=True, omit_defaults=True, tag="anniversary"):
    """Every year on the day of a date, moved by `offset_days`, at a wall time in the customer's zone.

    The 29th of February is kept on the 28th in other years.
    """

    date: Expr
    hour: int = 9
    minute: int = 0
    offset_days: int = 0


Entrance: TypeAlias = OnEvent | Once | Every | Manual | OnSegment | OnStage | OnTag | OnChange | OnAnniversary


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


class InFlight(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of runs in flight when a changed version is published.

    pin: they finish the road they began. migrate: they go on in the new version, at the step of the same id or at the
    one that `steps` maps theirs to. drain: they finish theirs, and nobody enters until the last has.
    """

    policy: Literal["pin", "migrate", "drain"] = "pin"
    steps: dict[str, str] = {}


class Programme(msgspec.Struct, frozen=True, omit_defaults=True):
    """The marketer's plan block (方案): shown in reports."""

    goal: str = ""
    owner: str = ""
    budget: str = ""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """A compiled journey. `nodes[0]` is the first step. `version` is the hash of everything but `in_flight`."""

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
    in_flight: InFlight = InFlight()

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
    def recalls(self) -> dict[str, Micros]:
        """Event names that a wait looks back for -> the longest look back."""
        asked: dict[str, Micros] = {}
        for node in self.nodes:
            if isinstance(node, WaitFor) and node.lookback:
                asked |= {event: max(node.lookback, asked.get(event, 0)) for event in node.events}
        return asked

    @cached_property
    def watches(self) -> bool:
        """Does a condition over the customer end its runs (`exit: when`)?"""
        return any(exit_.when is not None for exit_ in self.exits)


def seal(plan: Plan) -> Plan:
    """Return the plan with `version` set to the 12-hex-digit hash of its content (without `in_flight`)."""
    body = msgspec.msgpack.encode(msgspec.structs.replace(plan, version="", in_flight=InFlight()))
    return msgspec.structs.replace(plan, version=blake2b(body, digest_size=6).hexdigest())


def encode(plan: Plan) -> bytes:
    """Return the plan's bytes in the store."""
    return msgspec.msgpack.encode(plan)


_decoder: msgspec.msgpack.Decoder[Plan] = msgspec.msgpack.Decoder(Plan)


def decode(body: bytes) -> Plan:
    """Return the plan that `encode` wrote, also the one of schema 1: there a `wait for` named its events itself."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        return msgspec.convert(_of_today(msgspec.msgpack.decode(body)), Plan)


def _of_today(plan: Any) -> Any:
    """Return a plan's fields with what schema 1 wrote otherwise in today's form; its version stays, runs name it."""
    match plan:
        case {"nodes": list() as nodes}:
            return {**plan, "nodes": [_node_of_today(node) for node in nodes]}
        case _:
            return plan


def _node_of_today(node: Any) -> Any:
    match node:
        case {"type": "wait_for", "events": list() as events}:
            return {**node, "awaited": [{"events": events, "where": node.get("where")}]}
        case _:
            return node


def describe(value: Any) -> Any:
    """Return any plan value as plain dicts and lists, for `--json` and tests."""
    return msgspec.to_builtins(value)

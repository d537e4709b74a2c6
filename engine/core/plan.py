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


class Awaited(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing waited for: any of `events` for which `where` holds."""

    events: tuple[str, ...]
    where: Expr | None = None


class WaitFor(msgspec.Struct, frozen=True, omit_defaults=True, tag="wait_for"):
    """Events of the same customer, or the time-out: any or all of `awaited`, or `count` matches of the only one.

    What happened in the `lookback` microseconds before arrival counts too.
    """

    id: str
    awaited: tuple[Awaited, ...]
    within: Span
    need: Literal["any", "all"] = "any"
    count: int = 1
    lookback: Micros = 0
    then: str = ""
    otherwise: str = ""

    @property
    def events(self) -> tuple[str, ...]:
        """Names of all events that it hears, in the order written."""
        return tuple(dict.fromkeys(event for one in self.awaited for event in one.events))


class WaitWhile(msgspec.Struct, frozen=True, omit_defaults=True, tag="wait_while"):
    """Until the condition no longer holds (`then`), or the time-out (`otherwise`); no `within`: as long as it takes."""

    id: str
    when: Expr
    within: Span | None = None
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


class Winner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Shares move to the arm that does best `by`, once `after` were tried; some exploring never ends."""

    by: Literal["click", "open", "convert"] = "click"
    after: int = 500


class Split(msgspec.Struct, frozen=True, omit_defaults=True, tag="split"):
    """A stable random arm per customer and run."""

    id: str
    name: str
    arms: tuple[Arm, ...]
    winner: Winner | None = None


class Send(msgspec.Struct, frozen=True, omit_defaults=True, tag="send"):
    """One message by the first reachable channel; the next one on a hard failure."""

    id: str
    template: str
    channels: tuple[str, ...]
    variables: dict[str, Expr] = {}
    expires: Span | None = None
    next: str = ""
    role: str = ""  # `to: {role: ...}`: the account's contact in that role instead of the customer
    purpose: str = ""  # "" = the journey's


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


class Repeat(msgspec.Struct, frozen=True, omit_defaults=True, tag="repeat"):
    """Rounds of `body`, whose last step leads back here: one each `every`, at most `times`, none once `until` holds."""

    id: str
    every: Span
    times: int
    until: Expr | None = None
    body: str = ""
    next: str = ""


class Coupon(msgspec.Struct, frozen=True, omit_defaults=True, tag="coupon"):
    """One unused code of the pool for this run. An empty pool leads to `otherwise`; None ends the run."""

    id: str
    pool: str
    otherwise: str | None = None
    next: str = ""


class Start(msgspec.Struct, frozen=True, omit_defaults=True, tag="start"):
    """The customer enters another (manual) journey, with `variables` as its `enter.x`; this one goes on."""

    id: str
    journey: str
    variables: dict[str, Expr] = {}
    next: str = ""


class Leave(msgspec.Struct, frozen=True, omit_defaults=True, tag="leave"):
    """The customer's runs in another journey end; this one goes on."""

    id: str
    journey: str
    next: str = ""


class Task(msgspec.Struct, frozen=True, omit_defaults=True, tag="task"):
    """Work for a colleague: `to` gives an e-mail address or a WeCom user id; `title` and `note` are Liquid texts."""

    id: str
    to: Expr
    title: str
    note: str = ""
    due: Span | None = None
    next: str = ""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag="record"):
    """An object of a webhook's body."""

    fields: "dict[str, Expr | Record]"


class Webhook(msgspec.Struct, frozen=True, omit_defaults=True, tag="webhook"):
    """A signed POST of `body` (computed now, JSON) to `url`."""

    id: str
    url: str
    body: Record | None = None
    next: str = ""


class Stop(msgspec.Struct, frozen=True, omit_defaults=True, tag="stop"):
    """The end of the road."""

    id: str


Node: TypeAlias = (
    Wait
    | WaitUntil
    | WaitFor
    | WaitWhile
    | Branch
    | Split
    | Send
    | Tag
    | Set
    | Repeat
    | Coupon
    | Start
    | Leave
    | Task
    | Webhook
    | Stop
)


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


PURPOSES: Final[dict[str, ConsentMode]] = {"marketing": "opt_in", "transactional": "none", "internal": "none"}
CHANNELS: Final[dict[str, ConsentMode]] = {
    "email": "opt_out",
    "sms": "opt_out",
    "wechat": "opt_out",
    "wecom": "opt_out",
    "push": "opt_out",
    "webhook": "none",
}
ADDRESSES: Final = {
    "email": "email",
    "sms": "phone",
    "wechat": "openid",
    "wecom": "external_userid",
    "push": "device_id",
}


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
    exempt: tuple[str, ...] = ("transactional", "internal")  # purposes outside caps, quiet hours and holdout
    holdout: float = 0.0  # the share of customers whom no journey writes to: the measure of all marketing


class TagRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag that follows from a condition: carried while it holds and `lasts` longer; `mined`: a job writes it."""

    when: Expr | None = None
    lasts: Span | None = None
    mined: str = ""  # the model that writes it


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """The audience files, compiled: stage conditions in order, tag rules, segments, roles, and the policy.

    `roles` name a B2B contact's role by a condition over the customer.
    """

    stages: dict[str, Expr] = {}
    tags: dict[str, TagRule] = {}
    roles: dict[str, Expr] = {}
    segments: dict[str, Expr] = {}
    policy: Policy = Policy()
    measures: tuple[Measure, ...] = ()


def describe(value: Any) -> Any:
    """Return any plan value as plain dicts and lists, for `--json` and tests."""
    return msgspec.to_builtins(value)

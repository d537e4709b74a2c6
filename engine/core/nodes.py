"""The steps of a journey: one value for each kind of node in a plan's graph, linked by ids. `core/steps.py` takes them.

`id` is the step's path ("3", "3.then.1") or the marketer's own `id:`; `next` is "" at the end.
"""

from typing import Literal, TypeAlias

import msgspec

from engine.core.expression import Expr
from engine.core.ids import Micros
from engine.core.spans import Daily, OnDate, Span


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

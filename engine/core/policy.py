"""The rules that hold for every journey: consent, caps, quiet hours, control group, tag rules, stages, segments.

Written by `journeys/audience.py` from the audience files, part of every release, read by gates and the playbook.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from engine.core.expression import Expr, Measure
from engine.core.ids import Micros
from engine.core.spans import Quiet, Span


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
    "webhook": "user_id",
}


class IdentifierRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One kind of identifier. Kinds stand in order of strength in `Identity.kinds`.

    `strong` ones are a person's own and join people; weak ones (a device, a cookie) join somebody unknown to a person,
    never two known people. `limit` is how many values of the kind one customer may hold: a further one lets the oldest
    go, but a limit of 1 on a strong kind is a conflict instead, and so is a merge that would exceed a strong kind's.
    `blocked` are values, normalised, that name nobody; one ending in * is a prefix. `like` names the built-in kind
    whose spelling rules it follows.
    """

    kind: str
    strong: bool = True
    limit: int = 5
    blocked: tuple[str, ...] = ()
    like: str = ""


BLOCKED: Final = ("0", "null", "none", "nil", "undefined", "nan", "unknown", "anonymous", "-1", "n/a", "test")
"""Values that broken producers send for "nobody": they never name a customer, whatever the kind."""

KINDS: Final = (
    IdentifierRule("user_id", limit=1),
    IdentifierRule("national_id", limit=1),
    IdentifierRule("unionid", limit=1),
    IdentifierRule("openid"),
    IdentifierRule("external_userid"),
    IdentifierRule("phone", blocked=("+86400*", "+86800*")),
    IdentifierRule("email"),
    IdentifierRule("device_id", strong=False, limit=20),
    IdentifierRule("anonymous_id", strong=False, limit=20),
)
"""The kinds of identifiers of a workspace without identity.yaml, strongest first."""


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """How customers are told apart and brought together: `audience/identity.yaml`.

    `blocked` holds for all kinds. `absorbs`: how many others one customer takes in before a further one is a conflict.
    `sources`: sources of events in order of trust; what a trusted one said of a trait, a less trusted one (or one that
    is not listed) does not overwrite.
    """

    kinds: tuple[IdentifierRule, ...] = KINDS
    blocked: tuple[str, ...] = BLOCKED
    absorbs: int = 1_000
    sources: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Consent by purpose and channel, frequency caps, quiet hours and addresses that hold for all journeys.

    opt_in: allowed only after a yes; opt_out: until a no; none: always. `addresses` maps a channel to the kind of
    identifier it sends to. `double`: purposes whose yes waits for its confirmation. `offers`: the channels that a yes
    to a purpose covers (all when absent). `titles`: purpose -> language -> how customers read it.
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
    double: tuple[str, ...] = ()
    offers: dict[str, tuple[str, ...]] = {}
    titles: dict[str, dict[str, str]] = {}


class TagRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag that follows from a condition: carried while it holds and `lasts` longer; `mined`: a job writes it."""

    when: Expr | None = None
    lasts: Span | None = None
    mined: str = ""  # the model that writes it


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """The audience files, compiled: stage conditions in order, tag rules, segments, roles, and the policy.

    `roles` name a B2B contact's role by a condition over the customer. `regress`: whether a customer's stage is the
    furthest ever reached ("never") or the furthest whose condition holds now ("follow"). `lists` are those of the
    segments whose members an import names: their condition is the tag `list:<name>`.
    """

    stages: dict[str, Expr] = {}
    tags: dict[str, TagRule] = {}
    roles: dict[str, Expr] = {}
    segments: dict[str, Expr] = {}
    policy: Policy = Policy()
    measures: tuple[Measure, ...] = ()
    identity: Identity = Identity()
    regress: Literal["never", "follow"] = "never"
    lists: tuple[str, ...] = ()

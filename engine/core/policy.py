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

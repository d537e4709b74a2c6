"""What other channels are told of a customer: the same short answer on the web, in the app and in the store.

Not the 360 of `journeyd customers show`: no identifiers, no history, and traits only where the asker may see them.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.core import gates
from engine.core.ids import SECOND, Micros
from engine.core.policy import Policy
from engine.core.state import Customer
from engine.ports import Reader

Traits: TypeAlias = Literal["none", "all"] | Collection[str]
"""Which traits the asker may see."""

_COUPONS = 100
_OWN: Final = frozenset({"internal", "webhook"})
"""The purpose and the channel of what the company tells its own systems: a customer is not asked about these."""


class CardTag(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag that is carried now. Instants are ISO 8601 in UTC; no `until` is no end, no `score` is 0."""

    since: str
    until: str | None = None
    by: str = ""
    score: float | None = None
    version: str = ""


class CardCoupon(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code that the customer was given."""

    pool: str
    code: str
    at: str
    journey: str = ""


class CardConsent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The customer's own word on a purpose, a channel, or one channel of a purpose ("newsletter:sms")."""

    granted: bool
    at: str
    pending: bool = False


class Card(msgspec.Struct, frozen=True):
    """The answer. `segments` and `lists`: name -> since when. `may`: purpose -> channels on which it may be used."""

    id: str
    stage: str
    tags: dict[str, CardTag]
    segments: dict[str, str]
    lists: dict[str, str]
    coupons: list[CardCoupon]
    consents: dict[str, CardConsent]
    may: dict[str, list[str]]
    traits: dict[str, Any]


def card(store: Reader, policy: Policy, name: str, traits: Traits, now: Micros) -> Card | None:
    """Return the card of whom a OneID or "kind:value" (in normal form) names, as of the last commit; None: nobody."""
    id_ = store.resolve([name]).get(name, "") if ":" in name else name
    customer = store.customers([id_]).get(id_) if id_ else None
    if customer is None:
        return None
    labels = store.labels(customer.id)
    tags = {name: held for name, held in customer.tags.items() if held.lasts_at(now)}
    return Card(
        id=customer.id,
        stage=customer.stage,
        tags={
            name: CardTag(
                since=_iso(held.since),
                until=_iso(held.until) if held.until else None,
                by=held.by,
                score=held.score or None,
                version=held.version,
            )
            for name, held in sorted(tags.items())
        },
        segments={row.name: _iso(row.since) for row in labels if row.kind == "segment"},
        lists={row.name: _iso(row.since) for row in labels if row.kind == "list"},
        coupons=[
            CardCoupon(row.pool, row.code, _iso(row.at), row.journey)
            for row in store.coupons(customer.id, limit=_COUPONS)
        ],
        consents={
            name: CardConsent(said.granted, _iso(said.at), said.pending)
            for name, said in sorted(customer.consents.items())
        },
        may=allowed(customer, policy),
        traits=_seen(customer, traits),
    )


def allowed(customer: Customer, policy: Policy) -> dict[str, list[str]]:
    """Return purpose -> channels on which the customer may be written to: consent, address and suppression together.

    What the company tells its own systems (`internal`, `webhook`) is left out.

    >>> allowed(Customer("c1", 0, identifiers={"email": ("mei@brand.example",)}), Policy())["transactional"]
    ['email']
    """
    channels = [channel for channel in policy.channels if channel not in _OWN]
    reached = [channel for channel in channels if gates.reach(customer, policy, channel)]
    return {
        purpose: [channel for channel in reached if not gates.refusal(customer, policy, purpose, channel)]
        for purpose in policy.purposes
        if purpose not in _OWN
    }


def _seen(customer: Customer, traits: Traits) -> dict[str, Any]:
    if traits == "none":
        return {}
    return {name: value for name, value in customer.traits.items() if traits == "all" or name in traits}


def _iso(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""What a shop knows of its customers besides their purchases: made up, and the same for the same id every time.

Addresses, time zones and who agreed to hear from us are dice thrown from the customer's id (`ids.share`). Nothing here
touches a purchase. The demo writes these as identify messages before each customer's first order.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from engine.core.ids import MINUTE, Micros, share
from examples.cdnow.purchases import Purchase

ZONES: Final = ("Asia/Shanghai", "America/New_York")


class Shares(NamedTuple):
    """Which part of the customers has what, 0 to 1. `consent`: agreed to marketing."""

    consent: float
    email: float = 0.85
    phone: float = 0.60
    wechat: float = 0.35


def messages(purchases: Iterable[Purchase], shares: Shares) -> Iterator[dict[str, Any]]:
    """Yield Segment messages in the order of their time: who somebody is, then each purchase as `order_paid`."""
    known: set[str] = set()
    told: list[tuple[Micros, dict[str, Any]]] = []
    for purchase in purchases:
        if purchase.customer not in known:
            known.add(purchase.customer)
            told.append((purchase.at - MINUTE, identify(purchase.customer, purchase.at - MINUTE, shares)))
        told.append((purchase.at, _order(purchase)))
    yield from (message for _, message in sorted(told, key=lambda pair: pair[0]))


def identify(customer: str, at: Micros, shares: Shares) -> dict[str, Any]:
    """Return who the customer is; somebody who did not agree is known all the same, and hears nothing."""
    traits: dict[str, Any] = {"timezone": ZONES[int(share("zone", customer) * len(ZONES))]}
    if _has("email", customer, shares.email):
        traits["email"] = f"c{customer}@customers.example"
    if _has("phone", customer, shares.phone):
        traits["phone"] = f"+86138{20_000_000 + int(customer):08d}"
    if agrees(customer, shares):
        traits["consents"] = {"marketing": True}
    message: dict[str, Any] = {
        "type": "identify",
        "messageId": f"cdnow-{customer}",
        "userId": customer,
        "timestamp": _iso(at),
    }
    if _has("wechat", customer, shares.wechat):
        message["context"] = {"externalIds": [{"type": "openid", "id": f"o-cdnow-{customer}"}]}
    return message | {"traits": traits}


def agrees(customer: str, shares: Shares) -> bool:
    """Say whether the customer agreed to marketing."""
    return _has("consent", customer, shares.consent)


def _has(what: str, customer: str, part: float) -> bool:
    return share(what, customer) < part


def _order(purchase: Purchase) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "order_paid",
        "messageId": f"cdnow-row-{purchase.row}",
        "userId": purchase.customer,
        "timestamp": _iso(purchase.at),
        "properties": {"total": float(purchase.dollars), "cds": purchase.cds},
    }


def _iso(at: Micros) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000).isoformat()

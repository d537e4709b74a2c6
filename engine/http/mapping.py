"""One Segment message -> one `Event`. Pure: the HTTP face and the CLI's import call the same function.

Names: identify -> identified, page -> page_viewed, screen -> screen_viewed, group -> account_joined, alias -> aliased.
A track keeps its event name in snake case ("Order Paid" -> order_paid); the name as sent stays in
`properties.original_name` when it differs. See docs for the table of fields.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.core.errors import BadInput
from engine.core.events import Event, Identifiers
from engine.core.ids import Micros
from engine.http.fields import happened, read_choices, read_flag, read_object, read_text
from engine.http.marks import read_proof, read_tags
from engine.http.naming import Naming

Kind: TypeAlias = Literal["identify", "track", "page", "screen", "group", "alias"]

MESSAGE_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_NAMES: Final[dict[Kind, str]] = {
    "identify": "identified",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "group": "account_joined",
    "alias": "aliased",
}
_SAID_AS_TRAITS: Final = ("email", "phone", "national_id")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAPS: Final = re.compile(r"[\W_]+")


def to_event(
    message: Mapping[str, Any], *, kind: Kind, source: str, received: Micros, mint: Callable[[], str], naming: Naming
) -> Event:
    """Return the event that a (strictly parsed) message of `kind` tells of.

    `mint` makes an id where `messageId` is missing. Raises `BadInput` whose `field` is the path within the message.
    """
    context = read_object(message, "context")
    traits = dict(read_object(context, "traits"))
    if kind == "identify":
        traits.update(read_object(message, "traits"))
    consents = {
        **read_choices(
            read_object(context, "consent").get("categoryPreferences"), "context.consent.categoryPreferences"
        ),
        **read_choices(traits.pop("consents", None), "traits.consents"),
    }
    _add_surroundings(traits, context)
    name, properties = _describe(message, kind)
    account = properties["account_id"] if kind == "group" else ""
    identifiers = _identify(message, kind, context, traits, naming)
    at = happened(message, received)
    return Event(
        id=read_text(message, "messageId") or mint(),
        name=name,
        at=at,
        received=received,
        source=source,
        identifiers=identifiers,
        properties=properties,
        traits=traits,
        consents=consents,
        backfill=read_flag(message, "backfill"),
        account=account,
        account_traits=dict(read_object(message, "traits")) if account else {},
        tags=read_tags(message, source=source, at=at),
        proof=read_proof(message),
        confirmed=read_flag(message, "confirmed"),
    )


def to_name(given: str) -> str:
    """Return an event name in snake case.

    >>> to_name("Order Paid"), to_name("orderPaid"), to_name("order_paid"), to_name("订单 支付")
    ('order_paid', 'order_paid', 'order_paid', '订单_支付')
    """
    return _GAPS.sub("_", _CAMEL.sub("_", given)).strip("_").lower()


def _describe(message: Mapping[str, Any], kind: Kind) -> tuple[str, dict[str, Any]]:
    """Return the event's name and properties."""
    match kind:
        case "track":
            given = read_text(message, "event", limit=128)
            name = to_name(given)
            if not name:
                raise BadInput("A track needs the name of its event", 'Add "event": "order_paid"', "event")
            properties = dict(read_object(message, "properties"))
            if name != given:
                properties.setdefault("original_name", given)
            return name, properties
        case "page" | "screen":
            properties = dict(read_object(message, "properties"))
            for key in ("name", "category"):
                if text := read_text(message, key):
                    properties.setdefault(key, text)
            return _NAMES[kind], properties
        case "group":
            account = read_text(message, "groupId")
            if not account:
                raise BadInput("A group needs its groupId", 'Add "groupId": "acme"', "groupId")
            return _NAMES[kind], {**read_object(message, "traits"), "account_id": account}
        case "alias":
            previous = read_text(message, "previousId")
            if not previous:
                raise BadInput("An alias needs the id it replaces", 'Add "previousId"', "previousId")
            return _NAMES[kind], {"previous_id": previous}
        case "identify":
            return _NAMES[kind], {}


def _identify(
    message: Mapping[str, Any], kind: Kind, context: Mapping[str, Any], traits: dict[str, Any], naming: Naming
) -> Identifiers:
    """Return who it was; traits that are identifiers are replaced by their normal form on the way.

    An address that is none is no error: it stays a trait, so one customer's typing slip cannot refuse a whole batch.
    The number of an id document never stays as it was written.
    """
    found: Identifiers = _external_ids(context, naming)
    if device := read_text(read_object(context, "device"), "id"):
        found["device_id"] = device
    found.update(take_identifiers(traits, naming))
    if anonymous := read_text(message, "anonymousId"):
        found["anonymous_id"] = anonymous
    if user := read_text(message, "userId"):
        found["user_id"] = user
    if kind == "alias":
        if not user:
            raise BadInput("An alias needs the userId that stays", 'Add "userId"', "userId")
        found["anonymous_id"] = read_text(message, "previousId")
    if not found:
        raise BadInput("Nobody is named", "Add userId, anonymousId or another identifier", "userId")
    return found


def take_identifiers(traits: dict[str, Any], naming: Naming) -> Iterator[tuple[str, str]]:
    """Yield the identifiers that stand among the traits (kind, normal form) and write their normal form there.

    What is no identifier stays a trait as it is, but never a number of an id document.
    """
    for kind in _SAID_AS_TRAITS:
        value = traits.pop("national_id", None) if kind == "national_id" else traits.get(kind)
        text = str(value) if type(value) is int else value
        if isinstance(text, str) and (normal := naming.normal(kind, text)):
            traits[kind] = normal
            yield kind, normal


def _external_ids(context: Mapping[str, Any], naming: Naming) -> Identifiers:
    """Return the identifiers of `context.externalIds`, the last of a type; types we do not know are left out."""
    given = context.get("externalIds")
    if given is None:
        return {}
    remedy = 'Write it like [{"type": "openid", "id": "o6_bm..."}]'
    if not isinstance(given, list):
        raise BadInput("context.externalIds is not a list", remedy, "context.externalIds")
    found: Identifiers = {}
    for index, item in enumerate(given):
        if not isinstance(item, dict):
            raise BadInput("An external id is not an object", remedy, f"context.externalIds[{index}]")
        kind = read_text(item, "type")
        if value := naming.normal(kind, read_text(item, "id")):
            found[kind] = value
    return found


def _add_surroundings(traits: dict[str, Any], context: Mapping[str, Any]) -> None:
    """Add the time zone and locale that the client saw, unless the traits say them."""
    zone = context.get("timezone")
    if isinstance(zone, str) and _is_zone(zone):
        traits.setdefault("timezone", zone)
    locale = context.get("locale")
    if isinstance(locale, str) and 2 <= len(locale) <= 35 and locale.isprintable():
        traits.setdefault("locale", locale)


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name).key)
    except (ValueError, OSError, ZoneInfoNotFoundError):  # no zone, a path, a folder
        return False

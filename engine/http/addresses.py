"""An operator's word about addresses: suppress and unsuppress, read strictly before it goes into the log.

An address is written `kind:value`, or with a channel in place of the kind. Called by `ops.py`; what the words do is
the core's.
"""

from typing import Final

from msgspec.structs import replace

from engine.core.errors import BadInput
from engine.core.events import Directive
from engine.core.policy import Policy
from engine.http.naming import Naming

ABOUT_ADDRESSES: Final = frozenset({"suppress", "unsuppress"})
MOST: Final = 1_000
"""Addresses in one word."""

_WHY_LIMIT: Final = 200


def name_addresses(directive: Directive, policy: Policy, naming: Naming) -> Directive:
    """Return the word with its addresses in their normal form; raises `BadInput`."""
    if unknown := sorted(set(directive.properties) - {"addresses"}):
        raise BadInput(f"properties.{unknown[0][:64]} is not known", "Known: addresses", "properties")
    if len(directive.value) > _WHY_LIMIT:
        raise BadInput(f"The reason is over {_WHY_LIMIT} characters", "Say it shorter", "value")
    listed = directive.properties.get("addresses")
    if listed is None:
        return replace(directive, subject=address(directive.subject, policy, naming, "subject"))
    if directive.verb != "suppress":
        raise BadInput("Addresses are let go one at a time", "Name one as the subject", "properties.addresses")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST:
        raise BadInput(f"addresses is not a list of 1 to {MOST:,}", "Send several words", "properties.addresses")
    field = "properties.addresses[{}]"
    names = [address(one, policy, naming, field.format(place)) for place, one in enumerate(listed)]
    return replace(directive, properties={"addresses": names})


def address(said: object, policy: Policy, naming: Naming, field: str) -> str:
    """Return an address as the suppression list names it; raises `BadInput`.

    >>> address("sms:138 0013 8000", Policy(), Naming(), "subject")
    'phone:+8613800138000'
    """
    kind, colon, value = said.partition(":") if isinstance(said, str) else ("", "", "")
    kind = policy.addresses.get(kind, kind)
    kinds = sorted(set(policy.addresses.values()))
    if not colon or kind not in kinds:
        remedy = f"Write kind:value, like email:mei@brand.example; the kinds are {', '.join(kinds)}"
        raise BadInput(f"{str(said)[:100]!a} is no address", remedy, field)
    normal = naming.normal(kind, value)
    if not normal:
        raise BadInput(f"{value[:100]!a} is no {kind}", "Correct it", field)
    return f"{kind}:{normal}"

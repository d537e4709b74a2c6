"""An operator's word about who is one and who is not: merge, unmerge, apart. Read strictly before it goes into the log.

People are named by OneID or `kind:value`, and go into the log by OneID: whoever the operator meant stays meant. Called
by `ops.py`; what the words do is the core's.
"""

from typing import Final

from msgspec.structs import replace

from engine.core.errors import BadInput
from engine.core.events import Directive
from engine.http.fields import read_text
from engine.http.gateway import Gateway
from engine.http.naming import Naming
from engine.http.who import customer_named

ABOUT_MERGING: Final = frozenset({"merge", "unmerge", "apart"})
_WHY_LIMIT: Final = 200


async def name_parties(directive: Directive, gateway: Gateway, naming: Naming) -> Directive:
    """Return the word with its people named by OneID; raises `BadInput`, or `Problem` 404 for nobody."""
    _check_reason(directive)
    if directive.verb == "unmerge":
        await _check_unmerge(directive.subject, gateway)
        return directive
    if not directive.value:
        raise BadInput("Only one customer is named", 'Add "value": the other one', "value")
    one = await customer_named(directive.subject, "subject", gateway, naming)
    other = await customer_named(directive.value, "value", gateway, naming)
    if one == other:
        raise BadInput(
            f"{directive.subject} and {directive.value} are one customer, {one}",
            "Part them with the verb unmerge" if directive.verb == "apart" else "Nothing is left to do",
            "value",
        )
    return replace(directive, subject=one, value=other)


def _check_reason(directive: Directive) -> None:
    if unknown := sorted(set(directive.properties) - {"why"}):
        raise BadInput(f"properties.{unknown[0][:64]} is not known", "Known: why", "properties")
    read_text(directive.properties, "why", limit=_WHY_LIMIT)


async def _check_unmerge(customer: str, gateway: Gateway) -> None:
    """Refuse to part a customer who was taken in by nobody, or by one who was itself taken in since."""
    row = next((one for one in await gateway.merges(customer) if one.loser == customer and not one.undone), None)
    if row is None:
        remedy = "Name the OneID that was taken in; `journeyd identity log` lists them"
        raise BadInput(f"{customer[:100]} was merged into nobody", remedy, "subject")
    holder = (await gateway.known([customer])).get(customer, row.winner)
    if holder != row.winner:
        remedy = f"Part {row.winner} first"
        raise BadInput(f"{customer} was merged into {row.winner}, which was merged into {holder}", remedy, "subject")

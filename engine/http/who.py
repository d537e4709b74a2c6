"""Whom an operator means by a OneID or `kind:value`. Reads only.

Called for the words about people, `merging.py` and `rights.py`; the command line has a `who.py` of its own.
"""

from typing import Final

from engine.core.errors import BadInput
from engine.http.fields import ID_LIMIT
from engine.http.gateway import Gateway
from engine.http.naming import Naming
from engine.http.problems import Problem

NAME_LIMIT: Final = ID_LIMIT + 33
"""Characters of `kind:value`."""

_HOW: Final = 'Write a OneID or an identifier with its kind, like "user_id:u1"'


async def customer_named(said: str, field: str, gateway: Gateway, naming: Naming) -> str:
    """Return the OneID of whom an operator names; raises `BadInput`, or `Problem` 404 for nobody."""
    kind, colon, value = said.partition(":")
    name = said
    if colon:
        if kind not in naming.kinds:
            raise BadInput(f"{kind[:64]} is no kind of identifier", f"Use one of {', '.join(naming.kinds)}", field)
        normal = naming.normal(kind, value)
        if not normal:
            raise BadInput(f"The {kind} is none", "Correct it", field)
        name = f"{kind}:{normal}"
    found = await gateway.known([name])
    if name not in found:
        raise Problem(404, "unknown_customer", f"Nobody is known as {said[:100]}", remedy=_HOW)
    return found[name]

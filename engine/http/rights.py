"""An operator's word about a person's rights: erase, and readmit somebody who was erased.

Whoever is named goes into the log by OneID or by fingerprint, never by an identifier: the word itself must not keep
what it takes away. Called by `ops.py`; what the words do is `usecases/erase.py`'s.
"""

import re
from typing import Final

from msgspec.structs import replace

from engine.core.errors import BadInput
from engine.core.events import Directive
from engine.http.gateway import Gateway
from engine.http.naming import Naming
from engine.http.problems import Problem
from engine.http.who import customer_named

ABOUT_RIGHTS: Final = frozenset({"erase", "readmit"})
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")


async def name_person(directive: Directive, gateway: Gateway, naming: Naming) -> Directive:
    """Return the word without an identifier in it; raises `BadInput`, or `Problem` 404 for nobody."""
    if directive.properties or directive.identifiers:
        raise BadInput(f"{directive.verb} takes a subject alone", "Leave properties and identifiers out", "properties")
    if directive.verb == "erase":
        id_ = await customer_named(directive.subject, "subject", gateway, naming)
        return replace(directive, subject=id_, properties={"keys": await gateway.marks(id_)})
    key = directive.subject
    if not _FINGERPRINT.fullmatch(key):
        kind, _, value = key.partition(":")
        normal = naming.normal(kind, value)
        if not normal:
            raise BadInput("This is neither a fingerprint nor an identifier", 'Write it like "user_id:u1"', "subject")
        key = gateway.fingerprint(f"{kind}:{normal}")
    if not await gateway.is_erased(key):
        remedy = "`journeyd customers erased` shows the ledger"
        raise Problem(404, "unknown_erasure", "Nobody was erased by that name", remedy=remedy)
    return replace(directive, subject=key)

"""Finds the customer that an operator means: by OneID, by `kind:value`, or by a bare value. Reads only."""

from typing import TYPE_CHECKING

from engine.core.errors import BadInput
from engine.core.events import KINDS
from engine.core.state import Customer
from engine.http.fields import as_email, as_phone

if TYPE_CHECKING:
    from engine.ports import Reader


def find_customer(store: "Reader", asked: str, region: str) -> Customer:
    """Return the one customer; raises `BadInput` when there is none, or when a bare value means several."""
    direct = store.customers([asked])
    if asked in direct:
        return direct[asked]
    found = store.resolve(_names(asked, region))
    ids = sorted(set(found.values()))
    if len(ids) > 1:
        names = ", ".join(f"{name} is {found[name]}" for name in sorted(found))
        raise BadInput(f"{asked} means several customers: {names}", "Name one with its kind, like user_id:u1")
    customers = store.customers(ids)
    if not customers:
        kinds = ", ".join(KINDS)
        raise BadInput(
            f"Nobody is known as {asked}",
            f"Name a OneID or an identifier ({kinds}), like user_id:u1; see `journeyd customers list`",
        )
    return customers[ids[0]]


def _names(asked: str, region: str) -> list[str]:
    kind, colon, value = asked.partition(":")
    if colon and kind in KINDS:
        return _spellings(kind, value, region)
    return [name for known in KINDS for name in _spellings(known, asked, region)]


def _spellings(kind: str, value: str, region: str) -> list[str]:
    """Return "kind:value" as identity may know it: as typed, and in its normal form."""
    normal = as_email(value) if kind == "email" else as_phone(value, region) if kind == "phone" else ""
    return [f"{kind}:{one}" for one in dict.fromkeys((value, normal)) if one]

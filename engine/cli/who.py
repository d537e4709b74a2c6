"""Finds the customer that an operator means: by OneID, by `kind:value`, or by a bare value. Reads only."""

from contextlib import closing
from typing import TYPE_CHECKING

from engine.core.errors import BadInput, BadSetting
from engine.core.policy import Identity
from engine.core.state import Customer
from engine.http.naming import Naming

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.ports import Reader


def find_customer(store: "Reader", asked: str, region: str) -> Customer:
    """Return the one customer; raises `BadInput` when there is none, or when a bare value means several."""
    direct = store.customers([asked])
    if asked in direct:
        return direct[asked]
    naming = Naming.of(identity_in_force(store), region)
    found = store.resolve(_names(asked, naming))
    ids = sorted(set(found.values()))
    if len(ids) > 1:
        names = ", ".join(f"{name} is {found[name]}" for name in sorted(found))
        raise BadInput(f"{asked} means several customers: {names}", "Name one with its kind, like user_id:u1")
    customers = store.customers(ids)
    if not customers:
        kinds = ", ".join(naming.kinds)
        raise BadInput(
            f"Nobody is known as {asked}",
            f"Name a OneID or an identifier ({kinds}), like user_id:u1; see `journeyd customers list`",
        )
    return customers[ids[0]]


def identity_in_force(store: "Reader") -> Identity:
    """Return the rules of identity of the newest release; the defaults before the first."""
    newest = store.releases(1)
    return newest[0].audience.identity if newest else Identity()


def naming_of(workspace: "Workspace") -> Naming:
    """Return how identifiers are spelled by the folder's rules; while those are wrong, by the ones in force.

    Raises `BadSetting` when the folder is wrong and nothing was published yet.
    """
    region = workspace.settings.default_region
    try:
        return Naming.of(workspace.audience().identity, region)
    except BadSetting as wrong:
        try:
            with closing(workspace.read_store()) as store:
                return Naming.of(identity_in_force(store), region)
        except BadSetting:
            raise wrong from None


def _names(asked: str, naming: Naming) -> list[str]:
    """Return "kind:value" as identity may know it: as typed (older logs spell more loosely), and in normal form."""
    kind, colon, _ = asked.partition(":")
    typed = [asked] if colon and kind in naming.kinds else [f"{known}:{asked}" for known in naming.kinds]
    return list(dict.fromkeys([*typed, *naming.keys(asked)]))

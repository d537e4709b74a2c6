"""Accounts: what is known of a company, and which of its people is the contact in each role (B2B).

Pure: the use case reads the account, folds the event and puts the result back. Nothing here decides or triggers.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from engine.core.audience import traits
from engine.core.events import Event
from engine.core.state import Account, Customer


def fold(account: Account | None, event: Event) -> Account:
    """Return the account of the event after it; a late event never overwrites a newer word, null removes a trait.

    >>> fold(None, Event("m1", "account_joined", 5, 5, account="acme", account_traits={"plan": "pro"})).traits
    {'plan': 'pro'}
    """
    known = Account(event.account) if account is None else account
    if not event.account_traits:
        return known
    told, said = traits.fold(known, event.account_traits, event.at)
    return msgspec.structs.replace(known, traits=told, traits_at=said)


def appoint(account: Account, customer: Customer, roles: Collection[str], *, before: Collection[str] = ()) -> Account:
    """Return the account with its contacts: who came to a role last is its contact, until it leaves or loses the role.

    `roles` hold for the customer now, `before` held already: those are taken only when nobody has them, so that two
    people in one role do not take turns. The account itself when nothing changes.

    >>> mei, li = Customer("c1", 1), Customer("c2", 1)
    >>> account = appoint(appoint(Account("acme"), mei, ["buyer"]), li, ["buyer", "owner"])
    >>> account.contacts
    {'buyer': 'c2', 'owner': 'c2'}
    >>> appoint(account, li, ["owner"]).contacts
    {'owner': 'c2'}
    >>> appoint(account, mei, ["buyer"], before=["buyer"]) is account
    True
    """
    own = {customer.id, *customer.merged}
    contacts = {role: who for role, who in account.contacts.items() if who not in own}
    for role in roles:
        is_free = role not in contacts
        if is_free or role not in before:
            contacts[role] = customer.id
    return account if contacts == account.contacts else msgspec.structs.replace(account, contacts=contacts)


def seen_by_conditions(account: Account | None) -> Mapping[str, Any] | None:
    """Return what `account.x` reads: the traits, and the id; None without an account."""
    return None if account is None else {"id": account.id, **account.traits}

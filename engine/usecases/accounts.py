"""The company that a customer belongs to, kept as events tell of it: before the decision, which may write to a contact.

Called by `advance` around the decision on an event. Costs nothing where nobody belongs to an account.
"""

from typing import Protocol

from msgspec.structs import replace

from engine.core.audience import accounts, profile
from engine.core.context import Context
from engine.core.events import Event
from engine.core.playbook import Playbook
from engine.core.state import Account, Customer


class Accounts(Protocol):
    """Where accounts are kept: the unit of work, or a rehearsal's memory."""

    def account(self, account_id: str) -> Account | None:
        """Return the account, None when nothing is known of it."""
        ...

    def put_account(self, account: Account) -> None:
        """Keep the account's new value."""
        ...

    def contact(self, customer_id: str) -> Customer | None:
        """Return a customer; of a merged one who took it in."""
        ...


def keep_account(work: Accounts, playbook: Playbook, customer: Customer, event: Event) -> Customer:
    """Fold the event into the account that the customer belongs to by it, and appoint its contacts.

    `customer` is who the event speaks of, without it; the return value is the one whose roles were looked at. An
    account that the customer leaves by it loses its contact.
    """
    joined = event.account or customer.account
    if not joined:
        return customer
    if customer.account and customer.account != joined:
        leave(work, customer.account, customer)
    if event.account:
        before = work.account(joined)
        account = accounts.fold(before, event)
        if account is not before:
            work.put_account(account)
    if not playbook.roles:
        return customer
    after = profile.fold(playbook, customer, event)
    review_contacts(work, playbook, event, customer, after)
    return after


def review_contacts(work: Accounts, playbook: Playbook, event: Event, before: Customer, after: Customer) -> None:
    """Appoint the customer to the roles that it has come to between two of its values, and let go those it has lost."""
    if after is before or not after.account or not playbook.roles:
        return
    account = _with_name_of_today(work, work.account(after.account) or Account(after.account), after)
    held = _roles(playbook, before, event, account) if before.account == after.account else ()
    appointed = accounts.appoint(account, after, _roles(playbook, after, event, account), before=held)
    if appointed is not account:
        work.put_account(appointed)


def leave(work: Accounts, account_id: str, customer: Customer) -> None:
    """Take the customer out of the account's contacts."""
    account = work.account(account_id)
    if account is not None:
        account = _with_name_of_today(work, account, customer)
        left = accounts.appoint(account, customer, ())
        if left is not account:
            work.put_account(left)


def _with_name_of_today(work: Accounts, account: Account, customer: Customer) -> Account:
    """Return the account whose contacts know the customer by its name, if it has had more than it carries with it."""
    if customer.absorbed <= len(customer.merged):
        return account
    names = {who: work.contact(who) for who in account.contacts.values()}
    renamed = {who for who, one in names.items() if one is not None and one.id == customer.id}
    contacts = {role: customer.id if who in renamed else who for role, who in account.contacts.items()}
    return account if contacts == account.contacts else replace(account, contacts=contacts)


def _roles(playbook: Playbook, customer: Customer, event: Event, account: Account) -> tuple[str, ...]:
    """Return the roles whose condition holds for the customer."""
    context = Context(customer, event.received, event, None, playbook.policy, playbook.segments)
    context.account = accounts.seen_by_conditions(account)
    return tuple(role for role, holds in playbook.roles if holds(context))

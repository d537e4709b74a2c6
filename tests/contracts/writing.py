"""What the behaviour suite of stores writes with: one commit of changes, and customers made in a line."""

import msgspec

from engine.core.state import Customer
from engine.ports import Changes, Store


def customer(name: str, **fields: object) -> Customer:
    """Return a customer of that id, created at 1."""
    return msgspec.structs.replace(Customer(id=name, created=1), **fields)


def write(store: Store, changes: Changes) -> None:
    """Commit the changes in a unit of work of their own."""
    with store.unit() as unit:
        unit.commit(changes)


def save(store: Store, *customers: Customer) -> None:
    """Commit customers as they are."""
    write(store, Changes(customers={one.id: one for one in customers}))

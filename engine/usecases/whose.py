"""Whose a touch is today: the one it was planned for may have been two people, and they may have been parted since.

Touches keep the customer they were planned for; runs go back to the one they came with. Asked by whoever lets a touch
leave, and by whoever hears what became of it. Costs nothing for customers who were never parted from anybody.
"""

from engine.core.commands import Touch
from engine.core.state import Customer
from engine.usecases.work import Work


def traveller(work: Work, touch: Touch) -> Customer | None:
    """Return whose run the touch belongs to: who was parted from the touch's customer and took the run along, or it."""
    customer = work.customer(touch.customer)
    if customer is None or not customer.apart or _travels(customer, touch):
        return customer
    return next((one for one in others(work, customer) if _travels(one, touch)), customer)


def written_to(work: Work, touch: Touch) -> list[Customer]:
    """Return who got the message: the contact or the customer, and who was parted from it and holds the address."""
    person = work.customer(touch.recipient or touch.customer)
    if person is None:
        return []
    return [person, *(one for one in others(work, person) if _holds(one, touch.address))]


def is_strayed(work: Work, touch: Touch) -> bool:
    """Would the message take what is one person's to another, because they were one when it was planned?"""
    customer = work.customer(touch.customer)
    if customer is None or not customer.apart or touch.kind != "message":
        return False
    if traveller(work, touch) is not customer:
        return True
    if touch.recipient or _holds(customer, touch.address):
        return False
    return any(_holds(one, touch.address) for one in others(work, customer))


def others(work: Work, customer: Customer) -> list[Customer]:
    """Return everybody whom the customer was parted from, or told apart, and who is still somebody else."""
    if not customer.apart:
        return []
    work.gather(customer.apart)
    found = {one.id: one for one in map(work.customer, customer.apart) if one is not None and one.id != customer.id}
    return list(found.values())


def _travels(customer: Customer, touch: Touch) -> bool:
    return any(run.id == touch.run for run in customer.runs)


def _holds(customer: Customer, address: str) -> bool:
    return any(address in values for values in customer.identifiers.values())

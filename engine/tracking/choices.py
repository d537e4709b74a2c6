"""The preference centre's contents: which purposes reach a customer over which channels, and what a choice says. Pure.

A choice becomes words of consent, to be told to the log as an event; nothing is changed here.
"""

from collections.abc import Collection, Iterable

import msgspec

from engine.core import gates
from engine.core.policy import Policy
from engine.core.state import Customer


class Choice(msgspec.Struct, frozen=True):
    """One box: a purpose over a channel at the address it would go to; `pending`: a yes waits for its confirmation."""

    purpose: str
    channel: str
    address: str
    ticked: bool
    pending: bool = False

    @property
    def name(self) -> str:
        """The consent it stands for: "newsletter:sms"."""
        return f"{self.purpose}:{self.channel}"


def choices(customer: Customer, policy: Policy) -> list[Choice]:
    """Return every box that this customer has: purposes that ask for consent, channels with a usable address.

    >>> mei = Customer("c1", created=0, identifiers={"email": ("mei@brand.example",)})
    >>> [(one.name, one.ticked) for one in choices(mei, Policy())]
    [('marketing:email', False)]
    """
    found: list[Choice] = []
    for purpose, mode in policy.purposes.items():
        if mode == "none":
            continue
        for channel in policy.offers.get(purpose) or policy.channels:
            address = customer.address(policy.addresses.get(channel, ""))
            if not address or policy.channels.get(channel) == "none" or f"{channel}:{address}" in customer.suppressed:
                continue
            refused = gates.refusal(customer, policy, purpose, channel)
            said = customer.consents.get(refused)
            pending = said is not None and said.pending
            found.append(Choice(purpose, channel, address, not refused, pending))
    return found


def words(customer: Customer, policy: Policy, shown: Iterable[str], ticked: Collection[str]) -> dict[str, bool]:
    """Return the consents that a choice says, given the boxes that were shown and those of them that were ticked.

    Only what differs from how things stand: an untouched box says nothing.

    >>> mei = Customer("c1", created=0, identifiers={"email": ("mei@brand.example",)})
    >>> words(mei, Policy(), ["marketing:email"], ["marketing:email"])
    {'marketing': True}
    """
    boxes = {one.name: one for one in choices(customer, policy)}
    seen = [boxes[name] for name in dict.fromkeys(shown) if name in boxes]
    said: dict[str, bool] = {}
    for purpose in dict.fromkeys(box.purpose for box in seen):
        mine = [box for box in seen if box.purpose == purpose]
        if any(box.ticked != (box.name in ticked) for box in mine):
            said |= _of_purpose(customer, policy, mine, ticked)
    return said


def no_to_everything(policy: Policy) -> dict[str, bool]:
    """Return a no to every purpose there is a choice about.

    >>> no_to_everything(Policy())
    {'marketing': False}
    """
    return {purpose: False for purpose, mode in policy.purposes.items() if mode != "none"}


def _of_purpose(customer: Customer, policy: Policy, mine: list[Choice], ticked: Collection[str]) -> dict[str, bool]:
    """Return the words on one purpose of which a box changed."""
    purpose = mine[0].purpose
    wanted = [box for box in mine if box.name in ticked]
    if not wanted:
        return {purpose: False}
    said: dict[str, bool] = {}
    if purpose not in customer.consents or not customer.consents[purpose].granted:
        said[purpose] = True
    said |= {box.name: False for box in mine if box.name not in ticked}
    said |= {box.name: True for box in wanted if box.name in customer.consents and not box.ticked}
    said |= {box.channel: True for box in wanted if not gates.allows(customer, policy, box.channel)}
    return said

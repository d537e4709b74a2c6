"""What a provider, a pixel, a link or an unsubscribe page says of a touch, folded into the touch and the customer.

An order-free and idempotent merge: receipts may repeat, come early, late or reversed. Forged ones raise `BadInput`
before anything is changed (the batch loop keeps them as dead letters). Called inside the engine's batch.
"""

from typing import Final

from msgspec.structs import replace

from engine.core import experiment
from engine.core.commands import Touch
from engine.core.delivery import EVIDENCE, Fact, TouchState
from engine.core.errors import BadInput
from engine.core.events import Event, Receipt
from engine.core.ids import Micros, derive
from engine.core.plan import CHANNELS
from engine.core.state import Consent, Customer
from engine.ports import FactRow, TouchRow
from engine.usecases.work import Told, Work

NAMES: Final[dict[Fact, str]] = {
    Fact.DELIVERED: "message_delivered",
    Fact.OPENED: "message_opened",
    Fact.CLICKED: "link_clicked",
    Fact.HARD_BOUNCE: "message_bounced",
    Fact.REJECTED: "message_bounced",
    Fact.COMPLAINED: "complained",
    Fact.UNSUBSCRIBED: "unsubscribed",
    Fact.REPLIED: "message_replied",
}
"""Fact -> the customer's event. Machine facts have none: a scanner never advances a run."""

_AS_MACHINE: Final = {Fact.OPENED: Fact.OPENED_MACHINE, Fact.CLICKED: Fact.CLICKED_MACHINE}
_WINS: Final[dict[Fact, experiment.Win]] = {Fact.OPENED: "open", Fact.CLICKED: "click"}
"""What counts for the arms of a `winner` split: the first human one of each touch."""

_EACH_TIME: Final = Fact.CLICKED | Fact.REPLIED


def receive(work: Work, receipt: Receipt) -> list[Told]:
    """Apply one receipt; return what the customer's runs should hear.

    A repeat changes nothing. One that comes before its touch is known under the provider's id is parked; `settle`
    matches it. Raises `BadInput` for a fact, touch or recipient that cannot be true; nothing is changed then.
    """
    fact = _fact(receipt)
    if work.has_fact(receipt.id):
        return []
    row = _touch(work, receipt)
    kept = FactRow(
        id=receipt.id,
        touch="" if row is None else row.touch.id,
        fact=fact.name or receipt.fact,
        at=receipt.at,
        provider=receipt.provider,
        provider_id=receipt.provider_id,
        detail=receipt.detail,
        link=receipt.link,
        machine=receipt.machine,
    )
    if row is None:
        work.fact(kept)
        return []
    return absorb(work, row, kept)


def absorb(work: Work, row: TouchRow, fact: FactRow) -> list[Told]:
    """Merge a receipt into the touch it speaks of, in the customer as well; return the event it makes, if any."""
    kind = Fact[fact.fact]
    is_new = not row.facts & kind
    work.fact(replace(fact, touch=row.touch.id))
    facts = row.facts | kind
    if row.state is TouchState.UNCERTAIN and kind & EVIDENCE:
        row = work.move(row, TouchState.SENT, facts=facts, reason="receipt", content=b"")
    elif row.state is TouchState.UNCERTAIN and kind is Fact.REJECTED:
        row = work.move(row, TouchState.FAILED, facts=facts, reason="rejected", detail=fact.detail, content=b"")
    elif is_new:
        row = work.move(row, row.state, facts=facts)
    if is_new and kind in _WINS:
        _count(work, row.touch, _WINS[kind])
    if row.touch.kind != "message":  # a colleague's open or bounce is nothing the customer did
        return []
    # An account's contact answers for itself: its address bounced, its consent is withdrawn.
    person = work.customer(row.touch.recipient or row.touch.customer)
    if person is not None:
        work.put(_learn(person, row, kind, fact))
    customer = work.customer(row.touch.customer)
    if customer is None:
        return []
    if kind not in NAMES or not (is_new or kind & _EACH_TIME):
        return []
    return [Told(customer.id, event_of(row, NAMES[kind], fact.at, fact.id, link=fact.link))]


def _fact(receipt: Receipt) -> Fact:
    try:
        fact = Fact[receipt.fact]
    except KeyError:
        known = ", ".join(str(f.name) for f in Fact)
        raise BadInput(f"unknown receipt fact {receipt.fact!r}", f"use one of {known}", "fact") from None
    return _AS_MACHINE.get(fact, fact) if receipt.machine else fact


def _touch(work: Work, receipt: Receipt) -> TouchRow | None:
    if receipt.touch:
        row = work.row(receipt.touch)
        if row is None:
            raise BadInput(
                f"receipt for touch {receipt.touch!r}, which does not exist", "check the callback's signature"
            )
    elif receipt.provider and receipt.provider_id:
        row = work.provided(receipt.provider, receipt.provider_id, receipt.recipient)
        if row is None and receipt.recipient:
            # Providers write an address their own way (no country code, other case): find it by the id alone.
            row = work.provided(receipt.provider, receipt.provider_id)
    else:
        raise BadInput("receipt names no touch", "give `touch`, or `provider` and `provider_id`", "touch")
    if row is None:
        return None
    if not row.token:
        raise BadInput(f"receipt for touch {row.touch.id}, which never left", "check the callback's signature", "touch")
    if receipt.recipient and not _is_same_address(receipt.recipient, row.touch.address):
        raise BadInput(f"receipt for touch {row.touch.id} names another recipient", "check the callback's signature")
    return row


def _is_same_address(said: str, ours: str) -> bool:
    left, right = ("".join(c for c in text.casefold() if c.isalnum() or c in "@-_") for text in (said, ours))
    if left == right:
        return True
    # A phone number with and without its country code.
    shorter, longer = sorted((left, right), key=len)
    return longer.isdigit() and len(shorter) >= 7 and longer.endswith(shorter)


def _count(work: Work, touch: Touch, by: experiment.Win) -> None:
    plan = work.road(touch) if touch.arms and touch.kind == "message" else None
    if plan is not None:
        for command in experiment.arm_wins(plan, touch.arms, by):
            work.count(command)


def _learn(customer: Customer, row: TouchRow, kind: Fact, fact: FactRow) -> Customer:
    match kind:
        case Fact.HARD_BOUNCE:
            return suppress(customer, row, "hard_bounce")
        case Fact.COMPLAINED:
            return withdraw(suppress(customer, row, "complained"), _purpose(row), fact.at, "complaint")
        case Fact.UNSUBSCRIBED:
            # The page's finer choice ("no more SMS") travels in `detail`.
            scope = fact.detail if fact.detail in CHANNELS else _purpose(row)
            return withdraw(customer, scope, fact.at, "unsubscribe")
        case _:
            return customer


def suppress(customer: Customer, row: TouchRow, why: str) -> Customer:
    """Return the customer with the touch's address never to be used again by its channel; the first reason stays."""
    key = f"{row.touch.channel}:{row.touch.address}"
    if key in customer.suppressed:
        return customer
    return replace(customer, suppressed={**customer.suppressed, key: why})


def withdraw(customer: Customer, scope: str, at: Micros, source: str) -> Customer:
    """Return the customer with consent to a purpose or channel taken back at `at`; a newer word stands."""
    said = customer.consents.get(scope)
    if said is not None and said.at > at:
        return customer
    return replace(customer, consents={**customer.consents, scope: Consent(granted=False, at=at, source=source)})


def _purpose(row: TouchRow) -> str:
    """Nobody leaves receipts and passwords: a "no" under a transactional message means marketing."""
    return "marketing" if row.touch.purpose == "transactional" else row.touch.purpose


def event_of(row: TouchRow, name: str, at: Micros, key: str, *, link: str = "") -> Event:
    """Return the engine-born event that tells the customer's runs what became of a touch; `key` makes its id."""
    touch = row.touch
    properties = {"journey": touch.journey, "template": touch.template, "channel": touch.channel}
    if link:
        properties["link"] = link
    return Event(
        id=derive(name, key),
        name=name,
        at=at,
        received=row.updated,
        source="journeyd",
        properties=properties,
        about=touch.id,
    )

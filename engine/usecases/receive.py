"""What a provider, a pixel, a link or an unsubscribe page says of a touch, folded into the touch and the customer.

An order-free and idempotent merge: receipts may repeat, come early, late or reversed. Forged ones raise `BadInput`
before anything is changed (the batch loop keeps them as dead letters). Called inside the engine's batch.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from engine.core import experiment
from engine.core.audience.consents import PROOF_LIMIT, told
from engine.core.commands import Note, Touch
from engine.core.delivery import EVIDENCE, Fact, TouchState
from engine.core.errors import BadInput
from engine.core.events import Event, Receipt
from engine.core.ids import Micros, derive
from engine.core.policy import Policy
from engine.core.state import Consent
from engine.ports import FactRow, TouchRow
from engine.usecases.suppression import bounces_often, shut
from engine.usecases.whose import traveller, written_to
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


EVERYTHING: Final = "everything"
"""The word of the unsubscribe page that ends every purpose there is a choice about."""


def receive(work: Work, receipt: Receipt, policy: Policy) -> list[Told]:
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
    return absorb(work, row, kept, policy)


def absorb(work: Work, row: TouchRow, fact: FactRow, policy: Policy) -> list[Told]:
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
    _learn(work, policy, row, fact)
    customer = traveller(work, row.touch)
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


def _learn(work: Work, policy: Policy, row: TouchRow, fact: FactRow) -> None:
    """Shut the address and withdraw consents as the fact says; an account's contact answers for itself."""
    match Fact[fact.fact]:
        case Fact.HARD_BOUNCE:
            shut(work, policy, row, "hard_bounce", fact.at)
        case Fact.SOFT_BOUNCE if bounces_often(work, row, fact.at):
            shut(work, policy, row, "soft_bounces", fact.at)
        case Fact.COMPLAINED:
            shut(work, policy, row, "complained", fact.at)
            withdraw(work, row, [purpose_of(row)], Consent(granted=False, at=fact.at, source="complaint"))
        case Fact.UNSUBSCRIBED:
            proof = f"touch={row.touch.id}" + (f" {fact.detail}" if fact.detail else "")
            no = Consent(granted=False, at=fact.at, source="unsubscribe", proof=proof[:PROOF_LIMIT])
            withdraw(work, row, _scopes(policy, row, fact.detail), no)
        case _:
            pass


def withdraw(work: Work, row: TouchRow, scopes: Iterable[str], no: Consent) -> None:
    """Take the consent of whoever was written to back, to purposes or channels, as `no` says; a newer word stands."""
    named = list(scopes)
    for person in written_to(work, row.touch):
        consents = dict(person.consents)
        for scope in named:
            said = consents.get(scope)
            if said is None or said.at <= no.at:
                consents[scope] = no
                word = told(scope, no)
                work.note(person.id, Note(word.code, no.at, data=word.data))
        work.put(replace(person, consents=consents))


def _scopes(policy: Policy, row: TouchRow, detail: str) -> list[str]:
    """Return what an unsubscribe ends. The page's finer choice ("no more SMS", or everything) travels in `detail`."""
    if detail == EVERYTHING:
        return [name for name, mode in policy.purposes.items() if mode != "none"]
    return [detail if detail in policy.channels else purpose_of(row)]


def purpose_of(row: TouchRow) -> str:
    """Return what a "no" under the message ends; under a transactional one marketing: nobody leaves receipts."""
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

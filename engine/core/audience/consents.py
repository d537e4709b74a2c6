"""A customer's word: yes, no or a yes that waits for its confirmation; to a purpose, a channel or one cell of both.

Pure: how an event's consents fold into what is known, what is to be asked then, and how it is said in the trace.
Whether a word lets a message pass is asked in `gates.py`.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from engine.core.events import Event
from engine.core.ids import DAY, derive
from engine.core.policy import Policy
from engine.core.state import Consent, Customer

REQUESTED: Final = "consent_requested"
CONFIRMED: Final = "consent_confirmed"
OURS: Final = "journeyd"
"""The source of the engine's own events."""

LASTS: Final = 30 * DAY
"""How long a yes may wait for its confirmation."""

PROOF_LIMIT: Final = 500


class Word(NamedTuple):
    """What a customer said by an event, as the trace tells it: `code` consent.given | withdrawn | asked."""

    code: str
    data: dict[str, Any]


def fold(policy: Policy, customer: Customer, event: Event) -> dict[str, Consent]:
    """Return the customer's consents after the event; an older word never overwrites a newer one.

    At the same instant the stricter word stands. A yes to a purpose with double opt-in waits for its confirmation,
    unless it comes confirmed or was confirmed before. A confirmation counts for a yes that waits, not for one that was
    taken back in the meantime.

    >>> fold(Policy(), Customer("c", 0), Event("m", "signed_up", 5, 5, "web", consents={"sms": False}))["sms"].granted
    False
    """
    consents = dict(customer.consents)
    for name in event.consents:
        word = _word(policy, consents.get(name), event, name)
        if word is not None:
            consents[name] = replace(word, proof=event.proof[:PROOF_LIMIT]) if event.proof else word
    return consents


def words(before: Customer, after: Customer, event: Event) -> list[Word]:
    """Return what the event's consents changed, in the event's order; nothing for a word that did not count."""
    found: list[Word] = []
    for name in event.consents:
        said = after.consents.get(name)
        if said is not None and said is not before.consents.get(name):
            found.append(told(name, said))
    return found


def told(name: str, said: Consent) -> Word:
    """Return a consent as the trace tells it.

    >>> told("sms", Consent(granted=False, at=5, source="unsubscribe")).code
    'consent.withdrawn'
    """
    code = "consent.given" if said.granted else "consent.asked" if said.pending else "consent.withdrawn"
    data = {"name": name, "source": said.source, "proof": said.proof, "at": said.at}
    return Word(code, data)


def requests(changed: list[Word], event: Event) -> Iterator[Event]:
    """Yield the engine's own event for each yes that now waits for its confirmation: journeys ask the customer by it.

    What it says is for the confirmation: `purpose`, and `channel` when the yes was to one channel of it alone.
    """
    for word in changed:
        if word.code == "consent.asked":
            purpose, _, channel = str(word.data["name"]).partition(":")
            yield Event(
                id=derive(REQUESTED, event.source, event.id, purpose, channel),
                name=REQUESTED,
                at=event.at,
                received=event.received,
                source=OURS,
                properties={"purpose": purpose, "channel": channel, "asked": event.at, "form": event.source},
                backfill=event.backfill,
            )


def waits_at(said: Consent | None, now: int) -> bool:
    """Is this a yes that may still be confirmed at `now`?

    >>> waits_at(Consent(granted=False, at=0, pending=True), LASTS), waits_at(Consent(granted=False, at=0), 1)
    (True, False)
    """
    return said is not None and said.pending and now <= said.at + LASTS


def _word(policy: Policy, known: Consent | None, event: Event, name: str) -> Consent | None:
    """Return the customer's word on `name` from now on, None when what is known stands."""
    granted = event.consents[name]
    if event.name == CONFIRMED and event.source == OURS:
        return Consent(granted=True, at=event.at, source=event.source) if waits_at(known, event.at) else None
    if known is not None and (event.at < known.at or (event.at == known.at and (granted or _is_no(known)))):
        return None
    if granted and not event.confirmed and name.partition(":")[0] in policy.double:
        was_confirmed = known is not None and known.granted
        return Consent(granted=was_confirmed, at=event.at, source=event.source, pending=not was_confirmed)
    return Consent(granted=granted, at=event.at, source=event.source)


def _is_no(said: Consent) -> bool:
    return not said.granted and not said.pending

"""The fold: what one event changes in what we know of its customer. Nothing here decides or triggers."""

from typing import Any

import msgspec

from engine.core.audience import additions, behaviour, consents, identity, lifecycle, merging, tags, traits
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.core.state import Customer, Heard, Recalled

_NO_SIGN_OF_LIFE = frozenset({tags.MINED, lifecycle.CHANGED})
"""What is said of a customer who does nothing."""

_HEARS = {"message_sent": 0, "message_opened": 1, "link_clicked": 2}


def fold(playbook: Playbook, customer: Customer, event: Event) -> Customer:
    """Return the customer after the event: identifiers, traits, tags, consents, behaviour and messages heard.

    A late event folds in where it belongs: an older word never overwrites a newer trait, tag or consent.
    """
    fields: dict[str, Any] = {}
    linked = identity.link(customer, event.identifiers, playbook.identity)
    if linked is not customer:
        fields["identifiers"] = linked.identifiers
    if event.at > customer.seen and (event.name not in _NO_SIGN_OF_LIFE or not customer.seen):
        fields["seen"] = event.at
        if not customer.seen:
            fields["source"] = event.source
    if event.traits or event.once or event.adds:
        fields |= _traits(playbook, customer, event)
    if event.tags:
        fields["tags"] = tags.fold(customer, event)
    if event.consents:
        fields["consents"] = consents.fold(playbook.policy, customer, event)
    if event.name in _HEARS:
        fields["heard"] = _heard(customer, event)
    if event.account and event.account != customer.account:
        fields["account"] = event.account
    back = playbook.recalls.get(event.name) if playbook.recalls else None
    if back is not None:
        fields["recalled"] = _recalled(customer, event, back)
    measures = playbook.measures.get(event.name)
    if measures is not None:
        fields["behaviour"] = behaviour.fold(customer.behaviour, measures, event)
    return msgspec.structs.replace(customer, **fields) if fields else customer


def _traits(playbook: Playbook, customer: Customer, event: Event) -> dict[str, Any]:
    sources = playbook.audience.identity.sources
    if sources:
        told, said, by = traits.fold_by_trust(customer, event, sources)
        if event.once or event.adds:
            told, said = additions.fold(told, said, event, closed=traits.closed_to(event.source, by, sources))
        return {"traits": told, "traits_at": said, "traits_by": by}
    told, said = traits.fold(customer, event.traits, event.at)
    if event.once or event.adds:
        told, said = additions.fold(told, said, event)
    return {"traits": told, "traits_at": said}


def _recalled(customer: Customer, event: Event, back: Micros) -> tuple[Recalled, ...]:
    """Keep the event for the waits that look back for it, and of the others what may still be asked for."""
    fresh = Recalled(event.name, event.at, event.properties)
    since = event.received - back
    kept = [one for one in customer.recalled if one.name != event.name or one.at > since]
    return tuple(sorted([*kept, fresh], key=lambda one: one.at)[-merging.MOST_RECALLED :])


def _heard(customer: Customer, event: Event) -> dict[str, Heard]:
    template = event.properties.get("template")
    if not isinstance(template, str) or not template:
        return customer.heard
    times = list(msgspec.structs.astuple(customer.heard.get(template, Heard())))
    place = _HEARS[event.name]
    times[place] = max(times[place], event.at)
    return {**customer.heard, template: Heard(*times)}

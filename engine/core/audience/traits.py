"""Traits: what one event says of a customer or a company, folded into what is known.

Called by `profile.py` and `accounts.py`.
"""

from typing import Any, Final

from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.state import Account, Customer

MAX_TRAITS: Final = 300
"""Traits a customer or an account may hold; further new ones are left out, so that one producer cannot bloat it."""


def fold(known: Customer | Account, words: dict[str, Any], at: Micros) -> tuple[dict[str, Any], dict[str, Micros]]:
    """Return `traits` and `traits_at` after words said at `at`: an older word loses, null removes a trait.

    When a trait was removed is remembered too, and counts as one: a late event must not bring it back.

    >>> fold(Account("acme", {"plan": "free"}, {"plan": 5}), {"plan": "pro", "size": 40}, 7)
    ({'plan': 'pro', 'size': 40}, {'plan': 7, 'size': 7})
    >>> fold(Account("acme", {"plan": "free"}, {"plan": 5}), {"plan": "pro"}, 4)
    ({'plan': 'free'}, {'plan': 5})
    """
    traits, said = dict(known.traits), dict(known.traits_at)
    for name, value in words.items():
        if said.get(name, 0) > at or (name not in said and len(said) >= MAX_TRAITS):
            continue
        said[name] = at
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value
    return traits, said


def fold_by_trust(
    customer: Customer, event: Event, sources: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Micros], dict[str, str]]:
    """Return `traits`, `traits_at` and `traits_by`: the more trusted source's word stands, of equals the newer one.

    `sources` come in order of trust; all that are not among them are trusted alike, least, and not kept in `traits_by`.

    >>> mei = Customer("c", 1, traits={"city": "Xi'an"}, traits_at={"city": 5}, traits_by={"city": "crm"})
    >>> fold_by_trust(mei, Event("m", "moved", 9, 9, source="web", traits={"city": "Lhasa"}), ("crm", "shop"))[0]
    {'city': "Xi'an"}
    >>> fold_by_trust(mei, Event("m", "moved", 9, 9, source="crm", traits={"city": "Lhasa"}), ("crm", "shop"))[0]
    {'city': 'Lhasa'}
    """
    traits, said, by = dict(customer.traits), dict(customer.traits_at), dict(customer.traits_by)
    ours = _rank(event.source, sources)
    for name, value in event.traits.items():
        if name in said:
            theirs = _rank(by.get(name, ""), sources)
            if ours > theirs or (ours == theirs and said[name] > event.at):
                continue
        elif len(said) >= MAX_TRAITS:
            continue
        said[name] = event.at
        by.pop(name, None)
        if ours < len(sources):
            by[name] = event.source
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value
    return traits, said, by


def closed_to(source: str, by: dict[str, str], sources: tuple[str, ...]) -> set[str]:
    """Return the traits that a more trusted source than this one said.

    >>> closed_to("web", {"city": "crm", "size": "web"}, ("crm", "web"))
    {'city'}
    """
    ours = _rank(source, sources)
    return {name for name, who in by.items() if _rank(who, sources) < ours}


def _rank(source: str, sources: tuple[str, ...]) -> int:
    return sources.index(source) if source in sources else len(sources)

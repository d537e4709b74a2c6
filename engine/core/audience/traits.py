"""Traits: what one event says of a customer or a company, folded into what is known.

Called by `profile.py` and `accounts.py`.
"""

from typing import Any, Final

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

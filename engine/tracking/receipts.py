"""What a hit or an unsubscribe says, as a `Receipt` of the log. Pure; ids make repeats collapse."""

from typing import Literal, TypeAlias

from engine.core.events import Receipt
from engine.core.ids import SECOND, Micros, derive
from engine.tracking.machine import Hit, Verdict

PROVIDER = "journeyd"
"""The provider name of facts that our own pages tell."""

_SAME = 10 * SECOND

How: TypeAlias = Literal["page", "one_click", "everything"]
"""How somebody unsubscribed: by the page's button, by their mailbox's, or from everything."""


def of_hit(hit: Hit, verdict: Verdict) -> Receipt:
    """Return the receipt of an open or click; the same link fetched again within ten seconds is the same fact."""
    kind = "machine" if verdict.machine else "person"
    return Receipt(
        id=derive("hit", hit.touch, hit.fact, hit.index, kind, hit.at // _SAME),
        fact=hit.fact,
        at=hit.at,
        received=hit.at,
        provider=PROVIDER,
        touch=hit.touch,
        detail=verdict.why,
        link=hit.url,
        machine=verdict.machine,
    )


def of_unsubscribe(touch: str, at: Micros, how: How) -> Receipt:
    """Return the receipt of an unsubscribe: one a touch, however often the button is pressed.

    The button that ends everything is another: it may be pressed after the first.
    """
    return Receipt(
        id=derive("unsubscribe", touch, how) if how == "everything" else derive("unsubscribe", touch),
        fact="UNSUBSCRIBED",
        at=at,
        received=at,
        provider=PROVIDER,
        touch=touch,
        detail=how,
    )

"""What a hit or an unsubscribe says, as a `Receipt` of the log. Pure; ids make repeats collapse."""

from engine.core.events import Receipt
from engine.core.ids import SECOND, Micros, derive
from engine.tracking.machine import Hit, Verdict

PROVIDER = "journeyd"
"""The provider name of facts that our own pages tell."""

_SAME = 10 * SECOND


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


def of_unsubscribe(touch: str, at: Micros, *, one_click: bool) -> Receipt:
    """Return the receipt of an unsubscribe: one a touch, however often the button is pressed."""
    return Receipt(
        id=derive("unsubscribe", touch),
        fact="UNSUBSCRIBED",
        at=at,
        received=at,
        provider=PROVIDER,
        touch=touch,
        detail="one_click" if one_click else "page",
    )

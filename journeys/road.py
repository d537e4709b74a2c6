"""The ways of a plan's graph: where each step may lead, and by what name. The shared ground of words and drawings.

The words of the steps themselves stand in `words/steps.py`; the graph is `core/plan.py`.
"""

from collections.abc import Mapping
from typing import Final

from engine.core.expression import Measure
from engine.core.plan import Branch, Coupon, Node, Plan, Repeat, Split, Stop, WaitFor, WaitWhile

_LABELS: Final = {
    "then": ("then", "发生"),
    "else": ("else", "超时"),
    "otherwise": ("else", "否则"),
    "over": ("then", "不再成立"),
    "round": ("each round", "每一轮"),
    "after": ("afterwards", "结束后"),
    "issued": ("a code", "有券"),
    "empty": ("none left", "券已发完"),
}


def edges(node: Node, lang: str = "en") -> list[tuple[str, str]]:
    """Return where a step may lead: (label, step id), "" for the end; a plain successor has no label.

    >>> from engine.core.plan import Span, Wait
    >>> edges(Wait("1", Span(micros=1), next="2"))
    [('', '2')]
    >>> edges(Repeat("3", Span(micros=1), 4, body="3.1", next="4"))
    [('each round', '3.1'), ('afterwards', '4')]
    """

    def named(name: str) -> str:
        return _LABELS[name][lang == "zh"]

    match node:
        case WaitFor(then=then, otherwise=otherwise):
            return [(named("then"), then), (named("else"), otherwise)]
        case WaitWhile(within=None, then=then):
            return [("", then)]
        case WaitWhile(then=then, otherwise=otherwise):
            return [(named("over"), then), (named("else"), otherwise)]
        case Branch(arms=arms, otherwise=otherwise):
            ways = [(str(number), goes) for number, (_, goes) in enumerate(arms, start=1)]
            return [*ways, (named("otherwise"), otherwise)]
        case Split(arms=arms):
            return [(arm.name, arm.next) for arm in arms]
        case Repeat(body=body, next=after):
            return [(named("round"), body), (named("after"), after)]
        case Coupon(otherwise=otherwise, next=goes) if otherwise is not None:
            return [(named("issued"), goes), (named("empty"), otherwise)]
        case Stop():
            return [("", "")]
        case _:
            return [("", node.next)]


def label_in(label: str, lang: str) -> str:
    """Return an English label of `edges` in the language; names that the marketer gave stay.

    >>> label_in("none left", "zh"), label_in("arm-a", "zh")
    ('券已发完', 'arm-a')
    """
    return next((zh for en, zh in _LABELS.values() if en == label), label) if lang == "zh" else label


def measures_of(plan: Plan) -> Mapping[str, Measure]:
    """Return the plan's statistics by key, as the words of a condition need them."""
    return {measure.key: measure for measure in plan.measures}


def if_so(said: str | None, lang: str) -> str:
    """Return ", if <said>", or nothing when there is no condition."""
    if said is None:
        return ""
    return f"，且{said}" if lang == "zh" else f", if {said}"

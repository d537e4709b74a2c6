"""RFM: how lately, how often and for how much a customer buys, each from 1 to 5, and what the three are called.

A score says what share of the customers is worse: nobody or less than a fifth 1, at least a fifth 2, ... four fifths 5.
So customers with equal values get equal scores, and a group that is larger than a fifth is never cut in two. Pure.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.core.ids import Micros
from engine.mining.purchases import Purchases, Sums
from engine.mining.verdicts import Verdict, check_enough

MODEL: Final = "rfm"

SEGMENTS: Final[dict[str, tuple[str, str]]] = {
    "champions": ("bought lately, buy often, spend most", "重要价值客户：近期购买、频次高、金额高"),
    "loyal": ("buy regularly", "忠诚客户：持续购买"),
    "potential-loyal": ("bought lately, more than a little", "潜力客户：近期购买，有成长空间"),
    "new": ("bought for the first time lately", "新客户：最近首次或偶尔购买"),
    "promising": ("bought not long ago, little so far", "有望客户：不久前购买，金额尚低"),
    "need-attention": ("in the middle of everything", "需关注客户：各项居中"),
    "about-to-sleep": ("little, and a while ago", "即将沉睡客户：购买少且已有一段时间"),
    "at-risk": ("bought well, but long ago", "流失风险客户：曾经不错，但很久未购买"),
    "cannot-lose": ("bought most, but long ago", "重要挽留客户：曾经最好，但很久未购买"),
    "hibernating": ("little, and long ago", "沉睡客户：购买少且很久以前"),
}
"""Name -> in words, English and Chinese. The tag is `rfm-` and the name."""

# A row for each score of recency, 1 first; in it, by the mean of frequency and monetary value, 1 first.
_GRID: Final = (
    ("hibernating", "hibernating", "at-risk", "at-risk", "cannot-lose"),
    ("hibernating", "hibernating", "at-risk", "at-risk", "cannot-lose"),
    ("about-to-sleep", "about-to-sleep", "need-attention", "loyal", "loyal"),
    ("promising", "potential-loyal", "potential-loyal", "loyal", "loyal"),
    ("new", "potential-loyal", "potential-loyal", "champions", "champions"),
)


def scores(values: Sequence[float]) -> list[int]:
    """Return the quintile of each value, 1 to 5: one more than the fifths of all values that are smaller.

    >>> scores([10, 20, 30, 40, 50])
    [1, 2, 3, 4, 5]
    >>> scores([1, 1, 1, 2, 3])
    [1, 1, 1, 4, 5]
    """
    ordered = sorted(values)
    return [1 + 5 * bisect_left(ordered, value) // len(ordered) for value in values]


def segment(recency: int, frequency: int, monetary: int) -> str:
    """Return what customers with these scores are called.

    >>> segment(5, 5, 4), segment(1, 5, 5), segment(1, 1, 2)
    ('champions', 'cannot-lose', 'hibernating')
    """
    return _GRID[recency - 1][(frequency + monetary) // 2 - 1]


def rfm(past: Mapping[str, Purchases], end: Micros) -> dict[str, Verdict]:
    """Return customer -> segment for everybody who has bought up to `end`; raises `BadInput` when nobody has.

    The tag's score is the three digits: 545 is recency 5, frequency 4, monetary value 5.
    """
    bought = {customer: sums for customer, held in past.items() if (sums := held.up_to(end)) is not None}
    check_enough(bought, "purchase")
    return {
        customer: _verdict(sums, digits)
        for (customer, sums), digits in zip(bought.items(), _digits(list(bought.values())), strict=True)
    }


def _digits(bought: Sequence[Sums]) -> list[tuple[int, int, int]]:
    recency = scores([sums.last for sums in bought])
    frequency = scores([sums.times for sums in bought])
    # Cents: sums of floats that are equal in money must be equal here.
    monetary = scores([round(sums.total * 100) for sums in bought])
    return list(zip(recency, frequency, monetary, strict=True))


def _verdict(sums: Sums, digits: tuple[int, int, int]) -> Verdict:
    recency, frequency, monetary = digits
    name = segment(recency, frequency, monetary)
    why: dict[str, Any] = {
        "segment": name,
        "recency": recency,
        "frequency": frequency,
        "monetary": monetary,
        "purchases": sums.times,
        "spent": round(sums.total, 2),
    }
    return Verdict(f"{MODEL}-{name}", float(100 * recency + 10 * frequency + monetary), why)

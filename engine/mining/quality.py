"""How good guesses of a yes or a no were: order (AUC), distance (Brier), calibration; beside guessing the base rate.

Plain Python on purpose: the examiner is not the teacher. Called by `churn.py`.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final

import msgspec

GROUPS: Final = 5
_SURE: Final = 1.96
"""Standard errors on either side that hold 95 % of the cases."""


class Group(msgspec.Struct, frozen=True):
    """Customers with guesses near each other: how many, the mean guess, and the share that it was true of."""

    customers: int
    guessed: float
    true: float


class Judgement(msgspec.Struct, frozen=True):
    """What came of the examination. `auc_from` and `auc_to` hold the AUC in 95 of 100 cases.

    `brier` is the mean squared distance of the guesses from what happened, `base_brier` that of guessing `learnt_rate`,
    the share among those the model was taught with, for everybody. `base_rate`: the share among the examined.
    """

    customers: int
    base_rate: float
    learnt_rate: float
    auc: float
    auc_from: float
    auc_to: float
    brier: float
    base_brier: float
    groups: tuple[Group, ...]

    @property
    def is_better(self) -> bool:
        """Does the model say more than the base rate: surely in order, and nearer to what happened?"""
        return self.auc_from > 0.5 and self.brier < self.base_brier


def judge(guesses: Sequence[float], truths: Sequence[bool], learnt_rate: float) -> Judgement:
    """Return how good the guesses were; there must be both truths among them.

    >>> judge([0.9, 0.6, 0.4, 0.1], [True, True, False, False], 0.5).auc
    1.0
    """
    number, yes = len(truths), sum(truths)
    area = auc(guesses, truths)
    error = _error(area, yes, number - yes)
    return Judgement(
        customers=number,
        base_rate=yes / number,
        learnt_rate=learnt_rate,
        auc=area,
        auc_from=max(0.0, area - _SURE * error),
        auc_to=min(1.0, area + _SURE * error),
        brier=sum((guess - truth) ** 2 for guess, truth in zip(guesses, truths, strict=True)) / number,
        base_brier=sum((learnt_rate - truth) ** 2 for truth in truths) / number,
        groups=tuple(_groups(guesses, truths)),
    )


def auc(guesses: Sequence[float], truths: Sequence[bool]) -> float:
    """Return how often a true one has a higher guess than a false one; a tie counts half.

    >>> auc([0.1, 0.5, 0.5, 0.9], [False, False, True, True])
    0.875
    """
    pairs = sorted(zip(guesses, truths, strict=True))
    yes = sum(truths)
    ranks, place = 0.0, 0
    while place < len(pairs):
        end = place
        while end < len(pairs) and pairs[end][0] == pairs[place][0]:
            end += 1
        ranks += (place + end + 1) / 2 * sum(truth for _, truth in pairs[place:end])
        place = end
    return (ranks - yes * (yes + 1) / 2) / (yes * (len(pairs) - yes))


def _error(area: float, yes: int, no: int) -> float:
    """Return the standard error of an AUC (Hanley and McNeil, 1982)."""
    both_yes, both_no = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (yes - 1) * (both_yes - area**2) + (no - 1) * (both_no - area**2)
    return sqrt(max(0.0, spread) / (yes * no))


def _groups(guesses: Sequence[float], truths: Sequence[bool]) -> list[Group]:
    pairs = sorted(zip(guesses, truths, strict=True))
    bounds = [len(pairs) * number // GROUPS for number in range(GROUPS + 1)]
    cut = [pairs[start:end] for start, end in pairwise(bounds) if end > start]
    return [
        Group(len(part), sum(guess for guess, _ in part) / len(part), sum(truth for _, truth in part) / len(part))
        for part in cut
    ]

"""Churn: how likely a customer buys nothing within the next days, learnt from how others went on buying. Pure.

The past is cut twice. What was known two horizons before its end, and who bought in the horizon after that, teaches a
model; one horizon before the end it is examined with customers' later deeds, which it has not seen. The model that
speaks is then taught anew from the later cut. How it learns is `learning.py`; how good it is says `quality.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log1p
from typing import Final, NamedTuple, TypeAlias

from engine.core.errors import BadInput
from engine.core.ids import DAY, Micros
from engine.mining.purchases import Purchases
from engine.mining.quality import Judgement, judge
from engine.mining.verdicts import Verdict

MODEL: Final = "churn"
FEWEST: Final = 50
"""Customers of each outcome that a model is taught and examined with, at least."""

Features: TypeAlias = tuple[float, ...]
Guess: TypeAlias = Callable[[Sequence[Features]], list[float]]
"""Features of customers -> how likely each buys nothing within the horizon."""

Learn: TypeAlias = Callable[[Sequence[Features], Sequence[bool]], Guess]


class Bands(NamedTuple):
    """From which probability on churn is called medium, and from which high."""

    medium: float = 0.4
    high: float = 0.7

    def tag(self, probability: float) -> str:
        """Return the tag of a probability.

        >>> Bands().tag(0.9), Bands().tag(0.5), Bands().tag(0.1)
        ('churn-high', 'churn-medium', 'churn-low')
        """
        name = "high" if probability >= self.high else "medium" if probability >= self.medium else "low"
        return f"{MODEL}-{name}"


class Lesson(NamedTuple):
    """What was known of each customer at a cut, and who bought nothing within the horizon after it."""

    features: list[Features]
    lost: list[bool]


def churn(
    past: Mapping[str, Purchases], end: Micros, horizon: Micros, learn: Learn, bands: Bands
) -> tuple[dict[str, Verdict], Judgement]:
    """Return customer -> band for everybody who has bought up to `end`, and how good the model is.

    Raises `BadInput` when the past is too short or too poor to teach and to examine a model.
    """
    taught, examined = (lesson(past, end - cuts * horizon, horizon) for cuts in (2, 1))
    for one in (taught, examined):
        _check(one, horizon)
    judgement = judge(learn(*taught)(examined.features), examined.lost, sum(taught.lost) / len(taught.lost))
    guess = learn(*examined)
    known = {customer: said for customer, held in past.items() if (said := features(held, end, horizon)) is not None}
    guesses = guess(list(known.values()))
    verdicts = {
        customer: Verdict(bands.tag(probability), round(probability, 4), {"probability": round(probability, 4)})
        for customer, probability in zip(known, guesses, strict=True)
    }
    return verdicts, judgement


def lesson(past: Mapping[str, Purchases], cut: Micros, horizon: Micros) -> Lesson:
    """Return what was known at `cut` of everybody who had bought by then, and what they did until `cut + horizon`."""
    told = Lesson([], [])
    for held in past.values():
        known = features(held, cut, horizon)
        if known is not None:
            told.features.append(known)
            told.lost.append(not held.has_between(cut, cut + horizon))
    return told


def features(held: Purchases, cut: Micros, horizon: Micros) -> Features | None:
    """Return what is known of a customer at `cut`, None before the first purchase; nothing later is looked at.

    Days since the last and the first purchase, how many and for how much, in all and within the last horizon, how long
    since the last one in terms of the usual gap, and what else was heard of the customer and when. All on a log scale.
    """
    sums = held.up_to(cut)
    if sums is None:
        return None
    lately = held.up_to(cut, since=cut - horizon)
    idle, known = (cut - sums.last) / DAY, (cut - sums.first) / DAY
    gap = (known - idle) / (sums.times - 1) if sums.times > 1 else known
    acts = [at for at in held.acts if at <= cut]
    quiet = (cut - max(acts)) / DAY if acts else known
    return (
        log1p(idle),
        log1p(known),
        log1p(sums.times),
        log1p(max(0.0, sums.total)),
        log1p(max(0.0, sums.total / sums.times)),
        log1p(lately.times if lately else 0),
        log1p(max(0.0, lately.total) if lately else 0.0),
        log1p(idle / (gap + 1.0)),
        log1p(sum(at > cut - horizon for at in acts)),
        log1p(quiet),
    )


def _check(told: Lesson, horizon: Micros) -> None:
    lost = sum(told.lost)
    if min(lost, len(told.lost) - lost) < FEWEST:
        days = horizon // DAY
        raise BadInput(
            f"The history does not teach who stays: of {len(told.lost):,} customers {lost:,} bought nothing "
            f"within {days} days, and at least {FEWEST} of each are needed, twice",
            f"Bring at least three times {days} days of purchases, or ask for fewer days with --within",
        )

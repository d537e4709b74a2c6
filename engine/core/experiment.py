"""Who falls into which arm, and who is held out: stable shares, no dice. Called by steps and decide."""

from engine.core.ids import share
from engine.core.plan import Arm, Plan, Split
from engine.core.state import Run


def arm_of(split: Split, run: Run) -> Arm:
    """Return the run's arm: the same for the same run and split name, shares being weights of any scale.

    >>> split = Split("1", "subject", (Arm("a", 0.0), Arm("b", 1.0)))
    >>> arm_of(split, Run(id="r1", journey="j", version="v", entered=0)).name
    'b'
    """
    weights = [max(arm.share, 0.0) for arm in split.arms]
    point = share("split", run.id, split.name) * sum(weights)
    for arm, weight in zip(split.arms, weights, strict=True):
        if point < weight:
            return arm
        point -= weight
    # Reached by rounding, or when every share is zero: the last arm that wants anybody, else the first.
    return next((arm for arm in reversed(split.arms) if arm.share > 0), split.arms[0])


def is_held_out(plan: Plan, customer_id: str) -> bool:
    """Say whether the customer is in the journey's control group: stable per customer and journey, over all versions.

    Raising `holdout` only adds customers to the group.
    """
    return plan.holdout > 0 and share("holdout", plan.journey, customer_id) < plan.holdout

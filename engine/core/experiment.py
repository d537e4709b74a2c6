"""Who falls into which arm, who is held out, and what is counted to find the winner: stable shares, no dice.

Called by steps, enrolment, decide and receive. It keeps no count itself: `CountArm` asks the shell to.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from engine.core.commands import CountArm
from engine.core.ids import share
from engine.core.plan import Arm, Plan, Policy, Split
from engine.core.state import Run
from engine.core.world import ArmResult

EXPLORING: Final = 0.1
"""The share of runs that go by the plain shares although a winner shows: a verdict may turn, and is never final."""

_UNTRIED: Final[Mapping[str, ArmResult]] = {}


def arm_of(split: Split, run: Run, results: Mapping[str, ArmResult] = _UNTRIED) -> Arm:
    """Return the run's arm: the same for the same run and split name, shares being weights of any scale.

    A `winner` split goes by `results` once `after` were tried: each arm draws a rate that it may have, by what is known
    of it, and the highest takes the run (Thompson sampling, with draws that the run's id makes).

    >>> split = Split("1", "subject", (Arm("a", 0.0), Arm("b", 1.0)))
    >>> arm_of(split, Run(id="r1", journey="j", version="v", entered=0)).name
    'b'
    """
    winner = split.winner
    if winner is None or sum(result.tried for result in results.values()) < winner.after:
        return _by_share(split, run)
    if share("explore", run.id, split.name) < EXPLORING:
        return _by_share(split, run)
    wanted = [arm for arm in split.arms if arm.share > 0] or split.arms[:1]
    return max(wanted, key=lambda arm: _drawn(results.get(arm.name, ArmResult()), run.id, split.name, arm.name))


def is_held_out(plan: Plan, customer_id: str) -> bool:
    """Say whether the customer is in the journey's control group: stable per customer and journey, over all versions.

    Raising `holdout` only adds customers to the group.
    """
    return plan.holdout > 0 and share("holdout", plan.journey, customer_id) < plan.holdout


def is_globally_held_out(policy: Policy, customer_id: str, purpose: str) -> bool:
    """Say whether no journey of this purpose writes to the customer: one group for all journeys, stable per customer.

    Exempt purposes (a receipt, a task for a colleague) reach everybody.

    >>> is_globally_held_out(Policy(holdout=1.0), "c1", "marketing")
    True
    >>> is_globally_held_out(Policy(holdout=1.0), "c1", "transactional")
    False
    """
    return policy.holdout > 0 and purpose not in policy.exempt and share("global holdout", customer_id) < policy.holdout


Win = Literal["click", "open", "convert"]
"""What an arm of a `winner` split is judged by."""


def tries(plan: Plan, arms: Mapping[str, str]) -> list[CountArm]:
    """Return what a message sent counts for the arms that led to it: one try each, where clicks or opens decide."""
    return [CountArm(plan.journey, split.name, arm, tried=1) for split, arm in _judged(plan, arms, ("click", "open"))]


def wins(plan: Plan, run: Run, by: Win) -> list[CountArm]:
    """Return what the run's success counts for the arms it took; nothing for a held-out run, which got no message."""
    return [] if run.holdout else arm_wins(plan, run.arms, by)


def arm_wins(plan: Plan, arms: Mapping[str, str], by: Win) -> list[CountArm]:
    """Return what a success counts for the arms (split -> arm) that led to it."""
    return [CountArm(plan.journey, split.name, arm, won=1) for split, arm in _judged(plan, arms, (by,))]


def _judged(plan: Plan, arms: Mapping[str, str], by: Sequence[Win]) -> Iterator[tuple[Split, str]]:
    if not arms:
        return
    for node in plan.nodes:
        if isinstance(node, Split) and node.winner is not None and node.winner.by in by and node.name in arms:
            yield node, arms[node.name]


def _by_share(split: Split, run: Run) -> Arm:
    weights = [max(arm.share, 0.0) for arm in split.arms]
    point = share("split", run.id, split.name) * sum(weights)
    for arm, weight in zip(split.arms, weights, strict=True):
        if point < weight:
            return arm
        point -= weight
    # Reached by rounding, or when every share is zero: the last arm that wants anybody, else the first.
    return next((arm for arm in reversed(split.arms) if arm.share > 0), split.arms[0])


def _drawn(result: ArmResult, *seed: str) -> float:
    """Return a rate that the arm may have: a draw from the normal that approximates its Beta posterior.

    Wins beyond the tries (a click that was counted before its send, say) read as no losses.
    """
    won, lost = result.won + 1, max(result.tried - result.won, 0) + 1
    seen = won + lost
    spread = math.sqrt(won * lost / (seen * seen * (seen + 1)))
    # Box and Muller: two even shares make one normal draw.
    far = math.sqrt(-2.0 * math.log(1.0 - share("draw", *seed)))
    return won / seen + spread * far * math.cos(math.tau * share("turn", *seed))

"""A winner split finds the better arm, keeps trying the other, and does so alike each time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.commands import CountArm
from engine.core.experiment import arm_of
from engine.core.ids import share
from engine.core.plan import Arm, Split, Winner
from engine.core.state import Run
from engine.core.world import Given

RATES = {"poor": 0.02, "good": 0.08}
SPLIT = Split("1", "subject", (Arm("poor", 0.5), Arm("good", 0.5)), Winner("click", 500))


def travel(seed: int, runs: int) -> list[str]:
    """Let `runs` runs through the split; each clicks by its arm's true rate."""
    world, taken = Given(), list[str]()
    for number in range(runs):
        run = Run(f"{seed}-{number}", "j", "v", 0)
        arm = arm_of(SPLIT, run, world.results("j", "subject"))
        clicked = int(share("click", seed, number) < RATES[arm.name])
        world.learn(CountArm("j", "subject", arm.name, tried=1, won=clicked))
        taken.append(arm.name)
    return taken


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1_000_000))
def test_after_five_thousand_runs_the_better_arm_has_most_and_the_worse_one_still_some(seed: int) -> None:
    taken = travel(seed, 5000)
    late = taken[-1000:]
    assert abs(taken[:500].count("good") / 500 - 0.5) < 0.15
    assert late.count("good") / 1000 > 0.85
    assert late.count("poor") / 1000 > 0.02
    assert travel(seed, 1000) == taken[:1000]

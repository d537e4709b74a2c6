"""Arms and control groups: stable, fair and keyed."""

from engine.core.experiment import arm_of, is_held_out
from engine.core.plan import Arm, Manual, Plan, Split, Stop
from engine.core.state import Run


def run(number: int) -> Run:
    return Run(id=f"run-{number}", journey="j", version="v", entered=0)


def plan(journey: str, holdout: float, title: str = "") -> Plan:
    return Plan(journey, title, "acquire", Manual(), (Stop("1"),), holdout=holdout)


def test_arms_fill_by_their_weights_of_any_scale() -> None:
    for scale in (1.0, 100.0):
        split = Split("1", "offer", (Arm("a", 0.2 * scale), Arm("b", 0.5 * scale), Arm("c", 0.3 * scale)))
        names = [arm_of(split, run(n)).name for n in range(4000)]
        assert abs(names.count("a") / 4000 - 0.2) < 0.03
        assert abs(names.count("b") / 4000 - 0.5) < 0.03


def test_the_same_run_keeps_its_arm_and_two_splits_are_independent() -> None:
    one = Split("1", "one", (Arm("a", 50), Arm("b", 50)))
    two = Split("9", "two", (Arm("a", 50), Arm("b", 50)))
    assert [arm_of(one, run(n)).name for n in range(50)] == [arm_of(one, run(n)).name for n in range(50)]
    both = [(arm_of(one, run(n)).name, arm_of(two, run(n)).name) for n in range(4000)]
    assert abs(both.count(("a", "b")) / 4000 - 0.25) < 0.03


def test_an_arm_without_share_is_never_taken() -> None:
    split = Split("1", "x", (Arm("none", 0.0), Arm("all", 1.0), Arm("after", 0.0)))
    assert {arm_of(split, run(n)).name for n in range(200)} == {"all"}


def test_arms_that_nobody_wants_lead_to_the_first() -> None:
    assert arm_of(Split("1", "x", (Arm("a", 0.0), Arm("b", -1.0))), run(1)).name == "a"


def test_the_control_group_is_stable_over_versions_and_grows_with_its_share() -> None:
    ids = [f"c{n}" for n in range(3000)]
    tenth = {one for one in ids if is_held_out(plan("cart", 0.1), one)}
    assert abs(len(tenth) / 3000 - 0.1) < 0.02
    assert tenth == {one for one in ids if is_held_out(plan("cart", 0.1, "new title"), one)}
    assert tenth < {one for one in ids if is_held_out(plan("cart", 0.2), one)}
    assert tenth != {one for one in ids if is_held_out(plan("welcome", 0.1), one)}


def test_no_holdout_holds_nobody_and_a_whole_one_everybody() -> None:
    assert not any(is_held_out(plan("cart", 0.0), f"c{n}") for n in range(100))
    assert all(is_held_out(plan("cart", 1.0), f"c{n}") for n in range(100))

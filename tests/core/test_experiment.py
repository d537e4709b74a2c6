"""Arms and control groups: stable, fair and keyed."""

from engine.core.commands import CountArm
from engine.core.experiment import arm_of, arm_wins, is_globally_held_out, is_held_out, tries, wins
from engine.core.plan import Arm, Manual, Plan, Policy, Split, Stop, Winner
from engine.core.state import Run
from engine.core.world import ArmResult


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


def test_one_group_is_held_out_of_all_journeys_but_of_no_exempt_purpose() -> None:
    ids = [f"c{n}" for n in range(3000)]
    policy = Policy(holdout=0.1)
    group = {one for one in ids if is_globally_held_out(policy, one, "marketing")}
    assert abs(len(group) / 3000 - 0.1) < 0.02
    assert group == {one for one in ids if is_globally_held_out(policy, one, "surveys")}
    assert group < {one for one in ids if is_globally_held_out(Policy(holdout=0.2), one, "marketing")}
    assert not any(is_globally_held_out(Policy(holdout=1.0), one, "transactional") for one in ids)
    assert not any(is_globally_held_out(Policy(), one, "marketing") for one in ids)
    assert group != {one for one in ids if is_held_out(plan("cart", 0.1), one)}


def race(after: int = 500) -> Split:
    return Split("1", "subject", (Arm("a", 0.5), Arm("b", 0.5), Arm("off", 0.0)), Winner("click", after))


def test_a_winner_split_goes_by_its_shares_until_enough_were_tried() -> None:
    early = {"a": ArmResult(250, 0), "b": ArmResult(249, 200)}
    for number in range(200):
        assert arm_of(race(), run(number), early) == arm_of(race(), run(number))


def test_a_clear_winner_takes_all_but_the_explorers() -> None:
    results = {"a": ArmResult(1000, 20), "b": ArmResult(1000, 80)}
    names = [arm_of(race(), run(number), results).name for number in range(4000)]
    assert abs(names.count("b") / 4000 - 0.95) < 0.02  # nine tenths, and half of the rest
    assert "off" not in names
    assert names == [arm_of(race(), run(number), results).name for number in range(4000)]


def test_arms_that_do_alike_and_arms_never_tried_are_all_taken() -> None:
    alike = {"a": ArmResult(1000, 50), "b": ArmResult(1000, 50)}
    names = [arm_of(race(), run(number), alike).name for number in range(4000)]
    assert 0.4 < names.count("a") / 4000 < 0.6
    fresh = [arm_of(race(), run(number), {"a": ArmResult(1000, 50)}).name for number in range(4000)]
    assert fresh.count("b") / 4000 > 0.8


def test_more_wins_than_tries_are_read_as_no_losses() -> None:
    odd = {"a": ArmResult(10, 30), "b": ArmResult(600, 0)}
    assert [arm_of(race(), run(number), odd).name for number in range(100)].count("a") > 90


def test_only_arms_of_winner_splits_are_counted_by_what_they_are_judged_by() -> None:
    nodes = (
        race(),
        Split("2", "offer", (Arm("x", 1.0),), Winner("convert")),
        Split("3", "plain", (Arm("y", 1.0),)),
        Stop("4"),
    )
    road = Plan("j", "", "acquire", Manual(), nodes)
    arms = {"subject": "a", "offer": "x", "plain": "y"}
    gone = Run(id="r", journey="j", version="v", entered=0, arms=arms)
    assert tries(road, arms) == [CountArm("j", "subject", "a", tried=1)]
    assert arm_wins(road, arms, "click") == [CountArm("j", "subject", "a", won=1)]
    assert wins(road, gone, "convert") == [CountArm("j", "offer", "x", won=1)]
    assert wins(road, gone, "open") == tries(road, {}) == []
    held = Run(id="r", journey="j", version="v", entered=0, arms=arms, holdout=True)
    assert wins(road, held, "convert") == []

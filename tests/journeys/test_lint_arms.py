"""Lint: arms that cannot be taken and conditions that never hold, each at its exact place; and no false alarm."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import comparisons
from engine.core.expression import AllOf, AnyOf, Compare, Constant, Expr, Not, Path
from journeys.check import Known, lint_journeys
from journeys.compile import load_journey
from journeys.lint.satisfy import is_impossible

HEAD = "journey: a\nstage: acquire\nenter: {on: x}\n"


def found(text: str) -> list[tuple[str, int, int]]:
    loaded = load_journey(text, "a.yaml")
    assert loaded.plan is not None, loaded.problems
    return [(one.code, one.place.line, one.place.column) for one in lint_journeys([loaded], Known())]


def choose(*arms: str, where: str = "") -> str:
    head = HEAD.replace("{on: x}", f"{{on: x, where: '{where}'}}") if where else HEAD
    lines = "".join(f"      - if: {arm}\n        then: [stop]\n" for arm in arms)
    return f"{head}steps:\n  - choose:\n{lines}"


@pytest.mark.parametrize(
    ("arm", "code"),
    [
        ("false", "J100"),
        ("customer.age > 30 and customer.age < 20", "J100"),
        ('customer.city == "Shanghai" and customer.city == "Beijing"', "J100"),
        ('customer.city in ["a", "b"] and customer.city == "c"', "J100"),
        ('customer.age > 30 and customer.age == "31"', "J100"),
        ('tag("vip") and not tag("vip")', "J100"),
        ("exists(customer.age) and not exists(customer.age)", "J100"),
        ("customer.age > 3 and not exists(customer.age)", "J100"),
        ("hour() > 23", "J100"),
        ('count("order_paid") < 0', "J100"),
        ("(customer.a > 5 or customer.a < 3) and customer.a == 4", "J100"),
        ('last("order_paid") > "30d" and last("order_paid") < "7d"', "J100"),
        ("1 > 2", "J100"),
    ],
)
def test_an_arm_whose_condition_never_holds_is_told_at_the_condition(arm: str, code: str) -> None:
    assert found(f"{HEAD}steps:\n  - if: {arm}\n    then: [stop]\n") == [(code, 5, 9)]


def test_an_arm_that_an_earlier_one_takes_is_told_with_the_line_of_the_earlier() -> None:
    text = choose("customer.spent > 100", "customer.spent > 500", 'tag("vip")')
    assert found(text) == [("J101", 8, 13)]
    loaded = load_journey(text, "a.yaml")
    assert "the arm on line 6 takes everybody" in str(lint_journeys([loaded], Known())[0])
    assert "第 6 行" in str(lint_journeys([loaded], Known(), "zh")[0])


def test_several_earlier_arms_together_may_leave_nothing() -> None:
    text = choose('count("x") > 5', 'count("x") > 0', 'count("x") == 0', 'tag("vip")')
    assert found(text) == [("J101", 12, 13)]


def test_an_else_that_nobody_reaches_is_told() -> None:
    text = f"{HEAD}steps:\n  - if: hour() < 24\n    then: [stop]\n    else:\n      - tag: +late\n"
    assert found(text) == [("J101", 7, 5)]
    text = choose("hour() >= 12", "hour() < 12") + "      - else: [stop]\n"
    assert found(text) == [("J101", 10, 9)]


def test_an_arm_that_the_entry_rules_out_is_told() -> None:
    assert found(choose("enter.total < 100", where="event.total >= 200")) == [("J102", 6, 13)]
    assert found(choose("enter.total < 300", where="event.total >= 200")) == []


def test_an_arm_that_the_arm_round_it_rules_out_is_told() -> None:
    inner = "      - wait: 1d\n      - if: enter.total > 50\n        then: [stop]\n"
    text = f"{HEAD}steps:\n  - if: enter.total < 20\n    then:\n{inner}"
    assert found(text) == [("J102", 8, 13)]
    # After the branch both ways meet, and nothing is known any more.
    after = "  - if: enter.total > 50\n    then: [stop]\n"
    assert found(f"{HEAD}steps:\n  - if: enter.total < 20\n    then: [tag: +small]\n{after}") == []
    assert found(f"{HEAD}steps:\n  - if: enter.total < 20\n    then: [stop]\n{after}") == []


@pytest.mark.parametrize(
    "arms",
    [
        ["customer.age > 30", "customer.age <= 30", "not exists(customer.age)"],
        ['customer.city != "a"', 'customer.city == "a"'],
        ["customer.a > 1 and customer.b < 2", "customer.a > 1"],
        ["customer.age > 5", "customer.age < 6"],
        ['customer.name startswith "A"', 'customer.name startswith "AB"'],
        ["customer.x", "not customer.x"],
        ['customer.x == "1"', "customer.x == 1", "customer.x == true"],
        ['count("x", within="7d") > 3', 'count("x", within="30d") > 3'],
        ["sum('x', 'total') > 0", "sum('x', 'total') < 0"],
        ['not tag("a") or not tag("b")', 'tag("a")'],
    ],
)
def test_arms_that_can_be_taken_are_not_complained_of(arms: list[str]) -> None:
    assert found(choose(*(f"{{any: [{arm!r}]}}" if "'" not in arm else f'"{arm}"' for arm in arms))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD.replace("on: x", "on: x, where: event.a > 3 and event.a < 2") + "steps: [stop]", [("J103", 3, 23)]),
        (HEAD + "exit:\n  - {on: y, where: event.a > 3 and event.a < 2}\nsteps: [stop]", [("J104", 5, 20)]),
        (HEAD + "exit: {when: customer.a > 3 and customer.a < 2}\nsteps: [stop]", [("J104", 4, 14)]),
        (HEAD + "goal: {on: y, within: 1d, where: false}\nsteps: [stop]", [("J104", 4, 34)]),
        (HEAD + "steps:\n  - wait for: {on: y, where: false, within: 1d}\n", [("J104", 5, 30)]),
        (
            HEAD + "steps:\n  - wait for: {any: [{on: y}, {on: z, where: false}], within: 1d}\n",
            [("J104", 5, 46)],
        ),
        (HEAD + "steps:\n  - wait while: hour() < 24\n  - stop\n", [("J105", 5, 17)]),
        (HEAD + "steps:\n  - wait while: hour() < 24\n    within: 1d\n  - stop\n", []),
        (HEAD + "steps:\n  - wait while: hour() > 24\n  - stop\n", [("J106", 5, 17)]),
        (HEAD + "exit: {when: hour() >= 0}\nsteps: [stop]", [("J124", 4, 14)]),
        (
            HEAD.replace("on: x", "on: x, where: event.a > 3") + "exit: {when: enter.a > 2}\nsteps: [stop]",
            [("J124", 4, 14)],
        ),
        (
            HEAD.replace("on: x", "on: x, where: event.a > 3") + "exit: {when: customer.a > 2}\nsteps: [stop]",
            [],
        ),
    ],
)
def test_conditions_elsewhere_that_never_or_always_hold_are_told(
    text: str, expected: list[tuple[str, int, int]]
) -> None:
    assert found(text) == expected


# --- soundness: whatever is called impossible never holds --------------------------------------------

VALUES = [None, True, False, -1, 0, 1, 1.5, 2, 3, "", "a", "b", "ab", ["a"]]
atoms = st.builds(
    Compare,
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from([Path("customer", ("a",)), Path("customer", ("b",))]),
    st.sampled_from([Constant(value) for value in (0, 1, 2, 1.5, "a", "b", True)]),
)
lists = st.builds(
    Compare,
    st.sampled_from(["in", "not in"]),
    st.just(Path("customer", ("a",))),
    st.lists(st.sampled_from([0, 1, "a", "b"]), max_size=3).map(Constant),
)
conditions: st.SearchStrategy[Expr] = st.recursive(
    st.one_of(atoms, lists),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=8,
)


def holds(expr: Expr, values: dict[str, Any]) -> bool:
    match expr:
        case Not(part=part):
            return not holds(part, values)
        case AllOf(parts=parts):
            return all(holds(part, values) for part in parts)
        case AnyOf(parts=parts):
            return any(holds(part, values) for part in parts)
        case Compare(op=op, left=Path(parts=(name,)), right=Constant(value=value)):
            return comparisons.TESTS[op](values[name], value)
        case _:
            raise AssertionError(expr)


@given(st.lists(st.tuples(conditions, st.booleans()), min_size=1, max_size=3))
def test_what_is_called_impossible_never_holds(claims: list[tuple[Expr, bool]]) -> None:
    if not is_impossible(claims):
        return
    for a, b in product(VALUES, VALUES):
        assert not all(holds(expr, {"a": a, "b": b}) is wanted for expr, wanted in claims)

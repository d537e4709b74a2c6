"""Conditions are total, agree with a plain reading of the tree, and say truly until when they hold."""

from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import Event
from engine.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Duration,
    Exists,
    Expr,
    Function,
    HasConsent,
    HasTag,
    IsReachable,
    Journeyed,
    Measured,
    Not,
    Path,
    Stage,
    Text,
    Today,
    Touched,
    walk,
)
from engine.core.ids import DAY, HOUR
from engine.core.predicates import Condition, Context, compile_truth, compile_value
from engine.core.state import Customer, Heard, Held, Run, Tally

NOW = 20_000 * DAY
NAMES = ("a", "b", "city", "email", "name")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=4)
    | st.sampled_from(["a", "b", "ab"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(NAMES)
paths = st.builds(
    Path,
    st.sampled_from(["event", "enter", "customer", "account"]),
    st.lists(names, min_size=1, max_size=2).map(tuple),
)
spans = st.integers(0, 40 * DAY)
measured = st.builds(
    Measured,
    st.sampled_from(["k", "l", "none"]),
    st.sampled_from(get_args(Function)),
    st.just(0) | spans,
    st.booleans(),
    st.lists(st.integers(0, 2), min_size=2, max_size=3).map(tuple),
)
leaf_values: st.SearchStrategy[Expr] = st.one_of(
    st.builds(Constant, scalars | st.lists(scalars, max_size=3)),
    st.builds(Duration, spans),
    paths,
    st.builds(Stage),
    measured,
    st.builds(Today, st.sampled_from(["weekday", "hour", "today"])),
)
any_values = st.recursive(
    leaf_values, lambda inner: st.builds(Arithmetic, st.sampled_from(["+", "-", "*", "/"]), inner, inner), max_leaves=4
)
facts: st.SearchStrategy[Expr] = st.one_of(
    any_values,
    st.builds(Compare, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), any_values, any_values),
    st.builds(Text, st.sampled_from(["contains", "startswith"]), any_values, any_values),
    st.builds(Text, st.just("matches"), any_values, st.sampled_from([Constant("a+"), Constant("^$")])),
    st.builds(Exists, any_values),
    st.builds(HasTag, names),
    st.builds(HasConsent, st.sampled_from(["marketing", "email"])),
    st.builds(IsReachable, st.sampled_from(["email", "sms"])),
    st.builds(
        Touched, st.sampled_from(["received", "opened"]), st.sampled_from(["t", "u"]), st.just(0) | spans, st.booleans()
    ),
    st.builds(Journeyed, st.sampled_from(["in_journey", "completed"]), st.just("j")),
)
conditions: st.SearchStrategy[Expr] = st.recursive(
    facts,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=5).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=5).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    times = sorted(draw(st.lists(st.integers(NOW - 60 * DAY, NOW), min_size=1, max_size=6)))
    worth = [float(place % 3) for place in range(len(times))]
    values = {place % 4: at for place, at in enumerate(times)}
    pairs = tuple(zip(times, worth, strict=True))
    return Tally(len(times), sum(worth), times[0], times[-1], pairs, min(worth), max(worth), values)


ends = st.just(0) | st.integers(NOW - DAY, NOW + 40 * DAY)
customers = st.builds(
    Customer,
    id=st.just("c"),
    created=st.just(5),
    traits=st.dictionaries(st.sampled_from([*NAMES, "timezone"]), values | st.just("Asia/Kathmandu"), max_size=3),
    identifiers=st.dictionaries(st.just("email"), st.just(("mei@x.example",))),
    tags=st.dictionaries(names, st.builds(Held, st.just(0), ends), max_size=3),
    behaviour=st.dictionaries(st.sampled_from(["k", "l"]), tallies()),
    heard=st.dictionaries(st.just("t"), st.builds(Heard, received=st.integers(NOW - 50 * DAY, NOW))),
    stage=st.sampled_from(["", "retain"]),
)
events = st.none() | st.builds(
    Event,
    id=st.just("e"),
    name=st.just("paid"),
    at=st.just(NOW),
    received=st.just(NOW),
    properties=st.dictionaries(names, values, max_size=4),
)
runs = st.none() | st.builds(
    Run,
    id=st.just("r"),
    journey=st.just("j"),
    version=st.just("v"),
    entered=st.integers(NOW - 30 * DAY, NOW),
    enter=st.dictionaries(names, values, max_size=2),
)
contexts = st.builds(Context, customers, st.just(NOW), events, runs)


@given(conditions, contexts)
def test_no_condition_raises_and_each_says_yes_or_no(expr: Expr, context: Context) -> None:
    truth = compile_truth(expr)(context)
    assert truth is True or truth is False
    assert compile_truth(expr)(context) is truth
    compile_value(expr)(context)


@given(conditions, contexts)
def test_not_turns_every_condition(expr: Expr, context: Context) -> None:
    assert compile_truth(Not(expr))(context) is not compile_truth(expr)(context)


@given(paths, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), scalars, contexts)
def test_the_quick_closure_agrees_with_the_general_one(path: Path, op: Any, constant: object, context: Context) -> None:
    quick = compile_truth(Compare(op, path, Constant(constant)))(context)
    general = _plainly(op, compile_value(path)(context), constant)
    assert quick is general


def _plainly(op: str, left: Any, right: Any) -> bool:
    def kind(value: Any) -> str:
        return "number" if type(value) in {int, float} else type(value).__name__

    if left is None or right is None:
        return False
    if op in {"in", "not in"}:
        if isinstance(right, list):
            found = any(_plainly("==", left, item) for item in right)
        elif isinstance(right, str) and isinstance(left, str):
            found = left in right
        else:
            return False
        return found if op == "in" else not found
    if kind(left) != kind(right) or (op not in {"==", "!="} and kind(left) not in {"number", "str"}):
        return False
    answers = {"==": left == right, "!=": left != right}
    if op in answers:
        return bool(answers[op])
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op])


@settings(deadline=None)
@given(conditions, contexts, st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4))
def test_a_truth_holds_until_its_horizon(expr: Expr, context: Context, fractions: list[float]) -> None:
    if _has_exotic_age(expr):
        return
    condition = Condition(expr)
    truth, until = condition.evaluate(context)
    assert truth is condition(context)
    assert until == condition.horizon(context)
    assert until == 0 or until > NOW
    end = until or NOW + 100 * DAY
    for at in [NOW + int((end - NOW) * fraction) for fraction in fractions] + [end - 1]:
        assert condition(context.at(at)) is truth


def _has_exotic_age(expr: Expr) -> bool:
    """Ages inside sums, lists, texts or against values that move themselves are only looked at again, not solved."""

    def is_age(part: Expr) -> bool:
        return isinstance(part, Measured) and part.function in {"first", "last"}

    def moves(part: Expr) -> bool:
        return any(isinstance(inner, (Measured, Today)) for inner in walk(part))

    for part in walk(expr):
        if isinstance(part, Arithmetic) and any(is_age(side) for side in (part.left, part.right)):
            return True
        if isinstance(part, Compare):
            sides = (part.left, part.right)
            if part.op in {"in", "not in"} and any(is_age(side) for side in sides):
                return True
            if is_age(part.left) != is_age(part.right) and any(moves(s) and not is_age(s) for s in sides):
                return True
    return False


def test_weekday_boundaries_are_exact() -> None:
    tuesday = Compare("==", Today("weekday"), Constant("tue"))
    context = Context(Customer(id="c", created=0), NOW + HOUR)
    truth, until = Condition(tuesday).evaluate(context)
    assert compile_truth(tuesday)(context.at(until)) is not truth
    assert compile_truth(tuesday)(context.at(until - 1)) is truth

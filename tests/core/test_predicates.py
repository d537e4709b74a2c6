"""Conditions over one customer: what holds, what is missing, and when an answer stops being true."""

from typing import Any

import pytest

from engine.core.errors import BadInput
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
    HasConsent,
    HasTag,
    InSegment,
    IsReachable,
    Journeyed,
    Measure,
    Measured,
    Not,
    Path,
    Stage,
    Text,
    Today,
    Touched,
)
from engine.core.ids import DAY, HOUR, MINUTE, SECOND
from engine.core.plan import Policy
from engine.core.predicates import (
    Context,
    compile_condition,
    compile_measure,
    compile_truth,
    compile_value,
    evaluate,
    horizon,
    inputs,
)
from engine.core.state import Consent, Customer, Heard, Held, Run, Tally, Travelled

NOW = 1_000 * DAY


def path(text: str) -> Path:
    root: Any
    root, *parts = text.split(".")
    return Path(root, tuple(parts))


def read(text: str, who: Customer) -> Any:
    return compile_value(path(text))(context(who))


def measure(who: Customer, **how: Any) -> Any:
    return compile_value(Measured("k", **how))(context(who))


def context(
    customer: Customer | None = None, *, run: Run | None = None, now: int = NOW, **properties: object
) -> Context:
    event = Event(id="e1", name="order_paid", at=now, received=now, properties=dict(properties))
    return Context(customer or Customer(id="c1", created=5), now, event, run, Policy())


def holds(expr: Expr, where: Context | None = None) -> bool:
    return compile_truth(expr)(where or context())


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("==", 200, True),
        ("==", 200.0, True),
        ("==", "200", False),
        ("==", True, False),
        ("!=", 201, True),
        ("!=", "200", False),
        ("<", 201, True),
        ("<=", 200, True),
        (">", 199.5, True),
        (">=", 201, False),
        ("in", [100, 200], True),
        ("not in", [100, 200], False),
        ("not in", [100], True),
        ("in", "200", False),
    ],
)
def test_a_number_compares_with_numbers_only(op: Any, value: object, expected: bool) -> None:
    compare = Compare(op, path("event.total"), Constant(value))
    assert holds(compare, context(total=200)) is expected


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
@pytest.mark.parametrize("value", [1, "x", True, None, ["a"], {"a": 1}])
def test_missing_never_compares_true_on_either_side(op: Any, value: object) -> None:
    left = Compare(op, path("event.nothing"), Constant(value))
    right = Compare(op, Constant(value), path("event.nothing"))
    both = Compare(op, path("enter.no"), path("event.nothing"))
    assert not holds(left)
    assert not holds(right)
    assert not holds(both)


def test_true_is_not_the_number_one() -> None:
    assert not holds(Compare("==", path("event.gift"), Constant(1)), context(gift=True))
    assert not holds(Compare(">", path("event.gift"), Constant(0)), context(gift=True))
    assert holds(Compare("==", path("event.gift"), Constant(True)), context(gift=True))
    assert not holds(Compare("in", path("event.gift"), Constant([1])), context(gift=True))


def test_a_constant_on_the_left_reads_the_same() -> None:
    assert holds(Compare("<=", Constant(200), path("event.total")), context(total=200))
    assert not holds(Compare("<", Constant(200), path("event.total")), context(total=200))
    assert holds(Compare("in", Constant("a"), path("event.labels")), context(labels=["a", "b"]))


def test_two_paths_compare() -> None:
    run = Run(id="r", journey="j", version="v", entered=0, enter={"cart_id": "C1"})
    same_cart = Compare("==", path("event.cart_id"), path("enter.cart_id"))
    assert holds(same_cart, context(run=run, cart_id="C1"))
    assert not holds(same_cart, context(run=run, cart_id="C2"))
    assert not holds(same_cart, context(cart_id="C1"))


def test_paths_go_deeper_and_stop_quietly() -> None:
    deep = Compare("==", path("event.product.maker.city"), Constant("Hefei"))
    assert holds(deep, context(product={"maker": {"city": "Hefei"}}))
    assert not holds(deep, context(product={"maker": "Hefei"}))
    assert not holds(deep, context(product=[1]))
    assert compile_value(path("account.name"))(context()) is None
    assert compile_value(Path("event", ()))(context()) is None


def test_the_customers_traits_come_before_identifiers_and_own_facts() -> None:
    mei = Customer(
        id="c1",
        created=5,
        stage="retain",
        identifiers={"email": ("old@x.example", "new@x.example")},
        traits={"age": 30},
    )
    assert read("customer.email", mei) == "new@x.example"
    assert read("customer.id", mei) == "c1"
    assert read("customer.stage", mei) == "retain"
    assert read("customer.created", mei) == 5
    assert read("customer.age", mei) == 30
    assert read("customer.phone", mei) is None
    assert read("customer.id", Customer(id="c1", created=5, traits={"id": "crm-7"})) == "crm-7"


def test_event_name_is_the_events_own_unless_a_property_says_otherwise() -> None:
    named = Compare("==", path("event.name"), Constant("order_paid"))
    assert holds(named)
    assert not holds(named, context(name="Red shoes"))
    assert not holds(named, Context(Customer(id="c", created=0), NOW))


def test_without_an_event_its_values_are_missing() -> None:
    nobody = Context(Customer(id="c", created=0), NOW)
    assert not compile_truth(Compare(">", path("event.total"), Constant(1)))(nobody)
    assert compile_value(path("event.total"))(nobody) is None


@pytest.mark.parametrize("size", range(8))
def test_all_and_any_of_every_length(size: int) -> None:
    yes, no = Constant(True), Constant(False)
    assert holds(AllOf((yes,) * size))
    assert holds(AnyOf((no,) * size)) is False
    for place in range(size):
        assert not holds(AllOf((yes,) * place + (no,) + (yes,) * (size - place - 1)))
        assert holds(AnyOf((no,) * place + (yes,) + (no,) * (size - place - 1)))


def test_not_of_something_missing_is_true() -> None:
    assert holds(Not(path("event.nothing")))
    assert holds(Not(Compare("==", path("event.nothing"), Constant(1))))
    assert holds(Not(HasTag("vip")))


def test_a_bare_value_holds_when_it_is_there_and_not_empty() -> None:
    assert holds(path("event.gift"), context(gift=True))
    assert not holds(path("event.gift"), context(gift=False))
    assert not holds(path("event.note"), context(note=""))
    assert holds(Exists(path("event.note")), context(note=""))
    assert not holds(Exists(path("event.note")), context(note=None))


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [("+", 1, 2, 3), ("-", 1, 2.5, -1.5), ("*", 4, 5, 20), ("/", 1, 4, 0.25), ("/", 1, 0, None), ("+", "a", "b", None)],
)
def test_arithmetic_is_over_numbers(op: Any, left: object, right: object, expected: object) -> None:
    sum_ = Arithmetic(op, path("event.a"), Constant(right))
    assert compile_value(sum_)(context(a=left)) == expected


def test_arithmetic_too_large_for_a_float_is_missing() -> None:
    assert compile_value(Arithmetic("/", Constant(10**400), Constant(3)))(context()) is None
    assert compile_value(Arithmetic("+", Constant(True), Constant(3)))(context()) is None


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("contains", "SPRING10", "RING", True),
        ("contains", ["a", "b"], "b", True),
        ("contains", ["a", 1], 1.0, True),
        ("contains", "a1", 1, False),
        ("contains", None, "a", False),
        ("startswith", "SPRING10", "SPRING", True),
        ("startswith", "SPRING10", "RING", False),
        ("startswith", ["SPRING"], "SPRING", False),
    ],
)
def test_text_operators_look_into_strings_and_lists(op: Any, left: object, right: object, expected: bool) -> None:
    assert holds(Text(op, path("event.x"), Constant(right)), context(x=left)) is expected


def test_matches_finds_its_pattern_anywhere_and_is_linear() -> None:
    spring = Text("matches", path("event.code"), Constant("SPRING[0-9]+"))
    assert holds(spring, context(code="xxSPRING10"))
    assert not holds(spring, context(code="spring10"))
    assert not holds(spring, context(code=10))
    assert not holds(spring, context(code="\ud800"))
    assert not holds(Text("matches", path("event.code"), Constant("^(a+)+$")), context(code="a" * 50_000 + "!"))
    assert not holds(Text("matches", path("event.code"), Constant("a")), context(code="a" * 200_000))


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "a{1001}", "\ud800"])
def test_a_bad_pattern_is_refused_at_compile_with_the_remedy(pattern: str) -> None:
    with pytest.raises(BadInput, match="RE2 syntax"):
        compile_truth(Text("matches", path("event.x"), Constant(pattern)))


def test_a_pattern_must_be_written_down() -> None:
    with pytest.raises(BadInput, match="in quotes"):
        compile_truth(Text("matches", path("event.x"), path("event.pattern")))


def test_a_tag_holds_until_its_end() -> None:
    tagged = Customer(id="c", created=0, tags={"vip": Held(0), "new": Held(0, NOW + DAY)})
    assert holds(HasTag("vip"), context(tagged))
    assert holds(HasTag("new"), context(tagged))
    assert not holds(HasTag("new"), context(tagged, now=NOW + DAY))
    assert holds(Not(HasTag("new")), context(tagged, now=NOW + DAY))
    assert not holds(Not(HasTag("vip")), context(tagged))
    assert evaluate(HasTag("new"), context(tagged)) == (True, NOW + DAY)
    assert evaluate(HasTag("vip"), context(tagged)) == (True, 0)


def test_stage_consent_and_reach() -> None:
    mei = Customer(
        id="c",
        created=0,
        stage="retain",
        identifiers={"email": ("mei@x.example",), "phone": ("+8613800000000",)},
        consents={"marketing": Consent(True, 1), "sms": Consent(False, 1)},
    )
    assert holds(Compare("==", Stage(), Constant("retain")), context(mei))
    assert holds(HasConsent("marketing"), context(mei))
    assert not holds(HasConsent("marketing"))
    assert holds(IsReachable("email"), context(mei))
    assert not holds(IsReachable("sms"), context(mei))
    assert not holds(IsReachable("wechat"), context(mei))


def test_segments_are_asked_through_the_context() -> None:
    dormant = compile_condition(Compare(">", Measured("k", "last"), Duration(30 * DAY)))
    mei = Customer(id="c", created=0, behaviour={"k": Tally(1, 0.0, NOW - 10 * DAY, NOW - 10 * DAY)})
    where = Context(mei, NOW, segments={"dormant": dormant})
    assert not compile_truth(InSegment("dormant"))(where)
    assert not compile_truth(InSegment("unknown"))(where)
    assert horizon(InSegment("dormant"), where) == NOW + 20 * DAY + 1
    assert compile_truth(InSegment("dormant"))(where.at(NOW + 20 * DAY + 1))


def paid(*ages: int, total: float = 10.0) -> Customer:
    times = sorted(NOW - age for age in ages)
    pairs = tuple((at, total) for at in times)
    tally = Tally(len(times), total * len(times), times[0], times[-1], pairs)
    return Customer(id="c", created=0, behaviour={"k": tally})


def test_behaviour_counts_sums_and_ages() -> None:
    mei = paid(DAY, 5 * DAY, 40 * DAY)
    assert measure(mei, function="count") == 3
    assert measure(mei, function="count", within=30 * DAY) == 2
    assert measure(mei, function="sum", within=30 * DAY) == 20.0
    assert measure(mei, function="sum") == 30.0
    assert measure(mei, function="last") == DAY
    assert measure(mei, function="first") == 40 * DAY
    assert measure(mei, function="first", within=30 * DAY) == 5 * DAY
    assert measure(mei, function="ever") is True
    assert measure(mei, function="never", within=HOUR) is True
    assert measure(mei, function="ever", within=HOUR) is False


def test_behaviour_that_never_happened_counts_zero_and_has_no_age() -> None:
    assert holds(Compare("==", Measured("k", "count"), Constant(0)))
    assert holds(Compare("<", Measured("k", "sum", 30 * DAY), Constant(1)))
    assert holds(Measured("k", "never"))
    assert not holds(Measured("k", "ever"))
    assert not holds(Compare(">", Measured("k", "last"), Duration(DAY)))
    assert not holds(Measured("k", "last"))


def test_since_enter_counts_from_the_runs_start_and_needs_a_run() -> None:
    mei = paid(DAY, 5 * DAY)
    since = Measured("k", "count", since_enter=True)
    run = Run(id="r", journey="j", version="v", entered=NOW - 2 * DAY)
    assert compile_value(since)(context(mei, run=run)) == 1
    assert compile_value(since)(context(mei)) is None
    # The event that started the run happened at its start, not since.
    started = Run(id="r", journey="j", version="v", entered=NOW - DAY)
    assert holds(Measured("k", "never", since_enter=True), context(mei, run=started))
    assert horizon(Measured("k", "never", since_enter=True), context(mei, run=started)) == 0


def test_a_count_in_a_window_changes_when_it_crosses_the_bound_not_before() -> None:
    mei = paid(DAY, 2 * DAY, 3 * DAY, 4 * DAY)
    active = Compare(">=", Measured("k", "count", within=30 * DAY), Constant(2))
    assert evaluate(active, context(mei)) == (True, NOW + 28 * DAY)
    assert evaluate(active, context(mei, now=NOW + 28 * DAY)) == (False, 0)


def test_an_age_passes_its_bound_one_microsecond_after() -> None:
    mei = paid(10 * DAY)
    older = Compare(">", Measured("k", "last"), Duration(30 * DAY))
    at_least = Compare("<=", Duration(30 * DAY), Measured("k", "last"))
    assert evaluate(older, context(mei)) == (False, NOW + 20 * DAY + 1)
    assert evaluate(at_least, context(mei)) == (False, NOW + 20 * DAY)
    assert evaluate(older, context(mei, now=NOW + 20 * DAY + 1)) == (True, 0)


def test_an_age_against_an_unknown_or_wild_bound_never_changes() -> None:
    mei = paid(10 * DAY)
    for bound in (path("customer.patience"), Constant("30d"), Constant(float("inf")), Constant(float("nan"))):
        assert horizon(Compare(">", Measured("k", "last"), bound), context(mei)) == 0


def test_arithmetic_over_an_age_is_looked_at_hourly() -> None:
    mei = paid(MINUTE)
    days = Compare(">=", Arithmetic("/", Measured("k", "last"), Constant(HOUR)), Constant(3))
    assert horizon(days, context(mei)) == NOW + 3 * HOUR


def test_a_window_that_empties_ends_never() -> None:
    quiet = Measured("k", "never", within=7 * DAY)
    assert evaluate(quiet, context(paid(DAY))) == (False, NOW + 6 * DAY)


def test_what_was_heard_of_a_template() -> None:
    mei = Customer(id="c", created=0, heard={"cart": Heard(received=NOW - DAY, opened=NOW - HOUR)})
    assert holds(Touched("received", "cart"), context(mei))
    assert not holds(Touched("clicked", "cart"), context(mei))
    assert not holds(Touched("received", "other"), context(mei))
    assert evaluate(Touched("received", "cart", within=7 * DAY), context(mei)) == (True, NOW + 6 * DAY)
    assert not holds(Touched("received", "cart", within=HOUR), context(mei))
    run = Run(id="r", journey="j", version="v", entered=NOW - 2 * HOUR)
    assert holds(Touched("opened", "cart", since_enter=True), context(mei, run=run))
    assert not holds(Touched("received", "cart", since_enter=True), context(mei, run=run))
    assert not holds(Touched("received", "cart", since_enter=True), context(mei))


def test_journeys_travelled_are_remembered() -> None:
    run = Run(id="r", journey="welcome", version="v", entered=1)
    ended = Run(id="r2", journey="cart", version="v", entered=1, ended=2)
    mei = Customer(
        id="c", created=0, runs=(run, ended), travelled={"cart": Travelled(1, 1, 2), "welcome": Travelled(1)}
    )
    assert holds(Journeyed("in_journey", "welcome"), context(mei))
    assert not holds(Journeyed("in_journey", "cart"), context(mei))
    assert holds(Journeyed("completed", "cart"), context(mei))
    assert not holds(Journeyed("completed", "welcome"), context(mei))


def test_the_clock_is_the_customers() -> None:
    tokyo = Customer(id="c", created=0, traits={"timezone": "Asia/Tokyo"})
    thursday = 20 * HOUR  # 1970-01-02 05:00 in Tokyo
    at = context(tokyo, now=thursday)
    assert compile_value(Today("weekday"))(at) == "fri"
    assert compile_value(Today("hour"))(at) == 5
    assert compile_value(Today("today"))(at) == "1970-01-02"
    assert horizon(Compare("==", Today("hour"), Constant(10)), at) == thursday + 5 * HOUR
    assert horizon(Compare("in", Today("weekday"), Constant(["sat", "sun"])), at) == thursday + 19 * HOUR
    assert horizon(Compare(">=", Today("today"), Constant("1970-01-05")), at) == thursday + 19 * HOUR + 2 * DAY


def test_a_search_that_finds_nothing_says_when_to_look_again() -> None:
    never = Compare("==", Today("hour"), Constant(99))
    again = horizon(never, context())
    assert NOW + DAY < again < NOW + 7 * DAY


def test_conditions_without_time_have_no_horizon() -> None:
    plain = compile_condition(AllOf((HasConsent("email"), Compare(">", path("event.total"), Constant(1)))))
    assert plain(context(total=2))
    assert plain.evaluate(context(total=2)) == (True, 0)
    assert plain.horizon(context(total=2)) == 0
    assert not plain.is_timed


def test_inputs_name_everything_a_condition_looks_at() -> None:
    everything = AnyOf(
        (
            Stage(),
            HasConsent("sms"),
            IsReachable("email"),
            Measured("k", "ever"),
            Touched("opened", "cart"),
            Journeyed("completed", "cart"),
            InSegment("dormant"),
            Exists(path("enter.x")),
            Not(Compare("==", Today("hour"), Arithmetic("+", Constant(1), Duration(1)))),
            Text("contains", path("customer.city"), Constant("a")),
        )
    )
    assert inputs(everything) == {
        "stage",
        "consent:sms",
        "consent:email",
        "reach",
        "measure:k",
        "template:cart",
        "journey:cart",
        "segment:dormant",
        "enter",
        "clock",
        "customer:city",
        "customer:timezone",
        "customer:zone",
    }


def test_a_measures_filter_sees_only_the_event() -> None:
    large = compile_measure(Measure("k", "order_paid", where=Compare(">", path("event.total"), Constant(100))))
    assert large.holds is not None
    assert large.holds(Event(id="1", name="order_paid", at=1, received=1, properties={"total": 101}))
    assert not large.holds(Event(id="2", name="order_paid", at=1, received=1, properties={"total": 99}))
    assert compile_measure(Measure("k", "order_paid")).holds is None


def test_the_same_instant_never_comes_back_as_the_horizon() -> None:
    mei = paid(SECOND)
    soon = Measured("k", "ever", within=SECOND)
    assert evaluate(soon, context(mei)) == (False, 0)


@pytest.mark.parametrize("first", [True, False])
def test_the_earliest_of_several_changes_is_the_horizon(first: bool) -> None:
    mei = Customer(id="c", created=0, tags={"a": Held(0, NOW + DAY), "b": Held(0, NOW + 2 * DAY)})
    parts = (HasTag("a"), HasTag("b")) if first else (HasTag("b"), HasTag("a"))
    assert horizon(AllOf(parts), context(mei)) == NOW + DAY
    assert horizon(AnyOf(parts), context(mei)) == NOW + 2 * DAY


def test_an_age_of_nothing_at_all_is_still_an_age() -> None:
    assert holds(Measured("k", "last"), context(paid(0)))
    assert holds(Exists(Measured("k", "last")), context(paid(0)))


@pytest.mark.parametrize(
    ("function", "op", "bound", "left"),
    [("count", ">=", 3, 2), ("count", "==", 7, 7), ("count", "<", 2.5, 2), ("sum", ">", 20.0, 2), ("sum", "<", 25, 2)],
)
def test_a_number_of_many_turns_exactly_however_many_leave_before(
    function: Any, op: Any, bound: float, left: int
) -> None:
    mei = paid(*(number * HOUR for number in range(500)))
    asked = Compare(op, Measured("k", function, within=30 * DAY), Constant(bound))
    truth, until = evaluate(asked, context(mei))
    # The last `left` to stay are those of the last `left` hours; before, one more was there.
    assert until == NOW + 30 * DAY - left * HOUR
    assert compile_truth(asked)(context(mei, now=until)) is not truth


def test_what_happened_at_one_instant_leaves_the_window_together() -> None:
    mei = paid(HOUR, HOUR, HOUR, 2 * HOUR)
    asked = Compare("==", Measured("k", "count", within=DAY), Constant(2))
    assert evaluate(asked, context(mei)) == (False, 0)
    other = Compare("==", Constant(0), Measured("k", "count", within=DAY))
    assert evaluate(other, context(mei)) == (False, NOW + 23 * HOUR)

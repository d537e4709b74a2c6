"""Both rule engines, held to one contract: what follows by rule, however it is said and whatever is asked."""

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.chaining.facts import facts_of
from engine.core.chaining.ruleset import Check, Derived, Facts, Rule, RuleSet
from engine.core.chaining.translation import translate
from engine.core.errors import BadInput
from engine.core.expression import AllOf, AnyOf, Compare, Constant, Exists, Expr, HasTag, InSegment, Not, Path, Stage
from engine.core.ids import DAY
from engine.core.policy import Audience, TagRule
from engine.core.predicates import Context, compile_condition, compile_truth
from engine.core.state import Customer, Held
from engine.ports import Chainer
from engine.rules.builtin import Builtin
from engine.rules.child import Broken, Child
from engine.rules.durable import Durable
from tests.contracts.durable_rules import need_durable
from tests.properties.test_predicates_properties import conditions, contexts

NOW = 20_000 * DAY
Make = Callable[[RuleSet], Chainer]


@pytest.fixture(params=["builtin", "durable"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Every engine; each test's are ended with it."""
    if request.param == "durable":
        need_durable()
    made: list[Chainer] = []

    def make_one(rules: RuleSet) -> Chainer:
        made.append(Builtin(rules) if request.param == "builtin" else Durable(rules))
        return made[-1]

    yield make_one
    for one in made:
        assert one.fallbacks == 0
        one.close()


def tagged(*names: str) -> Derived:
    return Derived(frozenset(names))


def rules(**tags: Expr) -> RuleSet:
    return translate(Audience(stages={}, tags={name: TagRule(when) for name, when in tags.items()})).rules


def trait(name: str) -> Path:
    return Path("customer", (name,))


def derived(make: Make, audience: Audience, *customers: Customer) -> list[Derived]:
    said = translate(audience)
    facts = [facts_of(said, Context(customer, NOW, policy=audience.policy)) for customer in customers]
    return make(said.rules).derive_many(facts)


def mei(**traits: Any) -> Customer:
    return Customer("mei", created=0, seen=1, traits=traits)


# --- examples


def test_tags_chain_into_stages_through_several_levels(make: Make) -> None:
    audience = Audience(
        stages={"monetize": HasTag("dear"), "refer": AllOf((HasTag("dear"), HasTag("shares")))},
        tags={
            "dear": TagRule(AllOf((HasTag("buys"), Compare(">=", trait("spent"), Constant(200))))),
            "buys": TagRule(Compare(">", trait("orders"), Constant(0))),
        },
    )
    rich, poor, friend = mei(orders=2, spent=200), mei(orders=2, spent=199.99), mei(orders=1, spent=1_000)
    friend = Customer("f", created=0, seen=1, traits=friend.traits, tags={"shares": Held(1, 0, "journey:x")})
    assert derived(make, audience, rich, poor, friend, mei()) == [
        Derived(frozenset({"buys", "dear"}), frozenset({"monetize"})),
        Derived(frozenset({"buys"})),
        Derived(frozenset({"buys", "dear"}), frozenset({"monetize", "refer"})),
        Derived(),
    ]


def test_tags_on_a_circle_do_not_give_themselves(make: Make) -> None:
    chainer = make(rules(a=AnyOf((HasTag("b"), trait("x"))), b=HasTag("c"), c=HasTag("a")))
    assert chainer.derive(Facts({"p1#b": False})) == tagged()
    assert chainer.derive(Facts({"p1#b": True})) == tagged("a", "b", "c")
    assert chainer.derive(Facts({"p1#b": False}, frozenset({"tag:c"}))) == tagged("a", "b", "c")


def test_a_given_tag_is_only_derived_when_its_rule_holds_too(make: Make) -> None:
    chainer = make(rules(vip=Compare("==", trait("level"), Constant(3)), dear=HasTag("vip")))
    assert chainer.derive(Facts({}, frozenset({"tag:vip"}))) == tagged("dear")
    assert chainer.derive(Facts({"p1#n": 3.0}, frozenset({"tag:vip"}))) == tagged("vip", "dear")


def test_a_tag_may_rest_on_the_absence_of_another(make: Make) -> None:
    audience = Audience(
        stages={"retain": Not(HasTag("calm"))},
        tags={
            "calm": TagRule(AllOf((Not(HasTag("vip")), Not(HasTag("angry"))))),
            "vip": TagRule(Compare(">", trait("spent"), Constant(5))),
        },
    )
    angry = Customer("a", created=0, tags={"angry": Held(1, 0, "import:x.csv")})
    assert derived(make, audience, mei(), mei(spent=6), angry) == [
        Derived(frozenset({"calm"})),
        Derived(frozenset({"vip"}), frozenset({"retain"})),
        Derived(frozenset(), frozenset({"retain"})),
    ]


def test_an_or_whose_branches_all_hold_gives_its_fact_once(make: Make) -> None:
    many = AnyOf(tuple(Compare(">", trait("n"), Constant(place)) for place in range(50)))
    assert make(rules(a=AllOf((many, many)), b=HasTag("a"))).derive(Facts({"p1#n": 1e6})) == tagged("a", "b")


def test_missing_values_compare_with_nothing_and_not_turns_that(make: Make) -> None:
    over = Compare(">", trait("age"), Constant(18))
    other = Compare("!=", trait("age"), Constant(18))
    audience = Audience(
        stages={},
        tags={
            "over": TagRule(over),
            "not-over": TagRule(Not(over)),
            "other": TagRule(other),
            "not-other": TagRule(Not(other)),
            "there": TagRule(Exists(trait("age"))),
        },
    )
    expected = [
        (mei(), {"not-over", "not-other"}),
        (mei(age=18), {"not-over", "not-other", "there"}),
        (mei(age=19), {"over", "other", "there"}),
        (mei(age="19"), {"not-over", "not-other", "there"}),
        (mei(age=True), {"not-over", "not-other", "there"}),
        (mei(age=math.nan), {"not-over", "other", "there"}),
        (mei(age=math.inf), {"over", "other", "there"}),
        (mei(age=-(1 << 200)), {"not-over", "other", "there"}),
        (mei(age=1 << 63), {"over", "other", "there"}),
    ]
    found = derived(make, audience, *(customer for customer, _ in expected))
    assert found == [tagged(*names) for _, names in expected]


def test_texts_are_the_same_or_not_whatever_is_in_them(make: Make) -> None:
    literals = ["上海", "é", "e\u0301", 'a"b\\c', "\x00", "😀", " ", "", "true", "1", "null", "vip", "x" * 256]
    tags = {f"t{place}": TagRule(Compare("==", trait("city"), Constant(text))) for place, text in enumerate(literals)}
    strange = ["vip" + "x" * 65_533, "x" * 257, "x" * 70_000, "\ud800", "上海 ", "TRUE", "vip!"]
    found = derived(make, Audience(stages={}, tags=tags), *(mei(city=text) for text in [*literals, *strange]))
    assert found == [*(tagged(f"t{place}") for place in range(len(literals))), *(tagged() for _ in strange)]


def test_a_number_a_text_and_a_truth_are_never_the_same(make: Make) -> None:
    values: dict[str, Any] = {"number": 1, "text": "1", "truth": True}
    tags = {name: TagRule(Compare("==", trait("v"), Constant(value))) for name, value in values.items()}
    tags["listed"] = TagRule(Compare("in", trait("v"), Constant([1, "1", True])))
    tags["unlisted"] = TagRule(Compare("not in", trait("v"), Constant([1, "1", True])))
    customers = [mei(v=1), mei(v=1.0), mei(v="1"), mei(v=True), mei(v=2), mei(v=[1]), mei()]
    assert derived(make, Audience(stages={}, tags=tags), *customers) == [
        tagged("number", "listed"),
        tagged("number", "listed"),
        tagged("text", "listed"),
        tagged("truth", "listed"),
        tagged("unlisted"),
        tagged("unlisted"),
        tagged(),
    ]


def test_numbers_are_read_the_same_by_both_to_the_last_digit(make: Make) -> None:
    near = [0.1, 0.1 + 2**-56, 1e-05, 1.5e-300, 5e-324, -0.0, 259.99999999999994, 260, 2**53 - 1, 1e15, -1e-7]
    tags = {f"n{place}": TagRule(Compare("==", trait("v"), Constant(value))) for place, value in enumerate(near)}
    tags |= {f"m{place}": TagRule(Compare(">", trait("v"), Constant(value))) for place, value in enumerate(near)}
    values = [*near, 1e300, 2**53, 2**53 + 1, 2**70, 0]
    expected = [
        tagged(
            *(f"n{p}" for p, one in enumerate(near) if v == one), *(f"m{p}" for p, one in enumerate(near) if v > one)
        )
        for v in values
    ]
    found = derived(make, Audience(stages={}, tags=tags), *(mei(v=value) for value in values))
    assert found == expected


def test_the_names_of_traits_are_no_names_of_properties(make: Make) -> None:
    """Two names that collide in a 32-bit hash, and the engine's own words, are traits as any other."""
    names = ["profile.vip", "ipvakq8", "id", "sid", "_f", "_c", "$s", "d0", "p1#n", "warm", "名字"]
    tags = {f"t{place}": TagRule(Compare("==", trait(name), Constant(1))) for place, name in enumerate(names)}
    customers = [mei(**{name: 1}) for name in names]
    assert derived(make, Audience(stages={}, tags=tags), *customers) == [tagged(f"t{p}") for p in range(len(names))]


def test_five_hundred_rules_in_one_chain_come_to_their_end(make: Make) -> None:
    count = 500
    chain = {f"t{place}": TagRule(HasTag(f"t{place - 1}")) for place in range(1, count)}
    # The last first: what follows must not depend on the order in which rules are written.
    tags = dict(reversed(chain.items())) | {"t0": TagRule(Compare(">", trait("v"), Constant(0)))}
    [yes, no] = derived(make, Audience(stages={}, tags=tags), mei(v=1), mei(v=0))
    assert yes == tagged(*(f"t{place}" for place in range(count)))
    assert no == tagged()


def test_five_hundred_rules_side_by_side_and_one_over_all_of_them(make: Make) -> None:
    tags = {f"t{place}": TagRule(Compare(">=", trait(f"v{place % 300}"), Constant(place))) for place in range(500)}
    tags["all"] = TagRule(AllOf(tuple(HasTag(f"t{place}") for place in range(500))))
    tags["none"] = TagRule(AllOf(tuple(Not(HasTag(f"t{place}")) for place in range(500))))
    tags["wide"] = TagRule(AllOf(tuple(Compare(">", trait(f"v{place}"), Constant(0)) for place in range(300))))
    full, empty = mei(**{f"v{place}": 1_000 for place in range(300)}), mei()
    [everything, nothing] = derived(make, Audience(stages={}, tags=tags), full, empty)
    assert everything == tagged("all", "wide", *(f"t{place}" for place in range(500)))
    assert nothing == tagged("none")


def test_one_property_may_be_compared_a_thousand_times(make: Make) -> None:
    tags = {f"t{place}": TagRule(Compare("==", trait("v"), Constant(place))) for place in range(1_000)}
    assert derived(make, Audience(stages={}, tags=tags), mei(v=777), mei(v=-1)) == [tagged("t777"), tagged()]


def test_conditions_that_multiply_out_to_billions_stay_as_long_as_they_are_written(make: Make) -> None:
    pairs = tuple(AnyOf((HasTag(f"a{place}"), HasTag(f"b{place}"))) for place in range(40))
    audience = Audience(stages={}, tags={"all": TagRule(AllOf(pairs)), "none": TagRule(Not(AnyOf(pairs)))})
    said = translate(audience)
    assert len(said.rules.rules) < 200
    given = frozenset(f"tag:{'ab'[place % 2]}{place}" for place in range(40))
    assert make(said.rules).derive_many([Facts({}, given), Facts({}), Facts({}, frozenset({"tag:a1"}))]) == [
        tagged("all"),
        tagged("none"),
        tagged(),
    ]


def test_segments_that_ask_for_each_other_twice_are_written_once(make: Make) -> None:
    segments: dict[str, Expr] = {"s0": Compare(">", trait("v"), Constant(0))}
    for place in range(1, 40):
        before = InSegment(f"s{place - 1}")
        segments[f"s{place}"] = AllOf((before, AnyOf((before, Not(before)))))
    audience = Audience(stages={}, segments=segments, tags={"deep": TagRule(InSegment("s39"))})
    assert len(translate(audience).rules.rules) < 500
    assert derived(make, audience, mei(v=1), mei(v=0)) == [tagged("deep"), tagged()]


def test_a_rule_for_everybody_and_no_rules_at_all_are_fine(make: Make) -> None:
    assert make(RuleSet()).derive(Facts({"p1#n": 1.0}, frozenset({"tag:x"}))) == Derived()
    assert make(rules(all=Constant(True), none=Constant(False))).derive_many([Facts(), Facts()]) == [tagged("all")] * 2
    assert make(rules(all=Constant(True))).derive_many([]) == []


def test_a_tag_that_needs_itself_not_to_hold_is_refused() -> None:
    with pytest.raises(BadInput, match="itself not to hold"):
        rules(a=Not(HasTag("b")), b=HasTag("a"))


# --- whatever rules there are

facts_in_rules = st.sampled_from([f"tag:t{place}" for place in range(12)])
fields = st.sampled_from(["p1#n", "p2#n", "p3#s", "p4#b"])
numbers = st.floats(-4, 4).filter(lambda value: not math.isnan(value)) | st.sampled_from([0.0, 1.0, 2.0])


@st.composite
def checks(draw: st.DrawFn) -> Check:
    field = draw(fields)
    match field[-1]:
        case "n":
            value: Any = draw(numbers)
            op: Any = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "missing", "in"]))
        case "s":
            value, op = draw(st.sampled_from(["a", "b", "上"])), draw(st.sampled_from(["==", "!=", "missing", "in"]))
        case _:
            value, op = draw(st.booleans()), draw(st.sampled_from(["==", "missing"]))
    if op == "in":
        return Check(field, "in", tuple(dict.fromkeys([value, 0.0 if field[-1] == "n" else "b"])))
    return Check(field, op, None if op == "missing" else value)


@st.composite
def graphs(draw: st.DrawFn) -> RuleSet:
    """Strata of rules: circles inside one, and what must not hold only from those before."""
    strata: list[tuple[Rule, ...]] = []
    heads: set[str] = set()
    names = [f"tag:t{place}" for place in range(12)]
    for part in (names[:6], names[6:]):
        lacked = st.sampled_from([*sorted(heads), "tag:x"])
        known = st.sampled_from([*sorted(heads), *part, "tag:given", "tag:x"])
        rule = st.builds(
            Rule,
            st.sampled_from(part),
            st.lists(checks(), max_size=3, unique_by=repr).map(tuple),
            st.lists(known, max_size=3, unique=True).map(tuple),
            st.lists(lacked, max_size=2, unique=True).map(tuple),
        )
        strata.append(tuple(draw(st.lists(rule, min_size=1, max_size=70, unique_by=repr))))
        heads |= set(part)
    return RuleSet(tuple(strata), frozenset(name[4:] for name in names))


known_of_somebody = st.builds(
    Facts,
    st.fixed_dictionaries(
        {},
        optional={
            "p1#n": numbers,
            "p2#n": numbers,
            "p3#s": st.sampled_from(["a", "b", "上", "c"]),
            "p4#b": st.booleans(),
            "unasked#n": numbers,
        },
    ),
    st.frozensets(st.sampled_from(["tag:given", "tag:x", "tag:t3", "tag:unknown"])),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs(), st.lists(known_of_somebody, min_size=1, max_size=12))
def test_both_engines_draw_the_same_conclusions_from_any_rules(graph: RuleSet, batch: list[Facts]) -> None:
    need_durable()
    with closing(Durable(graph)) as durable:
        found = durable.derive_many(batch)
        assert durable.fallbacks == 0
    for one, other in zip(found, Builtin(graph).derive_many(batch), strict=True):
        assert one == other


@settings(max_examples=200, deadline=None)
@given(st.lists(conditions, min_size=1, max_size=8), st.lists(contexts, min_size=1, max_size=4))
def test_a_translated_condition_says_what_the_condition_says(exprs: list[Expr], people: list[Context]) -> None:
    said = translate(Audience(stages={}, tags={f"rule {place}": TagRule(expr) for place, expr in enumerate(exprs)}))
    for context in people:
        found = Builtin(said.rules).derive(facts_of(said, context)).tags
        for place, expr in enumerate(exprs):
            assert (f"rule {place}" in found) is compile_truth(expr)(context)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(conditions, min_size=40, max_size=70), st.lists(contexts, min_size=1, max_size=6))
def test_durable_rules_says_of_any_condition_what_the_condition_says(exprs: list[Expr], people: list[Context]) -> None:
    need_durable()
    said = translate(Audience(stages={}, tags={f"rule {place}": TagRule(expr) for place, expr in enumerate(exprs)}))
    with closing(Durable(said.rules)) as durable:
        found = durable.derive_many([facts_of(said, context) for context in people])
        assert durable.fallbacks == 0
    for context, one in zip(people, found, strict=True):
        for place, expr in enumerate(exprs):
            assert (f"rule {place}" in one.tags) is compile_truth(expr)(context)


@given(st.lists(conditions, min_size=2, max_size=3), contexts, st.booleans())
def test_a_segment_is_what_it_stands_for_also_where_it_is_denied(
    exprs: list[Expr], context: Context, both: bool
) -> None:
    one, *others = exprs
    segments: dict[str, Expr] = {"one": one, "two": AnyOf((Not(InSegment("one")), *others))}
    asked: Expr = AllOf((InSegment("two"), InSegment("one"))) if both else Not(InSegment("two"))
    said = translate(Audience(stages={}, segments=segments, tags={"asked tag": TagRule(asked)}))
    context.segments = {name: compile_condition(expr) for name, expr in segments.items()}
    found = Builtin(said.rules).derive(facts_of(said, context)).tags
    assert ("asked tag" in found) is compile_truth(asked)(context)


def test_the_stage_somebody_stands_in_is_read_like_anything_else(make: Make) -> None:
    audience = Audience(stages={}, tags={"loyal": TagRule(Compare("in", Stage(), Constant(["retain", "refer"])))})
    retained = Customer("r", created=0, stages={"retain": 5}, stage="retain")
    assert derived(make, audience, retained, mei()) == [tagged("loyal"), tagged()]


# --- a second mind that dies, hangs or does not come

CHAIN = rules(a=Compare(">", trait("v"), Constant(0)), b=HasTag("a"))
PEOPLE = [Facts({"p1#n": float(place % 3)}) for place in range(9)]
ANSWERS = Builtin(CHAIN).derive_many(PEOPLE)


@pytest.fixture
def durable() -> Iterator[Durable]:
    need_durable()
    with closing(Durable(CHAIN, answer_within=0.5)) as made:
        made.derive(PEOPLE[0])
        yield made


def test_a_child_that_was_killed_is_started_again_and_answers(durable: Durable) -> None:
    os.kill(durable.pid, signal.SIGKILL)
    assert durable.derive_many(PEOPLE) == ANSWERS
    assert (durable.starts, durable.fallbacks) == (2, 0)


def test_a_child_that_hangs_is_ended_and_another_answers(durable: Durable) -> None:
    os.kill(durable.pid, signal.SIGSTOP)
    assert durable.derive_many(PEOPLE) == ANSWERS
    assert (durable.starts, durable.fallbacks) == (2, 0)


def test_when_every_child_dies_the_reference_answers_and_it_is_counted(durable: Durable) -> None:
    done = threading.Event()

    def hunt() -> None:
        while not done.is_set():
            pid = durable.pid
            with suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        assert durable.derive_many(PEOPLE[:3]) == ANSWERS[:3]
    finally:
        done.set()
        hunter.join()
    assert durable.fallbacks > 0


def test_after_too_many_failures_it_is_left_alone_for_a_while() -> None:
    need_durable()
    with closing(Durable(CHAIN, python="/nowhere/python")) as lost:
        assert lost.derive_many(PEOPLE) == ANSWERS
        starts = lost.starts
        assert lost.fallbacks == len(PEOPLE)
        for _ in range(20):
            assert lost.derive_many(PEOPLE) == ANSWERS
        assert lost.starts <= starts + 8


SAYS: Sequence[tuple[str, str]] = (
    ("nothing", "import sys; sys.stdin.read()"),
    ("goodbye", "pass"),
    ("half", "import sys; sys.stdout.write('read'); sys.stdout.flush(); sys.stdin.read()"),
)


@pytest.mark.parametrize(("what", "code"), SAYS, ids=[what for what, _ in SAYS])
def test_a_child_that_says_too_little_is_broken_within_its_time(what: str, code: str) -> None:
    child = Child((sys.executable, "-c", code), b"rules", start_within=0.3, answer_within=0.3)
    with pytest.raises(Broken):
        child.ask(b"x" * 1_000_000)
    assert child.pid == 0


def test_a_long_question_to_a_child_that_never_reads_is_given_up() -> None:
    code = "import sys; sys.stdin.readline(); print('ready', flush=True); import signal; signal.pause()"
    child = Child((sys.executable, "-c", code), b"rules", answer_within=0.3)
    with pytest.raises(Broken, match="no answer"):
        child.ask(b"x" * 10_000_000)
    assert child.pid == 0


def test_an_answer_that_comes_in_pieces_is_put_together() -> None:
    code = "import sys\nfor line in sys.stdin:\n for one in line: sys.stdout.write(one); sys.stdout.flush()"
    child = Child((sys.executable, "-c", code), b"rules")
    with closing_child(child):
        for line in (b"x" * 3_000, b"", b"yz"):
            assert child.ask(line) == line


def closing_child(child: Child) -> Any:
    class Ending:
        close = staticmethod(child.kill)

    return closing(Ending())

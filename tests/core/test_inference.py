"""A chainer in place of the conditions: whatever happens and however tags hang together, it decides as they do."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.chaining.facts import differences, facts_of, instant_for
from engine.core.chaining.inference import Chain, Inference
from engine.core.chaining.ruleset import RuleSet
from engine.core.chaining.translation import translate
from engine.core.commands import Decision
from engine.core.decide import Settle, Wake, decide
from engine.core.events import Event
from engine.core.expression import AllOf, AnyOf, Compare, Constant, Expr, HasTag, InSegment, Not, Path, Stage
from engine.core.ids import DAY, HOUR, Micros
from engine.core.plan import Again, Entrance, OnEvent, OnStage, OnTag, Plan, Send, Tag, seal
from engine.core.playbook import Playbook
from engine.core.policy import Audience, TagRule
from engine.core.predicates import Context
from engine.core.spans import Span
from engine.core.state import Customer
from engine.rules.builtin import Builtin
from engine.rules.durable import Durable
from tests.contracts.durable_rules import need_durable
from tests.properties.test_consequences_properties import MEASURES, START, conditions

Infer = Callable[[Audience], Inference]
NAMES = tuple(f"t{place}" for place in range(6))


def by_builtin(audience: Audience) -> Inference:
    return Inference(audience, lambda rules: Builtin(rules).derive)


def trait(name: str, value: object) -> Expr:
    return Compare("==", Path("customer", (name,)), Constant(value))


def happen(playbook: Playbook, *traits: dict[str, object]) -> list[Decision]:
    customer, decisions = Customer("c", created=START), []
    for number, said in enumerate(traits):
        at = START + number
        decisions.append(decide(playbook, customer, Event(f"e{number}", "seen", at, at, traits=said), at))
        customer = decisions[-1].customer
    return decisions


def test_a_tag_that_is_about_to_fall_gives_no_other_tag_that_would_last() -> None:
    y = trait("y", 1)
    rules = {
        "last": TagRule(AllOf((HasTag("middle"), y)), Span(30 * DAY)),
        "middle": TagRule(InSegment("between")),
        "first": TagRule(trait("x", 1)),
    }
    audience = Audience(stages={}, tags=rules, segments={"between": HasTag("first")})
    for infer in (None, by_builtin):
        before, after = happen(Playbook((), audience, infer=infer), {"x": 1, "y": 0}, {"x": 0, "y": 1})
        assert before.customer.tags.keys() == {"first", "middle"}
        assert after.customer.tags == {}
        assert {note.data["tag"] for note in after.trace if note.code[:4] == "tag."} == {"first", "middle"}


def test_a_tag_that_outlasts_its_rule_goes_on_giving_others() -> None:
    rules = {"dear": TagRule(HasTag("big")), "big": TagRule(trait("x", 1), Span(DAY))}
    for infer in (None, by_builtin):
        playbook = Playbook((), Audience(stages={}, tags=rules), infer=infer)
        [*_, after] = happen(playbook, {"x": 1}, {"x": 0})
        assert (after.customer.tags["big"].until, after.customer.tags["dear"].until) == (START + 1 + DAY, 0)
        end = decide(playbook, after.customer, Wake(), after.customer.wake)
        assert "dear" not in end.customer.tags


def test_tags_on_a_circle_hold_one_another_up_and_fall_together() -> None:
    rules = {
        "a": TagRule(AllOf((AnyOf((HasTag("c"), trait("x", 1))), Not(trait("stop", 1))))),
        "b": TagRule(HasTag("a")),
        "c": TagRule(HasTag("b")),
    }
    for infer in (None, by_builtin):
        decisions = happen(
            Playbook((), Audience(stages={}, tags=rules), infer=infer), {"x": 0}, {"x": 1}, {"x": 0}, {"stop": 1}
        )
        assert [sorted(one.customer.tags) for one in decisions] == [[], ["a", "b", "c"], ["a", "b", "c"], []]


def test_a_tag_that_is_compared_or_listed_is_read_as_it_stands_in_the_end() -> None:
    is_a, is_not_a = (Compare("==", HasTag("a"), Constant(truth)) for truth in (True, False))
    rules = {
        "listed": TagRule(Compare("in", HasTag("compared"), Constant([True]))),
        "compared": TagRule(is_a),
        "other": TagRule(Not(Compare("!=", HasTag("a"), Constant(True)))),
        "without": TagRule(is_not_a),
        "a": TagRule(trait("x", 1)),
    }
    for infer in (None, by_builtin):
        playbook = Playbook((), Audience(stages={}, tags=rules), infer=infer)
        [before, after, end] = happen(playbook, {"x": 0}, {"x": 1}, {"x": 0})
        assert before.customer.tags.keys() == end.customer.tags.keys() == {"without"}
        assert after.customer.tags.keys() == {"a", "compared", "other", "listed"}
    said = translate(Audience(stages={}, tags=rules)).rules
    assert sum(len(rule.tests) for rule in said.rules) == 2  # the trait, and the list


# --- whatever rules there are


ways: st.SearchStrategy[Literal["never", "follow"]] = st.sampled_from(["never", "follow"])
OPENINGS: tuple[tuple[str, Entrance], ...] = (
    *((f"on-{name}", OnTag(name)) for name in NAMES[3:]),
    ("lost", OnTag("t5", "loses")),
    *((f"at-{stage}", OnStage(stage)) for stage in ("activate", "retain")),
)


@st.composite
def audiences(draw: st.DrawFn) -> Audience:
    """Tags that read only those before them, also their absence, in any order of the file; stages over them."""
    tags: list[tuple[str, TagRule]] = []
    for place, name in enumerate(NAMES):
        known: list[Expr] = [HasTag(other) for other in NAMES[:place]] or [HasTag("given")]
        one = draw(st.sampled_from(known))
        other = draw(st.sampled_from(known).map(Not) | conditions)
        shape = draw(st.sampled_from([AllOf((one, other)), AnyOf((one, other)), other, AllOf((other, Not(one)))]))
        tags.append((name, TagRule(shape, draw(st.none() | st.just(Span(DAY))))))
    stages: dict[str, Expr] = {
        "acquire": draw(conditions),
        "activate": AnyOf((HasTag("t1"), HasTag("t4"))),
        "retain": HasTag(draw(st.sampled_from(NAMES))),
    }
    tags.append(("active", TagRule(Compare("==", Stage(), Constant("activate")))))
    regress = draw(ways)
    return Audience(stages=stages, tags=dict(draw(st.permutations(tags))), measures=MEASURES, regress=regress)


JOURNEYS = tuple(
    seal(Plan(name, "", "retain", enter, (Send("1", "hello", ("email",)),), again=Again("always"), purpose="internal"))
    for name, enter in OPENINGS
)
GIVES = seal(
    Plan("marks", "", "retain", OnEvent(("tagged",)), (Tag("1", add=("given",), lasts=Span(DAY)),), purpose="p")
)
happenings = st.lists(
    st.tuples(st.integers(1, 30 * HOUR), st.sampled_from(["a", "b", "tagged", "moved", "settled"])),
    min_size=1,
    max_size=10,
)


def lived(playbook: Playbook, happened: list[tuple[int, str]]) -> list[tuple[Micros, Decision]]:
    customer, now, decisions = Customer("c1", created=START), START, list[tuple[Micros, Decision]]()
    for number, (gap, name) in enumerate(happened):
        now += gap
        while customer.wake and customer.wake < now:
            decisions.append((customer.wake, decide(playbook, customer, Wake(), customer.wake)))
            customer = decisions[-1][1].customer
        traits = {"city": "x" if number % 2 else "y"} if name == "moved" else {}
        happening = Settle() if name == "settled" else Event(f"{number}", name, now, now, traits=traits)
        decisions.append((now, decide(playbook, customer, happening, now)))
        customer = decisions[-1][1].customer
    return decisions


def the_same(audience: Audience, happened: list[tuple[int, str]], infer: Infer) -> None:
    plans = (*JOURNEYS, GIVES)
    ordinary = lived(Playbook(plans, audience), happened)
    inferred = lived(Playbook(plans, audience, infer=infer), happened)
    for one, other in zip(ordinary, inferred, strict=True):
        assert one == other


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(audiences(), happenings)
def test_a_chainer_decides_as_the_conditions_do(audience: Audience, happened: list[tuple[int, str]]) -> None:
    the_same(audience, happened, by_builtin)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(audiences(), happenings)
def test_durable_rules_decides_as_the_conditions_do(audience: Audience, happened: list[tuple[int, str]]) -> None:
    need_durable()
    with ExitStack() as stack:

        def by_durable(audience: Audience) -> Inference:
            def chain(rules: RuleSet) -> Chain:
                durable = Durable(rules)
                stack.callback(durable.close)
                return durable.derive

            return Inference(audience, chain)

        the_same(audience, happened, by_durable)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(audiences(), happenings)
def test_what_is_kept_is_what_follows_by_rule_after_every_decision(
    audience: Audience, happened: list[tuple[int, str]]
) -> None:
    playbook, said = Playbook((*JOURNEYS, GIVES), audience), translate(audience)
    chainer = Builtin(said.rules)
    for now, decision in lived(playbook, happened):
        customer = decision.customer
        for applied in (now, now + 500 * DAY) if customer.seen else ():
            at = instant_for(customer, applied)
            context = Context(customer, at, None, None, playbook.policy, playbook.segments)
            assert differences(audience, context, chainer.derive(facts_of(said, context))) == []

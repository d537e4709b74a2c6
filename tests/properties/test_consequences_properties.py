"""Whatever happens and however time passes, a segment holds exactly whom its condition holds for, at every instant."""

from collections.abc import Iterator
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.audience.tags import BY_RULE
from engine.core.commands import Note
from engine.core.decide import Wake, decide
from engine.core.events import Event, Mark
from engine.core.expression import (
    AllOf,
    AnyOf,
    Compare,
    Constant,
    Duration,
    Expr,
    HasTag,
    InSegment,
    Measure,
    Measured,
    Not,
    Path,
    Today,
)
from engine.core.ids import DAY, HOUR, Micros
from engine.core.plan import Again, Audience, OnEvent, OnSegment, Plan, Span, Stop, Tag, TagRule, seal
from engine.core.playbook import Playbook
from engine.core.predicates import Context, compile_truth
from engine.core.state import Customer

START = 20_000 * DAY
WINDOWS = (DAY, 3 * DAY)
MEASURES = tuple(Measure(f"{name}-count", name, window=max(WINDOWS)) for name in ("a", "b"))

counts = st.builds(
    lambda name, window, limit: Compare(">=", Measured(f"{name}-count", "count", window), Constant(limit)),
    st.sampled_from(["a", "b"]),
    st.sampled_from([0, *WINDOWS]),
    st.integers(1, 3),
)
ages = st.builds(
    lambda name, age: Compare(">", Measured(f"{name}-count", "last"), Duration(age)),
    st.sampled_from(["a", "b"]),
    st.sampled_from([HOUR, DAY, 2 * DAY]),
)
facts: st.SearchStrategy[Expr] = st.one_of(
    counts,
    ages,
    st.just(HasTag("given")),
    st.just(Compare("==", Path("customer", ("city",)), Constant("x"))),
    st.just(Compare("==", Today("weekday"), Constant("mon"))),
)
conditions: st.SearchStrategy[Expr] = st.recursive(
    facts,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
# Rules only ask for what other rules give, never for its absence: chaining is monotone.
ruled = st.lists(st.builds(lambda when, chained: (when, chained), conditions, st.booleans()), max_size=3)


REGRESS: tuple[Literal["never", "follow"], ...] = ("never", "follow")
STAGES = ("acquire", "activate", "retain")


@st.composite
def books(draw: st.DrawFn, doors_of: tuple[str, ...] = ()) -> Playbook:
    """Rules of all kinds; journeys wait at the doors of the segments of `doors_of`, all when none is named."""
    segments: dict[str, Expr] = {"one": draw(conditions), "two": draw(conditions)}
    both: list[Expr] = [AllOf((InSegment("one"), InSegment("two"))), Not(InSegment("one"))]
    segments["both"] = draw(st.sampled_from(both))
    tags: dict[str, TagRule] = {}
    for number, (when, is_chained) in enumerate(draw(ruled)):
        before = f"rule{number - 1}"
        chain: Expr = AnyOf((when, HasTag(before))) if is_chained and before in tags else when
        tags[f"rule{number}"] = TagRule(chain, draw(st.none() | st.just(Span(DAY))))
    if tags:
        segments["tagged"] = HasTag(next(reversed(tags)))
    segments["fair"] = HasTag("list:fair")
    stages = {name: draw(conditions) for name in STAGES[: draw(st.integers(0, 3))]}
    awaited = [name for name in segments if not doors_of or name in doors_of]
    doors = [
        seal(
            Plan(f"{way}-{name}", "", "retain", OnSegment(name, way), (Stop("1"),), again=Again("always"), purpose="p")
        )
        for name in awaited
        for way in ("enters", "leaves")
    ]
    marks = Plan("marks", "", "retain", OnEvent(("tagged",)), (Tag("1", add=("given",), lasts=Span(DAY)),), purpose="p")
    regress = draw(st.sampled_from(REGRESS))
    audience = Audience(stages, tags, segments=segments, measures=MEASURES, regress=regress, lists=("fair",))
    return Playbook([*doors, seal(marks)], audience)


SOME_DOORS = st.sampled_from([(), ("one", "both"), ("nobody",)]).flatmap(books)

happenings = st.lists(
    st.tuples(
        st.integers(1, 30 * HOUR),
        st.sampled_from(["a", "b", "tagged", "moved", "other", "given", "listed", "delisted"]),
    ),
    min_size=1,
    max_size=12,
)


def told(number: int, name: str, now: Micros, **who: Any) -> Event:
    """Return what happened, with what it says of the customer."""
    traits = {"city": "x" if number % 2 else "y"} if name == "moved" else {}
    tags: dict[str, Mark | None] = {}
    match name:
        case "given":
            tags = {"given": Mark("import:a"), "rule0": Mark("import:a", until=now + HOUR)}
        case "listed":
            tags = {"list:fair": Mark("import:fair", until=now + DAY if number % 2 else 0)}
        case "delisted":
            tags = {"list:fair": None, "rule0": None}
        case _:
            pass
    return Event(f"{number}", name, now, now, traits=traits, tags=tags, **who)


def lived(playbook: Playbook, happened: list[tuple[int, str]]) -> Iterator[tuple[Customer, Micros, list[Note]]]:
    """Yield the customer after each event and each timer, with what was said."""
    customer, now = Customer("c1", created=START), START
    for number, (gap, name) in enumerate(happened):
        now += gap
        while customer.wake and customer.wake < now:
            due = customer.wake
            decision = decide(playbook, customer, Wake(), due)
            customer = decision.customer
            assert not customer.wake or customer.wake > due
            yield customer, due, list(decision.trace)
        decision = decide(playbook, customer, told(number, name, now), now)
        customer = decision.customer
        yield customer, now, list(decision.trace)


@settings(max_examples=150, deadline=None)
@given(SOME_DOORS, happenings, st.integers(0, 100))
def test_a_segment_holds_whom_its_condition_holds_for_at_every_instant(
    playbook: Playbook, happened: list[tuple[int, str]], between: int
) -> None:
    previous: tuple[Customer, Micros] | None = None
    truths = {name: compile_truth(expr) for name, expr in playbook.audience.segments.items()}
    for customer, now, _ in lived(playbook, happened):
        instants = [(customer, now)]
        if previous is not None:  # and between two changes, where nobody looked
            before, then = previous
            instants.append((before, then + (now - 1 - then) * between // 100))
        for known, at in instants:
            context = Context(known, at, policy=playbook.policy, segments=playbook.segments)
            for name, holds in truths.items():
                if name in playbook.audience.lists and f"segment:{name}" not in playbook.watch.all:
                    continue  # its members carry a tag, and nobody waits for more
                stands = f"segment:{name}" in known.standing and known.standing[f"segment:{name}"].since > 0
                assert stands == holds(context), (name, at)
        previous = customer, now


@settings(max_examples=100, deadline=None)
@given(SOME_DOORS, happenings, st.integers(0, 100))
def test_a_customer_stands_at_the_furthest_stage_that_holds_or_was_ever_reached(
    playbook: Playbook, happened: list[tuple[int, str]], between: int
) -> None:
    previous: tuple[Customer, Micros] | None = None
    reached: dict[str, Micros] = {}
    for customer, now, _ in lived(playbook, happened):
        instants = [(customer, now)]
        if previous is not None:
            before, then = previous
            instants.append((before, then + (now - 1 - then) * between // 100))
        for known, at in instants:
            context = Context(known, at, policy=playbook.policy, segments=playbook.segments)
            holding = [name for name, holds in playbook.stages if holds(context)]
            assert all(name in known.stages for name in holding), at
            ever = [name for name in playbook.audience.stages if name in known.stages]
            follows = playbook.audience.regress == "follow"
            assert known.stage == ((holding if follows else ever) or [""])[-1], at
        assert all(customer.stages[name] == at for name, at in reached.items())  # first dates stay
        reached = customer.stages
        previous = customer, now


@settings(max_examples=50, deadline=None)
@given(books(), happenings)
def test_entering_and_leaving_a_segment_alternate_and_each_is_told_once(
    playbook: Playbook, happened: list[tuple[int, str]]
) -> None:
    inside: set[str] = set()
    for customer, _, trace in lived(playbook, happened):
        for note in trace:
            if note.code == "segment.entered":
                assert note.data["segment"] not in inside
                inside.add(note.data["segment"])
            elif note.code == "segment.left":
                inside.remove(note.data["segment"])
        standing = {key.partition(":")[2] for key, held in customer.standing.items() if held.since and key[:3] == "seg"}
        assert standing == inside


@settings(max_examples=50, deadline=None)
@given(books(), happenings)
def test_a_rule_tag_is_carried_while_its_condition_holds_and_its_time_longer(
    playbook: Playbook, happened: list[tuple[int, str]]
) -> None:
    truths = {name: compile_truth(rule.when) for name, rule in playbook.audience.tags.items() if rule.when is not None}
    ended: dict[str, Micros] = {}
    for customer, now, _ in lived(playbook, happened):
        context = Context(customer, now, policy=playbook.policy, segments=playbook.segments)
        for name, holds in truths.items():
            lasts = playbook.audience.tags[name].lasts
            is_carried = HasTag(name)
            carries = compile_truth(is_carried)(context)
            if holds(context):
                ended.pop(name, None)
                assert carries, (name, now)
            elif carries and customer.tags[name].by == BY_RULE:
                until = customer.tags[name].until
                assert lasts is not None and now < until <= ended.setdefault(name, now) + lasts.micros, (name, now)

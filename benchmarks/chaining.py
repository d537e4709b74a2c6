"""Tags and stages of a customer by 40 rules: our reference engine, durable-rules in its process, and the live way.

20 rules over traits, 10 over those, 5 over these, and 5 stages. The two engines derive everything of the same customers
from nothing, in batches of 100; the live way is a decision about an event that moves one trait, tags and all. The gate
is that all three come to the same tags and stages for every customer.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from benchmarks.measure import Sample, measured
from engine.core.chaining.facts import differences, facts_of
from engine.core.chaining.ruleset import Derived, Facts
from engine.core.chaining.translation import translate
from engine.core.context import Context
from engine.core.decide import decide
from engine.core.events import Event
from engine.core.expression import AllOf, AnyOf, Compare, Constant, Expr, HasTag, Not, Path
from engine.core.ids import share
from engine.core.playbook import Playbook
from engine.core.policy import Audience, TagRule
from engine.core.state import Customer
from engine.ports import Chainer
from engine.rules.builtin import Builtin
from engine.rules.durable import Durable, why_not

T = TypeVar("T")

NOW: Final = 1_772_366_400_000_000
TRAITS: Final = 20
BATCH: Final = 100


def missing() -> str:
    """Return why durable-rules cannot be measured here, "" when it can."""
    return why_not()


def rules() -> Audience:
    """Return the 40 rules."""
    tags = {f"base{n}": Compare(">", Path("customer", (f"v{n}",)), Constant(50)) for n in range(20)}
    second: dict[str, Expr] = {
        f"second{n}": AllOf((HasTag(f"base{n}"), AnyOf((HasTag(f"base{n + 10}"), HasTag(f"base{(n + 5) % 20}")))))
        for n in range(10)
    }
    third: dict[str, Expr] = {
        f"third{n}": AllOf((HasTag(f"second{n}"), Not(Compare("==", Path("customer", ("city",)), Constant("北京")))))
        for n in range(5)
    }
    stages: dict[str, Expr] = {
        f"stage{n}": AnyOf((HasTag(f"third{n}"), AllOf((HasTag(f"second{n + 5}"), HasTag(f"base{n}")))))
        for n in range(5)
    }
    return Audience(stages=stages, tags={name: TagRule(when) for name, when in {**tags, **second, **third}.items()})


def run(customers: int) -> dict[str, Sample]:
    """Return a sample of each way, taken in this process over the same customers."""
    audience = rules()
    playbook, said = Playbook((), audience), translate(audience)
    people = [_customer(number) for number in range(customers)]
    facts = [facts_of(said, _context(playbook, one)) for one in people]
    builtin, durable = Builtin(said.rules), Durable(said.rules, answer_within=60)
    try:
        durable.derive(facts[0])  # the process has started
        ours, first = _timed(lambda: _chained(builtin, facts))
        theirs, second = _timed(lambda: _chained_to_the_end(durable, facts))
        live, settled = _timed(lambda: _lived(playbook, people))
    finally:
        durable.close()
    kept = [_differs(playbook, one, derived) for one, derived in zip(settled, first, strict=True)]
    wrong = sum(a != b for a, b in zip(first, second, strict=True)) + sum(kept) + durable.fallbacks
    verdict = "all three agree" if not wrong else f"{wrong} of {customers} differ"
    return {
        name: Sample(n, wall, cpu, not wrong, verdict)
        for name, (n, wall, cpu) in (
            ("builtin", (customers, *ours)),
            ("durable", (customers, *theirs)),
            ("live", (customers * TRAITS, *live)),
        )
    }


def _timed(work: Callable[[], list[T]]) -> tuple[tuple[float, float], list[T]]:
    with measured() as cost:
        found = work()
    return (cost.wall, cost.cpu), found


def _customer(number: int) -> Customer:
    traits = {f"v{n}": int(share("v", number, n) * 100) for n in range(TRAITS)}
    return Customer(f"c{number}", created=NOW, seen=NOW, traits={**traits, "city": ("北京", "上海")[number % 2]})


def _context(playbook: Playbook, customer: Customer) -> Context:
    return Context(customer, NOW, None, None, playbook.policy, playbook.segments)


def _chained(chainer: Chainer, facts: Sequence[Facts]) -> list[Derived]:
    return [one for start in range(0, len(facts), BATCH) for one in chainer.derive_many(facts[start : start + BATCH])]


def _chained_to_the_end(durable: Durable, facts: Sequence[Facts]) -> list[Derived]:
    found = _chained(durable, facts)
    durable.close()  # what a process took is known once it has ended
    return found


def _lived(playbook: Playbook, people: Sequence[Customer]) -> list[Customer]:
    """Let each customer come to their traits one event after the other."""
    settled = []
    for one in people:
        customer = Customer(one.id, created=NOW)
        city = {"city": one.traits["city"]}
        for n in range(TRAITS):
            at = NOW + n
            traits = {f"v{n}": one.traits[f"v{n}"], **(city if n == 0 else {})}
            customer = decide(playbook, customer, Event(f"{n}", "told", at, at, traits=traits), at).customer
        settled.append(customer)
    return settled


def _differs(playbook: Playbook, customer: Customer, derived: Derived) -> bool:
    return bool(differences(playbook.audience, _context(playbook, customer), derived))

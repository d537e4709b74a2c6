"""A condition that nobody published, asked of every customer: `journeyd segments preview --when`.

Reads the store page by page and keeps a few examples. What nothing in force counts is named, not guessed.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from engine.cli.label_names import tags_of
from engine.cli.segment_tables import Member
from engine.core.audience.accounts import seen_by_conditions
from engine.core.audience.tags import LIST
from engine.core.errors import BadInput, Place
from engine.core.expression import Expr, HasTag, InSegment, Measure, walk
from engine.core.ids import Micros
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.predicates import Condition, Context, compile_condition
from engine.core.state import Account, Customer
from engine.ports import Reader
from engine.usecases.backfill import needs
from engine.usecases.publish import in_force
from journeys.expressions import CUSTOMER, parse_condition
from journeys.problems import Problem, near_or_known
from journeys.words.phrases import condition as in_words

PAGE: Final = 500


class Found(NamedTuple):
    """How many of how many the condition holds for, and some of them."""

    customers: int
    looked: int
    examples: list[Member]


class Asked(NamedTuple):
    """The condition, compiled against the rules in force. `unkept`: events of which it counts what nobody keeps."""

    condition: Condition
    audience: Audience
    words: str
    unkept: tuple[str, ...]

    def find(self, store: Reader, now: Micros, limit: int, progress: Callable[[int], None]) -> Found:
        """Ask every customer; `progress` hears how many were asked."""
        found, looked, after = 0, 0, ""
        examples: list[Member] = []
        segments = _segments(self.audience)
        while page := store.scan(after, PAGE):
            after = page[-1].id
            accounts = store.accounts({one.account for one in page if one.account})
            for one in page:
                context = _context(self.audience, segments, one, now, accounts.get(one.account))
                if self.condition(context):
                    found += 1
                    if len(examples) < limit:
                        examples.append(Member(one, 0))
            looked += len(page)
            progress(looked)
        return Found(found, looked, examples)


def asked_of(store: Reader, text: str, lang: str) -> Asked:
    """Return the condition ready to be asked; raises `BadInput` with every complaint about it."""
    parsed = parse_condition(text, CUSTOMER)
    playbook = in_force(store)
    audience = playbook.audience
    problems = [
        Problem(fault.code, Place("--when", 1, (fault.offset or 0) + 1), fault.data, lang) for fault in parsed.faults
    ]
    for name in _unknown(parsed.expr, audience):
        data = {"name": name, **near_or_known(name, audience.segments)}
        problems.append(Problem("J085", Place("--when", 1, 1), data, lang))
    if tags := _tags(parsed.expr) - audience.tags.keys():
        known = tags_of(store, audience)
        for name in sorted(tags - known):
            problems.append(Problem("J128", Place("--when", 1, 1), {"name": name, **near_or_known(name, known)}, lang))
    if problems or parsed.expr is None:
        raise BadInput("; ".join(f"{one.message}. {one.remedy}" for one in problems), field="--when")
    measures = {measure.key: measure for measure in (*audience.measures, *parsed.measures)}
    words = in_words(parsed.expr, measures, lang)
    return Asked(compile_condition(parsed.expr), audience, words, _unkept(playbook, parsed.measures))


def context_of(store: Reader, audience: Audience, customer: Customer, now: Micros) -> Context:
    """Return what the audience's conditions can see of the customer at `now`."""
    account = store.accounts([customer.account]).get(customer.account) if customer.account else None
    return _context(audience, _segments(audience), customer, now, account)


def _segments(audience: Audience) -> dict[str, Condition]:
    return {name: compile_condition(expr) for name, expr in audience.segments.items()}


def _context(
    audience: Audience, segments: dict[str, Condition], customer: Customer, now: Micros, account: Account | None
) -> Context:
    context = Context(customer, now, None, None, audience.policy, segments)
    context.account = seen_by_conditions(account)
    return context


def _unknown(expr: Expr | None, audience: Audience) -> list[str]:
    parts = () if expr is None else walk(expr)
    return sorted({part.name for part in parts if isinstance(part, InSegment)} - audience.segments.keys())


def _tags(expr: Expr | None) -> set[str]:
    parts = () if expr is None else walk(expr)
    return {part.name for part in parts if isinstance(part, HasTag) and not part.name.startswith(LIST)}


def _unkept(playbook: Playbook, measures: tuple[Measure, ...]) -> tuple[str, ...]:
    """Return the events of which the condition counts more than the rules in force have kept."""
    wanted = needs(playbook, Playbook([], Audience(measures=measures)))
    return tuple(sorted({event for one in (*wanted.fresh, *wanted.wider) for event in one.events}))

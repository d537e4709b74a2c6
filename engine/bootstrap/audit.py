"""Audits a workspace's customers: every tag and stage derived anew, and compared with what the daemon keeps.

Reads the store alone, also while a daemon runs. Called by `journeyd audit`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from engine.bootstrap.chaining import Asked, engines_for
from engine.core.ids import share
from engine.core.state import Customer
from engine.ports import Clock, Reader
from engine.usecases.audit import Case, Finding, SecondLook
from engine.usecases.publish import in_force

PAGE: Final = 500
EXAMPLES: Final = 5
"""Customers that a report names for each difference."""


class Disputed(msgspec.Struct):
    """One tag or stage that is kept wrongly, in one way: of how many customers, what each engine says, and of whom."""

    kind: str
    name: str
    kept: bool
    said: dict[str, bool]
    customers: int = 0
    examples: list[str] = []


class Audited(msgspec.Struct):
    """What an audit found. `fallbacks`: customers whom an engine broke over; `pending`: jobs that a publish left.

    `why_alone` says why durable-rules was not asked although it could have been.
    """

    customers: int
    rules: int
    engines: list[str]
    disputed: list[Disputed]
    fallbacks: int = 0
    pending: int = 0
    why_alone: str = ""


def audit(
    store: Reader, clock: Clock, asked: Asked = "both", *, sample: float = 1.0, progress: Callable[[int], None]
) -> Audited:
    """Look at every customer (or a share of them, always the same); `progress` gets how many were passed so far.

    Each is looked at at the clock's time, or just before the next timer of theirs where that is overdue.
    """
    engines, why_alone = engines_for(asked)
    look = SecondLook(in_force(store), engines)
    try:
        disputed: dict[tuple[object, ...], Disputed] = {}
        looked_at = passed = 0
        for page in _pages(store):
            # The time is read after the customers: a timer that fired meanwhile is in the past of both.
            cases = _cases(store, [one for one in page if one.seen and share("audit", one.id) < sample], clock)
            looked_at, passed = looked_at + len(cases), passed + len(page)
            for finding in look.look(cases):
                _add(disputed, finding)
            progress(passed)
        found = sorted(disputed.values(), key=lambda one: (-one.customers, one.kind, one.name))
        names, fallbacks = [one.name for one in look.chainers], sum(one.fallbacks for one in look.chainers)
        return Audited(looked_at, look.rules, names, found, fallbacks, len(store.jobs()), why_alone)
    finally:
        look.close()


def _pages(store: Reader) -> Iterator[list[Customer]]:
    after = ""
    while page := store.scan(after, PAGE):
        yield page
        after = page[-1].id


def _cases(store: Reader, customers: Sequence[Customer], clock: Clock) -> list[Case]:
    accounts = store.accounts({customer.account for customer in customers} - {""})
    now = clock.now()
    return [Case(customer, now, accounts.get(customer.account)) for customer in customers]


def _add(disputed: dict[tuple[object, ...], Disputed], finding: Finding) -> None:
    key = (finding.kind, finding.name, finding.kept, *finding.said.items())
    one = disputed.setdefault(key, Disputed(finding.kind, finding.name, finding.kept, finding.said, examples=[]))
    one.customers += 1
    if len(one.examples) < EXAMPLES:
        one.examples.append(finding.customer)

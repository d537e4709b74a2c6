"""A statistic that was published in the middle of a history says what it would have said from the beginning."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import Event, encode
from engine.core.expression import FOREVER, Compare, Constant, Measure, Path
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.state import Customer, Tally
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.advance import advance
from engine.usecases.backfill import begin, needs, proceed
from engine.usecases.heard import Heard

WINDOW, START = 60, 10_000
DEAR = Compare(">", Path("event", ("total",)), Constant(2))
WIDE = (
    Measure("count", "a", window=WINDOW),
    Measure("sums", "a", "total", where=DEAR, window=WINDOW),
    Measure("kinds", "b", "kind", window=FOREVER, kind="values"),
    Measure("recent-kinds", "b", "kind", window=WINDOW, kind="values"),
    Measure("order", "a", window=WINDOW, kind="sequence", others=("b",)),
)
NARROW = (
    Measure("count", "a", window=WINDOW // 4),
    Measure("sums", "a", "total", where=DEAR),
    Measure("kinds", "b", "kind", window=WINDOW, kind="values"),
    Measure("order", "a", window=WINDOW // 2, kind="sequence", others=("b",)),
    Measure("gone", "b"),
)

people: list[dict[str, str]] = [
    {"user_id": "u1"},
    {"user_id": "u2"},
    {"anonymous_id": "a1"},
    {"anonymous_id": "a2"},
    {"user_id": "u1", "anonymous_id": "a1"},
    {"user_id": "u2", "anonymous_id": "a1"},
    {"email": "mei@x.example", "anonymous_id": "a2"},
    {"user_id": "u1", "email": "mei@x.example"},
]
# (how much later it came, how late it was, its id, its name, whose, total, kind); few ids, so that many come twice.
lines = st.lists(
    st.tuples(
        st.integers(0, 25),
        st.integers(0, 80) | st.just(0),
        st.integers(0, 25),
        st.sampled_from("abc"),
        st.sampled_from(people),
        st.sampled_from([None, 1, 3, 5]),
        st.sampled_from(["x", "y", 1]),
    ),
    min_size=1,
    max_size=40,
)


def told(drawn: list[Any]) -> list[Event]:
    events, now = [], START
    for later, late, number, name, whose, total, kind in drawn:
        now += later
        said = {"total": total, "kind": kind}
        events.append(Event(f"m{number}", name, now - late, now, identifiers=whose, properties=said))
    return events


def playbook(*measures: Measure) -> Playbook:
    return Playbook([], Audience(measures=measures))


def run_to(store: MemoryStore, log: MemoryLog, book: Playbook, events: list[Event]) -> None:
    log.append([encode(event) for event in events])
    # One entry at a time: what has left the dedupe window is forgotten with each commit.
    while advance(store, log, book, limit=1):
        pass


def known(store: MemoryStore, now: int) -> dict[str, dict[str, Tally]]:
    """What is known of each customer, without what has left the windows and only waits for the next fold."""
    return {one.id: _inside(one, now) for one in store.scan("", 1_000)}


def _inside(customer: Customer, now: int) -> dict[str, Tally]:
    found = {}
    for measure in WIDE:
        tally = customer.behaviour.get(measure.key)
        if tally is not None:
            recent = tuple(pair for pair in tally.recent if pair[0] > now - measure.window)
            values = {key: at for key, at in tally.values.items() if at > now - measure.window}
            amounts = (tally.count, tally.total, tally.first, tally.last)
            found[measure.key] = Tally(*amounts, recent, tally.least, tally.most, values)
    return found


@settings(deadline=None, max_examples=150)
@given(lines, st.floats(0, 1), st.integers(1, 15), st.sampled_from([(), NARROW]), st.booleans(), st.booleans())
def test_a_backfilled_statistic_equals_one_kept_from_the_start(
    drawn: list[Any], part: float, chunk: int, before: tuple[Measure, ...], is_restarted: bool, is_recalled: bool
) -> None:
    events = told(drawn)
    cut = int(part * len(events))
    old, new = playbook(*before), playbook(*WIDE)
    (always, log), (late, its_log) = [(MemoryStore(dedupe_window=50), MemoryLog()) for _ in range(2)]
    run_to(always, log, new, events[:cut])
    run_to(late, its_log, old, events[:cut])
    if is_recalled:  # kept once, dropped again: what customers still hold of it is stale
        fill(late, its_log, (old, new), chunk, is_restarted)
        fill(late, its_log, (new, old), chunk, is_restarted)
    fill(late, its_log, (old, new), chunk, is_restarted)
    now = events[cut - 1].received if cut else START
    assert known(late, now) == known(always, now)
    run_to(always, log, new, events[cut:])
    run_to(late, its_log, new, events[cut:])
    assert known(late, events[-1].received) == known(always, events[-1].received)


def fill(store: MemoryStore, log: MemoryLog, books: tuple[Playbook, Playbook], chunk: int, is_restarted: bool) -> None:
    job = begin(needs(*books), store.position(), store.counts().customers)
    heard = Heard(50)
    while job is not None and job.phase:
        before = job
        job = proceed(store, log, job, chunk, Heard(50) if is_restarted else heard)
        assert before.done <= job.done <= job.total
        assert store.jobs() == ([job] if job.phase else [])
    assert job is None or job.done == job.total

"""One pass over history with any number of stages side by side: each event is read once and heard by all of them.

Before `start` they only build up what is known, from `end` on nothing is heard. Called by `bootstrap/rehearsal.py`.
"""

from collections.abc import Callable, Container, Iterable, Sequence

import msgspec

from engine.core.events import Event
from engine.core.ids import Micros
from engine.rehearsal.people import Repeats
from engine.rehearsal.stage import Stage

EVERY = 2_000
"""Events between two calls of `progress`."""


class Span(msgspec.Struct, frozen=True):
    """From when to when history counts; 0 for its own first and last instant."""

    start: Micros = 0
    end: Micros = 0


class Passed(msgspec.Struct):
    """What went by: `known` before the start, `counted` after it, and what was left out."""

    known: int = 0
    counted: int = 0
    repeats: int = 0
    nobody: int = 0
    first: Micros = 0
    last: Micros = 0
    start: Micros = 0
    end: Micros = 0


def live_through(
    events: Iterable[Event], stages: Sequence[Stage], span: Span, *, progress: Callable[[int], None] | None = None
) -> Passed:
    """Play the history, in the order of its time, to every stage; return what went by."""
    passed, repeats, begun = Passed(), Repeats(), False
    for event in events:
        now = event.received
        if span.end and now >= span.end:
            break
        if not event.identifiers:
            passed.nobody += 1
            continue
        if not repeats.is_new(event):
            passed.repeats += 1
            continue
        if not begun and now >= span.start:
            begun, passed.start = True, span.start or now
            _begin(stages, passed.start)
        passed.first = passed.first or now
        passed.last = now
        if begun:
            passed.counted += 1
        else:
            passed.known += 1
        for stage in stages:
            stage.hear(event)
        if progress is not None and (passed.known + passed.counted) % EVERY == 0:
            progress(passed.known + passed.counted)
    if not begun:
        passed.start = span.start or passed.last
        _begin(stages, passed.start)
    passed.end = max(passed.start, span.end - 1 if span.end else passed.last)
    for stage in stages:
        stage.end(passed.end)
    return passed


def only(events: Iterable[Event], keys: Container[str]) -> Iterable[Event]:
    """Yield the events that name one of these identifiers ("kind:value").

    >>> heard = [Event("1", "x", 1, 1, identifiers={"user_id": "u1"}), Event("2", "x", 1, 1)]
    >>> [event.id for event in only(heard, {"user_id:u1"})]
    ['1']
    """
    for event in events:
        if any(f"{kind}:{value}" in keys for kind, value in event.identifiers.items()):
            yield event


def _begin(stages: Sequence[Stage], at: Micros) -> None:
    for stage in stages:
        stage.begin(at)

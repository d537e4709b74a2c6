"""Who is it? A million events by 300,000 identifiers, one in twenty of which finds that two customers are one.

Each of 100,000 people is met by a cookie, by a phone and by a login; half of them log in on the cookie that they were
met by before, and are merged. Against the same resolution by a union-find of plain dictionaries, which knows nothing of
rules, limits, traits or counts.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.measure import Sample, measured
from engine.core.events import Event, Identifiers, encode
from engine.core.ids import SECOND, share
from engine.core.playbook import Playbook
from engine.rehearsal.people import People
from engine.runtime.collector import calm
from engine.store.memory import MemoryLog
from engine.store.sqlite import SqliteStore
from engine.usecases.advance import advance

KINDS: Final = ("anonymous_id", "user_id", "phone")
_START: Final = 1_772_366_400 * SECOND
_BATCH: Final = 500


def traffic(events: int) -> Iterator[Identifiers]:
    """Yield whom each event names: ten events a person, one in 28 a login on a cookie that was somebody's."""
    people = events // 10
    for number in range(events):
        person = int(share("identity", number) * people) if number >= 3 * people else number % people
        kind = KINDS[number // people] if number < 3 * people else KINDS[number % 3]
        if number >= 3 * people and number % 28 == 0:
            login = (number // 28) % people
            yield {"user_id": f"u{login}", "anonymous_id": f"a{login}", "phone": f"+86138{login:08}"}
        else:
            yield {kind: f"+86138{person:08}" if kind == "phone" else f"{kind[0]}{person}"}


def _events(count: int) -> Iterator[Event]:
    for number, names in enumerate(traffic(count)):
        at = _START + number * SECOND
        yield Event(f"m{number}", "seen", at, at, "bench", names)


def by_dictionaries(events: int) -> Sample:
    """Resolve by a union-find of dictionaries: the least that can be done."""
    names = list(traffic(events))
    calm()
    with measured() as cost:
        people = _united(names)
    return Sample(events, cost.wall, cost.cpu, holds=True, verdict=f"{people:,} people")


def _united(traffic: list[Identifiers]) -> int:
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = name = parents.setdefault(parent, parent)
        return name

    for identifiers in traffic:
        first, *others = [root(f"{kind}:{value}") for kind, value in identifiers.items()]
        for other in others:
            parents[root(other)] = root(first)
    return sum(name == parent for name, parent in parents.items())


def in_memory(events: int) -> Sample:
    """Resolve by the rules, on dictionaries: what a rehearsal does of it."""
    heard = list(_events(events))
    people = People()
    calm()
    with measured() as cost:
        for event in heard:
            people.alone(event) or people.find(event)
    return _judged(events, (cost.wall, cost.cpu), len(people.customers), len(people.winners))


def stored(folder: Path, events: int) -> Sample:
    """Apply the events to an empty store, durably: resolve, fold, merge, write down."""
    log = MemoryLog()
    log.append([encode(event) for event in _events(events)])
    folder.mkdir(parents=True)
    store, book = SqliteStore(folder / "store.db"), Playbook([])
    calm()
    with measured() as cost:
        while advance(store, log, book, limit=_BATCH) is not None:
            pass
    people = store.counts().customers
    store.close()
    shutil.rmtree(folder)
    return _judged(events, (cost.wall, cost.cpu), people, 0)


def _judged(events: int, cost: tuple[float, float], people: int, merges: int) -> Sample:
    """Hold the number of people against the union-find's."""
    expected = _united(list(traffic(events)))
    verdict = f"{people:,} people of {expected:,}"
    return Sample(events, *cost, people == expected, verdict, {"people": people, "merges": merges})

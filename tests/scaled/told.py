"""What happens in the library's stories, as one log: every story with a customer of its own, all at their own times.

What a story expects is held by tests/stories against the pure decision; here it matters that whoever applies the log
decides the same. Journeys that draw from a pool stay out: whose code is whose depends on the order among customers.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.core import release as releases
from engine.core.events import Directive, Entry, Event, Mark
from engine.core.ids import DAY, SECOND, Micros
from engine.core.plan import Audience, Coupon, InFlight, Plan
from engine.core.release import Release
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.stories.script import Happens, Story
from journeys.stories.syntax import read_stories
from journeys.story import story_files

SHELF: Final = Path(__file__).parents[2] / "journeys" / "library"
LIBRARIES: Final = tuple(sorted(path.name for path in SHELF.iterdir()))


Told: TypeAlias = tuple[list[Entry], Micros]
"""A log, and an instant long after its end."""


@cache
def audience_of(library: str) -> Audience:
    """Return the library's audience."""
    loaded, problems = load_audience(SHELF / library / "audience")
    assert problems == []
    return loaded


def plans_of(library: str) -> list[Plan]:
    """Return the library's journeys that draw from no pool and share out no arms by how others did."""
    found = []
    for path in story_files(SHELF / library):
        plan = load_journey(path.with_name(path.name.replace(".story.", ".")).read_bytes(), path.name).plan
        assert plan is not None
        if not any(isinstance(node, Coupon) or getattr(node, "winner", None) for node in plan.nodes):
            found.append(plan)
    return found


def told(library: str) -> Told:
    """Return what happens in the library's stories."""
    plans = plans_of(library)
    lines: list[Entry] = []
    for path in story_files(SHELF / library):
        text = path.read_text("utf-8")
        stories, problems = read_stories(text, path.name, audience_of(library).policy)
        assert not any(problem.severity == "error" for problem in problems)
        journey = path.name.partition(".")[0]
        for number, story in enumerate(stories):
            is_there = any(plan.journey == journey for plan in plans)
            lines += _lines(story, journey if is_there else "", f"{journey}-{number}")
    lines.sort(key=lambda line: line.received)
    first, last = lines[0].received - DAY, lines[0].received
    entries: list[Entry] = [_publish(plans, audience_of(library), first)]
    for line in lines:  # no two at one instant: then one order is right
        last = max(last + 1, line.received)
        entries.append(replace(line, received=last))
    return entries, last + 40 * DAY


def _publish(plans: list[Plan], audience: Audience, at: Micros) -> Directive:
    in_flight = {plan.journey: InFlight("pin") for plan in plans}
    body = releases.encode(releases.seal(Release(tuple(plans), audience, in_flight=in_flight)))
    return Directive("publish", "publish", at, at, body=body)


def _lines(story: Story, journey: str, name: str) -> Iterator[Entry]:
    who = {"user_id": name} | {
        kind: value.replace("@", f"-{name}@") if kind == "email" else f"{value}-{name}"
        for kind, value in story.customer.identifiers.items()
        if kind not in ("user_id", "phone")
    }
    begins = (story.before or story.happens)[0].at - SECOND
    marks: dict[str, Mark | None] = {tag: Mark() for tag in story.customer.tags}
    said = {"identifiers": who, "traits": story.customer.traits, "consents": story.customer.consents, "tags": marks}
    yield Event(f"{name}/who", "identified", begins, begins, **said)  # type: ignore[arg-type]
    for number, line in enumerate((*story.before, *story.happens)):
        entry = _entry(line, journey, who, f"{name}/{number}")
        if entry is not None:
            yield replace(entry, backfill=True) if number < len(story.before) and isinstance(entry, Event) else entry


def _entry(line: Happens, journey: str, who: dict[str, str], id_: str) -> Entry | None:
    match line.kind:
        case "event":
            said = {"properties": line.properties, "traits": line.traits, "consents": line.consents}
            return Event(id_, line.event, line.at, line.at, identifiers=who, **said)  # type: ignore[arg-type]
        case "tag":
            marks = {tag[1:]: Mark() if tag[0] == "+" else None for tag in line.tags}
            return Event(id_, "identified", line.at, line.at, identifiers=who, tags=marks)
        case "enter" if journey:
            properties = line.properties
            return Directive(id_, "enter", line.at, line.at, subject=journey, identifiers=who, properties=properties)
        case _:
            return None

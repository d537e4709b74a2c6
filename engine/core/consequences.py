"""What follows of itself from a changed customer: rule tags, stages, watched segments; and what of it is news.

Called by `decide` after everything that changes the customer. Conditions are looked at when an input of theirs moved,
or at the very instant at which time alone turns them (`Standing.look`): nothing is polled.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from engine.core import calendar, standing
from engine.core.audience import lifecycle
from engine.core.audience.tags import BY_RULE
from engine.core.draft import Draft
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.plan import OnAnniversary
from engine.core.playbook import Playbook
from engine.core.state import Customer


class Change(NamedTuple):
    """News about a customer: `kind` segment_entered | segment_left | stage_reached | stage_changed | tag_gained |
    tag_lost | trait_changed, of the segment, stage, tag or trait `name`; `properties` become the run's `enter.x`."""

    kind: str
    name: str
    properties: dict[str, Any]


def settle(draft: Draft, event: Event | None) -> list[Change]:
    """Bring the customer's tags, stages and segments up to date and return what is news since the last time.

    `event` is what has just been folded in, None when something else changed or a timer fired.
    """
    before, after, playbook = draft.settled, draft.customer, draft.playbook
    if playbook.is_plain and not after.standing:
        if after is not before and _may_progress(draft, before, event, ()):
            _progress(draft, event)
        draft.settled = draft.customer
        return []
    timed = _timed(after, draft.now)
    if after is before and not timed:
        return []
    if timed:
        _drop_expired(draft, timed)
    moved = _look(draft, before, event, timed)
    if draft.customer.tags is not before.tags or not before.seen:
        standing.watch_expiry(draft)
    changes = _news(draft, before, draft.customer, moved)
    draft.settled = draft.customer
    return changes


def settle_anew(draft: Draft) -> None:
    """Look at every condition that stands, forget those that no rule asks for any more, and make no news of it."""
    watch = draft.playbook.watch
    _drop_ruled(draft)
    standing.stand(draft, dict.fromkeys((*watch.all, *draft.customer.standing)))
    for _ in range(_ROUNDS):
        before = draft.customer
        _progress(draft, None)
        draft.update(lifecycle.place(draft.playbook, draft.customer))
        if draft.customer is before:
            break
        standing.stand(draft, (*watch.turned_by(before, draft.customer, None), *_stages(draft.customer.standing)))
    standing.watch_expiry(draft)


def settle_anniversaries(draft: Draft) -> list[tuple[str, Micros]]:
    """Return the journeys whose day has come, with its instant, and keep the next day of every journey with a date."""
    dated = draft.playbook.openings.anniversaries
    held = draft.customer.dates
    if not dated:
        if held:
            draft.update(msgspec.structs.replace(draft.customer, dates={}))
        return []
    due = [(journey, at) for journey, at in held.items() if at <= draft.now]
    zone = calendar.zone_of(draft.customer, draft.playbook.policy)
    dates: dict[str, Micros] = {}
    for compiled in dated:
        rule = compiled.plan.enter
        assert isinstance(rule, OnAnniversary)
        following = calendar.next_anniversary(draft.now, compiled.date(draft.context), rule, zone)
        if following:
            dates[compiled.plan.journey] = following
    if dates != held:
        draft.update(msgspec.structs.replace(draft.customer, dates=dates))
    live = {compiled.plan.journey for compiled in dated}
    return [(journey, at) for journey, at in due if journey in live]


# --- conditions that stand ---------------------------------------------------------------------------

_ROUNDS: Final = 8
"""Times that a stage may move what moves a stage: there are five of them, and the lint refuses circles."""


def _timed(customer: Customer, now: Micros) -> list[str]:
    """Return what is to be looked at because its instant has come."""
    if not 0 < customer.wake <= now:
        return []
    return [key for key, held in customer.standing.items() if 0 < held.look <= now]


def _look(draft: Draft, before: Customer, event: Event | None, timed: Sequence[str]) -> list[str]:
    """Look at what may have turned until nothing moves any more; return the keys whose standing moved."""
    watch, after = draft.playbook.watch, draft.customer
    if before.seen:
        asked = watch.turned_by(before, after, event)
    elif after.standing:
        asked = list(watch.all)
    else:
        standing.stand_new(draft)
        asked = watch.first_asked(after, event)
    moved = standing.stand(draft, dict.fromkeys((*asked, *timed)))
    for _ in range(_ROUNDS):
        at = draft.customer
        if _may_progress(draft, before, event, moved):
            _progress(draft, event)
        if draft.customer is at:
            break
        moved += standing.stand(draft, (*watch.turned_by(at, draft.customer, None), *_stages(moved)))
    return moved


def _stages(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key.startswith("stage:")]


def _drop_expired(draft: Draft, timed: Sequence[str]) -> None:
    """Take off the tags whose end is the instant that woke us, so that losing them is news."""
    if not any(key.startswith(standing.EXPIRY) for key in timed):
        return
    customer = draft.customer
    tags = {name: held for name, held in customer.tags.items() if held.lasts_at(draft.now)}
    draft.update(msgspec.structs.replace(customer, tags=tags))


def _drop_ruled(draft: Draft) -> None:
    """Take off the tags of rules that are gone."""
    customer, rules = draft.customer, draft.playbook.audience.tags
    tags = {name: held for name, held in customer.tags.items() if held.by != BY_RULE or name in rules}
    if len(tags) < len(customer.tags):
        draft.update(msgspec.structs.replace(customer, tags=tags))


# --- stages -------------------------------------------------------------------------------------------


def _may_progress(draft: Draft, before: Customer, event: Event | None, moved: Sequence[str]) -> bool:
    playbook, after = draft.playbook, draft.customer
    if not playbook.stages:
        return False
    if not before.seen:
        return True
    if playbook.audience.regress == "follow":
        return bool(_stages(moved))
    if event is not None and (event.name in playbook.stage_events or event.traits or event.identifiers):
        return True
    return after.tags is not before.tags or after.traits is not before.traits or bool(_stages(moved))


def _progress(draft: Draft, event: Event | None) -> None:
    moved = lifecycle.progress(draft.playbook, draft.context, draft.now if event is None else event.at)
    if moved is not None:
        draft.update(moved.customer)
        draft.commands.extend(moved.effects)
        draft.trace.extend(moved.trace)


# --- news ---------------------------------------------------------------------------------------------


def _news(draft: Draft, before: Customer, after: Customer, moved: Sequence[str]) -> list[Change]:
    """Return what changed, as far as rules can ask for it; tags and segments that followed of themselves are noted.

    What holds of somebody of whom nothing is known is no news of somebody new, unless a journey waits for it.
    """
    changes: list[Change] = []
    now, openings = draft.now, draft.playbook.openings
    if after.stage != before.stage or after.stages is not before.stages:
        changes += _stage_news(draft.playbook, before, after)
    if after.tags is not before.tags:
        changes += _tag_news(before, after, now)
    if moved or not before.seen:
        at_first = {} if before.seen else draft.playbook.watch.at_first
        awaited = [key for key in map("segment:{}".format, sorted(openings.segments)) if key in at_first]
        changes += _segment_news(before, after, (*awaited, *(key for key in moved if key not in at_first)))
    if openings.traits and (after.traits is not before.traits or after.identifiers is not before.identifiers):
        for name in openings.traits:
            old, new = _trait(before, name), _trait(after, name)
            if old != new:
                changes.append(Change("trait_changed", name, {"trait": name, "from": old, "to": new}))
    for change in changes:
        if change.kind in _NOTED and change.properties.get("by", BY_RULE) == BY_RULE:
            draft.note_change(_NOTED[change.kind], change.properties)
    return changes


_NOTED: Final = {
    "segment_entered": "segment.entered",
    "segment_left": "segment.left",
    "tag_gained": "tag.gained",
    "tag_lost": "tag.lost",
}
"""Changes that no step and no event says by itself."""


def _tag_news(before: Customer, after: Customer, now: Micros) -> list[Change]:
    def carries(customer: Customer, name: str) -> bool:
        held = customer.tags.get(name)
        return held is not None and held.lasts_at(now)

    gained = [name for name in after.tags if carries(after, name) and not carries(before, name)]
    # A tag that ended unseen was lost then; one that ends at this very instant is lost now.
    lost = [
        name
        for name, held in before.tags.items()
        if not carries(after, name) and (not held.until or held.until >= now or name not in after.tags)
    ]
    return [
        *(Change("tag_gained", name, {"tag": name, "by": after.tags[name].by}) for name in gained),
        *(Change("tag_lost", name, {"tag": name}) for name in lost),
    ]


def _stage_news(playbook: Playbook, before: Customer, after: Customer) -> list[Change]:
    """A stage is reached the first time, and whenever the customer comes up to it again; falling back reaches none."""
    reached = [name for name in after.stages if name not in before.stages]
    if after.stage == before.stage or after.stage in reached:
        return [Change("stage_reached", name, {"stage": name}) for name in reached]
    if lifecycle.is_further(playbook, after.stage, before.stage):
        reached.append(after.stage)
    changes = [Change("stage_reached", name, {"stage": name}) for name in reached]
    return [*changes, Change("stage_changed", after.stage, {"stage": after.stage, "from": before.stage})]


def _segment_news(before: Customer, after: Customer, moved: Iterable[str]) -> list[Change]:
    changes = []
    for key in dict.fromkeys(moved):
        kind, _, name = key.partition(":")
        if kind == "segment":
            was, is_ = before.standing.get(key, standing.NOTHING).since, after.standing.get(key, standing.NOTHING).since
            if bool(was) != bool(is_):
                changes.append(Change("segment_entered" if is_ else "segment_left", name, {"segment": name}))
    return changes


def _trait(customer: Customer, name: str) -> Any:
    value = customer.traits.get(name)
    return customer.address(name) or None if value is None else value

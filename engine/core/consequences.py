"""What follows of itself from a changed customer: rule tags, stages, watched segments; and what of it is news.

Called by `decide` after everything that changes the customer. Conditions are looked at when an input of theirs moved,
or at the very instant at which time alone turns them (`Standing.look`): nothing is polled.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from engine.core import calendar
from engine.core.audience import lifecycle
from engine.core.audience.tags import BY_RULE
from engine.core.draft import Draft
from engine.core.events import Event
from engine.core.ids import Micros
from engine.core.plan import OnAnniversary
from engine.core.state import Customer, Held, Standing
from engine.core.watch import Watched


class Change(NamedTuple):
    """News about a customer: `kind` segment_entered | segment_left | stage_reached | tag_gained | tag_lost |
    trait_changed, of the segment, stage, tag or trait `name`; `properties` become the run's `enter.x`."""

    kind: str
    name: str
    properties: dict[str, Any]


def settle(draft: Draft, event: Event | None) -> list[Change]:
    """Bring the customer's tags, stages and segments up to date and return what is news since the last time.

    `event` is what has just been folded in, None when something else changed or a timer fired.
    """
    before, after, now = draft.settled, draft.customer, draft.now
    playbook = draft.playbook
    if playbook.is_plain and not after.standing:
        if after is not before and _may_progress(draft, before, event):
            _progress(draft, now if event is None else event.at)
        draft.settled = draft.customer
        return []
    timed = [key for key, held in after.standing.items() if 0 < held.look <= now] if after.standing else []
    if after is before and not timed:
        return []
    if timed:
        _drop_expired(draft, timed)
    asked = playbook.watch.turned_by(before, after, event) if playbook.watch.all else []
    _stand(draft, [*asked, *(key for key in timed if key not in asked)])
    if _may_progress(draft, before, event):
        _progress(draft, now if event is None else event.at)
    if draft.customer.tags is not before.tags or not before.seen:
        _watch_expiry(draft)
    changes = _news(draft, before, draft.customer)
    draft.settled = draft.customer
    return changes


def settle_anew(draft: Draft) -> None:
    """Look at every condition that stands, forget those that no rule asks for any more, and make no news of it."""
    watch = draft.playbook.watch
    _stand(draft, [*watch.all, *(key for key in draft.customer.standing if key not in watch.all)])
    if draft.playbook.stages:
        _progress(draft, draft.now)
    _watch_expiry(draft)


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


def _stand(draft: Draft, asked: Sequence[str]) -> None:
    """Look at the conditions until none moves another: tags chain, segments and stages follow them."""
    watch = draft.playbook.watch
    for _ in range(len(watch.all) + 1):
        if not asked:
            return
        before = draft.customer
        for key in asked:
            one = watch.all.get(key)
            if one is not None:
                _look(draft, one)
            else:  # a rule that is gone, or the expiry of a tag: the standing has nobody to ask for it
                _forget(draft, key)
        asked = watch.turned_by(before, draft.customer, None) if draft.customer is not before and before.seen else []


def _look(draft: Draft, one: Watched) -> None:
    if one.kind == "stage" and one.name in draft.customer.stages:
        _forget(draft, one.key)
        return
    truth, look = one.condition.evaluate(draft.context)
    held = draft.customer.standing.get(one.key)
    since = ((held.since if held is not None else 0) or draft.now) if truth else 0
    _put(draft, one.key, Standing(since, look))
    if one.kind == "tag":
        _tag(draft, one, truth)


def _put(draft: Draft, key: str, standing: Standing) -> None:
    held = draft.customer.standing.get(key)
    if held == standing or (held is None and standing == _NOTHING):
        return
    kept = {name: other for name, other in draft.customer.standing.items() if name != key}
    if standing != _NOTHING:
        kept[key] = standing
    draft.update(msgspec.structs.replace(draft.customer, standing=kept))


_NOTHING: Final = Standing()


def _forget(draft: Draft, key: str) -> None:
    _put(draft, key, _NOTHING)


def _tag(draft: Draft, one: Watched, truth: bool) -> None:
    """Give or take the rule's tag. A tag that somebody else gave stays theirs."""
    customer, now = draft.customer, draft.now
    held = customer.tags.get(one.name)
    if truth:
        carried = held if held is not None and held.lasts_at(now) else None
        if carried is not None and (carried.by != BY_RULE or not carried.until):
            return
        since = now if carried is None else carried.since
        tags = {**customer.tags, one.name: Held(since, 0, BY_RULE)}
    else:
        if held is None or held.by != BY_RULE or held.until:
            return
        tags = {name: other for name, other in customer.tags.items() if name != one.name}
        if one.lasts is not None:
            until = calendar.add_span(now, one.lasts, calendar.zone_of(customer, draft.playbook.policy))
            tags[one.name] = Held(held.since, until, BY_RULE)
    draft.update(msgspec.structs.replace(customer, tags=tags))


# --- tags that end ------------------------------------------------------------------------------------


def _drop_expired(draft: Draft, timed: Sequence[str]) -> None:
    """Take off the tags whose end is the instant that woke us, so that losing them is news."""
    if not any(key.startswith(_EXPIRY) for key in timed):
        return
    customer = draft.customer
    tags = {name: held for name, held in customer.tags.items() if held.lasts_at(draft.now)}
    draft.update(msgspec.structs.replace(customer, tags=tags))


_EXPIRY: Final = "expiry:"


def _watch_expiry(draft: Draft) -> None:
    """Keep a look at the end of every tag that somebody waits to be lost."""
    for name in draft.playbook.openings.lost_tags:
        held = draft.customer.tags.get(name)
        _put(draft, _EXPIRY + name, Standing(0, held.until if held is not None else 0))


# --- stages -------------------------------------------------------------------------------------------


def _may_progress(draft: Draft, before: Customer, event: Event | None) -> bool:
    playbook, after = draft.playbook, draft.customer
    if not playbook.stages:
        return False
    if event is not None and (event.name in playbook.stage_events or event.traits or event.identifiers):
        return True
    return after.tags is not before.tags or after.traits is not before.traits or _stage_stands(after)


def _stage_stands(customer: Customer) -> bool:
    return any(held.since and key.startswith("stage:") for key, held in customer.standing.items())


def _progress(draft: Draft, at: Micros) -> None:
    moved = lifecycle.progress(draft.playbook, draft.context, at)
    if moved is not None:
        draft.update(moved.customer)
        draft.commands.extend(moved.effects)
        draft.trace.extend(moved.trace)


# --- news ---------------------------------------------------------------------------------------------


def _news(draft: Draft, before: Customer, after: Customer) -> list[Change]:
    """Return what changed, as far as rules can ask for it; tags that rules gave or took are noted."""
    changes: list[Change] = []
    now, openings = draft.now, draft.playbook.openings
    if after.stages is not before.stages:
        fresh = [name for name in after.stages if name not in before.stages]
        changes += [Change("stage_reached", name, {"stage": name}) for name in fresh]
    if after.tags is not before.tags:
        changes += _tag_news(before, after, now)
    if after.standing is not before.standing:
        changes += _segment_news(before, after)
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


def _segment_news(before: Customer, after: Customer) -> list[Change]:
    changes = []
    for key in {**before.standing, **after.standing}:
        kind, _, name = key.partition(":")
        if kind != "segment":
            continue
        was, is_ = before.standing.get(key, _NOTHING).since, after.standing.get(key, _NOTHING).since
        if bool(was) != bool(is_):
            changes.append(Change("segment_entered" if is_ else "segment_left", name, {"segment": name}))
    return changes


def _trait(customer: Customer, name: str) -> Any:
    value = customer.traits.get(name)
    return customer.address(name) or None if value is None else value

"""How the watched conditions stand for a customer: looked at until none moves another, and kept with their next look.

Called by `consequences` only. Kept is what holds, and what time alone may bring; all else is nothing at all, so that a
customer costs what it is in and not what there is.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

import msgspec

from engine.core import calendar
from engine.core.audience.tags import BY_RULE
from engine.core.chaining.ruleset import Derived
from engine.core.draft import Draft
from engine.core.ids import Micros
from engine.core.state import Held, Standing
from engine.core.watch import Watched

NOTHING: Final = Standing()
_PASSES: Final = 8
"""Times that every condition may be looked at in one go: once, but for tags on a circle."""

EXPIRY: Final = "expiry:"
"""Before the name of a tag that somebody waits to be lost: a look at its end."""


def stand(draft: Draft, asked: Iterable[str]) -> list[str]:
    """Look at the conditions until none moves another, and return the keys whose standing is another now.

    Tags chain, segments and stages follow them. A key that no rule has any more is forgotten. Each is looked at after
    the tags that it reads: a tag that is about to fall must not give another one, which may last for weeks.
    """
    watch = draft.playbook.watch
    standing = known = draft.customer.standing
    moved: dict[str, None] = {}
    ahead = sorted((watch.rank.get(key, -1), key) for key in asked)  # sorted, so a heap
    inference = draft.playbook.inference if ahead else None
    concluded = None if inference is None else inference.conclude(draft.context)
    for _ in range(_PASSES * (len(watch.all) + len(ahead))):
        if not ahead:
            break
        _, key = heappop(ahead)
        before, one, held = draft.customer, watch.all.get(key), standing.get(key, NOTHING)
        now = NOTHING if one is None else _look(draft, one, held, concluded)
        if now != held:
            if standing is known:
                standing = dict(known)
            _put(standing, key, now)
            moved[key] = None
        if draft.customer is not before:
            concluded = None if inference is None else inference.conclude(draft.context)
            for other in watch.turned_by(before, draft.customer, None):
                if other != key and (watch.rank[other], other) not in ahead:
                    heappush(ahead, (watch.rank[other], other))
    if standing is not known:
        draft.update(msgspec.structs.replace(draft.customer, standing=standing))
    return list(moved)


def stand_new(draft: Draft) -> None:
    """Let stand what holds of everybody of whom nothing is known; what else there is to ask is `watch.first_asked`."""
    at_first = draft.playbook.watch.at_first
    if at_first:
        standing = dict.fromkeys(at_first, Standing(draft.now))
        draft.update(msgspec.structs.replace(draft.customer, standing=standing))


def watch_expiry(draft: Draft) -> None:
    """Keep a look at the end of every tag that somebody waits to be lost."""
    lost, customer = draft.playbook.openings.lost_tags, draft.customer
    if not lost:
        return
    standing = dict(customer.standing)
    for name in lost:
        held = customer.tags.get(name)
        _put(standing, EXPIRY + name, Standing(0, held.until if held is not None else 0))
    if standing != customer.standing:
        draft.update(msgspec.structs.replace(customer, standing=standing))


def _put(standing: dict[str, Standing], key: str, now: Standing) -> None:
    if now == NOTHING:
        standing.pop(key, None)
    else:
        standing[key] = now


def _look(draft: Draft, one: Watched, held: Standing, concluded: Derived | None) -> Standing:
    playbook = draft.playbook
    if one.kind == "stage" and playbook.audience.regress == "never" and one.name in draft.customer.stages:
        return NOTHING
    if concluded is None or one.kind == "segment":
        truth, look = one.condition.evaluate(draft.context)
    else:
        truth = one.name in (concluded.tags if one.kind == "tag" else concluded.stages)
        look = one.condition.horizon(draft.context)
    if one.kind == "tag":
        look = _tag(draft, one, truth, look)
    return Standing((held.since or draft.now) if truth else 0, look)


def _tag(draft: Draft, one: Watched, truth: bool, look: Micros) -> Micros:
    """Give or take the rule's tag, and return when to look again. A tag that somebody else gave stays theirs."""
    customer, now = draft.customer, draft.now
    held = customer.tags.get(one.name)
    if truth:
        carried = held if held is not None and held.lasts_at(now) else None
        if carried is not None and carried.by != BY_RULE:
            # Once theirs has ended the rule gives its own.
            return min(look or carried.until, carried.until or look)
        if carried is not None and not carried.until:
            return look
        since = now if carried is None else carried.since
        tags = {**customer.tags, one.name: Held(since, 0, BY_RULE)}
    else:
        if held is None or held.by != BY_RULE or held.until:
            return look
        tags = {name: other for name, other in customer.tags.items() if name != one.name}
        if one.lasts is not None:
            until = calendar.add_span(now, one.lasts, calendar.zone_of(customer, draft.playbook.policy))
            tags[one.name] = Held(held.since, until, BY_RULE)
    draft.update(msgspec.structs.replace(customer, tags=tags))
    return look

"""The five stages: which of them a customer has reached, and where the customer stands.

Reaching is kept for good with its first date. Where the customer stands is the furthest stage ever reached or, if
lifecycle.yaml says `regress: follow`, the furthest whose condition holds now: then a stage can be left, and reached
again. Called by `consequences`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.core.plan import STAGES
from engine.core.playbook import Playbook
from engine.core.predicates import Context
from engine.core.state import Customer

CHANGED: Final = "stage_changed"
"""The engine's own event when a customer comes to stand in another stage: journeys and statistics may hear it."""


class Progress(msgspec.Struct, frozen=True):
    """The customer after the look at the stages, and what was reached, or left, just now."""

    customer: Customer
    effects: tuple[RecordEffect, ...] = ()
    trace: tuple[Note, ...] = ()


def told(before: Customer, after: Customer, now: Micros, *, backfill: bool) -> Event:
    """Return the event that the customer stands in another stage now: `stage`, the one before it (`from`), and `way`.

    `way` is "reached" for a further stage and "fell_back" for one before.
    """
    way = "reached" if _place(after.stage) > _place(before.stage) else "fell_back"
    return Event(
        id=derive(CHANGED, after.id, before.stage, after.stage, now),
        name=CHANGED,
        at=now,
        received=now,
        source="journeyd",
        properties={"stage": after.stage, "from": before.stage, "way": way},
        backfill=backfill,
    )


def _place(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else -1


def progress(playbook: Playbook, context: Context, at: Micros) -> Progress | None:
    """Return the stages newly reached at `at` and where the customer stands by that, None when nothing changed."""
    customer = context.customer
    if playbook.audience.regress == "follow":
        return _follow(playbook, customer, at)
    fresh = _fresh(playbook, context)
    if not fresh:
        return None
    stages = {**customer.stages, **dict.fromkeys(fresh, at)}
    stage = _furthest(playbook, stages)
    since = at if stage != customer.stage else customer.stage_since
    reached = msgspec.structs.replace(customer, stages=stages, stage=stage, stage_since=since)
    return Progress(reached, tuple(_reached(customer, name, at) for name in fresh), _told(fresh, at))


def _fresh(playbook: Playbook, context: Context) -> list[str]:
    ahead = [(name, truth) for name, truth in playbook.stages if name not in context.customer.stages]
    if playbook.inference is None:
        return [name for name, truth in ahead if truth(context)]
    concluded = playbook.inference.conclude(context).stages if ahead else ()
    return [name for name, _ in ahead if name in concluded]


def place(playbook: Playbook, customer: Customer) -> Customer:
    """Return the customer standing where the dates of reaching say: the rules may have been others when it was put."""
    stage = _furthest(playbook, customer.stages)
    if playbook.audience.regress == "follow" or stage == customer.stage:
        return customer
    return msgspec.structs.replace(customer, stage=stage, stage_since=customer.stages.get(stage, 0))


def is_further(playbook: Playbook, stage: str, other: str) -> bool:
    """Does the stage come after the other? "" comes before them all."""
    order = playbook.stage_order
    return order.get(stage, -1) > order.get(other, -1)


def _follow(playbook: Playbook, customer: Customer, at: Micros) -> Progress | None:
    """Stand where the conditions say that stand for the customer (`core/standing.py`)."""
    keys = ((name, customer.standing.get(f"stage:{name}")) for name, _ in playbook.stages)
    holding = [name for name, held in keys if held is not None and held.since]
    fresh = [name for name in holding if name not in customer.stages]
    was, stage = customer.stage, _furthest(playbook, holding)
    if not fresh and stage == was:
        return None
    effects = [_reached(customer, name, at) for name in fresh]
    told = list(fresh)
    trace: tuple[Note, ...] = ()
    if stage != was and stage not in fresh:
        key = derive("stage_changed", customer.id, stage, at)
        effects.append(RecordEffect(key=key, kind="stage_changed", at=at, customer=customer.id, name=stage))
        told += [stage] if is_further(playbook, stage, was) else []
    if is_further(playbook, was, stage):
        trace = (Note("stage.left", at, data={"stage": was, "now": stage}),)
    since = at if stage != was else customer.stage_since
    stages = {**customer.stages, **dict.fromkeys(fresh, at)} if fresh else customer.stages
    moved = msgspec.structs.replace(customer, stages=stages, stage=stage, stage_since=since)
    return Progress(moved, tuple(effects), (*trace, *_told(told, at)))


def _furthest(playbook: Playbook, stages: Iterable[str]) -> str:
    order = playbook.stage_order
    return max(stages, key=lambda name: order.get(name, -1), default="")


def _reached(customer: Customer, name: str, at: Micros) -> RecordEffect:
    key = derive("stage", customer.id, name)
    return RecordEffect(key=key, kind="stage_reached", at=at, customer=customer.id, name=name)


def _told(stages: Iterable[str], at: Micros) -> tuple[Note, ...]:
    return tuple(Note("stage.reached", at, data={"stage": name}) for name in stages)

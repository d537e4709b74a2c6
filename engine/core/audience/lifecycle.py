"""The five stages: which of them a customer has reached, and where the customer stands.

Reaching is kept for good with its date; the current stage is the furthest reached.
"""

import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.ids import Micros, derive
from engine.core.playbook import Playbook
from engine.core.predicates import Context
from engine.core.state import Customer


class Progress(msgspec.Struct, frozen=True):
    """The customer after the look at the stages, and what was reached just now."""

    customer: Customer
    effects: tuple[RecordEffect, ...] = ()
    trace: tuple[Note, ...] = ()


def progress(playbook: Playbook, context: Context, at: Micros) -> Progress | None:
    """Return the stages newly reached at `at`, None when nothing changed."""
    customer = context.customer
    fresh = [name for name, truth in playbook.stages if name not in customer.stages and truth(context)]
    if not fresh:
        return None
    stages = {**customer.stages, **dict.fromkeys(fresh, at)}
    order = playbook.stage_order
    furthest = max(stages, key=lambda name: order.get(name, -1))
    effects = tuple(
        RecordEffect(
            key=derive("stage", customer.id, name), kind="stage_reached", at=at, customer=customer.id, name=name
        )
        for name in fresh
    )
    trace = tuple(Note("stage.reached", at, data={"stage": name}) for name in fresh)
    return Progress(msgspec.structs.replace(customer, stages=stages, stage=furthest), effects, trace)

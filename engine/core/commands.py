"""What a decision asks the shell to do, as data. State changes travel in the new `Customer` itself.

A decision never does anything: `usecases/` persists these in the same transaction as the state.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from engine.core.ids import Micros
from engine.core.state import Customer, Run


class Touch(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One intended message to one customer over one channel.

    `id` derives from (run, step, visit, channel). `due`: not before; `expires`: not after (0 = no end). `others` are
    the channels left to try on a hard failure. `variables` are the template's `with:` values, computed at planning.
    A task's `variables` are its title, note and due (µs); a webhook's `address` is the URL, its `variables` the body.
    """

    id: str
    run: str
    journey: str
    version: str
    step: str
    customer: str
    channel: str
    template: str
    address: str
    purpose: str
    planned: Micros
    due: Micros
    expires: Micros = 0
    priority: int = 0
    late: str = "wait"
    others: tuple[str, ...] = ()
    variables: dict[str, Any] = {}
    enter: dict[str, Any] = {}
    arms: dict[str, str] = {}
    visit: int = 0
    kind: Literal["message", "task", "webhook"] = "message"
    coupon: str = ""  # the code that templates show as {{ coupon.code }}
    pool: str = ""  # the pool it came from
    recipient: str = ""  # the customer written to when it is another (an account's contact), "" for `customer`


class PlanTouch(msgspec.Struct, frozen=True, tag="plan_touch", gc=False):
    """Insert the touch, state planned; a second one with the same id is ignored."""

    touch: Touch


class DropTouch(msgspec.Struct, frozen=True, tag="drop_touch", gc=False):
    """Insert the touch as dropped: a gate refused it at planning, and the delivery log says why."""

    touch: Touch
    why: str


class CancelTouches(msgspec.Struct, frozen=True, tag="cancel_touches", gc=False):
    """Cancel every touch of the run that has not left yet."""

    run: str
    why: str


class CancelTouch(msgspec.Struct, frozen=True, tag="cancel_touch", gc=False):
    """Cancel one touch that has not left yet."""

    touch: str
    why: str


class IssueCoupon(msgspec.Struct, frozen=True, tag="issue_coupon", gc=False):
    """The code of the pool is this customer's now; `key` derives from (run, step, visit)."""

    key: str
    pool: str
    code: str
    at: Micros
    customer: str
    run: str = ""
    journey: str = ""
    step: str = ""


class CountArm(msgspec.Struct, frozen=True, tag="count_arm", gc=False):
    """An arm of a `winner` split was tried, or won, this many times more."""

    journey: str
    split: str
    arm: str
    tried: int = 0
    won: int = 0


class RecordRun(msgspec.Struct, frozen=True, tag="record_run", gc=False):
    """The run was entered, moved or ended: keep the row that ops and reports query."""

    run: Run


class RecordEffect(msgspec.Struct, frozen=True, tag="record_effect", gc=False):
    """Something was achieved: `kind` converted | stage_reached. `key` is unique, so that a rerun counts once.

    `value` is in the currency the events carry (goal `value:`).
    """

    key: str
    kind: str
    at: Micros
    customer: str
    journey: str = ""
    version: str = ""
    run: str = ""
    value: float = 0.0
    name: str = ""
    arms: dict[str, str] = {}
    holdout: bool = False


Command: TypeAlias = (
    PlanTouch | DropTouch | CancelTouches | CancelTouch | IssueCoupon | CountArm | RecordRun | RecordEffect
)


class Note(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why: one line of a decision's trace. `code` is listed in `core/trace.py`; `data` fills its words.

    `likewise` names further journeys of which the same is to be said: one line for all that an event does not open.
    """

    code: str
    at: Micros
    journey: str = ""
    run: str = ""
    step: str = ""
    data: dict[str, Any] = {}
    likewise: tuple[str, ...] = ()

    def is_about(self, journey: str) -> bool:
        """Does the line speak of this journey?"""
        return journey == self.journey or journey in self.likewise

    def told_of(self, journey: str) -> "Note":
        """Return the line as it stands for one of the journeys that it is about; itself when it names no others."""
        return msgspec.structs.replace(self, journey=journey, likewise=()) if self.likewise and journey else self


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What follows from one happening for one customer."""

    customer: Customer
    commands: tuple[Command, ...] = ()
    trace: tuple[Note, ...] = ()

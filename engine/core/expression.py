"""The tree of a condition: what `journeys/expressions.py` parses and `core/predicates.py` evaluates.

Values only, a closed union, part of the content-hashed plan. Missing data is `None` here, never an error.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias, cast
from typing import Literal as OneOf

import msgspec

from engine.core.ids import Micros

Function: TypeAlias = OneOf[
    "count", "sum", "max", "min", "avg", "distinct", "first", "last", "ever", "never", "sequence"
]
"""What a condition asks of a behaviour statistic."""

FOREVER: Final[Micros] = 1 << 61
"""The window of a statistic that must remember single happenings for ever, such as all values there ever were."""

Root: TypeAlias = OneOf["event", "enter", "customer", "account"]


class _Node(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Constant(_Node, frozen=True, tag="constant"):
    """A number, string, bool, null or list of these."""

    value: Any


class Duration(_Node, frozen=True, tag="duration"):
    """A length of time, in microseconds; written "7d" where a duration is expected."""

    micros: Micros


class Path(_Node, frozen=True, tag="path"):
    """A value read from the event, the entering event's properties, the customer or the account."""

    root: Root
    parts: tuple[str, ...]


class Compare(_Node, frozen=True, tag="compare"):
    """`left op right`; false when either side is missing or the types do not compare."""

    op: OneOf["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
    left: "Expr"
    right: "Expr"


class Text(_Node, frozen=True, tag="text"):
    """`left matches|contains|startswith right`; `contains` also looks into lists; `matches` is RE2."""

    op: OneOf["matches", "contains", "startswith"]
    left: "Expr"
    right: "Expr"


class Arithmetic(_Node, frozen=True, tag="arithmetic"):
    """`left op right` over numbers; missing when either side is not a number, or on division by zero."""

    op: OneOf["+", "-", "*", "/"]
    left: "Expr"
    right: "Expr"


class AllOf(_Node, frozen=True, tag="all"):
    """Every part holds."""

    parts: tuple["Expr", ...]


class AnyOf(_Node, frozen=True, tag="any"):
    """At least one part holds."""

    parts: tuple["Expr", ...]


class Not(_Node, frozen=True, tag="not"):
    """The part does not hold; `not` of something missing is true."""

    part: "Expr"


class Exists(_Node, frozen=True, tag="exists"):
    """The value is there and not null."""

    part: "Expr"


class HasTag(_Node, frozen=True, tag="has_tag"):
    """The customer carries the tag now."""

    name: str


class InSegment(_Node, frozen=True, tag="in_segment"):
    """The customer is in the segment now: evaluated through its own condition."""

    name: str


class Stage(_Node, frozen=True, tag="stage"):
    """The customer's lifecycle stage, as a string; "" before the first."""


class HasConsent(_Node, frozen=True, tag="has_consent"):
    """The policy lets us use this purpose or channel with this customer."""

    name: str


class IsReachable(_Node, frozen=True, tag="is_reachable"):
    """There is an address for the channel, not suppressed, and the channel's consent allows it."""

    channel: str


class Measured(_Node, frozen=True, tag="measured"):
    """A behaviour statistic: the value of `measure` over `within` (0 = ever), or since the run began.

    `first` and `last` give an age in microseconds; `count`, `sum` and `distinct` a number (0 when nothing happened);
    `max`, `min` and `avg` a number or missing; `ever`, `never` and `sequence` a truth. `chain` is the order that a
    sequence asks for, as places in `Measure.events`.
    """

    measure: str
    function: Function
    within: Micros = 0
    since_enter: bool = False
    chain: tuple[int, ...] = ()


class Touched(_Node, frozen=True, tag="touched"):
    """The customer was sent, opened or clicked this template, within a window (0 = ever)."""

    what: OneOf["received", "opened", "clicked"]
    template: str
    within: Micros = 0
    since_enter: bool = False


class Journeyed(_Node, frozen=True, tag="journeyed"):
    """The customer is in the journey now, or has completed it."""

    what: OneOf["in_journey", "completed"]
    journey: str


class Today(_Node, frozen=True, tag="today"):
    """A fact of the clock in the customer's zone: weekday "mon".."sun", hour 0..23, today "2026-03-01"."""

    what: OneOf["weekday", "hour", "today"]


Expr: TypeAlias = (
    Constant
    | Duration
    | Path
    | Compare
    | Text
    | Arithmetic
    | AllOf
    | AnyOf
    | Not
    | Exists
    | HasTag
    | InSegment
    | Stage
    | HasConsent
    | IsReachable
    | Measured
    | Touched
    | Journeyed
    | Today
)


class Measure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A behaviour statistic that the fold keeps because some rule asks for it.

    `key` is derived from the rest; `window` is the longest window any rule asks for in microseconds (0 = totals
    only, `FOREVER` = all there is); `where` sees only the event. With a `field`, events without a number there are
    passed over. Kind "values" keeps when each value of the field was last heard, "sequence" when each of its `events`
    was.
    """

    key: str
    event: str
    field: str = ""  # dotted path into the event's properties
    where: Expr | None = None
    window: Micros = 0
    kind: OneOf["events", "values", "sequence"] = "events"
    others: tuple[str, ...] = ()  # what a sequence hears besides `event`

    @property
    def events(self) -> tuple[str, ...]:
        """Return the names of all the events it hears."""
        return (self.event, *self.others)


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield the expression and every expression inside it."""
    yield expr
    for inner in parts_of(expr):
        yield from walk(inner)


def parts_of(expr: Expr) -> Iterator[Expr]:
    """Yield the expressions that stand directly inside this one."""
    for name in expr.__struct_fields__:
        part = getattr(expr, name)
        for inner in part if isinstance(part, tuple) else (part,):
            if isinstance(inner, _Node):
                yield cast("Expr", inner)

"""The functions a condition may call: what each takes and the node it makes.

Called by `expressions.py` with already parsed arguments. Behaviour functions also make the `Measure` that the fold
has to keep.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from engine.core.expression import (
    FOREVER,
    Constant,
    Exists,
    Expr,
    HasConsent,
    HasTag,
    InSegment,
    IsReachable,
    Journeyed,
    Measure,
    Measured,
    Path,
    Stage,
    Today,
    Touched,
)
from engine.core.expression import Function as Behaviour
from engine.core.ids import DAY, Micros, short
from journeys.scalars import BadValue, events, label, name
from journeys.terms import Kind, Term
from journeys.times import length
from journeys.tokens import Fault

SINCE_ENTER: Final = 90 * DAY
"""How far back counts `since="enter"` are kept: runs longer than this count the last 90 days."""
LONGEST_WINDOW: Final = 3 * 366 * DAY

LONGEST_SEQUENCE: Final = 10


@dataclass(frozen=True)
class Call:
    """One function call as written, its arguments parsed."""

    name: str
    offset: int
    positional: list[Term]
    named: dict[str, Term]
    measures: list[Measure] = field(default_factory=list)

    def text(self, position: int) -> str:
        """Return the positional argument, which must be a constant text."""
        value = self._constant(self.positional[position]) if position < len(self.positional) else None
        if not isinstance(value, str) or not value:
            raise Fault("J046", self.offset, usage=USAGE[self.name])
        return value

    def window(self) -> tuple[Micros, bool]:
        """Return (within, since_enter) from `within="30d"` or `since="enter"`."""
        within, since = self.named.get("within"), self.named.get("since")
        if since is not None:
            if within is not None or self._constant(since) != "enter":
                raise Fault("J046", since.offset, usage=USAGE[self.name])
            return 0, True
        if within is None:
            return 0, False
        try:
            micros = length(self._constant(within))
            if micros > LONGEST_WINDOW:
                raise BadValue("J021", value=self._constant(within))
        except BadValue as error:
            raise Fault(error.code, within.offset, **error.data) from None
        return micros, False

    def _constant(self, term: Term) -> object:
        return term.expr.value if isinstance(term.expr, Constant) else None


@dataclass(frozen=True)
class Function:
    """What a function takes, what it gives, and the maker of its node."""

    make: Callable[[Call], Expr]
    kind: Kind
    usage: str
    positional: tuple[int, int]
    named: frozenset[str] = frozenset()


def call(made: Call) -> tuple[Expr, Kind]:
    """Return the node and the kind of a call; raises `Fault` for an unknown function or wrong arguments."""
    function = FUNCTIONS[made.name]
    least, most = function.positional
    if not least <= len(made.positional) <= most or not made.named.keys() <= function.named:
        raise Fault("J046", made.offset, usage=function.usage)
    return function.make(made), function.kind


def merge(measures: list[Measure]) -> tuple[Measure, ...]:
    """Return each measure once, with the longest window asked for, ordered by key."""
    merged: dict[str, Measure] = {}
    for measure in measures:
        known = merged.get(measure.key)
        if known is None or known.window < measure.window:
            merged[measure.key] = measure
    return tuple(merged[key] for key in sorted(merged))


def measure_key(measure: Measure) -> str:
    """Return the key of a behaviour statistic: the same question gets the same key in every file and window.

    >>> measure_key(Measure("", "order_paid")) == measure_key(Measure("", "order_paid", window=DAY))
    True
    """
    where = "" if measure.where is None else msgspec.json.encode(measure.where).decode()
    # What is kept of a field is not what version 0.1 kept under (event, field, where), so it has another key.
    kind = "numbers" if measure.field and measure.kind == "events" else measure.kind
    more = () if kind == "events" else (kind, *measure.others)
    return short("measure", measure.event, measure.field, where, *more)


def _behaviour(made: Call) -> Expr:
    """Totals are kept for ever in any case; a window is kept where single happenings must be told apart in it."""
    function: Behaviour = made.name  # type: ignore[assignment]
    within, since_enter = made.window()
    window = 0 if function in _BY_LAST else SINCE_ENTER if since_enter else within
    where = made.named["where"].expr if "where" in made.named else None
    chain: tuple[int, ...] = ()
    if function == "sequence":
        if not within and not since_enter:
            raise Fault("J141", made.offset, usage=USAGE[made.name])
        names = tuple(_event(made, position) for position in range(len(made.positional)))
        heard = tuple(dict.fromkeys(names))
        chain = tuple(heard.index(one) for one in names)
        measure = Measure("", heard[0], "", where, window, "sequence", heard[1:])
    elif function == "distinct":
        measure = Measure("", _event(made, 0), _field(made), where, window or FOREVER, "values")
    else:
        field = _field(made) if function in _OF_NUMBERS else ""
        measure = Measure("", _event(made, 0), field, where, window)
    measure = msgspec.structs.replace(measure, key=measure_key(measure))
    made.measures.append(measure)
    return Measured(measure.key, function, within, since_enter, chain)


def _field(made: Call) -> str:
    """Return the path into the event; `event.` before it would look for a value of that name inside the event."""
    field = made.text(1)
    if field.startswith("event."):
        raise Fault("J142", made.positional[1].offset, text=field, instead=field.removeprefix("event."))
    return field


def _event(made: Call, position: int) -> str:
    try:
        return events(made.text(position))[0]
    except BadValue as error:
        raise Fault(error.code, made.positional[position].offset, **error.data) from None


def _touched(made: Call) -> Expr:
    template, (within, since_enter) = _named(made, 0), made.window()
    return Touched(_TOUCHED[made.name], template, within, since_enter)


def _exists(made: Call) -> Expr:
    asked = made.positional[0].expr
    if not isinstance(asked, Path):
        raise Fault("J046", made.offset, usage=USAGE["exists"])
    return Exists(asked)


def _named(made: Call, position: int) -> str:
    try:
        return name(made.text(position))
    except BadValue as error:
        raise Fault(error.code, made.positional[position].offset, **error.data) from None


def _consent(made: Call) -> Expr:
    """Read a purpose, a channel, or a purpose and one of its channels: "newsletter:sms"."""
    purpose, colon, channel = made.text(0).partition(":")
    try:
        return HasConsent(f"{name(purpose)}:{name(channel)}" if colon else name(purpose))
    except BadValue as error:
        raise Fault(error.code, made.positional[0].offset, **error.data) from None


def _tag(made: Call) -> Expr:
    try:
        return HasTag(label(made.text(0)))
    except BadValue as error:
        raise Fault(error.code, made.positional[0].offset, **error.data) from None


_BY_LAST: Final = frozenset({"ever", "never", "last"})
"""What the time of the last happening answers in any window."""
_OF_NUMBERS: Final = frozenset({"sum", "max", "min", "avg"})
_TOUCHED: Final[dict[str, Literal["received", "opened", "clicked"]]] = {
    "received": "received", "opened": "opened", "clicked": "clicked",
}  # fmt: skip
_WINDOWED: Final = frozenset({"within", "since"})
_ASKED: Final = _WINDOWED | {"where"}
_WINDOW_WORDS: Final = 'within="7d" | since="enter"'
_WHERE: Final = "where=event.total > 100"


def _of_number(name: str) -> Function:
    return Function(_behaviour, "number", f'{name}("order_paid", "total", {_WINDOW_WORDS}, {_WHERE})', (2, 2), _ASKED)


FUNCTIONS: Final[dict[str, Function]] = {
    "tag": Function(_tag, "truth", 'tag("vip")', (1, 1)),
    "segment": Function(lambda made: InSegment(_named(made, 0)), "truth", 'segment("dormant")', (1, 1)),
    "stage": Function(lambda _: Stage(), "text", "stage()", (0, 0)),
    "consent": Function(_consent, "truth", 'consent("marketing")', (1, 1)),
    "reachable": Function(lambda made: IsReachable(_named(made, 0)), "truth", 'reachable("wechat")', (1, 1)),
    "count": Function(_behaviour, "number", f'count("order_paid", {_WINDOW_WORDS}, {_WHERE})', (1, 1), _ASKED),
    "sum": _of_number("sum"),
    "max": _of_number("max"),
    "min": _of_number("min"),
    "avg": _of_number("avg"),
    "distinct": Function(
        _behaviour, "number", f'distinct("order_paid", "category", {_WINDOW_WORDS}, {_WHERE})', (2, 2), _ASKED
    ),
    "first": Function(_behaviour, "age", 'first("signed_up") > "30d"', (1, 1), _ASKED),
    "last": Function(_behaviour, "age", 'last("order_paid") > "30d"', (1, 1), _ASKED),
    "ever": Function(_behaviour, "truth", f'ever("order_paid", {_WINDOW_WORDS})', (1, 1), _ASKED),
    "never": Function(_behaviour, "truth", f'never("order_paid", {_WINDOW_WORDS})', (1, 1), _ASKED),
    "sequence": Function(
        _behaviour,
        "truth",
        'sequence("product_viewed", "cart_updated", within="1h" | since="enter")',
        (2, LONGEST_SEQUENCE),
        _ASKED,
    ),
    "received": Function(_touched, "truth", f'received("welcome", {_WINDOW_WORDS})', (1, 1), _WINDOWED),
    "opened": Function(_touched, "truth", f'opened("welcome", {_WINDOW_WORDS})', (1, 1), _WINDOWED),
    "clicked": Function(_touched, "truth", f'clicked("welcome", {_WINDOW_WORDS})', (1, 1), _WINDOWED),
    "in_journey": Function(
        lambda made: Journeyed("in_journey", _named(made, 0)), "truth", 'in_journey("welcome")', (1, 1)
    ),
    "completed": Function(
        lambda made: Journeyed("completed", _named(made, 0)), "truth", 'completed("welcome")', (1, 1)
    ),
    "exists": Function(_exists, "truth", "exists(customer.phone)", (1, 1)),
    "weekday": Function(lambda _: Today("weekday"), "text", 'weekday() == "mon"', (0, 0)),
    "hour": Function(lambda _: Today("hour"), "number", "hour() >= 9", (0, 0)),
    "today": Function(lambda _: Today("today"), "text", 'today() == "2026-11-11"', (0, 0)),
}
USAGE: Final = {known: function.usage for known, function in FUNCTIONS.items()}

"""What in a condition changes by time alone: windows that empty, ages passed, tags that expire, the clock.

A leaf answers the next instant after `now` at which its own value may change, 0 for never. Not public:
`predicates.Condition` walks these instants until the whole condition turns.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from engine.core import calendar
from engine.core.audience.readings import NUMBERS, next_change, turning
from engine.core.closures import value_of
from engine.core.comparisons import FLIPPED, is_number
from engine.core.context import Context
from engine.core.expression import (
    Arithmetic,
    Compare,
    Constant,
    Expr,
    HasTag,
    InSegment,
    Measured,
    Today,
    Touched,
    parts_of,
)
from engine.core.ids import HOUR, Micros
from engine.core.plan import Daily

Leaf: TypeAlias = Callable[[Context], Micros]


def leaves(expr: Expr) -> Iterator[Leaf]:
    """Yield a leaf for everything in the condition that time alone can change."""
    if isinstance(expr, Compare):
        turn = _turn(expr)
        if turn is not None:
            yield turn
            return
    yield from _own(expr)
    for part in parts_of(expr):
        yield from leaves(part)


def _own(expr: Expr) -> Iterator[Leaf]:
    """Yield the leaves of the expression itself, not of its parts."""
    match expr:
        case HasTag(name=name):
            yield _tag_expiry(name)
        case InSegment(name=name):
            yield _segment_change(name)
        case Measured() if expr.within and not expr.since_enter:
            yield _window_change(expr)
        case Touched() if expr.within and not expr.since_enter:
            yield _heard_change(expr)
        case Today():
            yield _clock_change(expr)
        case Compare(left=left, right=right) if _is_age(left) != _is_age(right):
            yield _age_change(left, right) if _is_age(left) else _age_change(right, left)
        case Compare(left=Measured() as left, right=Measured() as right) if _is_age(left):
            # Two ages grow together: what changes their order is a window (a leaf of its own), or that one of them is
            # counted from an event dated ahead and has yet to begin growing.
            yield from (_age_begins(left), _age_begins(right))
        case Arithmetic(left=left, right=right) if _is_age(left) or _is_age(right):
            yield _each_hour
        case _:
            pass


def _turn(expr: Compare) -> Leaf | None:
    """Return the leaf of a statistic against a number: it says outright when the comparison turns.

    Else every single event that leaves the window would be looked at, for customers of a thousand events.
    """
    match expr.left, expr.right:
        case (Measured() as asked, Constant(value=bound)):
            op = expr.op
        case (Constant(value=bound), Measured() as asked) if expr.op in FLIPPED:
            op = FLIPPED[expr.op]
        case _:
            return None
    if asked.function not in NUMBERS or not asked.within or asked.since_enter or not _is_finite(bound):
        return None
    key, turn = asked.measure, turning(asked.function, asked.within, op, bound)
    return lambda context: turn(context.customer.behaviour.get(key), context.now)


def _is_finite(bound: object) -> bool:
    return is_number(bound) and -_FAR < bound < _FAR  # type: ignore[operator] # a number by now


def _is_age(expr: Expr) -> bool:
    return isinstance(expr, Measured) and expr.function in {"first", "last"}


def _age_change(age: Expr, limit: Expr) -> Leaf:
    old, most = value_of(age), value_of(limit)

    def change(context: Context) -> Micros:
        age_now, bound = old(context), most(context)
        if age_now is None or not is_number(bound) or not -_FAR < bound < _FAR:
            return 0
        left = int(bound // 1) - age_now
        # At `left` the age equals the limit, one microsecond later it is above: `>=` turns at one, `>` at the other.
        return next((context.now + ahead for ahead in (left, left + 1) if ahead > 0), 0)

    return change


_FAR: Final = 1 << 60


def _age_begins(age: Measured) -> Leaf:
    key = age.measure

    def change(context: Context) -> Micros:
        tally, now = context.customer.behaviour.get(key), context.now
        if tally is None or tally.last < now:
            return 0
        times = {tally.first, tally.last, *(at for at, _ in tally.recent)}
        return min((at + more for at in times for more in (0, 1) if at + more > now), default=0)

    return change


def _each_hour(context: Context) -> Micros:
    return context.now + HOUR


def _tag_expiry(name: str) -> Leaf:
    def change(context: Context) -> Micros:
        held = context.customer.tags.get(name)
        return held.until if held is not None and held.until > context.now else 0

    return change


def _segment_change(name: str) -> Leaf:
    def change(context: Context) -> Micros:
        ask = getattr(context.segments.get(name), "horizon", None)
        return 0 if ask is None else int(ask(context))

    return change


def _window_change(expr: Measured) -> Leaf:
    key, function, within, chain = expr.measure, expr.function, expr.within, expr.chain
    return lambda context: next_change(context.customer.behaviour.get(key), function, context.now, within, chain)


def _heard_change(expr: Touched) -> Leaf:
    template, what, within = expr.template, expr.what, expr.within

    def change(context: Context) -> Micros:
        heard = context.customer.heard.get(template)
        at: Micros = getattr(heard, what, 0)
        return at + within if at and at + within > context.now else 0

    return change


_MIDNIGHT: Final = Daily(0, 0)


def _clock_change(expr: Today) -> Leaf:
    is_hour = expr.what == "hour"

    def change(context: Context) -> Micros:
        zone = calendar.zone_of(context.customer, context.policy)
        if is_hour:
            return calendar.next_hour(context.now, zone)
        return calendar.next_daily(context.now, _MIDNIGHT, zone)

    return change

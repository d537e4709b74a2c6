"""Rehearses a workspace's journeys on recorded history, and compares them with another version of themselves.

Puts `engine.rehearsal` together with what it may not know: settings, the daemon's log and store, the words of a trace.
Reads only, also while a daemon runs. Called by `journeyd simulate`.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial

import msgspec

from engine.bootstrap.scripts import Script
from engine.core import calendar
from engine.core.commands import Note
from engine.core.events import Event
from engine.core.plan import Coupon, Send, Split
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.rehearsal.difference import MOST_CHANGES, Chosen, Difference, Say, Telling, choose, explained
from engine.rehearsal.figures import Figures, Terms
from engine.rehearsal.passing import Passed, Span, live_through, only
from engine.rehearsal.reckoning import figures
from engine.rehearsal.sorting import in_order, sort
from engine.rehearsal.stage import Dials, Stage
from engine.runtime.collector import calm
from journeys.explain import explain_note
from journeys.words.steps import short_words

History = Callable[[], Iterable[Event]]
"""Opens the history at its beginning; called twice when versions are compared."""


class Orders(msgspec.Struct, frozen=True):
    """How to rehearse: which stretch of time, in any order of events or sorted first, and what to assume."""

    span: Span = Span()
    is_sorted: bool = True
    dials: Dials = Dials()
    terms: Terms = Terms()
    lang: str = "en"


class Rehearsed(msgspec.Struct, frozen=True):
    """What came of it: the figures of the journeys as written now, and how they differ from another version."""

    figures: Figures
    difference: Difference | None = None


def rehearse(
    script: Script,
    history: History,
    orders: Orders,
    *,
    against: Script | None = None,
    progress: Callable[[int], None] | None = None,
) -> Rehearsed:
    """Live through the history with the journeys of `script`, side by side with those of `against`.

    `progress` gets the number of events done. Raises `BadInput` when the history is not in order and not to be sorted.
    """
    scripts = [script] if against is None else [script, against]
    stages = [_stage(one, orders) for one in scripts]
    calm()
    passed = live_through(_ordered(history, orders), stages, orders.span, progress=progress)
    told = figures(stages[0], passed, orders.terms, partial(short_words, lang=orders.lang))
    if against is None:
        return Rehearsed(told)
    return Rehearsed(told, _compare(stages, (script, against), history, _fixed(orders, passed)))


def _stage(script: Script, orders: Orders, watched: Collection[str] = ()) -> Stage:
    return Stage(Playbook(script.plans, script.audience), orders.dials, frozenset(watched))


def _ordered(history: History, orders: Orders) -> Iterable[Event]:
    return in_order(history()) if orders.is_sorted else sort(history())


def _fixed(orders: Orders, passed: Passed) -> Orders:
    """Return the orders with the stretch of time that was lived through, for a second pass with fewer events."""
    return msgspec.structs.replace(orders, span=Span(passed.start, passed.end + 1))


# --- against another version


def _compare(stages: list[Stage], scripts: tuple[Script, Script], history: History, orders: Orders) -> Difference:
    new, old = stages
    script, against = scripts
    chosen, customers = choose(old, new)
    changes = [one.change for one in chosen]
    shown = chosen[:MOST_CHANGES]
    if shown:
        again = _watch(shown, stages, scripts, history, orders)
        telling = Telling(again[1], again[0], _words(script, orders.lang))
        changes[: len(shown)] = [explained(one, old, new, telling) for one in shown]
    before, after = ({plan.journey: plan.version for plan in one.plans} for one in (against, script))
    return Difference(
        against=against.name,
        customers=customers,
        new=sorted(after.keys() - before.keys()),
        changed=sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
        removed=sorted(before.keys() - after.keys()),
        changes=changes,
    )


def _watch(
    shown: list[Chosen], stages: list[Stage], scripts: tuple[Script, Script], history: History, orders: Orders
) -> list[Stage]:
    """Live through the history once more, keeping every reason of the customers to look at."""
    people = stages[0].people
    numbers = {number for one in shown for number in (*one.gained, *one.lost)}
    ids = {id_ for id_, number in people.numbers.items() if number in numbers}
    ids |= {winner.id for winner in map(people.get, ids) if winner is not None}
    events: Iterable[Event] = _ordered(history, orders)
    if not any(_is_shared(script, orders.dials) for script in scripts):
        # Nobody's road depends on anybody else's: the others need not travel again.
        events = only(events, {key for key, id_ in people.known.items() if id_ in ids})
    again = [_stage(script, orders, ids) for script in scripts]
    live_through(events, again, orders.span)
    return again


def _is_shared(script: Script, dials: Dials) -> bool:
    """Do customers of these journeys share anything: the last codes of a pool, arms that win, contacts?"""
    return any(_shares(node, dials) for plan in script.plans for node in plan.nodes)


def _shares(node: object, dials: Dials) -> bool:
    match node:
        case Split(winner=winner):
            return winner is not None
        case Coupon(pool=pool):
            return pool in dials.stock
        case Send(role=role):
            return bool(role)
        case _:
            return False


def _words(script: Script, lang: str) -> Say:
    policy = script.audience.policy

    def say(note: Note, customer: Customer) -> str:
        zone = calendar.zone_of(customer, policy)
        if note.code == "touch.sent":
            planned = explain_note(msgspec.structs.replace(note, code="touch.planned"), zone, lang)
            head = planned.rpartition("  ")[0]
            template, channel = note.data["template"], note.data["channel"]
            said = f"通过 {channel} 发送了 {template}" if lang == "zh" else f"{template} is sent by {channel}"
            return f"{head}  {said}"
        return explain_note(note, zone, lang)

    return say

"""Who is this? Link, create or merge customers by their identifiers; two known users are never merged silently.

Pure: the use case looks the identifiers up and hands the found customers over.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engine.core.audience import behaviour
from engine.core.commands import CancelTouches, Command, Note, RecordRun
from engine.core.events import KINDS, Identifiers
from engine.core.ids import Micros, short
from engine.core.state import Addresses, Consent, Customer, Heard, Held, Recalled, Run, Standing, Travelled, next_wake

LIMIT_PER_KIND = 20
"""Values of one kind that a customer may hold; the oldest is let go, so a shared device cannot grow without end."""

MOST_RECALLED = 50
"""Events kept for waits that look back; the oldest are forgotten first."""

_SINGLE = frozenset({"user_id"})
_RANK = {kind: place for place, kind in enumerate(KINDS)}


class Merged(msgspec.Struct, frozen=True):
    """The surviving customer, what the shell must do for the runs that ended, and why."""

    customer: Customer
    commands: tuple[Command, ...] = ()
    trace: tuple[Note, ...] = ()


class Resolution(msgspec.Struct, frozen=True):
    """Who the event speaks of: `main`, after absorbing `absorbed`; `conflicts` share an identifier but stay apart."""

    main: Customer
    absorbed: tuple[Customer, ...] = ()
    conflicts: tuple[Customer, ...] = ()


def keys(identifiers: Identifiers) -> list[str]:
    """Return "kind:value" for each identifier, strongest kind first.

    >>> keys({"anonymous_id": "a1", "user_id": "u1"})
    ['user_id:u1', 'anonymous_id:a1']
    """
    if len(identifiers) == 1:
        ((kind, value),) = identifiers.items()
        return [f"{kind}:{value}"]
    return [f"{kind}:{value}" for kind, value in sorted(identifiers.items(), key=_strength)]


def begin(identifiers: Identifiers, at: Micros) -> Customer:
    """Return a new customer named after its strongest identifier, so that a replay names it alike.

    >>> begin({"user_id": "u1"}, 5).id
    'cvlshpn2ol3zefg6t'
    """
    linked: Addresses = {kind: (value,) for kind, value in identifiers.items()}
    return Customer(id="c" + short("customer", keys(identifiers)[0]), created=at, identifiers=linked)


def link(customer: Customer, identifiers: Identifiers) -> Customer:
    """Return the customer holding these identifiers too, the newest value of each kind last."""
    held: dict[str, tuple[str, ...]] | None = None
    for kind, value in identifiers.items():
        values = customer.identifiers.get(kind, ())
        if values and values[-1] == value:
            continue
        if kind in _SINGLE and values:
            continue
        held = dict(customer.identifiers) if held is None else held
        held[kind] = (*(other for other in values if other != value), value)[-LIMIT_PER_KIND:]
    return customer if held is None else msgspec.structs.replace(customer, identifiers=held)


def reconcile(identifiers: Identifiers, found: list[Customer], at: Micros) -> Resolution:
    """Decide whom the event speaks of among the customers that hold its identifiers, strongest first.

    A known user (one with a user_id) never absorbs or joins another known user: a shared e-mail, phone or device is
    a conflict. Anyone else who shares an identifier is the same person.
    """
    asked = identifiers.get("user_id", "")
    main = next((c for c in found if asked and c.address("user_id") == asked), None)
    if main is None:
        strangers = [c for c in found if asked and c.address("user_id")]
        free = [c for c in found if c not in strangers]
        if not free:
            return Resolution(begin(identifiers, at), conflicts=tuple(strangers)) if asked else _survivor(found)
        rest = _survivor(free)
        return Resolution(rest.main, rest.absorbed, (*rest.conflicts, *strangers))
    others = [c for c in found if c.id != main.id]
    known = tuple(c for c in others if c.address("user_id"))
    return Resolution(main, tuple(c for c in others if c not in known), known)


def merge(winner: Customer, loser: Customer, now: Micros, *, watched: Iterable[str] = ()) -> Merged:
    """Return `winner` with all that `loser` was: the stricter consent, every suppression, each count once.

    Of two runs in the same journey and key the further one stays; the other ends and its touches are cancelled. The
    `watched` conditions (keys of `Customer.standing`) are due to be looked at `now`, for the two together may be what
    neither was alone. The next decision finds the anniversaries anew; the winner's account stays unless it has none.
    """
    runs, ended = _unite_runs(winner.runs, loser.runs, now)
    older, newer = (winner, loser) if winner.seen <= loser.seen else (loser, winner)
    traits, traits_at = _unite_traits(older, newer)
    tags = {**newer.tags, **older.tags}
    customer = msgspec.structs.replace(
        winner,
        created=min(winner.created, loser.created),
        seen=max(winner.seen, loser.seen),
        identifiers=_unite_identifiers(winner, loser),
        traits=traits,
        traits_at=traits_at,
        tags=tags,
        consents=_unite_consents(winner, loser),
        suppressed={**loser.suppressed, **winner.suppressed},
        behaviour=behaviour.merge(winner.behaviour, loser.behaviour),
        stages=_unite_stages(winner, loser),
        runs=runs,
        travelled=_unite_travels(winner, loser),
        reserved=tuple(sorted({*winner.reserved, *loser.reserved}, key=lambda r: (r.at, r.touch))),
        heard={n: _louder(winner.heard.get(n), loser.heard.get(n)) for n in {**winner.heard, **loser.heard}},
        merged=(*winner.merged, loser.id, *loser.merged)[-LIMIT_PER_KIND:],
        account=winner.account or loser.account,
        standing=_unite_standing(winner, loser, tags, dict.fromkeys(watched, now)),
        dates={},
        recalled=_unite_recalled(winner, loser),
    )
    customer = msgspec.structs.replace(customer, wake=next_wake(customer))
    commands: list[Command] = [RecordRun(run) for run in ended]
    commands += [CancelTouches(run.id, "merged") for run in ended]
    trace = [Note("merged", now, data={"other": loser.id})]
    trace += [Note("exited.merged", now, journey=run.journey, run=run.id, step=run.step) for run in ended]
    return Merged(customer, tuple(commands), tuple(trace))


def _strength(pair: tuple[str, str]) -> tuple[int, str]:
    return (_RANK.get(pair[0], len(_RANK)), pair[0])


def _survivor(found: list[Customer]) -> Resolution:
    """Of people who share identifiers the known user stays, else the oldest; other known users stay apart."""
    ranked = sorted(found, key=lambda c: (not c.address("user_id"), c.created, c.id))
    main, rest = ranked[0], ranked[1:]
    known = tuple(c for c in rest if c.address("user_id"))
    return Resolution(main, tuple(c for c in rest if c not in known), known)


def _unite_identifiers(winner: Customer, loser: Customer) -> dict[str, tuple[str, ...]]:
    united = dict(loser.identifiers)
    for kind, values in winner.identifiers.items():
        theirs = tuple(value for value in united.get(kind, ()) if value not in values)
        united[kind] = values if kind in _SINGLE else (*theirs, *values)[-LIMIT_PER_KIND:]
    return united


def _unite_traits(older: Customer, newer: Customer) -> tuple[dict[str, object], dict[str, Micros]]:
    traits, said = dict(older.traits), dict(older.traits_at)
    for name, value in newer.traits.items():
        at = newer.traits_at.get(name, 0)
        if name not in traits or at >= said.get(name, 0):
            traits[name], said[name] = value, at
    return traits, said


def _unite_consents(winner: Customer, loser: Customer) -> dict[str, Consent]:
    united = dict(winner.consents)
    for name, theirs in loser.consents.items():
        ours = united.get(name)
        is_stricter = ours is not None and ours.granted and not theirs.granted
        is_newer = ours is not None and ours.granted == theirs.granted and theirs.at > ours.at
        if ours is None or is_stricter or is_newer:
            united[name] = theirs
    return united


def _unite_stages(winner: Customer, loser: Customer) -> dict[str, Micros]:
    return {n: min(c.stages[n] for c in (winner, loser) if n in c.stages) for n in winner.stages | loser.stages}


def _unite_standing(
    winner: Customer, loser: Customer, tags: Mapping[str, Held], looks: Mapping[str, Micros]
) -> dict[str, Standing]:
    """A condition has stood since it first held for either; one that is watched is looked at anew."""
    united: dict[str, Standing] = {}
    for key in {**winner.standing, **loser.standing, **looks}:
        kind, _, name = key.partition(":")
        if kind == "expiry":  # not a condition: the end of a tag that somebody waits to be lost
            until = tags[name].until if name in tags else 0
            if until:
                united[key] = Standing(0, until)
            continue
        both = [c.standing[key] for c in (winner, loser) if key in c.standing]
        since = min((held.since for held in both if held.since), default=0)
        look = looks.get(key, min((held.look for held in both if held.look), default=0))
        if since or look:
            united[key] = Standing(since, look)
    return united


def _unite_recalled(winner: Customer, loser: Customer) -> tuple[Recalled, ...]:
    theirs = [one for one in loser.recalled if one not in winner.recalled]
    return tuple(sorted([*winner.recalled, *theirs], key=lambda one: one.at)[-MOST_RECALLED:])


def _unite_travels(winner: Customer, loser: Customer) -> dict[str, Travelled]:
    united = dict(winner.travelled)
    for name, theirs in loser.travelled.items():
        ours = united.get(name, Travelled(0, 0))
        latest, completed = max(ours.entered, theirs.entered), max(ours.completed, theirs.completed)
        united[name] = Travelled(latest, ours.times + theirs.times, completed)
    return united


def _louder(ours: Heard | None, theirs: Heard | None) -> Heard:
    a, b = ours or Heard(), theirs or Heard()
    return Heard(max(a.received, b.received), max(a.opened, b.opened), max(a.clicked, b.clicked))


def _unite_runs(ours: tuple[Run, ...], theirs: tuple[Run, ...], now: Micros) -> tuple[tuple[Run, ...], list[Run]]:
    ended: list[Run] = []
    kept: dict[tuple[str, str], Run] = {}
    past = [run for run in (*ours, *theirs) if not run.is_active]
    for run in (run for run in (*ours, *theirs) if run.is_active):
        place = (run.journey, run.key)
        rival = kept.get(place)
        if rival is None:
            kept[place] = run
            continue
        further, behind = sorted((rival, run), key=lambda r: (-r.touches, r.entered, r.id))
        kept[place] = further
        ended.append(msgspec.structs.replace(behind, ended=now, outcome="merged", step="", due=0, wake=0))
    return (*sorted(kept.values(), key=lambda r: (r.entered, r.id)), *past), ended

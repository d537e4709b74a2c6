"""Two customers become one: all that either was, each count once, the stricter word, every suppression. Pure.

Called once `identity.reconcile` has found that they are one person, or when somebody says so. `parting.py` undoes it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from engine.core.audience import behaviour
from engine.core.audience.identity import RULES, Rules
from engine.core.commands import CancelTouches, Command, Note, RecordRun
from engine.core.ids import Micros
from engine.core.plan import STAGES
from engine.core.state import Consent, Customer, Heard, Held, Recalled, Run, Standing, Travelled, next_wake

MOST_RECALLED: Final = 50
"""Events kept for waits that look back; the oldest are forgotten first."""

MOST_MERGED: Final = 20
"""Names of absorbed customers that a customer carries with it; the merge log knows all."""


class Merged(msgspec.Struct, frozen=True):
    """The surviving customer, what the shell must do for the runs that ended, and why."""

    customer: Customer
    commands: tuple[Command, ...] = ()
    trace: tuple[Note, ...] = ()


def merge(
    winner: Customer, loser: Customer, now: Micros, *, watched: Iterable[str] = (), rules: Rules = RULES
) -> Merged:
    """Return `winner` with all that `loser` was: the stricter consent, every suppression, each count once.

    Of two runs in the same journey and key the further one stays; the other ends and its touches are cancelled. The
    `watched` conditions (keys of `Customer.standing`) are due to be looked at `now`, for the two together may be what
    neither was alone. The next decision finds the anniversaries anew; the winner's account stays unless it has none.
    """
    runs, ended = _unite_runs(winner.runs, loser.runs, now)
    traits = _unite_traits(winner, loser, rules)
    tags = _unite_tags(winner, loser)
    ahead = max(winner, loser, key=lambda one: STAGES.index(one.stage) if one.stage in STAGES else -1)
    customer = msgspec.structs.replace(
        winner,
        created=min(winner.created, loser.created),
        seen=max(winner.seen, loser.seen),
        identifiers=_unite_identifiers(winner, loser, rules),
        traits=traits.values,
        traits_at=traits.at,
        traits_by=traits.by,
        tags=tags,
        consents=_unite_consents(winner, loser),
        suppressed={**loser.suppressed, **winner.suppressed},
        behaviour=behaviour.merge(winner.behaviour, loser.behaviour),
        stages=_unite_stages(winner, loser),
        stage=ahead.stage,
        stage_since=ahead.stage_since,
        runs=runs,
        travelled=_unite_travels(winner, loser),
        reserved=tuple(sorted({*winner.reserved, *loser.reserved}, key=lambda r: (r.at, r.touch))),
        heard={n: _louder(winner.heard.get(n), loser.heard.get(n)) for n in {**winner.heard, **loser.heard}},
        merged=(*winner.merged, *loser.merged, loser.id)[-MOST_MERGED:],
        absorbed=winner.absorbed + loser.absorbed + 1,
        apart=tuple(dict.fromkeys(one for one in (*winner.apart, *loser.apart) if one not in {winner.id, loser.id})),
        account=winner.account or loser.account,
        source=(winner if winner.created <= loser.created else loser).source or winner.source or loser.source,
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


# --- words and marks -----------------------------------------------------------------------------------


def _unite_identifiers(winner: Customer, loser: Customer, rules: Rules) -> dict[str, tuple[str, ...]]:
    united = dict(loser.identifiers)
    for kind, values in winner.identifiers.items():
        theirs = tuple(value for value in united.get(kind, ()) if value not in values)
        held = (*theirs, *values)
        # A weak kind lets its oldest go; strong ones are all kept: more than the limit is somebody's explicit word.
        united[kind] = held if kind in rules.strong else held[-rules.limit(kind) :]
    return united


class _Traits(msgspec.Struct):
    values: dict[str, Any]
    at: dict[str, Micros]
    by: dict[str, str]


def _unite_traits(winner: Customer, loser: Customer, rules: Rules) -> _Traits:
    """Of two words about a trait the more trusted source's stands, else the newer: also that there is none any more."""
    united = _Traits(dict(winner.traits), dict(winner.traits_at), dict(winner.traits_by))
    for name in {**loser.traits, **loser.traits_at}:
        at, by = loser.traits_at.get(name, 0), loser.traits_by.get(name, "")
        known = name in winner.traits or name in winner.traits_at
        ours = (rules.trust(winner.traits_by.get(name, "")), winner.traits_at.get(name, 0), winner.seen)
        if known and ours >= (rules.trust(by), at, loser.seen):
            continue
        _put(united.values, name, loser.traits.get(name))
        _put(united.at, name, loser.traits_at.get(name))
        _put(united.by, name, by or None)
    return united


def _put(words: dict[str, Any], name: str, word: Any) -> None:
    if word is None:
        words.pop(name, None)
    else:
        words[name] = word


def _unite_tags(winner: Customer, loser: Customer) -> dict[str, Held]:
    """A tag is carried since the earlier of the two, and as long as the later; the newer one says by whom."""
    united = dict(winner.tags)
    for name, theirs in loser.tags.items():
        ours = united.get(name)
        if ours is None:
            united[name] = theirs
            continue
        newer = theirs if (theirs.since, theirs.by) > (ours.since, ours.by) else ours
        until = max(ours.until, theirs.until) if ours.until and theirs.until else 0
        united[name] = msgspec.structs.replace(newer, since=min(ours.since, theirs.since), until=until)
    return united


def _unite_consents(winner: Customer, loser: Customer) -> dict[str, Consent]:
    united = dict(winner.consents)
    for name, theirs in loser.consents.items():
        ours = united.get(name)
        if ours is None or (_strictness(theirs), theirs.at) > (_strictness(ours), ours.at):
            united[name] = theirs
    return united


def _strictness(said: Consent) -> int:
    """A no is stricter than a yes that waits for its confirmation, and that is stricter than a yes."""
    return 0 if said.granted else 1 if said.pending else 2


def _louder(ours: Heard | None, theirs: Heard | None) -> Heard:
    a, b = ours or Heard(), theirs or Heard()
    return Heard(max(a.received, b.received), max(a.opened, b.opened), max(a.clicked, b.clicked))


# --- where they stand ----------------------------------------------------------------------------------


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


# --- journeys ------------------------------------------------------------------------------------------


def _unite_travels(winner: Customer, loser: Customer) -> dict[str, Travelled]:
    united = dict(winner.travelled)
    for name, theirs in loser.travelled.items():
        ours = united.get(name, Travelled(0, 0))
        latest, completed = max(ours.entered, theirs.entered), max(ours.completed, theirs.completed)
        united[name] = Travelled(latest, ours.times + theirs.times, completed)
    return united


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

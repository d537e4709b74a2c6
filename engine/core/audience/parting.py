"""Two who were taken for one are two again: each gets back what the merge log recorded as its own. Pure.

What happened while they were one stays with the winner, for nobody can say whose it was; only a withdrawn consent and a
shut address hold for both. Runs that the merge ended stay ended. Called by `usecases/identify.py`.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from engine.core.audience import behaviour
from engine.core.state import Consent, Customer, Travelled, next_wake

MOST_APART: Final = 50
"""Customers that one remembers not to be; the oldest are forgotten first."""

T = TypeVar("T")


class Meeting(msgspec.Struct, frozen=True):
    """A line of the merge log: the two before (`ours` won) and the one after."""

    ours: Customer
    theirs: Customer
    united: Customer


class Parted(msgspec.Struct, frozen=True):
    """The winner without the loser, and the loser on its own again."""

    rest: Customer
    back: Customer


def part(now: Customer, meeting: Meeting) -> Parted:
    """Return the two that `now`, the winner as it stands today, was made of.

    >>> from engine.core.audience.merging import merge
    >>> a, b = Customer("c1", 1, traits={"city": "Xi'an"}), Customer("c2", 2, traits={"age": 30})
    >>> parted = part(merge(a, b, 5).customer, Meeting(a, b, merge(a, b, 5).customer))
    >>> parted.rest.traits, parted.back.traits, parted.back.apart
    ({'city': "Xi'an"}, {'age': 30}, ('c1',))
    """
    rest = remainder(now, meeting)
    theirs = meeting.theirs
    runs = {run.id: run for run in now.runs}
    back = msgspec.structs.replace(
        theirs,
        consents=_with_later_noes(theirs.consents, meeting.united.consents, now.consents),
        suppressed={**_of_addresses(now.suppressed, theirs), **theirs.suppressed},
        runs=tuple(runs[run.id] for run in theirs.runs if run.id in runs),
        reserved=tuple(held for held in now.reserved if held.touch in {one.touch for one in theirs.reserved}),
        apart=_one_more(theirs.apart, now.id),
        dates={},
    )
    return Parted(rest, msgspec.structs.replace(back, wake=next_wake(back)))


def remainder(now: Customer, meeting: Meeting) -> Customer:
    """Return the winner without what came from the loser: what it was before, and what has changed since."""
    ours, theirs, united = meeting.ours, meeting.theirs, meeting.united
    gone = {run.id for run in theirs.runs} - {run.id for run in ours.runs}
    given = {held.touch for held in theirs.reserved} - {held.touch for held in ours.reserved}
    rest = msgspec.structs.replace(
        now,
        created=ours.created,
        seen=_since(ours.seen, united.seen, now.seen),
        identifiers=_own_identifiers(ours, theirs, now),
        traits=_each(ours.traits, united.traits, now.traits),
        traits_at=_each(ours.traits_at, united.traits_at, now.traits_at),
        traits_by=_each(ours.traits_by, united.traits_by, now.traits_by),
        tags=_each(ours.tags, united.tags, now.tags),
        consents=_each(ours.consents, united.consents, now.consents),
        behaviour=_each_tally(meeting, now),
        stages=_each(ours.stages, united.stages, now.stages),
        stage=_since(ours.stage, united.stage, now.stage),
        stage_since=_since(ours.stage_since, united.stage_since, now.stage_since),
        runs=tuple(run for run in now.runs if run.id not in gone),
        suppressed=_own_suppressed(ours, theirs, now),
        travelled=_each_travel(meeting, now),
        reserved=tuple(held for held in now.reserved if held.touch not in given),
        heard=_each(ours.heard, united.heard, now.heard),
        merged=tuple(one for one in now.merged if one != theirs.id and one not in theirs.merged),
        absorbed=max(now.absorbed - theirs.absorbed - 1, 0),
        apart=_one_more(tuple(one for one in now.apart if one in ours.apart or one not in theirs.apart), theirs.id),
        account=_since(ours.account, united.account, now.account),
        source=_since(ours.source, united.source, now.source),
        standing=_each(ours.standing, united.standing, now.standing),
        dates={},
        recalled=tuple(one for one in now.recalled if one not in theirs.recalled or one in ours.recalled),
    )
    return msgspec.structs.replace(rest, wake=next_wake(rest))


def _since(ours: T, united: T, now: T) -> T:
    """Return what was ours, unless it has changed since."""
    return ours if now == united else now


_GONE: Final = object()


def _each(ours: Mapping[str, T], united: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    """Return by name what was ours, unless it has changed since; what was taken away since stays away."""
    kept: dict[str, T] = {}
    for name in {**ours, **now}:
        word: Any = now.get(name, _GONE)
        if word == united.get(name, _GONE):
            word = ours.get(name, _GONE)
        if word is not _GONE:
            kept[name] = word
    return kept


def _own_identifiers(ours: Customer, theirs: Customer, now: Customer) -> dict[str, tuple[str, ...]]:
    own = {
        kind: tuple(
            value
            for value in values
            if value not in theirs.identifiers.get(kind, ()) or value in ours.identifiers.get(kind, ())
        )
        for kind, values in now.identifiers.items()
    }
    return {kind: values for kind, values in own.items() if values}


def _each_tally(meeting: Meeting, now: Customer) -> dict[str, Any]:
    ours, theirs, united = (one.behaviour for one in (meeting.ours, meeting.theirs, meeting.united))
    kept = dict(now.behaviour)
    for key, tally in now.behaviour.items():
        if key not in theirs or key not in united:
            continue  # nothing of it is theirs; or it was counted from the log since, for the one that they were
        rest = behaviour.without(tally, united[key], ours.get(key), theirs[key])
        if rest is None:
            del kept[key]
        else:
            kept[key] = rest
    return kept


def _with_later_noes(
    theirs: Mapping[str, Consent], united: Mapping[str, Consent], now: Mapping[str, Consent]
) -> dict[str, Consent]:
    """A no that was said while they were one counts for both: nobody knows who said it."""
    noes = {name: said for name, said in now.items() if not said.granted and not said.pending}
    later = {name: said for name, said in noes.items() if said != united.get(name)}
    return {**theirs, **later}


def _of_addresses(suppressed: Mapping[str, str], customer: Customer) -> dict[str, str]:
    """Return the shut addresses ("email:a@b.example") that are among the customer's values."""
    held = {value for values in customer.identifiers.values() for value in values}
    return {name: why for name, why in suppressed.items() if name.partition(":")[2] in held}


def _own_suppressed(ours: Customer, theirs: Customer, now: Customer) -> dict[str, str]:
    """Return what is shut without what the other brought: it holds these addresses itself."""
    gone = theirs.suppressed.keys() - ours.suppressed.keys() - _of_addresses(theirs.suppressed, ours).keys()
    return {name: why for name, why in now.suppressed.items() if name not in gone}


def _each_travel(meeting: Meeting, now: Customer) -> dict[str, Travelled]:
    """Return each journey's past; of one entered since, the other's times are taken off."""
    ours, theirs, united = (one.travelled for one in (meeting.ours, meeting.theirs, meeting.united))
    kept = _each(ours, united, now.travelled)
    for name, past in kept.items():
        if name in theirs and past != ours.get(name):
            kept[name] = msgspec.structs.replace(past, times=max(past.times - theirs[name].times, 0))
    return kept


def _one_more(known: tuple[str, ...], other: str) -> tuple[str, ...]:
    return (*(one for one in known if one != other), other)[-MOST_APART:]


def keep_apart(one: Customer, other: Customer) -> tuple[Customer, Customer]:
    """Return both, each remembering that it is not the other: they are never merged by what they share."""
    return (
        msgspec.structs.replace(one, apart=_one_more(one.apart, other.id)),
        msgspec.structs.replace(other, apart=_one_more(other.apart, one.id)),
    )

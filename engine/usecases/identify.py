"""Who an event speaks of, in a unit of work: found, begun or united; what is contested is kept for somebody to look at.

Called by `advance` for every event that names people, and by `direct` when somebody says who is one and who is not.
"""

from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.core.audience import identity, merging, parting
from engine.core.audience.identity import Resolution, Why
from engine.core.commands import Decision, Note
from engine.core.decide import Settle, Wake
from engine.core.errors import BadInput
from engine.core.events import REFUSED, Directive, Event
from engine.core.ids import Micros, derive
from engine.core.playbook import Playbook
from engine.core.state import Addresses, Customer
from engine.ports import MergeRow, ReviewRow
from engine.usecases.accounts import leave
from engine.usecases.apply import carry, catch_up, happen, keep
from engine.usecases.work import Work

Known: TypeAlias = dict[str, str]
"""Identifier "kind:value" -> customer id, as this batch sees it."""

MOST_CLAIMANTS: Final = 10

MOST_TOLD: Final = 100
"""Claims of one identifier of which the trace tells: who share a till's tablet by the thousand take turns for ever."""

_EVERY: Final = 1_000_000_000

_CONFLICTS: Final[dict[Why, str]] = {
    "person": "conflict.person",
    "limit": "conflict.limit",
    "weak": "conflict.weak",
    "many": "conflict.many",
}


def identify(work: Work, playbook: Playbook, known: Known, event: Event) -> tuple[Customer, Event]:
    """Return the customer the event speaks of, caught up to now, and the event with the identifiers that are theirs.

    Customers are linked, begun and united on the way. Raises `BadInput` when it names nobody.
    """
    rules, now = playbook.identity, event.received
    identifiers = rules.usable(event.identifiers)
    if not identifiers:
        if event.name == REFUSED:
            raise BadInput(f"a message of {event.source} could not be read: {event.properties.get('reason')}")
        blocked = ", ".join(f"{kind} {value!r}" for kind, value in event.identifiers.items())
        said = f"only by what names nobody: {blocked}" if blocked else "nobody"
        raise BadInput(f"event {event.id} names {said}", "give at least one identifier", "identifiers")
    if identifiers is not event.identifiers:
        event = replace(event, identifiers=identifiers)
    keys = rules.keys(identifiers)
    found = _found(work, known, keys)
    if not found:
        return _begin(work, playbook, known, event), event
    first = next(iter(found.values()))
    if all(one is first for one in found.values()) and not rules.differs(first, identifiers):
        main = catch_up(work, playbook, first, now)
        if len(found) < len(keys):
            _learn(work, known, keys, main)
        return main, event
    resolution = identity.reconcile(identifiers, found, rules)
    event = replace(event, identifiers=resolution.accepted)
    if resolution.main is None:
        main = _begin(work, playbook, known, event)
    else:
        main = catch_up(work, playbook, resolution.main, now)
        for loser, key in resolution.absorbed:
            before, main = main, unite(work, playbook, main, loser, now, why=key)
            for one in (before, loser):
                let_go(work, known, one.identifiers, main)
        _learn(work, known, rules.keys(event.identifiers), main)
    _contest(work, main, resolution, now)
    return main, event


def let_go(work: Work, known: Known, before: Addresses, after: Customer) -> None:
    """Let the identifiers that were held `before`, and that the customer does not hold any more, lead to nobody."""
    if before is after.identifiers:
        return
    for key in identity.let_go(before, after.identifiers):
        known.pop(key, None)
        work.changes.identifiers[key] = ""


def _found(work: Work, known: Known, keys: list[str]) -> dict[str, Customer]:
    """Return those of the keys that lead to somebody, with the customer."""
    found: dict[str, Customer] = {}
    for key in keys:
        id_ = known.get(key)
        customer = work.customer(id_) if id_ is not None else None
        if customer is not None:
            found[key] = customer
    return found


def _begin(work: Work, playbook: Playbook, known: Known, event: Event) -> Customer:
    """Begin a customer under a name that is free: an identifier that was let go has given its name away already."""
    at, attempt = min(event.at, event.received), 0
    fresh = identity.begin(event.identifiers, at, rules=playbook.identity)
    while work.customer(fresh.id) is not None:
        attempt += 1
        fresh = identity.begin(event.identifiers, at, rules=playbook.identity, attempt=attempt)
    _learn(work, known, playbook.identity.keys(event.identifiers), fresh)
    return fresh


def _learn(work: Work, known: Known, keys: list[str], main: Customer) -> None:
    for key in keys:
        if known.get(key) != main.id:
            known[key] = main.id
            work.changes.identifiers[key] = main.id


def _contest(work: Work, main: Customer, resolution: Resolution, now: Micros) -> None:
    """Keep who claims what somebody else holds. A claimant who is known already, or told apart, is no news."""
    for key in resolution.refused:
        keep(work, main.id, (Note("identifier.refused", now, data={"identifier": key.partition(":")[0]}),))
    asked = [one for one in resolution.contested if one.why != "apart"]
    rows = work.contested([one.key for one in asked]) if asked else {}
    for one in asked:
        row = rows.get(one.key)
        if row is not None and row.holder == one.holder and main.id in row.claimants:
            continue
        if row is None or row.holder != one.holder:
            row = ReviewRow(one.key, one.holder, (), one.why, now, now, 0)
        claimants = (*row.claimants, main.id)[-MOST_CLAIMANTS:]
        work.contest(replace(row, claimants=claimants, why=one.why, last=now, times=row.times + 1, state="open"))
        if row.times >= MOST_TOLD:
            continue
        data = {"identifier": one.key.partition(":")[0], "other": one.holder}
        keep(work, main.id, (Note(_CONFLICTS[one.why], now, data=data),))


# --- united and parted ---------------------------------------------------------------------------------


def unite(work: Work, playbook: Playbook, main: Customer, loser: Customer, now: Micros, *, why: str) -> Customer:
    """Let `main`, caught up to `now`, take the other in, and write it into the merge log; return it after that."""
    loser = catch_up(work, playbook, loser, now)
    merged = merging.merge(main, loser, now, watched=playbook.watch.all, rules=playbook.identity)
    after = merged.customer
    if loser.account and loser.account != after.account:
        leave(work, loser.account, after)
    row = MergeRow(derive("merge", main.id, loser.id, now), main.id, loser.id, now, why)
    work.changes.merges.append(replace(row, ours=main, theirs=loser, united=after))
    work.merge(loser.id, after)
    carry(work, Decision(after, merged.commands, merged.trace))
    return after


def merge_told(work: Work, playbook: Playbook, directive: Directive) -> None:
    """Unite two customers because somebody says that they are one: also two known users."""
    now = directive.received
    main, loser = _named(work, directive.subject, "subject"), _named(work, directive.value, "value")
    if main.id == loser.id:
        return
    told, reason = f"told by {directive.by or 'ops'}", directive.properties.get("why")
    why = f"{told}: {reason}" if reason else told
    before, main = main, unite(work, playbook, catch_up(work, playbook, main, now), loser, now, why=why)
    for one in (before, loser):
        let_go(work, {}, one.identifiers, main)
    main = replace(main, apart=tuple(one for one in main.apart if one != loser.id))
    work.put(main)
    _settle_reviews(work, main, loser)
    happen(work, playbook, main, Wake(), now)  # what the two are together that neither was is news


def unmerge_told(work: Work, playbook: Playbook, directive: Directive) -> None:
    """Part a customer from the one that took it in; it stands on its own again. Raises `BadInput` when none did."""
    now, asked = directive.received, directive.subject
    main = work.customer(asked)
    row = next((one for one in work.unit.merges(asked, _EVERY) if one.loser == asked and not one.undone), None)
    if main is None or row is None:
        raise BadInput(f"{asked!r} was merged into nobody", "name a customer of `journeyd identity log`", "subject")
    if row.winner != main.id:
        remedy = f"part {row.winner} from {main.id} first: `journeyd identity unmerge {row.winner}`"
        raise BadInput(f"{asked} was merged into {row.winner}, which was itself merged into {main.id}", remedy)
    if row.ours is None or row.theirs is None or row.united is None:
        raise BadInput(f"what {asked} was is not kept any more", "begin it anew from its own events", "subject")
    main = catch_up(work, playbook, main, now)
    meeting = parting.Meeting(row.ours, row.theirs, row.united)
    parted = parting.part(main, meeting)
    if main.account != parted.rest.account:
        leave(work, main.account, parted.rest)
    _rewrite_later(work, row, meeting)
    work.changes.merges.append(replace(row, undone=now))
    back = _with_free_identifiers(work, parted.back, main.id)
    work.part(back, _followers(work, back.id))
    for one, other in ((parted.rest, back), (back, parted.rest)):
        carry(work, Decision(one, (), (Note("parted", now, data={"other": other.id}),)))
        happen(work, playbook, one, Settle(), now)


def apart_told(work: Work, directive: Directive) -> None:
    """Remember that two are not one, whatever they share."""
    one, other = _named(work, directive.subject, "subject"), _named(work, directive.value, "value")
    if one.id == other.id:
        remedy = f"part them first: `journeyd identity unmerge {directive.value}`"
        raise BadInput(f"{directive.subject} and {directive.value} are one customer", remedy, "value")
    for customer in parting.keep_apart(one, other):
        work.put(customer)
    _settle_reviews(work, one, other)


def _named(work: Work, name: str, field: str) -> Customer:
    """Return the customer by OneID or "kind:value"."""
    customer = work.customer(name)
    if customer is None:
        found = work.unit.resolve([name])
        customer = work.customer(found[name]) if name in found else None
    if customer is None:
        raise BadInput(f"{name!r} is nobody we know", "name a OneID, or an identifier as kind:value", field)
    return customer


def _rewrite_later(work: Work, parted: MergeRow, meeting: parting.Meeting) -> None:
    """Take what goes out of the later lines of the winner's merge log, too: they are parted from what it is then."""
    for row in work.unit.merges(parted.winner, _EVERY):
        if row.winner == parted.winner and not row.undone and _is_later(row, parted) and row.ours and row.united:
            ours, united = parting.remainder(row.ours, meeting), parting.remainder(row.united, meeting)
            work.changes.merges.append(replace(row, ours=ours, united=united))


def _is_later(row: MergeRow, parted: MergeRow) -> bool:
    """Did the winner take this one in after the other? Of one instant, when it had taken in more already."""
    if row.ours is None or parted.ours is None:
        return False
    return (row.at, row.ours.absorbed) > (parted.at, parted.ours.absorbed)


def _with_free_identifiers(work: Work, back: Customer, winner: str) -> Customer:
    """Return the parted customer with those of its identifiers that nobody else has got meanwhile, and take them."""
    keys = [f"{kind}:{value}" for kind, values in back.identifiers.items() for value in values]
    leads = work.unit.resolve(keys)
    free = {key for key in keys if leads.get(key, winner) in {winner, back.id}}
    work.changes.identifiers.update(dict.fromkeys(sorted(free), back.id))
    held = {
        kind: tuple(value for value in values if f"{kind}:{value}" in free) for kind, values in back.identifiers.items()
    }
    return replace(back, identifiers={kind: values for kind, values in held.items() if values})


def _followers(work: Work, customer: str) -> list[str]:
    """Return everybody who was merged into the customer, or into one of these, and still is."""
    found: list[str] = []
    ahead = [customer]
    while ahead:
        winner = ahead.pop()
        losers = [row.loser for row in work.unit.merges(winner, _EVERY) if row.winner == winner and not row.undone]
        found += losers
        ahead += losers
    return found


def _settle_reviews(work: Work, one: Customer, other: Customer) -> None:
    """Close what was open between the two."""
    pair = {one.id, other.id}
    held = [*one.identifiers.items(), *other.identifiers.items()]
    for row in work.contested(f"{kind}:{value}" for kind, values in held for value in values).values():
        # Whoever claimed it may have got another name since.
        claimants = {one.id for one in map(work.customer, row.claimants) if one is not None}
        if row.holder in pair and claimants <= pair:
            work.contest(replace(row, state="settled"))

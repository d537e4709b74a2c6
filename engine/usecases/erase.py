"""Erasure and what comes after it: the ledger line, what goes at once, late entries dropped, people readmitted.

The ledger holds fingerprints only, so it may outlive everything that it speaks of. The log is purged by `purge.py`, in
chunks, afterwards. Called by `direct` for the directives and by `advance` for every batch; free while nobody is erased.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.core.audience.identity import Rules
from engine.core.events import Directive, Entry, Erased, Event, Outcome, Receipt, encode, without
from engine.core.ids import Micros
from engine.core.policy import Policy
from engine.core.state import Customer
from engine.ports import ErasureRow, EventLog, Logged, MergeRow, Reader, SuppressionRow, TouchQuery, TouchRow
from engine.usecases import purge
from engine.usecases.accounts import leave
from engine.usecases.fingerprints import fingerprints
from engine.usecases.mentions import Known, addresses
from engine.usecases.purge import ERASED
from engine.usecases.work import Work

Places: TypeAlias = list[tuple[Logged, Entry]]

REMEMBERED: Final = 1_000
"""Latest touches of an erased person whose late receipts and outcomes are known for what they are."""

_EVERY: Final = 1_000_000_000


# --- an operator's word -----------------------------------------------------------------------------


def erase(work: Work, policy: Policy, directive: Directive) -> None:
    """Write the ledger line, take the customer and all that is theirs out of the store, and ask for the log's purge.

    `properties["keys"]` are the fingerprints that whoever asked knew; those of the identifiers that the customer has
    now are added. Every address stays shut, by its fingerprint. Somebody unknown gets the ledger line and the purge.
    """
    customer = work.customer(directive.subject)
    known = purge.known_of(directive)
    if customer is not None:
        others = _addressed(work, customer) if customer.account else []
        known = _all_of(work, policy, customer, [*_touches(work, customer), *others], known)
        leave(work, customer.account, customer)
        work.changes.addressed += [row.touch.id for row in others]
        work.changes.erased.append(customer.id)
        _take_out_of_others(work, customer)
    before = next((row for row in work.unit.erasures() if row.customer == known.customer), None)
    at = directive.received
    keys = known.keys if before is None else tuple(sorted({*known.keys, *before.keys}))
    dropped = 0 if before is None else before.dropped
    done = purge.done_of(directive) if customer is None else 0
    if customer is None and before is not None and set(known.keys) <= set(before.keys):
        done = before.done  # said again: what is under way goes on, what is done stays so
    else:
        work.changes.jobs += [] if done else [purge.begin(known, work.unit.jobs())]
    shut = known.shut if before is None else tuple(sorted({*known.shut, *before.shut}))
    work.changes.erasures.append(ErasureRow(known.customer, at, keys, done, dropped, shut))
    work.changes.suppressions += _shut(work, known.shut, at)


def readmit(work: Work, directive: Directive) -> None:
    """Let the erased person whose fingerprint this is be heard again, as somebody new.

    The whole ledger line goes; of their addresses only this one is open again. Nothing happens for an unknown one.
    """
    key = directive.subject
    owner = work.unit.erased([key]).get(key)
    if owner is None:
        return
    line = next((row for row in work.unit.erasures() if row.customer == owner), None)
    work.changes.readmitted += [key] if line is None else line.keys
    shut = work.unit.suppressed([key]).get(key)
    if shut is not None and shut.why == ERASED:
        work.changes.released.append(key)


def names_of(store: Reader, customer: Customer) -> set[str]:
    """Return every "kind:value" that was ever known to be the customer's, those of people merged into them too."""
    people, waiting, met = [customer], [customer.id], {customer.id}
    while waiting:
        id_ = waiting.pop()
        for row in store.merges(id_, _EVERY):
            if row.winner != id_ or row.undone:
                continue
            people += [one for one in (row.ours, row.theirs, row.united) if one is not None]
            if row.loser not in met:
                met.add(row.loser)
                waiting.append(row.loser)
    return {f"{kind}:{value}" for one in people for kind, values in one.identifiers.items() for value in values}


def marks_of(store: Reader, customer_id: str) -> list[str]:
    """Return the fingerprints of all that `names_of` finds: what an erasure's directive carries."""
    customer = store.customers([customer_id]).get(customer_id)
    return [] if customer is None else sorted(fingerprints(store.pepper(), names_of(store, customer)).values())


def _take_out_of_others(work: Work, customer: Customer) -> None:
    """Take what is kept of the customer with those who were one with it for a while out of them.

    Of the merge log only lines that are undone still hold any: nothing is given back by them any more. Its own lines go
    with the customer.
    """
    found: dict[str, MergeRow] = {}
    waiting, met = [customer.id], {customer.id}
    while waiting:
        for row in work.unit.merges(waiting.pop(), _EVERY):
            found[row.id] = row
            # Down to whoever is the customer now, up to whoever took one of these in.
            fresh = {row.winner} if row.undone else {row.loser, row.winner}
            waiting += fresh - met
            met |= fresh
    lines = [row for row in found.values() if row.undone and row.ours is not None]
    work.changes.merges += [replace(row, ours=None, theirs=None, united=None) for row in lines]
    held = {value for values in customer.identifiers.values() for value in values}
    for other in {one.id: one for one in map(work.customer, sorted(met)) if one is not None}.values():
        kept = {name: why for name, why in other.suppressed.items() if name.partition(":")[2] not in held}
        if other.id != customer.id and len(kept) < len(other.suppressed):
            work.put(replace(other, suppressed=kept))


def _shut(work: Work, keys: Sequence[str], at: Micros) -> list[SuppressionRow]:
    """Return the rows that keep addresses shut without naming them; what was shut before keeps its reason."""
    known = work.unit.suppressed(list(keys))
    return [
        replace(known[key], address="") if key in known else SuppressionRow(key, "", ERASED, at, ERASED) for key in keys
    ]


def _all_of(work: Work, policy: Policy, customer: Customer, rows: Sequence[TouchRow], known: Known) -> Known:
    pepper = work.unit.pepper()
    names = names_of(work.unit, customer)
    kinds = {kind for channel, kind in policy.addresses.items() if channel != "webhook"}
    carried = {
        f"{policy.addresses.get(channel, channel)}:{value}"
        for channel, _, value in (key.partition(":") for key in customer.suppressed)
    }
    codes = tuple((row.pool, row.code) for row in work.unit.coupons(customer.id, limit=_EVERY))
    marks = names | {mark for row in rows[:REMEMBERED] for mark in _marks(row)}
    keys = {*known.keys, *fingerprints(pepper, marks).values()}
    return replace(
        known,
        customer=customer.id,
        names=tuple(sorted(names)),
        keys=tuple(sorted(keys)),
        shut=tuple(sorted({*known.shut, *fingerprints(pepper, [*addresses(names, kinds), *carried]).values()})),
        kinds=tuple(sorted(kinds)),
        touches=tuple(row.touch.id for row in rows),
        provided=tuple((row.provider, row.provider_id) for row in rows if row.provider_id),
        codes=codes,
        # Pools are stocked, and colleagues written to, before the customer is known.
        since=0 if codes or customer.account else customer.created,
    )


def _touches(work: Work, customer: Customer) -> list[TouchRow]:
    """Return the customer's touches, newest first, those of this very unit too."""
    stored = {row.touch.id: row for row in work.unit.find_touches(TouchQuery(customer=customer.id, limit=_EVERY))}
    here = {id_: row for id_, row in work.rows.items() if row.touch.customer == customer.id}
    return sorted((stored | here).values(), key=lambda row: -row.touch.planned)


def _addressed(work: Work, customer: Customer) -> list[TouchRow]:
    """Return touches of colleagues that went, or are to go, to the customer as the contact of their company."""
    ids = {customer.id, *customer.merged}
    stored = [row for id_ in sorted(ids) for row in work.unit.find_touches(TouchQuery(recipient=id_, limit=_EVERY))]
    here = [row for row in work.rows.values() if row.touch.recipient in ids]
    return list({row.touch.id: row for row in [*stored, *here]}.values())


def _marks(row: TouchRow) -> tuple[str, ...]:
    touch = f"touch:{row.touch.id}"
    return (touch, f"provider:{row.provider}/{row.provider_id}") if row.provider_id else (touch,)


# --- what comes too late ----------------------------------------------------------------------------


def shut_out(work: Work, log: EventLog, places: Places, rules: Rules) -> Places:
    """Return the batch with the entries that name an erased person made nothing of, in the log as well.

    Call it before anybody is looked up. Where somebody else is meant (a device of the erased person in another's hands)
    only the erased identifiers go. One indexed look-up, and none while the ledger is empty.
    """
    if not work.unit.erasures(1):
        return places
    named = [(place, _named(place[1], rules)) for place in places]
    prints = fingerprints(work.unit.pepper(), {name for _, names in named for name in names})
    owners = work.unit.erased(list(prints.values()))
    if not owners:
        return places
    whose = {name: owners[key] for name, key in prints.items() if key in owners}
    rewritten: dict[int, bytes] = {}
    kept: Places = []
    for (logged, entry), names in named:
        left = entry if whose.keys().isdisjoint(names) else _left(work, entry, names, whose, rules)
        if left is not entry:
            rewritten[logged.offset] = encode(left)
        kept.append((logged, left))
    log.rewrite(rewritten)
    _ask_for_scrub(work)
    return kept


def count(work: Work, entry: Erased) -> None:
    """Count a late entry in the ledger; what the purge left of an earlier one is nothing at all."""
    if entry.late:
        _ask_for_scrub(work)
        work.changes.dropped[entry.late] = work.changes.dropped.get(entry.late, 0) + 1


def _ask_for_scrub(work: Work) -> None:
    job = purge.scrub_only()
    if job not in work.changes.jobs:
        work.changes.jobs.append(job)


def _named(entry: Entry, rules: Rules) -> list[str]:
    """Return the names by which the ledger may know an entry, of an event the strongest identifier first."""
    match entry:
        case Event(about=about):
            return [f"touch:{about}"] if about else rules.keys(entry.identifiers)
        case Outcome(touch=touch):
            return [f"touch:{touch}"]
        case Receipt(touch=touch, recipient=recipient):
            if touch:
                return [f"touch:{touch}"]
            # It may come before the outcome that tells under which id the provider knows the touch.
            spelled = dict.fromkeys((recipient, recipient.strip().casefold())) if recipient else ()
            return [_provided(entry), *(name for one in spelled for name in rules.readings(one))]
        case Directive(verb="erase" | "readmit" | "publish" | "stock"):
            return []
        case Directive(identifiers=identifiers):
            said = [name for name in (entry.subject, entry.value) if ":" in name]
            return rules.keys(identifiers) or [*said, *_listed(entry)]
        case Erased():
            return []


def _left(work: Work, entry: Entry, names: Sequence[str], whose: Mapping[str, str], rules: Rules) -> Entry:
    """Return what is left of an entry that names an erased person: all but their identifiers, or nothing."""
    hits = [name for name in names if name in whose]
    nothing = Erased(entry.received, whose[hits[0]])
    if isinstance(entry, Receipt) and not entry.touch and _provided(entry) not in whose:
        is_others = work.provided(entry.provider, entry.provider_id) is not None
        return entry if is_others else nothing
    if isinstance(entry, Directive) and set(hits) <= set(_listed(entry)):
        kept = [name for name in _listed(entry) if name not in whose]
        return replace(entry, properties={**entry.properties, "addresses": kept})
    if not isinstance(entry, Event) or names[0] in whose:
        return nothing
    others = [name for name in names if name not in whose]
    is_strong = any(_kind(name) in rules.strong for name in hits)
    if _kind(others[0]) not in rules.strong or (is_strong and not work.unit.resolve(others)):
        return nothing
    return without(entry, hits)


def _provided(receipt: Receipt) -> str:
    return f"provider:{receipt.provider}/{receipt.provider_id}"


def _listed(directive: Directive) -> list[str]:
    """Return the addresses that a word about many (`suppress`) lists."""
    said = directive.properties.get("addresses")
    return [str(name) for name in said] if isinstance(said, list | tuple) else []


def _kind(name: str) -> str:
    return name.partition(":")[0]

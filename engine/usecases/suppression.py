"""The suppression list: addresses that nothing is sent to, whoever holds them now or later.

Put on it by hard bounces, complaints, repeated soft bounces, imports and operators; taken off by an operator alone.
The list is asked in the transaction that lets a touch leave; customers carry what is shut for them, so that planning
knows. Addresses are named "kind:value" and kept by fingerprint (`fingerprints.py`), which outlasts an erasure.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from engine.core.delivery import Fact
from engine.core.errors import BadInput
from engine.core.events import Directive, Event
from engine.core.ids import DAY, Micros
from engine.core.policy import Policy
from engine.core.state import Customer
from engine.ports import Reader, SuppressionRow, TouchQuery, TouchRow
from engine.usecases.fingerprints import fingerprint, fingerprints
from engine.usecases.whose import written_to
from engine.usecases.work import Work

SOFT_LIMIT: Final = 5
SOFT_WINDOW: Final = 30 * DAY
"""So many soft bounces within this, with no delivery between, shut an address."""

MANUAL: Final = "manual"

_ARRIVED: Final = Fact.DELIVERED | Fact.OPENED | Fact.CLICKED | Fact.REPLIED
_LOOKED_AT: Final = 200


def name_of(policy: Policy, row: TouchRow) -> str:
    """Return how the list names the touch's address: "email:mei@brand.example", "phone:+8613800000000"."""
    channel = row.touch.channel
    return f"{policy.addresses.get(channel, channel)}:{row.touch.address}"


def shut_rows(store: Reader, policy: Policy, rows: Sequence[TouchRow]) -> dict[str, str]:
    """Return touch id -> reason for those messages whose address is on the list; an empty list costs one look."""
    if not rows or not store.suppressions("", 1):
        return {}
    named = {row.touch.id: name_of(policy, row) for row in rows if row.touch.kind == "message"}
    found = _listed(store, named.values())
    return {touch: found[name] for touch, name in named.items() if name in found}


# --- what a customer carries ------------------------------------------------------------------------


def look_up(work: Work, names: Iterable[str]) -> None:
    """Remember in the unit which of the identifiers that nobody has yet are on the list."""
    if work.unit.suppressions("", 1):
        work.shut.update(_listed(work.unit, names))


def heed(work: Work, policy: Policy, customer: Customer, event: Event) -> Customer:
    """Return the customer with every address that the event brings and that is on the list shut for it."""
    for kind, value in event.identifiers.items():
        why = work.shut.get(f"{kind}:{value}")
        if why:
            customer = mark(policy, customer, f"{kind}:{value}", why)
    return customer


def mark(policy: Policy, customer: Customer, name: str, why: str) -> Customer:
    """Return the customer with the address shut on every channel that sends to it; the first reason stays.

    >>> sorted(mark(Policy(), Customer("c1", created=0), "phone:+8613800000000", "manual").suppressed.items())
    [('sms:+8613800000000', 'manual')]
    """
    fresh = {key: why for key in _carried(policy, name) if key not in customer.suppressed}
    return replace(customer, suppressed={**customer.suppressed, **fresh}) if fresh else customer


# --- on the list and off it -------------------------------------------------------------------------


def shut(work: Work, policy: Policy, row: TouchRow, why: str, at: Micros) -> None:
    """Put the touch's address on the list and shut it for whoever was written to."""
    name = name_of(policy, row)
    _put_on(work, name, why, at, row.provider or "receipt")
    for person in written_to(work, row.touch):
        work.put(mark(policy, person, name, why))


def suppress(work: Work, policy: Policy, directive: Directive) -> None:
    """Put addresses on the list by an operator's word (`value` says why), and shut them for their holders.

    `subject` is the address, or where the addresses of `properties` {"addresses": [...]} come from.
    """
    listed = directive.properties.get("addresses")
    said = [str(one) for one in listed] if isinstance(listed, list) else [directive.subject]
    names = [_name_said(policy, one) for one in said]
    why = directive.value or MANUAL
    holders = work.unit.resolve(names)
    work.gather(dict.fromkeys(holders.values()))
    for name in names:
        _put_on(work, name, why, directive.at, directive.by)
        holder = work.customer(holders[name]) if name in holders else None
        if holder is not None:
            work.put(mark(policy, holder, name, why))


def unsuppress(work: Work, policy: Policy, directive: Directive) -> None:
    """Take an address off the list by an operator's word, and open it for its holder."""
    name = _name_said(policy, directive.subject)
    work.changes.released.append(fingerprint(work.unit.pepper(), name))
    found = work.unit.resolve([name])
    holder = work.customer(found[name]) if name in found else None
    if holder is not None:
        gone = _carried(policy, name)
        kept = {key: why for key, why in holder.suppressed.items() if key not in gone}
        work.put(replace(holder, suppressed=kept))


def bounces_often(work: Work, row: TouchRow, at: Micros) -> bool:
    """Did the touch's address bounce softly too often of late, nothing having arrived between? Includes this touch."""
    query = TouchQuery(customer=row.touch.customer, channel=row.touch.channel, limit=_LOOKED_AT)
    rows = {found.touch.id: found for found in work.unit.find_touches(query)}
    rows |= {id_: mine for id_, mine in work.rows.items() if id_ in rows or id_ == row.touch.id}
    sent = [one for one in rows.values() if one.touch.address == row.touch.address and one.first_attempt]
    bounced = 0
    for one in sorted(sent, key=lambda one: (one.first_attempt, one.touch.id), reverse=True):
        if one.facts & _ARRIVED or one.first_attempt < at - SOFT_WINDOW:
            break
        bounced += bool(one.facts & Fact.SOFT_BOUNCE)
    return bounced >= SOFT_LIMIT


# --- names ------------------------------------------------------------------------------------------


def _listed(store: Reader, names: Iterable[str]) -> dict[str, str]:
    """Return name -> reason for those names that are on the list."""
    keys = fingerprints(store.pepper(), names)
    rows = store.suppressed(list(keys.values()))
    return {name: rows[key].why for name, key in keys.items() if key in rows}


def _put_on(work: Work, name: str, why: str, at: Micros, source: str) -> None:
    key = fingerprint(work.unit.pepper(), name)
    work.shut.setdefault(name, why)
    if work.unit.suppressed([key]) or any(row.key == key for row in work.changes.suppressions):
        return
    work.changes.suppressions.append(SuppressionRow(key, name, why, at, source))


def _carried(policy: Policy, name: str) -> set[str]:
    """Return how customers carry the address: by each channel that sends to its kind."""
    kind, _, value = name.partition(":")
    return {f"{channel}:{value}" for channel, sends_to in policy.addresses.items() if sends_to == kind} or {name}


def _name_said(policy: Policy, said: str) -> str:
    """Return the address as the list names it; a channel may stand for the kind of identifier it sends to."""
    kind, _, value = said.partition(":")
    kind = policy.addresses.get(kind, kind)
    if not value or kind not in policy.addresses.values():
        known = ", ".join(sorted(set(policy.addresses.values())))
        raise BadInput(f"{said!r} is no address", f"write kind:value, the kind one of {known}", "subject")
    return f"{kind}:{value}"

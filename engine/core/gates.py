"""May this touch fly? Consent, suppression, caps and quiet hours, as values in one fixed order.

Checked when a touch is planned (`steps`) and again in the transaction that commits it in flight (`deliver`).
Stop flags are the use cases' own; they need the store.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from engine.core.calendar import quiet_until, zone_of
from engine.core.commands import Touch
from engine.core.ids import Micros
from engine.core.plan import Cap, Policy, Quiet
from engine.core.state import Customer, Reserved


class Go(msgspec.Struct, frozen=True, tag="go"):
    """Every gate is open."""


class Defer(msgspec.Struct, frozen=True, tag="defer"):
    """Not before `until`; ask again then."""

    until: Micros
    why: str


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Never; `why` is shown in the delivery log."""

    why: str


Verdict: TypeAlias = Go | Defer | Drop

GO: Final = Go()

MOST_RESERVED: Final = 1_000
"""A customer remembers this many reservations at most; the oldest are forgotten first."""


def check(touch: Touch, customer: Customer, policy: Policy, quiet: Quiet | None, now: Micros) -> Verdict:
    """Return whether the touch may leave at `now` (or at its own `due`, if that is later).

    The order is fixed, so that the reason given is always the same one: expiry, consent to the purpose, to the purpose
    over this channel and to the channel, address and suppression, frequency caps, quiet hours. `quiet` is the
    journey's; the policy's holds when it is None. Purposes in `policy.exempt` skip caps and quiet hours, nothing else.
    What the quiet hours put off must fit under the caps when it leaves, too. A task or a webhook goes to no customer:
    of all gates only expiry, address and suppression are asked.
    """
    if touch.expires and now > touch.expires:
        return Drop("expired")
    if touch.kind != "message":
        return _deliverable(touch, customer) or GO
    refused = refusal(customer, policy, touch.purpose, touch.channel)
    if refused:
        return Drop(f"no consent for {refused}")
    undeliverable = _deliverable(touch, customer)
    if undeliverable is not None:
        return undeliverable
    if touch.purpose in policy.exempt:
        return GO
    when = max(now, touch.due)
    cap = _exceeded(touch, customer, policy, when)
    if cap is not None:
        return Drop(f"frequency_cap: {describe(cap)}")
    verdict = _hush(touch, customer, policy, quiet or policy.quiet, when)
    if isinstance(verdict, Defer):
        cap = _exceeded(touch, customer, policy, verdict.until)
        if cap is not None:
            return Drop(f"frequency_cap: {describe(cap)}")
    return verdict


def yielding(
    touch: Touch, customer: Customer, policy: Policy, quiet: Quiet | None, now: Micros
) -> tuple[Reserved, ...]:
    """Return the reservations that give way to a touch which `check` refuses; () when that would not let it pass.

    Only those of lower priority that are still to come, the lowest first and the latest of these, and no more than are
    needed: whoever is not returned could not have made room in place of one that is and matters more.
    """
    lower = [held for held in customer.reserved if held.priority < touch.priority and held.at > now]
    if not lower or not _passes(touch, _without(customer, lower), policy, quiet, now):
        return ()
    lower.sort(key=lambda held: (held.priority, -held.at, held.touch))
    gone: list[Reserved] = []
    for held in lower:
        gone.append(held)
        if _passes(touch, _without(customer, gone), policy, quiet, now):
            break
    for held in reversed(gone[:]):
        rest = [other for other in gone if other is not held]
        if _passes(touch, _without(customer, rest), policy, quiet, now):
            gone = rest
    return tuple(gone)


def allows(customer: Customer, policy: Policy, name: str) -> bool:
    """Say whether the customer's word and the policy let us use this purpose, channel or cell ("newsletter:sms").

    Unknown names need a yes. A yes to one channel of a purpose is a yes to the purpose, as far as that channel goes.

    >>> allows(Customer(id="c", created=0), Policy(), "marketing")
    False
    >>> allows(Customer(id="c", created=0), Policy(), "email"), allows(Customer("c", 0), Policy(), "marketing:email")
    (True, False)
    """
    purpose, colon, channel = name.partition(":")
    if colon:
        return not refusal(customer, policy, purpose, channel)
    mode = policy.purposes.get(name) or policy.channels.get(name) or "opt_in"
    if mode == "none":
        return True
    said = customer.consents.get(name)
    if said is not None:
        return said.granted
    return mode == "opt_out" or any(
        word.granted and cell.startswith(f"{name}:") for cell, word in customer.consents.items()
    )


def refusal(customer: Customer, policy: Policy, purpose: str, channel: str) -> str:
    """Return the name of what the customer has not allowed, of purpose, channel and their cell; "" when all is allowed.

    A no to any of the three stops. A yes to the purpose covers the channels it is offered for; a yes to the cell covers
    that one.

    >>> refusal(Customer(id="c", created=0), Policy(), "marketing", "email")
    'marketing'
    """
    consents = customer.consents
    if policy.purposes.get(purpose) != "none":
        cell = consents.get(f"{purpose}:{channel}")
        if not allows(customer, policy, purpose):
            return purpose
        if cell is None:
            offered = policy.offers.get(purpose)
            if (offered and channel not in offered) or not _covers(customer, policy, purpose):
                return f"{purpose}:{channel}"
        elif not cell.granted:
            return f"{purpose}:{channel}"
    return "" if allows(customer, policy, channel) else channel


def reach(customer: Customer, policy: Policy, channel: str) -> str:
    """Return the address to use on this channel, "" when there is none that may be used.

    >>> reach(Customer(id="c", created=0, identifiers={"email": ("mei@brand.example",)}), Policy(), "email")
    'mei@brand.example'
    """
    address = customer.address(policy.addresses.get(channel, ""))
    if not address or f"{channel}:{address}" in customer.suppressed or not allows(customer, policy, channel):
        return ""
    return address


def reserve(customer: Customer, touch: Touch, policy: Policy | None = None) -> Customer:
    """Return the customer with the touch counted against the caps at its due time; once per touch id.

    With the policy given, reservations that no cap can count any more are forgotten.
    """
    kept = [held for held in customer.reserved if held.touch != touch.id]
    kept.append(Reserved(touch.due, touch.channel, touch.purpose, touch.id, touch.priority))
    if policy is not None:
        kept = _countable(kept, policy, touch.planned)
    if len(kept) > MOST_RESERVED:
        kept = sorted(kept, key=lambda held: held.at)[-MOST_RESERVED:]
    return msgspec.structs.replace(customer, reserved=tuple(kept))


def release(customer: Customer, touch_id: str) -> Customer:
    """Return the customer with the touch's reservation given back: it was certainly not sent."""
    if not any(held.touch == touch_id for held in customer.reserved):
        return customer
    return msgspec.structs.replace(
        customer, reserved=tuple(held for held in customer.reserved if held.touch != touch_id)
    )


def describe(cap: Cap) -> str:
    """Return the cap in words for the delivery log.

    >>> describe(Cap(at_most=1, per=86_400_000_000, channel="sms"))
    'at most 1 by sms in 1d'
    """
    of = (f" by {cap.channel}" if cap.channel else "") + (f" for {cap.purpose}" if cap.purpose else "")
    return f"at most {cap.at_most}{of} in {_length(cap.per)}"


def _covers(customer: Customer, policy: Policy, purpose: str) -> bool:
    """Does the purpose's own word, or its mode, allow it on every channel (not only a yes to some of them)?"""
    said = customer.consents.get(purpose)
    return policy.purposes.get(purpose) == "opt_out" if said is None else said.granted


def _deliverable(touch: Touch, customer: Customer) -> Drop | None:
    """Return why the touch can go nowhere, None when it can."""
    if not touch.address:
        return Drop(f"no address for {touch.channel}")
    suppressed = customer.suppressed.get(f"{touch.channel}:{touch.address}")
    return None if suppressed is None else Drop(f"suppressed: {suppressed}")


def _passes(touch: Touch, customer: Customer, policy: Policy, quiet: Quiet | None, now: Micros) -> bool:
    return not isinstance(check(touch, customer, policy, quiet, now), Drop)


def _without(customer: Customer, gone: Sequence[Reserved]) -> Customer:
    kept = tuple([held for held in customer.reserved if held not in gone])
    return msgspec.structs.replace(customer, reserved=kept)


def _exceeded(touch: Touch, customer: Customer, policy: Policy, when: Micros) -> Cap | None:
    for cap in policy.caps:
        if cap.channel not in {"", touch.channel} or cap.purpose not in {"", touch.purpose}:
            continue
        times = [
            held.at
            for held in customer.reserved
            if held.touch != touch.id
            and abs(held.at - when) < cap.per
            and held.purpose not in policy.exempt
            and cap.channel in {"", held.channel}
            and cap.purpose in {"", held.purpose}
        ]
        if _crowd(times, when, cap.per) >= cap.at_most:
            return cap
    return None


def _crowd(times: list[Micros], when: Micros, per: Micros) -> int:
    """Return the most of `times` that share any window of length `per` with `when` (touches may be planned ahead)."""
    starts = [start for start in times if start <= when] or [when]
    return max(sum(1 for at in times if start <= at < start + per) for start in [*starts, when])


def _hush(touch: Touch, customer: Customer, policy: Policy, quiet: Quiet | None, when: Micros) -> Verdict:
    if quiet is None:
        return GO
    until = quiet_until(when, quiet, zone_of(customer, policy))
    if not until:
        return GO
    if quiet.late == "drop" or touch.late == "drop":
        return Drop("quiet hours")
    if touch.expires and until > touch.expires:
        return Drop("quiet hours last past its expiry")
    return Defer(until, "quiet hours")


def _countable(held: list[Reserved], policy: Policy, now: Micros) -> list[Reserved]:
    longest = max((cap.per for cap in policy.caps), default=0)
    return [one for one in held if one.at > now - longest]


_UNITS: Final = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000))


def _length(micros: Micros) -> str:
    for unit, size in _UNITS:
        if micros and micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros / 1_000_000:g}s"

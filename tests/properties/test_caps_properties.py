"""Who is written to when caps bind: never more than the cap, and never the lesser in place of the greater."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.core import gates
from engine.core.commands import Touch
from engine.core.ids import DAY, HOUR, Micros
from engine.core.plan import Cap, Policy, Quiet
from engine.core.state import Consent, Customer, Reserved

NOON = 20_000 * DAY + 12 * HOUR
MEI = Customer(
    "c1",
    created=0,
    identifiers={"email": ("mei@x.example",), "phone": ("+8613800000000",)},
    consents={"marketing": Consent(True, 1)},
)
ADDRESSES = {"email": "mei@x.example", "sms": "+8613800000000"}

caps = st.lists(
    st.builds(Cap, st.integers(1, 3), st.sampled_from([HOUR, 6 * HOUR, DAY]), st.sampled_from(["", "email", "sms"])),
    min_size=1,
    max_size=2,
)
# When it is planned after the one before, how far ahead it is due, its priority and its channel.
asked = st.lists(
    st.tuples(st.integers(0, 4 * HOUR), st.integers(0, 12 * HOUR), st.integers(0, 3), st.sampled_from(list(ADDRESSES))),
    max_size=14,
)
quiets = st.sampled_from([None, Quiet(21 * 60, 9 * 60), Quiet(12 * 60, 14 * 60)])


def touch(number: int, now: Micros, due: Micros, priority: int, channel: str) -> Touch:
    return Touch(
        f"t{number}", "r", "j", "v", "1", "c1", channel, "hello", ADDRESSES[channel], "marketing", now, due,
        priority=priority,
    )  # fmt: skip


def over(reserved: tuple[Reserved, ...], policy: Policy) -> bool:
    """Does any window of any cap hold more than it allows? Counted anew, by the windows that begin at a touch."""
    for cap in policy.caps:
        times = sorted(held.at for held in reserved if cap.channel in {"", held.channel})
        if any(sum(1 for at in times if start <= at < start + cap.per) > cap.at_most for start in times):
            return True
    return False


def without(customer: Customer, gone: tuple[Reserved, ...]) -> Customer:
    return msgspec.structs.replace(customer, reserved=tuple(held for held in customer.reserved if held not in gone))


@given(caps, asked, quiets)
def test_what_is_kept_never_exceeds_a_cap_and_nothing_greater_gave_way_to_the_lesser(
    limits: list[Cap], wanted: list[tuple[int, int, int, str]], quiet: Quiet | None
) -> None:
    policy, customer, now = Policy(caps=tuple(limits)), MEI, NOON
    for number, (pause, ahead, priority, channel) in enumerate(wanted):
        now += pause
        asks = touch(number, now, now + ahead, priority, channel)
        verdict = gates.check(asks, customer, policy, quiet, now)
        gone = gates.yielding(asks, customer, policy, quiet, now) if isinstance(verdict, gates.Drop) else ()
        assert all(held.priority < priority and held.at > now for held in gone)
        room = without(customer, gone)
        if gone:
            verdict = gates.check(asks, room, policy, quiet, now)
            assert not isinstance(verdict, gates.Drop)
        match verdict:
            case gates.Drop():
                # Refused: not even all that is of lower priority and still to come could have made room.
                lower = tuple(held for held in customer.reserved if held.priority < priority and held.at > now)
                alone = gates.check(asks, without(customer, lower), policy, quiet, now)
                assert isinstance(alone, gates.Drop)
                continue
            case gates.Defer(until=until):
                asks = msgspec.structs.replace(asks, due=until)
            case gates.Go():
                pass
        customer = gates.reserve(room, asks)
        assert not over(customer.reserved, policy)
        for displaced in gone:
            _cannot_be_spared(asks, customer, displaced, (policy, quiet, now))


def _cannot_be_spared(
    asks: Touch, after: Customer, displaced: Reserved, gate: tuple[Policy, Quiet | None, Micros]
) -> None:
    """No kept message of lower priority could have given way in place of the displaced one."""
    policy, quiet, now = gate
    others = gates.release(after, asks.id)
    back = msgspec.structs.replace(others, reserved=(*others.reserved, displaced))
    assert isinstance(gates.check(asks, back, policy, quiet, now), gates.Drop)
    for kept in others.reserved:
        if kept.priority < displaced.priority and kept.at > now:
            swapped = without(back, (kept,))
            assert isinstance(gates.check(asks, swapped, policy, quiet, now), gates.Drop)

"""May it fly? One test per gate, and the order in which they speak."""

from typing import Any

import msgspec
import pytest

from engine.core import gates
from engine.core.commands import Touch
from engine.core.gates import Defer, Drop, Go
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import Cap, Policy, Quiet
from engine.core.state import Consent, Customer, Reserved

NOON = 20_000 * DAY + 12 * HOUR  # in UTC, the default zone
NIGHT = Quiet(21 * 60, 9 * 60)
YES = {"marketing": Consent(True, 1)}


def touch(**fields: Any) -> Touch:
    plain = Touch(
        id="t1",
        run="r1",
        journey="cart",
        version="v1",
        step="1",
        customer="c1",
        channel="email",
        template="hello",
        address="mei@x.example",
        purpose="marketing",
        planned=NOON,
        due=NOON,
    )
    return msgspec.structs.replace(plain, **fields)


def mei(**fields: Any) -> Customer:
    plain = Customer(
        id="c1", created=0, identifiers={"email": ("mei@x.example",), "phone": ("+8613800000000",)}, consents=YES
    )
    return msgspec.structs.replace(plain, **fields)


def capped(*caps: Cap, quiet: Quiet | None = None) -> Policy:
    return Policy(caps=caps, quiet=quiet)


def test_every_gate_open_is_go() -> None:
    assert gates.check(touch(), mei(), Policy(), None, NOON) == Go()


def test_a_touch_is_dropped_after_its_expiry_not_at_it() -> None:
    assert gates.check(touch(expires=NOON), mei(), Policy(), None, NOON) == Go()
    assert gates.check(touch(expires=NOON), mei(), Policy(), None, NOON + 1) == Drop("expired")


def test_marketing_needs_a_yes_and_transactional_none() -> None:
    silent = mei(consents={})
    assert gates.check(touch(), silent, Policy(), None, NOON) == Drop("no consent for marketing")
    assert gates.check(touch(purpose="transactional"), silent, Policy(), None, NOON) == Go()


def test_a_no_to_the_channel_holds_for_every_purpose() -> None:
    said_no = mei(consents={**YES, "email": Consent(False, 2)})
    for purpose in ("marketing", "transactional"):
        assert gates.check(touch(purpose=purpose), said_no, Policy(), None, NOON) == Drop("no consent for email")


def test_an_unknown_channel_or_purpose_needs_a_yes() -> None:
    assert gates.check(touch(channel="pigeon"), mei(), Policy(), None, NOON) == Drop("no consent for pigeon")
    assert not gates.allows(mei(), Policy(), "surveys")
    assert gates.allows(mei(consents={"surveys": Consent(True, 1)}), Policy(), "surveys")


def test_a_suppressed_address_is_dropped_with_its_reason_by_its_channel_only() -> None:
    bounced = mei(suppressed={"email:mei@x.example": "hard bounce"})
    assert gates.check(touch(), bounced, Policy(), None, NOON) == Drop("suppressed: hard bounce")
    by_sms = touch(channel="sms", address="+8613800000000")
    assert gates.check(by_sms, bounced, Policy(), None, NOON) == Go()
    assert gates.check(touch(address=""), mei(), Policy(), None, NOON) == Drop("no address for email")


def test_reach_gives_the_newest_address_that_may_be_used() -> None:
    assert (
        gates.reach(mei(identifiers={"email": ("old@x.example", "new@x.example")}), Policy(), "email")
        == "new@x.example"
    )
    assert gates.reach(mei(), Policy(), "wechat") == ""
    assert gates.reach(mei(), Policy(), "pigeon") == ""
    assert gates.reach(mei(suppressed={"sms:+8613800000000": "stop"}), Policy(), "sms") == ""
    assert gates.reach(mei(consents={"sms": Consent(False, 1)}), Policy(), "sms") == ""


DAILY_SMS = Cap(at_most=1, per=DAY, channel="sms")


def reserved(*times: int, channel: str = "sms", purpose: str = "marketing") -> tuple[Reserved, ...]:
    return tuple(Reserved(at, channel, purpose, f"other-{place}") for place, at in enumerate(times))


def test_a_cap_drops_what_is_too_much_in_its_rolling_window() -> None:
    sms = touch(channel="sms", address="+8613800000000")

    def check(*times: int) -> gates.Verdict:
        return gates.check(sms, mei(reserved=reserved(*times)), capped(DAILY_SMS), None, NOON)

    assert check() == Go()
    assert check(NOON - DAY) == Go()
    assert check(NOON - DAY + 1) == Drop("frequency_cap: at most 1 by sms in 1d")
    assert check(NOON) == Drop("frequency_cap: at most 1 by sms in 1d")


def test_a_touch_planned_ahead_counts_for_the_windows_that_reach_it() -> None:
    sms = touch(channel="sms", address="+8613800000000")
    twice = Cap(at_most=2, per=DAY, channel="sms")
    near = mei(reserved=reserved(NOON + HOUR))
    assert gates.check(sms, near, capped(DAILY_SMS), None, NOON) == Drop("frequency_cap: at most 1 by sms in 1d")
    assert gates.check(sms, mei(reserved=reserved(NOON + DAY)), capped(DAILY_SMS), None, NOON) == Go()
    # One behind and one ahead, more than a day apart: no window holds all three.
    apart = mei(reserved=reserved(NOON - 13 * HOUR, NOON + 13 * HOUR))
    assert gates.check(sms, apart, capped(twice), None, NOON) == Go()
    exactly = mei(reserved=reserved(NOON - 11 * HOUR, NOON + 13 * HOUR))
    assert gates.check(sms, exactly, capped(twice), None, NOON) == Go()
    close = mei(reserved=reserved(NOON - 11 * HOUR, NOON + 11 * HOUR))
    assert isinstance(gates.check(sms, close, capped(twice), None, NOON), Drop)


def test_a_cap_counts_neither_the_touch_itself_nor_other_channels_nor_exempt_purposes() -> None:
    sms = touch(channel="sms", address="+8613800000000")
    itself = mei(reserved=(Reserved(NOON, "sms", "marketing", "t1"),))
    assert gates.check(sms, itself, capped(DAILY_SMS), None, NOON) == Go()
    assert gates.check(sms, mei(reserved=reserved(NOON, channel="email")), capped(DAILY_SMS), None, NOON) == Go()
    receipts = mei(reserved=reserved(NOON, purpose="transactional"))
    assert gates.check(sms, receipts, capped(DAILY_SMS), None, NOON) == Go()
    everything = Cap(at_most=1, per=7 * DAY, purpose="marketing")
    assert gates.check(sms, mei(reserved=reserved(NOON, channel="email")), capped(everything), None, NOON) == Drop(
        "frequency_cap: at most 1 for marketing in 7d"
    )


def test_exempt_purposes_skip_caps_and_quiet_hours_only() -> None:
    midnight = NOON + 12 * HOUR
    receipt = touch(channel="sms", address="+8613800000000", purpose="transactional")
    policy = capped(DAILY_SMS, quiet=NIGHT)
    assert gates.check(receipt, mei(reserved=reserved(midnight)), policy, None, midnight) == Go()
    stopped = mei(suppressed={"sms:+8613800000000": "stop"})
    assert gates.check(receipt, stopped, policy, None, midnight) == Drop("suppressed: stop")


def test_quiet_hours_defer_to_nine_in_the_customers_zone() -> None:
    shanghai = mei(traits={"timezone": "Asia/Shanghai"})
    assert gates.check(touch(), shanghai, capped(quiet=NIGHT), None, NOON) == Go()
    evening = NOON + 2 * HOUR  # 22:00 in Shanghai
    assert gates.check(touch(), shanghai, capped(quiet=NIGHT), None, evening) == Defer(
        evening + 11 * HOUR, "quiet hours"
    )
    assert gates.check(touch(), mei(), capped(quiet=NIGHT), None, evening) == Go()


def test_the_journeys_quiet_hours_come_before_the_policys() -> None:
    assert gates.check(touch(), mei(), capped(quiet=NIGHT), Quiet(11 * 60, 13 * 60), NOON) == Defer(
        NOON + HOUR, "quiet hours"
    )


def test_quiet_hours_look_at_the_touchs_own_time_when_that_is_later() -> None:
    tonight = touch(due=NOON + 10 * HOUR)
    assert gates.check(tonight, mei(), capped(quiet=NIGHT), None, NOON) == Defer(NOON + 21 * HOUR, "quiet hours")


def test_late_drop_and_an_early_expiry_drop_instead_of_waiting() -> None:
    night = NOON + 10 * HOUR
    strict = Quiet(21 * 60, 9 * 60, late="drop")
    assert gates.check(touch(), mei(), Policy(), strict, night) == Drop("quiet hours")
    assert gates.check(touch(late="drop"), mei(), Policy(), NIGHT, night) == Drop("quiet hours")
    hasty = touch(expires=night + HOUR)
    assert gates.check(hasty, mei(), Policy(), NIGHT, night) == Drop("quiet hours last past its expiry")
    patient = touch(expires=night + 11 * HOUR)
    assert gates.check(patient, mei(), Policy(), NIGHT, night) == Defer(night + 11 * HOUR, "quiet hours")


def test_the_first_reason_in_the_fixed_order_is_the_one_given() -> None:
    night = NOON + 10 * HOUR
    policy = capped(Cap(at_most=0, per=DAY), quiet=NIGHT)
    worst = mei(consents={"email": Consent(False, 1)}, suppressed={"email:mei@x.example": "bounce"})
    late = touch(expires=NOON)
    reasons = []
    for who, what in (
        (worst, late),
        (worst, touch()),
        (msgspec.structs.replace(worst, consents={**YES, "email": Consent(False, 1)}), touch()),
        (msgspec.structs.replace(worst, consents=YES), touch()),
        (mei(), touch()),
    ):
        verdict = gates.check(what, who, policy, None, night)
        assert isinstance(verdict, Drop)
        reasons.append(verdict.why.split(":")[0])
    assert reasons == ["expired", "no consent for marketing", "no consent for email", "suppressed", "frequency_cap"]


def test_a_reservation_is_made_once_and_given_back() -> None:
    once = gates.reserve(mei(), touch())
    assert once.reserved == (Reserved(NOON, "email", "marketing", "t1"),)
    moved = gates.reserve(once, touch(due=NOON + HOUR))
    assert moved.reserved == (Reserved(NOON + HOUR, "email", "marketing", "t1"),)
    assert gates.release(moved, "t1").reserved == ()
    assert gates.release(moved, "t2") is moved


def test_old_reservations_are_forgotten_once_no_cap_can_count_them() -> None:
    policy = capped(DAILY_SMS, Cap(at_most=4, per=7 * DAY))
    old = mei(reserved=reserved(NOON - 7 * DAY, NOON - 7 * DAY + 1, NOON + DAY))
    assert [held.touch for held in gates.reserve(old, touch(), policy).reserved] == ["other-1", "other-2", "t1"]


def test_reservations_are_bounded() -> None:
    many = mei(reserved=reserved(*range(NOON - gates.MOST_RESERVED, NOON)))
    kept = gates.reserve(many, touch()).reserved
    assert len(kept) == gates.MOST_RESERVED
    assert kept[-1].touch == "t1"


@pytest.mark.parametrize(
    ("per", "words"), [(7 * DAY, "7d"), (HOUR, "1h"), (90 * MINUTE, "90m"), (1_500_000, "1.5s"), (30_000_000, "30s")]
)
def test_a_cap_is_told_in_words(per: int, words: str) -> None:
    assert gates.describe(Cap(at_most=2, per=per)) == f"at most 2 in {words}"


def consented(**words: bool) -> Customer:
    """Somebody who said so: names with `__` are cells."""
    return mei(consents={name.replace("__", ":"): Consent(word, 1) for name, word in words.items()})


@pytest.mark.parametrize(
    ("who", "refused"),
    [
        (consented(), "marketing"),
        (consented(marketing=True), ""),
        (consented(marketing=True, email=False), "email"),
        (consented(marketing=True, marketing__email=False), "marketing:email"),
        (consented(marketing=True, marketing__sms=False), ""),
        (consented(marketing=False, marketing__email=True), "marketing"),
        (consented(marketing__email=True), ""),
        (consented(marketing__sms=True), "marketing:email"),
        (consented(marketing__email=True, email=False), "email"),
        (consented(marketing__email=False), "marketing"),
    ],
)
def test_a_no_anywhere_stops_and_a_yes_reaches_as_far_as_it_was_given(who: Customer, refused: str) -> None:
    assert gates.refusal(who, Policy(), "marketing", "email") == refused
    verdict = gates.check(touch(), who, Policy(), None, NOON)
    assert verdict == (Drop(f"no consent for {refused}") if refused else Go())
    assert gates.allows(who, Policy(), "marketing:email") == (not refused)


def test_a_yes_to_one_channel_of_a_purpose_lets_its_journeys_in() -> None:
    assert gates.allows(consented(marketing__sms=True), Policy(), "marketing")
    assert not gates.allows(consented(marketing__sms=False), Policy(), "marketing")


def test_a_yes_to_a_purpose_covers_the_channels_it_is_offered_for() -> None:
    policy = Policy(offers={"marketing": ("sms",)})
    assert gates.refusal(consented(marketing=True), policy, "marketing", "email") == "marketing:email"
    assert gates.refusal(consented(marketing=True), policy, "marketing", "sms") == ""
    assert gates.refusal(consented(marketing=True, marketing__email=True), policy, "marketing", "email") == ""


def test_a_purpose_that_asks_nobody_has_no_cells_to_refuse() -> None:
    assert gates.refusal(consented(transactional__email=False), Policy(), "transactional", "email") == ""


def test_a_purpose_until_a_no_takes_a_no_to_one_channel() -> None:
    policy = Policy(purposes={"news": "opt_out"})
    assert gates.refusal(consented(), policy, "news", "email") == ""
    assert gates.refusal(consented(news__email=False), policy, "news", "email") == "news:email"
    assert gates.refusal(consented(news__sms=False), policy, "news", "email") == ""

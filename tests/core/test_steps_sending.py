"""What a step plans to leave: messages with coupons, to contacts, tasks, webhooks; and who gives way under a cap."""

from typing import Any

import msgspec

from engine.core.commands import CancelTouch, CountArm, Decision, DropTouch, IssueCoupon, PlanTouch, Touch
from engine.core.decide import Failed, Wake, decide
from engine.core.events import Event
from engine.core.expression import Arithmetic, Constant, Expr, Path
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import (
    Again,
    Arm,
    Audience,
    Cap,
    Coupon,
    Daily,
    Goal,
    Leave,
    Manual,
    OnEvent,
    Plan,
    Policy,
    Quiet,
    Record,
    Repeat,
    Send,
    Span,
    Split,
    Start,
    Task,
    Wait,
    WaitUntil,
    Webhook,
    Winner,
    seal,
)
from engine.core.playbook import Playbook
from engine.core.state import Account, Consent, Customer, Reserved
from engine.core.world import ArmResult, Given

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00Z
MEI = Customer(
    "c1",
    created=NOON - DAY,
    identifiers={"email": ("mei@brand.example",), "phone": ("+8613800138000",)},
    consents={"marketing": Consent(True, NOON - DAY)},
    account="acme",
)
BOSS = Customer(
    "c2",
    created=NOON - DAY,
    identifiers={"email": ("boss@acme.example",)},
    consents={"marketing": Consent(True, NOON - DAY)},
)


def journey(*nodes: Any, **settings: Any) -> Plan:
    fields = {"journey": "j", "title": "J", "stage": "retain", "enter": OnEvent(("began",)), **settings}
    return seal(Plan(nodes=nodes, again=Again("always"), **fields))


def begin(plan: Plan, customer: Customer = MEI, world: Given | None = None, policy: Policy | None = None) -> Decision:
    book = Playbook([plan], Audience(policy=policy or Policy()))
    return decide(book, customer, Event("m1", "began", NOON, NOON, properties={"n": 4}), NOON, world or Given())


def planned(decision: Decision) -> list[Touch]:
    return [command.touch for command in decision.commands if isinstance(command, PlanTouch)]


def dropped(decision: Decision) -> list[tuple[str, str]]:
    return [(c.touch.channel, c.why) for c in decision.commands if isinstance(c, DropTouch)]


def codes(decision: Decision) -> list[str]:
    return [note.code for note in decision.trace]


def letter(id_: str = "s", goes: str = "", **fields: Any) -> Send:
    return Send(id_, "hello", ("email",), next=goes, **fields)


# --- coupons


def test_a_code_is_issued_and_every_later_touch_carries_it() -> None:
    world = Given(pools={"SPRING": ["A1", "A2"]})
    decision = begin(journey(letter("0", "c"), Coupon("c", "SPRING", next="s"), letter()), world=world)
    [issued] = [command for command in decision.commands if isinstance(command, IssueCoupon)]
    assert (issued.pool, issued.code, issued.customer, issued.journey, issued.step) == ("SPRING", "A1", "c1", "j", "c")
    before, after = planned(decision)
    assert (before.coupon, after.coupon, after.pool) == ("", "A1", "SPRING")
    assert "coupon.issued" in codes(decision)


def test_each_visit_takes_another_code_under_another_key_even_within_one_decision() -> None:
    world = Given(pools={"P": ["A1", "A2", "A3"]})
    plan = journey(Coupon("c", "P", next="d"), Coupon("d", "P", next="s"), letter())
    decision = begin(plan, world=world)
    issued = [command for command in decision.commands if isinstance(command, IssueCoupon)]
    assert [one.code for one in issued] == ["A1", "A2"]
    assert len({one.key for one in issued}) == 2
    assert planned(decision)[0].coupon == "A2"
    assert begin(plan, world=world) == decision


def test_the_latest_code_is_the_one_that_templates_show() -> None:
    world = Given(pools={"P": ["A1", "A2"], "Q": ["B1"]})
    nodes = (Coupon("c", "P", next="d"), Coupon("d", "Q", next="e"), Coupon("e", "P", next="s"), letter())
    [touch] = planned(begin(journey(*nodes), world=world))
    assert (touch.pool, touch.coupon) == ("P", "A2")


def test_an_empty_pool_leads_elsewhere_when_the_journey_says_where() -> None:
    decision = begin(journey(Coupon("c", "P", otherwise="s", next=""), letter()))
    assert [touch.coupon for touch in planned(decision)] == [""]
    assert codes(decision) == ["entered", "coupon.empty", "touch.planned", "completed"]


def test_an_empty_pool_ends_a_run_that_has_no_other_way_and_cancels_nothing() -> None:
    goal = Goal(("paid",), DAY)
    decision = begin(journey(letter("0", "c"), Coupon("c", "P", next="s"), letter(), goal=goal))
    assert codes(decision) == ["entered", "touch.planned", "coupon.empty", "exited.no_coupon"]
    [run] = decision.customer.runs
    assert (run.outcome, run.step, run.ended) == ("exited:no_coupon", "", NOON)
    assert len(decision.commands) == 2
    assert decision.customer.travelled["j"].completed == 0


def test_a_held_out_run_gets_no_code() -> None:
    world = Given(pools={"P": ["A1"]})
    decision = begin(journey(Coupon("c", "P", next="s"), letter(), holdout=1.0), world=world)
    assert codes(decision) == ["entered", "held_out", "coupon.held_out", "touch.held_out", "completed"]
    assert not any(isinstance(command, IssueCoupon) for command in decision.commands)


# --- other journeys


def test_a_journey_starts_another_with_values_and_goes_on() -> None:
    values: dict[str, Expr] = {"twice": Arithmetic("*", Path("event", ("n",)), Constant(2))}
    first = journey(Start("x", "other", values, next="s"), letter())
    other = seal(Plan("other", "", "retain", Manual(), (Wait("1", Span(HOUR)),)))
    book = Playbook([first, other])
    decision = decide(book, MEI, Event("m1", "began", NOON, NOON, properties={"n": 4}), NOON)
    assert len(planned(decision)) == 1
    [run] = decision.customer.runs
    assert (run.journey, run.enter) == ("other", {"twice": 8})
    assert [note.code for note in decision.trace if note.journey == "j"] == [
        "entered",
        "step.start",
        "touch.planned",
        "completed",
    ]


def test_a_journey_lets_the_customer_leave_another() -> None:
    other = seal(Plan("other", "", "retain", OnEvent(("first",)), (Wait("1", Span(HOUR)),)))
    book = Playbook([journey(Leave("x", "other", next="s"), letter()), other])
    inside = decide(book, MEI, Event("m0", "first", NOON, NOON), NOON).customer
    decision = decide(book, inside, Event("m1", "began", NOON + 1, NOON + 1), NOON + 1)
    assert decision.customer.runs == ()
    assert "step.leave" in codes(decision)


# --- tasks and webhooks


def task(to: Any, **fields: Any) -> Task:
    return Task("t", Constant(to), "Call {{ customer.name }}", next="", **fields)


def test_a_task_goes_to_a_colleague_by_mail_or_by_wecom() -> None:
    [mail] = planned(begin(journey(task("li@shop.example", note="soon", due=Span(2 * DAY)))))
    assert (mail.kind, mail.channel, mail.address, mail.purpose) == ("task", "email", "li@shop.example", "internal")
    assert mail.variables == {"title": "Call {{ customer.name }}", "note": "soon", "due": NOON + 2 * DAY}
    [chat] = planned(begin(journey(task("LiLei"))))
    assert (chat.channel, chat.address, chat.variables) == (
        "wecom",
        "LiLei",
        {"title": "Call {{ customer.name }}", "note": ""},
    )


def test_a_task_for_nobody_is_dropped_with_that_reason() -> None:
    for nobody in (None, "", "  ", 7):
        decision = begin(journey(task(nobody)))
        assert dropped(decision) == [("email", "nobody to give it to")]
        assert codes(decision) == ["entered", "touch.dropped", "completed"]


def test_a_task_needs_no_consent_of_the_customer_and_knows_no_caps_and_no_night() -> None:
    night = Policy(quiet=Quiet(0, 23 * 60), caps=(Cap(1, DAY),), exempt=())
    silent = msgspec.structs.replace(MEI, reserved=(Reserved(NOON, "email", "marketing", "x"),))
    decision = begin(journey(task("li@shop.example"), purpose="transactional"), silent, policy=night)
    [touch] = planned(decision)
    assert touch.due == NOON
    assert decision.customer.reserved == silent.reserved


def test_a_webhook_posts_its_body_computed_now() -> None:
    body = Record({"who": Path("customer", ("email",)), "order": Record({"n": Path("event", ("n",))})})
    [hook] = planned(begin(journey(Webhook("w", "https://crm.example/hooks", body))))
    assert (hook.kind, hook.channel, hook.address) == ("webhook", "webhook", "https://crm.example/hooks")
    assert hook.variables == {"who": "mei@brand.example", "order": {"n": 4}}
    assert planned(begin(journey(Webhook("w", "https://crm.example/hooks"))))[0].variables == {}


def test_nothing_leaves_for_the_control_group() -> None:
    plan = journey(Webhook("w", "https://crm.example", next="t"), task("LiLei"), holdout=1.0)
    decision = begin(plan)
    assert planned(decision) == []
    assert [n.data for n in decision.trace if n.code == "touch.held_out"] == [
        {"template": "webhook"},
        {"template": "task"},
    ]


def test_each_visit_of_a_task_is_a_touch_of_its_own() -> None:
    rounds = journey(Repeat("r", Span(HOUR), 2, body="t"), Task("t", Constant("LiLei"), "call", next="r"))
    book = Playbook([rounds])
    first = decide(book, MEI, Event("m1", "began", NOON, NOON), NOON)
    second = decide(book, first.customer, Wake(), NOON + HOUR)
    assert len({touch.id for made in (first, second) for touch in planned(made)}) == 2


# --- to whom, and for what purpose


def acme(**contacts: str) -> Given:
    return Given(accounts={"acme": Account("acme", contacts=contacts)}, customers={"c2": BOSS})


def test_a_role_writes_to_the_accounts_contact_and_keeps_the_runs_customer() -> None:
    decision = begin(journey(letter(role="buyer")), world=acme(buyer="c2"), policy=DAILY)
    [touch] = planned(decision)
    assert (touch.customer, touch.recipient, touch.address) == ("c1", "c2", "boss@acme.example")
    assert decision.customer.reserved == ()
    written_to = msgspec.structs.replace(BOSS, reserved=(later(0, "own", NOON),))
    world = msgspec.structs.replace(acme(buyer="c2"), customers={"c2": written_to})
    said = "buyer: frequency_cap: at most 1 by email in 1d"
    assert dropped(begin(journey(letter(role="buyer")), world=world, policy=DAILY)) == [("email", said)]


def test_the_contacts_own_consent_and_suppression_hold() -> None:
    refused = msgspec.structs.replace(BOSS, consents={})
    world = msgspec.structs.replace(acme(buyer="c2"), customers={"c2": refused})
    assert dropped(begin(journey(letter(role="buyer")), world=world)) == [("email", "buyer: no consent for marketing")]
    bounced = msgspec.structs.replace(BOSS, suppressed={"email:boss@acme.example": "hard_bounce"})
    world = msgspec.structs.replace(acme(buyer="c2"), customers={"c2": bounced})
    assert dropped(begin(journey(letter(role="buyer")), world=world)) == [("email", "buyer: suppressed: hard_bounce")]


def test_what_is_missing_on_the_way_to_a_contact_is_said() -> None:
    plan = journey(letter(role="buyer"))
    nowhere = msgspec.structs.replace(MEI, account="")
    assert dropped(begin(plan, nowhere, acme(buyer="c2"))) == [("email", "no account for the buyer to be of")]
    assert dropped(begin(plan, world=acme(seller="c2"))) == [("email", "the account has no buyer")]
    assert dropped(begin(plan, world=acme(buyer="gone"))) == [("email", "the account has no buyer")]
    by_sms = journey(Send("s", "hello", ("sms",), role="buyer"))
    assert dropped(begin(by_sms, world=acme(buyer="c2"))) == [("sms", "buyer: no address for sms")]


def test_a_contact_who_is_the_customer_is_written_to_as_such() -> None:
    decision = begin(journey(letter(role="buyer")), world=acme(buyer="c1"), policy=DAILY)
    [touch] = planned(decision)
    assert (touch.recipient, touch.address) == ("", "mei@brand.example")
    assert len(decision.customer.reserved) == 1


def test_a_message_to_a_contact_that_failed_goes_on_to_the_contacts_next_channel() -> None:
    phoned = msgspec.structs.replace(BOSS, identifiers={**BOSS.identifiers, "phone": ("+8613900139000",)})
    world = msgspec.structs.replace(acme(buyer="c2"), customers={"c2": phoned})
    plan = journey(Send("s", "hello", ("email", "sms"), role="buyer"))
    first = begin(plan, world=world)
    [touch] = planned(first)
    second = decide(Playbook([plan]), first.customer, Failed(touch, "hard_bounce"), NOON + MINUTE, world)
    assert [(t.channel, t.address, t.recipient) for t in planned(second)] == [("sms", "+8613900139000", "c2")]
    third = decide(Playbook([plan]), first.customer, Failed(touch, "hard_bounce"), NOON + MINUTE, Given())
    assert dropped(third) == [("sms", "buyer: is not known any more")]


def test_a_send_may_have_a_purpose_of_its_own() -> None:
    silent = msgspec.structs.replace(MEI, consents={})
    plan = journey(letter("0", "s", purpose="marketing"), letter(), purpose="transactional")
    decision = begin(plan, silent)
    assert [touch.purpose for touch in planned(decision)] == ["transactional"]
    assert dropped(decision) == [("email", "no consent for marketing")]


# --- who gives way


def later(priority: int, touch: str, at: int = NOON + HOUR, channel: str = "email") -> Reserved:
    return Reserved(at, channel, "marketing", touch, priority)


DAILY = Policy(caps=(Cap(1, DAY, channel="email"),))


def test_a_message_of_lower_priority_that_is_still_to_come_gives_way() -> None:
    mei = msgspec.structs.replace(MEI, reserved=(later(1, "low"),))
    decision = begin(journey(letter(), priority=5), mei, policy=DAILY)
    assert CancelTouch("low", "displaced by j") in decision.commands
    [held] = decision.customer.reserved
    assert (held.touch, held.priority) == (planned(decision)[0].id, 5)
    assert codes(decision) == ["entered", "touch.displaced", "touch.planned", "completed"]


def test_equal_priority_and_what_is_due_already_never_give_way() -> None:
    for held in (later(5, "equal"), later(1, "due", NOON), later(1, "sent", NOON - HOUR)):
        mei = msgspec.structs.replace(MEI, reserved=(held,))
        decision = begin(journey(letter(), priority=5), mei, policy=DAILY)
        assert dropped(decision) == [("email", "frequency_cap: at most 1 by email in 1d")]
        assert decision.customer.reserved == (held,)


def test_no_more_give_way_than_are_needed_and_the_least_important_first() -> None:
    reserved = (later(3, "c"), later(1, "a"), later(2, "b"), later(0, "sms", channel="sms"))
    mei = msgspec.structs.replace(MEI, reserved=reserved)
    decision = begin(journey(letter(), priority=5), mei, policy=Policy(caps=(Cap(3, DAY, channel="email"),)))
    assert [c.touch for c in decision.commands if isinstance(c, CancelTouch)] == ["a"]
    decision = begin(journey(letter(), priority=5), mei, policy=Policy(caps=(Cap(2, DAY, channel="email"),)))
    assert [c.touch for c in decision.commands if isinstance(c, CancelTouch)] == ["a", "b"]


def test_nobody_gives_way_to_a_message_that_could_not_be_sent_anyway() -> None:
    mei = msgspec.structs.replace(MEI, reserved=(later(1, "low"),), suppressed={"email:mei@brand.example": "stop"})
    decision = begin(journey(letter(), priority=5), mei, policy=DAILY)
    assert dropped(decision) == [("email", "suppressed: stop")]
    assert decision.customer.reserved == mei.reserved


def test_what_the_night_puts_off_must_fit_under_the_cap_in_the_morning() -> None:
    hourly = Policy(caps=(Cap(1, HOUR),), quiet=Quiet(11 * 60, 15 * 60))
    morning = msgspec.structs.replace(MEI, reserved=(later(9, "there", NOON + 3 * HOUR),))
    decision = begin(journey(letter(), priority=5), morning, policy=hourly)
    assert dropped(decision) == [("email", "frequency_cap: at most 1 in 1h")]


# --- winner splits


def split(by: Any, after: int = 500) -> Split:
    return Split("p", "subject", (Arm("a", 0.5, "s"), Arm("b", 0.5, "s")), Winner(by, after))


def counted(decision: Decision) -> list[CountArm]:
    return [command for command in decision.commands if isinstance(command, CountArm)]


def test_every_message_counts_as_a_try_of_the_arm_that_clicks_decide() -> None:
    decision = begin(journey(split("click"), letter("s", "s2"), letter("s2")))
    [arm] = {touch.arms["subject"] for touch in planned(decision)}
    assert counted(decision) == [CountArm("j", "subject", arm, tried=1)] * 2


def test_a_message_that_is_not_planned_and_a_task_are_no_try() -> None:
    by_wechat = Send("s", "hello", ("wechat",), next="t")
    assert counted(begin(journey(split("open"), by_wechat, task("LiLei")))) == []


def test_taking_the_arm_is_the_try_where_conversions_decide_and_the_conversion_is_the_win() -> None:
    plan = journey(split("convert"), letter("s", "w"), WaitUntil("w", Daily(9)), goal=Goal(("paid",), DAY))
    first = begin(plan)
    [tried] = counted(first)
    assert (tried.tried, tried.won) == (1, 0)
    second = decide(Playbook([plan]), first.customer, Event("m2", "paid", NOON + 1, NOON + 1), NOON + 1)
    assert counted(second) == [CountArm("j", "subject", tried.arm, won=1)]


def test_a_plain_split_and_a_held_out_run_count_nothing() -> None:
    plain = Split("p", "subject", (Arm("a", 1.0, "s"),))
    assert counted(begin(journey(plain, letter()))) == []
    for by in ("click", "convert"):
        plan = journey(split(by), letter("s", "w"), Wait("w", Span(HOUR)), holdout=1.0, goal=Goal(("paid",), DAY))
        first = begin(plan)
        second = decide(Playbook([plan]), first.customer, Event("m2", "paid", NOON + 1, NOON + 1), NOON + 1)
        assert counted(first) == counted(second) == []


def test_a_round_that_comes_again_keeps_its_arm_and_counts_it_once() -> None:
    nodes = (Repeat("r", Span(HOUR), 5, body="p"), split("convert", after=1), letter("s", "r"))
    plan = journey(*nodes)
    world = Given()
    decision = begin(plan, world=world)
    for hour in range(1, 5):
        for command in decision.commands:
            world.learn(command)
        [arm] = {touch.arms["subject"] for touch in planned(decision)}
        world.arms["j", "subject"] = {arm: ArmResult(100, 0)}
        decision = decide(Playbook([plan]), decision.customer, Wake(), NOON + hour * HOUR, world)
        assert [touch.arms["subject"] for touch in planned(decision)] == [arm]
        assert counted(decision) == []

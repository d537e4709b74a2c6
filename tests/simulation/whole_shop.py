"""A shop that uses the whole language, for the simulation: several editions of its journeys, and its customers."""

from typing import Final

import msgspec

from engine.core import release as releases
from engine.core.events import Event
from engine.core.expression import Compare, Constant, Measure, Measured
from engine.core.ids import DAY, Micros
from engine.core.plan import Audience, InFlight, Plan, Span, TagRule
from engine.core.release import Release
from engine.runtime.simulate import KEYED, Dice, Faults, World
from engine.store.memory import MemoryLog, MemoryStore
from engine.usecases.publish import in_force
from journeys.compile import load_journey

CODES: Final = 14
"""Of each pool, for many more customers who ask."""

_PAID: Final = Measure("paid", "order_paid", window=30 * DAY)
AUDIENCE: Final = Audience(
    stages={"activate": Compare(">=", Measured("paid", "count"), Constant(1))},
    tags={"busy": TagRule(Compare(">=", Measured("paid", "count", 5 * DAY), Constant(2)), Span(2 * DAY))},
    segments={"dormant": Compare(">", Measured("paid", "last"), Constant(3 * DAY))},
    measures=(_PAID,),
)

_WELCOME: Final = """
journey: welcome
stage: acquire
enter: {on: signed_up, again: after 5d}
steps:
  - {send: hello, via: [email, sms]}
  - coupon: SPRING
    else: [{tag: +missed}]
  - {send: spring, via: sms}
  - wait: 1d
  - wait while: not reachable("wechat")
    within: 3d
    then: [{send: now-by-wechat, via: wechat}]
    else: [{tag: +unreachable}]
  - repeat: {every: 2d, times: 3, until: 'count("order_paid", within="3d") > 0'}
    steps: [{send: tips, via: [wechat, email]}]
  - {start: chat}
"""
_EDITED: Final = _WELCOME.replace("- wait: 1d", "- {tag: +edited}\n  - wait: 2h").replace("every: 2d", "every: 1d")
_OTHERS: Final = """
journey: chat
stage: activate
enter: {manual: true}
steps:
  - split: word
    winner: {by: click, after: 10}
    arms: {a: {share: 50, steps: [{send: word-a, via: email}]}, b: {share: 50, steps: [{send: word-b, via: email}]}}
  - wait for: {on: message_clicked, within: 1d, lookback: 1h}
    then: [{tag: +clicked}]
    else: [{tag: +quiet}]
---
journey: sleepers
stage: retain
enter: {segment: dormant, again: always}
steps:
  - wait: 1h
  - coupon: BIG
    else: [{tag: +no-big}]
  - {send: come-back, via: [email, sms]}
  - {leave: chat}
---
journey: thanks
stage: retain
enter: {tag: busy, again: always}
steps:
  - coupon: BIG
    else: [{tag: +no-big}]
  - {send: thanks, via: sms}
  - webhook: {url: "https://crm.example/hooks", body: {orders: 'count("order_paid")'}}
  - task: {to: customer.email, title: Call them, due: 2d}
---
journey: birthday
stage: retain
enter: {date: customer.birthday, offset: -1d, at: "10:00"}
steps:
  - {send: birthday, via: [email, sms]}
---
journey: moved
stage: retain
enter: {changed: customer.city, again: always}
steps:
  - {set: {customer.greeted: enter.to}}
  - wait until: "09:30"
  - {send: new-town, via: email}
---
journey: contract
stage: monetize
enter: {on: order_paid, again: always}
exit: [{on: signed_up}]
steps:
  - wait: 3h
  - if: account.size > 1
    then: [{send: offer, via: email, to: {role: buyer}}]
---
journey: weekly
stage: retain
enter: {every: "0 10 * * MON", zone: Asia/Shanghai, audience: 'ever("order_paid")'}
steps:
  - coupon: SPRING
  - {send: weekly, via: [email, sms]}
"""


def plan_of(source: str) -> Plan:
    """Return what the text of a journey compiles to."""
    loaded = load_journey(source, "shop.yaml")
    assert loaded.plan is not None, [str(problem) for problem in loaded.problems]
    return loaded.plan


WELCOME, EDITED = plan_of(_WELCOME), plan_of(_EDITED)
OTHERS = tuple(map(plan_of, _OTHERS.split("---\n")))
QUICKER = tuple(
    map(plan_of, _OTHERS.replace("- wait: 1h", "- wait: 20h").replace("wait: 3h", "wait: 1h").split("---\n"))
)
_ROLES: Final = {"buyer": Compare(">=", Measured("paid", "count"), Constant(2))}
BUSIER: Final = msgspec.structs.replace(
    AUDIENCE,
    tags={**AUDIENCE.tags, "once": TagRule(Compare(">=", Measured("seen", "count", 2 * DAY), Constant(1)))},
    measures=(_PAID, Measure("seen", "page_viewed", window=2 * DAY)),
)


def editions() -> tuple[bytes, ...]:
    """Return the releases that are published and gone back to: edited, migrated, drained, removed, other audiences."""
    held: list[tuple[tuple[Plan, ...], Audience, str]] = [
        ((WELCOME, *OTHERS), AUDIENCE, "migrate"),
        ((EDITED, *OTHERS), BUSIER, "migrate"),
        ((EDITED, *QUICKER), AUDIENCE, "pin"),
        ((WELCOME, *QUICKER[:2], *QUICKER[4:]), BUSIER, "drain"),
        ((WELCOME, *OTHERS), AUDIENCE, "migrate"),
    ]
    return tuple(releases.encode(_released(*edition)) for edition in held)


def _released(plans: tuple[Plan, ...], audience: Audience, policy: str) -> Release:
    in_flight = {plan.journey: InFlight(policy) for plan in plans}  # type: ignore[arg-type]
    return releases.seal(Release(plans, msgspec.structs.replace(audience, roles=_ROLES), in_flight=in_flight))


def world(faults: Faults | None = None) -> World:
    """Return an empty shop that knows its editions."""
    store, log = MemoryStore(), MemoryLog()
    channels = ("email", "sms", KEYED, "webhook")
    pools = ("SPRING", "BIG")
    return World(
        log,
        store,
        lambda: in_force(store),
        scenario,
        faults or Faults(),
        channels=channels,
        releases=editions(),
        pools=pools,
    )


def scenario(dice: Dice, now: Micros) -> Event:
    """Return what somebody does now."""
    number = dice.below(16)
    name = ("signed_up", "order_paid", "order_paid", "page_viewed", "city_changed")[dice.below(5)]
    who = {"user_id": f"u{number}"}
    if dice.happens(0.6):
        who |= {"email": f"u{number}@x.example", "phone": f"+861380000{number:04}"}
    if dice.happens(0.2):
        who |= {"openid": f"o{number}"}
    if dice.happens(0.1):
        who = {"anonymous_id": f"a{number}"} | (who if dice.happens(0.5) else {})
    traits = {"birthday": f"1990-{1 + number % 12:02}-{1 + number:02}"} if dice.happens(0.5) else {}
    if name == "city_changed":
        traits |= {"city": ("Shanghai", "Beijing", "Xian")[dice.below(3)]}
    account = f"acme-{number % 3}" if dice.happens(0.3) else ""
    consents = {"marketing": not dice.happens(0.1)} if dice.happens(0.6) else {}
    return Event(
        id=f"m{dice.thrown}",
        name=name,
        at=now,
        received=now,
        identifiers=who,
        traits=traits,
        consents=consents,
        account=account,
        account_traits={"size": dice.below(4)} if account else {},
    )

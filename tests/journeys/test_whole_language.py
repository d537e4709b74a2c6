"""Every line of the language as a marketer would write it first: it compiles, and is told in both languages."""

from pathlib import Path

import pytest

from engine.core import plan
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.drawing.mermaid import mermaid
from journeys.explain import explain_plan

HEAD = "journey: a\nstage: acquire\n"
CART_RESCUE = """\
journey: cart-rescue
title: 购物车挽回
stage: monetize                  # acquire | activate | retain | monetize | refer
plan:
  goal: Recover 8% of abandoned carts
  owner: mei@brand.example
  budget: 5000 CNY

enter:
  on: cart_updated
  where: event.total >= 200 and not tag("vip")
  again: after 14d               # never | always | after <duration>
  key: event.cart_id
  holdout: 10%

exit:
  - on: order_paid
    where: event.cart_id == enter.cart_id
  - when: not consent("marketing")

goal:
  on: order_paid
  within: 7d
  value: event.total

quiet: 21:00-09:00
priority: 20

steps:
  - wait: 1h
  - send: cart-reminder
    via: [wechat, sms, email]
    expires: 6h
  - wait for: {on: link_clicked, where: event.journey == "cart-rescue", within: 24h}
    then:
      - tag: +engaged
    else:
      - split: incentive
        arms:
          nothing: {share: 50}
          coupon:
            share: 50
            steps:
              - coupon: SPRING10
              - send: cart-coupon
                via: sms
  - stop
"""
WAYS_IN = [
    "enter: {on: signed_up}",
    'enter: {on: [qr_scanned, wechat_followed], where: event.scene == "store-01"}',
    "enter: {segment: dormant-30d}                       # on entering it",
    "enter: {leaves: dormant-30d}",
    "enter: {stage: retain}                              # on reaching it",
    "enter: {tag: high-value}                            # on gaining it",
    "enter: {loses: high-value}",
    "enter: {changed: customer.city}",
    'enter: {date: customer.birthday, offset: -3d, at: "10:00"}',
    'enter: {every: "0 10 * * MON", zone: Asia/Shanghai, audience: segment("dormant-30d")}',
    'enter: {once: 2026-11-11T00:00+08:00, audience: customer.city in ["Shanghai", "Beijing"]}',
    "enter: {manual: true}",
]
STEPS = [
    "- wait: 3d",
    '- wait until: "09:30"',
    '- wait until: {weekday: mon, at: "10:00"}',
    '- wait until: {date: enter.departure, offset: -1d, at: "18:00"}',
    "- wait for: {on: order_paid, where: event.total > 0, within: 3d}\n  then: [{wait: 1h}]\n  else: [{wait: 1h}]",
    "- wait for: {all: [{on: profile_completed}, {on: first_deposit}], within: 7d}",
    "- wait for: {any: [{on: profile_completed}, {on: first_deposit}], within: 7d}",
    "- wait for: {count: 3, on: product_viewed, within: 7d, lookback: 10m}",
    '- wait while: not reachable("wechat")\n  within: 7d',
    "- if: customer.lifetime_value > 1000\n  then: [{wait: 1h}]\n  else: [{wait: 1h}]",
    "- choose:\n"
    '    - if: tag("vip")\n      then: [{wait: 1h}]\n'
    '    - if: stage() == "retain"\n      then: [{wait: 1h}]\n'
    "    - else: [{wait: 1h}]",
    "- split: subject-line\n  winner: {by: click, after: 500}\n"
    "  arms: {a: {share: 50, steps: [{wait: 1h}]}, b: {share: 50, steps: [{wait: 1h}]}}",
    "- send: welcome\n  via: email\n  to: {role: decision_maker}\n  with: {product: enter.product_name}",
    *(f"- send: welcome\n  via: {channel}" for channel in ["email", "sms", "wechat", "wecom", "push", "webhook"]),
    "- tag: +engaged",
    "- tag: -engaged",
    "- tag: {add: [engaged], for: 30d}",
    '- set: {customer.last_offer: "SPRING10"}',
    "- coupon: SPRING10",
    '- repeat: {every: 7d, times: 4, until: count("order_paid", within="7d") > 0}\n  steps: [{wait: 1h}]',
    "- start: other-journey",
    "- leave: other-journey",
    '- task: {to: account.owner, title: "Call {{ customer.name }}", due: 2d}',
    '- webhook: {url: "https://crm.example/hooks", body: {who: customer.email}}',
    "- stop",
]
AUDIENCE = {
    "tags": """\
tags:
  big-spender: {when: sum("order_paid", "total", within="90d") > 5000, for: 90d}
  vip:         {when: tag("big-spender") and count("order_paid") >= 5}            # rules chain
  rfm:         {from: mined, model: rfm}                                          # written by a mining job
""",
    "segments": 'segments:\n  dormant-30d: {when: ever("order_paid") and last("order_paid") > "30d"}\n',
    "lifecycle": """\
stages:
  acquire:  {when: ever("signed_up") or exists(customer.phone)}
  activate: {when: ever("profile_completed")}
  retain:   {when: count("session_started", within="30d") >= 3}
  monetize: {when: ever("order_paid")}
  refer:    {when: ever("referral_converted")}
""",
    "caps": "caps:\n  - {channel: sms, at_most: 1, per: 1d}\n  - {all: marketing, at_most: 4, per: 7d}\nholdout: 5%\n",
    "identity": """\
identifiers:
  user_id: {}                      # the list's order is the priority
  member_card: {like: user_id, limit: 2}
  openid_mini: {like: openid}      # one kind per WeChat app: openid is per app
  phone: {limit: 3, block: ["+86400*"]}
  device_id: {weak: true, limit: 20}
block: ["0", "null"]
absorbs: 1000
trust: [crm, api, web]
""",
    "accounts": 'roles: {decision_maker: {when: customer.title matches "(?i)ceo|head"}}\n',
}


def compiles(text: str) -> plan.Plan:
    loaded = load_journey(text, "a.yaml")
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.plan is not None
    assert plan.decode(plan.encode(loaded.plan)) == loaded.plan
    for lang in ("en", "zh"):
        assert explain_plan(loaded.plan, lang)
        assert mermaid(loaded.plan, lang)
    return loaded.plan


def test_the_whole_journey_of_the_language_compiles() -> None:
    assert isinstance(compiles(CART_RESCUE).steps["3.else.1.arms.coupon.1"], plan.Coupon)


@pytest.mark.parametrize("line", WAYS_IN)
def test_every_way_in_compiles_as_written(line: str) -> None:
    compiles(f"{HEAD}{line}\nsteps: [{{wait: 1h}}]\n")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_compiles_as_written(step: str) -> None:
    compiles(f"{HEAD}enter: {{on: x}}\nsteps:\n{step}\n")


def test_every_audience_file_is_read_as_written(tmp_path: Path) -> None:
    for name, text in AUDIENCE.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    audience, problems = load_audience(tmp_path)
    assert [str(problem) for problem in problems] == []
    assert list(audience.tags) == ["big-spender", "vip", "rfm"]
    assert list(audience.roles) == ["decision_maker"]
    assert "openid_mini" in [rule.kind for rule in audience.identity.kinds]
    assert audience.policy.holdout == pytest.approx(0.05)

"""A journey file becomes a sealed plan."""

from datetime import UTC, datetime
from pathlib import Path as FilePath

import pytest

from engine.core import plan
from engine.core.expression import Compare, Constant, Expr, HasTag, Path
from engine.core.ids import DAY, HOUR, MINUTE
from engine.core.plan import Plan, Span
from journeys.compile import load_folder, load_journey

CART_RESCUE = """\
journey: cart-rescue
title: 购物车挽回
stage: monetize
plan: {goal: Recover 8% of carts, owner: mei@brand.example, budget: 5000 CNY}
enter:
  on: [cart_updated, cart_saved]
  where: event.total >= 200
  again: after 14d
  key: event.cart_id
  holdout: 10%
exit:
  - on: order_paid
    where: event.cart_id == enter.cart_id
  - when: not consent("marketing")
goal: {on: order_paid, within: 7d, value: event.total}
quiet: 21:00-09:00
expires: 2d
priority: 20
steps:
  - wait: 1h
  - send: cart-reminder
    id: remind
    via: [wechat, sms, email]
    with: {product: enter.product, code: SPRING10}
    expires: 6h
  - wait for: {on: link_clicked, where: event.journey == "cart-rescue", within: 24h}
    then:
      - tag: +engaged
    else:
      - split: incentive
        arms:
          nothing: {share: 1}
          coupon:
            share: 3
            steps:
              - send: cart-coupon
                via: sms
  - stop
"""


def compiled(text: str) -> Plan:
    loaded = load_journey(text, "a.yaml")
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.plan is not None
    return loaded.plan


def steps(text: str) -> tuple[plan.Node, ...]:
    return compiled(f"journey: a\nstage: acquire\nenter: {{on: x}}\nsteps:\n{text}").nodes


def entered(text: str) -> Plan:
    return compiled(f"journey: a\nstage: acquire\nenter: {text}\nsteps: [stop]")


def test_a_whole_journey_compiles_to_its_plan() -> None:
    made = compiled(CART_RESCUE)
    assert (made.journey, made.title, made.stage, made.priority) == ("cart-rescue", "购物车挽回", "monetize", 20)
    assert made.programme == plan.Programme("Recover 8% of carts", "mei@brand.example", "5000 CNY")
    assert made.enter == plan.OnEvent(("cart_updated", "cart_saved"))
    assert made.where == Compare(">=", Path("event", ("total",)), Constant(200))
    assert made.again == plan.Again("after", Span(14 * DAY))
    assert made.key == Path("event", ("cart_id",))
    assert made.holdout == pytest.approx(0.1)
    assert [exit_.events for exit_ in made.exits] == [("order_paid",), ()]
    assert made.goal == plan.Goal(("order_paid",), 7 * DAY, None, Path("event", ("total",)))
    assert made.quiet == plan.Quiet(21 * 60, 9 * 60)
    assert made.expires == Span(2 * DAY)
    assert made.purpose == "marketing"


def test_steps_are_linked_by_path_ids_and_own_ids() -> None:
    made = compiled(CART_RESCUE)
    assert list(made.steps) == ["1", "remind", "3", "3.then.1", "3.else.1", "3.else.1.arms.coupon.1", "4"]
    remind = made.steps["remind"]
    assert remind == plan.Send(
        "remind",
        "cart-reminder",
        ("wechat", "sms", "email"),
        {"product": Path("enter", ("product",)), "code": Constant("SPRING10")},
        Span(6 * HOUR),
        "3",
    )
    waits = made.steps["3"]
    assert isinstance(waits, plan.WaitFor)
    assert (waits.then, waits.otherwise, waits.within) == ("3.then.1", "3.else.1", Span(DAY))
    split = made.steps["3.else.1"]
    assert isinstance(split, plan.Split)
    assert split.arms == (plan.Arm("nothing", 0.25, "4"), plan.Arm("coupon", 0.75, "3.else.1.arms.coupon.1"))
    assert made.steps["3.else.1.arms.coupon.1"] == plan.Send(
        "3.else.1.arms.coupon.1", "cart-coupon", ("sms",), next="4"
    )


def test_the_version_is_the_content_and_nothing_else() -> None:
    made = compiled(CART_RESCUE)
    assert len(made.version) == 12
    assert compiled("# a remark\n" + CART_RESCUE).version == made.version
    assert compiled(CART_RESCUE.replace("wait: 1h", "wait: 2h")).version != made.version


def test_choose_leads_to_the_first_choice_that_holds_and_on() -> None:
    nodes = steps(
        '  - choose:\n    - if: tag("vip")\n      then: [{wait: 1h}]\n'
        "    - else: [{wait: 2h}, {wait: 3h}]\n  - wait: 4h\n"
    )
    branch = nodes[0]
    assert branch == plan.Branch("1", ((HasTag("vip"), "1.1.1"),), "1.else.1")
    assert [node.id for node in nodes] == ["1", "1.1.1", "1.else.1", "1.else.2", "2"]
    assert [getattr(node, "next", None) for node in nodes[1:]] == ["2", "1.else.2", "2", ""]


def test_if_without_else_goes_on() -> None:
    nodes = steps('  - if: tag("vip")\n    then: [{tag: -new}]\n  - stop\n')
    assert nodes[0] == plan.Branch("1", ((HasTag("vip"), "1.then.1"),), "2")


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ('"09:30"', plan.Daily(9, 30)),
        ("9:05", plan.Daily(9, 5)),
        ('{weekday: mon, at: "10:00"}', plan.Daily(10, 0, 0)),
        (
            '{date: enter.departure, offset: -1d, at: "18:00"}',
            plan.OnDate(Path("enter", ("departure",)), 18, 0, -1),
        ),
    ],
)
def test_wait_until_takes_a_time_a_weekday_or_a_date(text: str, until: plan.Daily | plan.OnDate) -> None:
    assert steps(f"  - wait until: {text}\n") == (plan.WaitUntil("1", until),)


@pytest.mark.parametrize(
    ("text", "add", "remove", "lasts"),
    [
        ("+engaged", ("engaged",), (), None),
        ("engaged", ("engaged",), (), None),
        ("-engaged", (), ("engaged",), None),
        ("+a -b", ("a",), ("b",), None),
        ("[+a, -b, 高价值]", ("a", "高价值"), ("b",), None),
        ("{add: [a, b], remove: c, for: 30d}", ("a", "b"), ("c",), Span(30 * DAY)),
    ],
)
def test_tags_are_added_and_removed_in_every_written_form(
    text: str, add: tuple[str, ...], remove: tuple[str, ...], lasts: Span | None
) -> None:
    assert steps(f"  - tag: {text}\n") == (plan.Tag("1", add, remove, lasts),)


def test_set_keeps_traits_without_the_word_customer() -> None:
    assert steps('  - set: {customer.last_offer: "SPRING10", customer.points: customer.points + 1}\n')[0] == plan.Set(
        "1",
        {
            "last_offer": Constant("SPRING10"),
            "points": compiled_value("customer.points + 1"),
        },
    )


def compiled_value(text: str) -> Expr:
    node = steps(f"  - set: {{customer.x: {text}}}\n")[0]
    assert isinstance(node, plan.Set)
    return node.traits["x"]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", Span(90_000_000)),
        ("15m", Span(15 * MINUTE)),
        ("2w", Span(14 * DAY)),
        ("1mo", Span(0, 1)),
        ("1d12h", Span(36 * HOUR)),
    ],
)
def test_durations_are_spans_of_time_or_months(text: str, span: Span) -> None:
    assert steps(f"  - wait: {text}\n") == (plan.Wait("1", span),)


def test_a_one_off_push_needs_an_instant_with_an_offset_or_a_zone() -> None:
    expected = int(datetime(2026, 11, 10, 16, 0, tzinfo=UTC).timestamp()) * 1_000_000
    assert entered("{once: 2026-11-11T00:00+08:00}").enter == plan.Once(expected)
    assert entered("{once: 2026-11-11T00:00, zone: Asia/Shanghai}").enter == plan.Once(expected)
    loaded = load_journey("journey: a\nstage: acquire\nenter: {once: 2026-11-11T00:00}\nsteps: [stop]", "a.yaml")
    assert [problem.code for problem in loaded.problems] == ["J036"]


def test_a_recurring_push_may_reach_the_same_customer_each_time() -> None:
    made = entered('{every: "0 10 * * MON", zone: Asia/Shanghai, audience: tag("vip")}')
    assert made.enter == plan.Every("0 10 * * MON", "Asia/Shanghai", HasTag("vip"))
    assert made.again == plan.Again("always")
    assert entered("{on: x}").again == plan.Again("never")


def test_a_journey_may_be_entered_by_hand() -> None:
    assert entered("{manual: true}").enter == plan.Manual()


@pytest.mark.parametrize(
    ("text", "entrance", "again"),
    [
        ("{segment: dormant-30d}", plan.OnSegment("dormant-30d"), "never"),
        ("{segment: d, existing: true, again: always}", plan.OnSegment("d", "enters", existing=True), "always"),
        ("{leaves: dormant-30d}", plan.OnSegment("dormant-30d", "leaves"), "never"),
        ("{stage: retain}", plan.OnStage("retain"), "never"),
        ("{tag: high-value}", plan.OnTag("high-value"), "never"),
        ("{loses: 高价值}", plan.OnTag("高价值", "loses"), "never"),
        ("{changed: customer.city}", plan.OnChange("city"), "never"),
        ("{date: customer.birthday}", plan.OnAnniversary(Path("customer", ("birthday",))), "always"),
        (
            '{date: customer.birthday, offset: -3d, at: "10:30", again: never}',
            plan.OnAnniversary(Path("customer", ("birthday",)), 10, 30, -3),
            "never",
        ),
    ],
)
def test_a_journey_begins_with_a_segment_a_stage_a_tag_a_change_or_a_date(
    text: str, entrance: plan.Entrance, again: str
) -> None:
    made = entered(text)
    assert (made.enter, made.again.policy) == (entrance, again)


def test_every_way_in_may_be_narrowed_and_held_out() -> None:
    for way in [
        "segment: d",
        "leaves: d",
        "stage: retain",
        "tag: a",
        "loses: a",
        "changed: customer.x",
        "date: customer.b",
    ]:
        made = entered(f'{{{way}, where: tag("vip"), holdout: 10%, again: after 3d}}')
        assert made.holdout == pytest.approx(0.1)
        assert (made.where, made.again) == (HasTag("vip"), plan.Again("after", Span(3 * DAY)))


def test_a_changed_trait_and_a_call_may_read_what_they_bring() -> None:
    assert entered('{changed: customer.city, where: enter.to == "Shanghai"}').where == Compare(
        "==", Path("enter", ("to",)), Constant("Shanghai")
    )
    called = entered("{manual: true, where: enter.n > 1, key: enter.n}")
    assert called.key == Path("enter", ("n",))
    assert called.where == Compare(">", Path("enter", ("n",)), Constant(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{all: [{on: a}, {on: [b, c], where: event.x > 1}], within: 7d}",
            plan.WaitFor(
                "1",
                (plan.Awaited(("a",)), plan.Awaited(("b", "c"), Compare(">", Path("event", ("x",)), Constant(1)))),
                Span(7 * DAY),
                need="all",
            ),
        ),
        (
            "{all: [a, b], within: 7d}",
            plan.WaitFor("1", (plan.Awaited(("a",)), plan.Awaited(("b",))), Span(7 * DAY), "all"),
        ),
        ("{any: [a, b], within: 7d}", plan.WaitFor("1", (plan.Awaited(("a",)), plan.Awaited(("b",))), Span(7 * DAY))),
        ("{on: a, count: 3, within: 1d}", plan.WaitFor("1", (plan.Awaited(("a",)),), Span(DAY), count=3)),
        (
            "{on: a, within: 1mo, lookback: 10m}",
            plan.WaitFor("1", (plan.Awaited(("a",)),), Span(0, 1), lookback=10 * MINUTE),
        ),
    ],
)
def test_a_wait_hears_all_any_or_so_many(text: str, expected: plan.WaitFor) -> None:
    assert steps(f"  - wait for: {text}\n") == (expected,)


def test_a_wait_while_goes_on_or_runs_out() -> None:
    nodes = steps('  - wait while: tag("a")\n    within: 3d\n    then: [{wait: 1h}]\n    else: [stop]\n  - wait: 2h\n')
    assert nodes[0] == plan.WaitWhile("1", HasTag("a"), Span(3 * DAY), "1.then.1", "1.else.1")
    assert steps('  - wait while: tag("a")\n  - wait: 2h\n')[0] == plan.WaitWhile("1", HasTag("a"), None, "2", "2")


def test_the_last_step_of_a_round_leads_back_to_its_repeat() -> None:
    nodes = steps(
        '  - repeat: {every: 7d, times: 4, until: tag("a")}\n    steps:\n      - wait: 1h\n'
        '      - if: tag("b")\n        then: [{wait: 2h}]\n  - wait: 3h\n'
    )
    assert nodes == (
        plan.Repeat("1", Span(7 * DAY), 4, HasTag("a"), body="1.1", next="2"),
        plan.Wait("1.1", Span(HOUR), "1.2"),
        plan.Branch("1.2", ((HasTag("b"), "1.2.then.1"),), "1"),
        plan.Wait("1.2.then.1", Span(2 * HOUR), "1"),
        plan.Wait("2", Span(3 * HOUR)),
    )


def test_an_empty_coupon_pool_ends_the_run_unless_something_else_is_said() -> None:
    assert steps("  - coupon: SPRING10\n") == (plan.Coupon("1", "SPRING10"),)
    nodes = steps("  - coupon: SPRING10\n    else: [{wait: 1h}]\n  - wait: 2h\n")
    assert nodes[0] == plan.Coupon("1", "SPRING10", "1.else.1", "2")
    assert steps("  - coupon: SPRING10\n    else: []\n  - wait: 2h\n")[0] == plan.Coupon("1", "SPRING10", "2", "2")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("start: other", plan.Start("1", "other")),
        ("start: other\n    with: {x: customer.x}", plan.Start("1", "other", {"x": Path("customer", ("x",))})),
        ("leave: other", plan.Leave("1", "other")),
        (
            'task: {to: customer.owner, title: "Call {{ customer.name }}", due: 2d, note: Soon}',
            plan.Task("1", Path("customer", ("owner",)), "Call {{ customer.name }}", "Soon", Span(2 * DAY)),
        ),
        ("task: {to: mei@customer.example, title: Call}", plan.Task("1", Constant("mei@customer.example"), "Call")),
        ("task: {to: ZhangSan, title: Call}", plan.Task("1", Constant("ZhangSan"), "Call")),
        (
            'webhook: {url: "https://crm.example/x", body: {city: customer.city, more: {n: 1, list: [a, 2]}}}',
            plan.Webhook(
                "1",
                "https://crm.example/x",
                plan.Record(
                    {
                        "city": Path("customer", ("city",)),
                        "more": plan.Record({"n": Constant(1), "list": Constant(["a", 2])}),
                    }
                ),
            ),
        ),
        ('webhook: {url: "http://localhost:8080/x"}', plan.Webhook("1", "http://localhost:8080/x")),
        (
            "send: a\n    via: email\n    to: {role: buyer}\n    purpose: transactional",
            plan.Send("1", "a", ("email",), role="buyer", purpose="transactional"),
        ),
    ],
)
def test_other_journeys_tasks_webhooks_and_contacts_are_nodes(text: str, node: plan.Node) -> None:
    assert steps(f"  - {text}\n") == (node,)


def test_a_split_may_find_its_winner() -> None:
    arms = "arms: {a: {share: 1}, b: {share: 1}}"
    [split] = steps(f"  - split: s\n    winner: {{by: open, after: 100}}\n    {arms}\n")
    assert isinstance(split, plan.Split)
    assert split.winner == plan.Winner("open", 100)
    [split] = steps(f"  - split: s\n    winner: {{}}\n    {arms}\n")
    assert isinstance(split, plan.Split)
    assert split.winner == plan.Winner("click", 500)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pin", plan.InFlight()),
        ("drain", plan.InFlight("drain")),
        ("migrate", plan.InFlight("migrate")),
        ('{migrate: {"3": "2", offer: 1, "4": ""}}', plan.InFlight("migrate", {"3": "2", "offer": "1", "4": ""})),
    ],
)
def test_what_becomes_of_runs_in_flight_is_no_part_of_the_version(text: str, expected: plan.InFlight) -> None:
    body = "journey: a\nstage: acquire\nenter: {on: x}\nsteps: [{wait: 1h}, {wait: 2h}]\n"
    made = compiled(f"{body}in_flight: {text}\n")
    assert made.in_flight == expected
    assert made.version == compiled(body).version


def test_a_goal_without_a_window_warns_and_takes_seven_days() -> None:
    loaded = load_journey("journey: a\nstage: acquire\nenter: {on: x}\ngoal: {on: y}\nsteps: [stop]", "a.yaml")
    assert [(problem.code, problem.severity, str(problem.place)) for problem in loaded.problems] == [
        ("J072", "warning", "a.yaml:4:1")
    ]
    assert loaded.plan is not None
    assert loaded.plan.goal == plan.Goal(("y",), 7 * DAY)


def test_measures_are_gathered_from_every_condition() -> None:
    made = compiled(
        'journey: a\nstage: acquire\nenter: {on: x, where: \'count("o", within="30d") > 1\'}\n'
        'steps:\n  - if: count("o", within="90d") > 1\n    then: [stop]\n  - send: t\n    via: sms\n'
        '    with: {n: \'sum("o", "total")\'}\n'
    )
    assert sorted((measure.event, measure.field, measure.window) for measure in made.measures) == [
        ("o", "", 90 * DAY),
        ("o", "total", 0),
    ]


def test_each_step_knows_its_place() -> None:
    loaded = load_journey(CART_RESCUE, "a.yaml")
    assert str(loaded.places["remind"]) == "a.yaml:21:5"
    assert str(loaded.places["3.then.1"]) == "a.yaml:28:9"


def test_a_folder_leaves_out_stories_and_names_doubles(tmp_path: FilePath) -> None:
    text = "journey: a\nstage: acquire\nenter: {on: x}\nsteps: [stop]"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "a.story.yaml").write_text("stories: []")
    (tmp_path / "b.yml").write_text(text)
    (tmp_path / "c.yaml").write_bytes(b"\xff")
    folder = load_folder(tmp_path)
    assert [one.journey for one in folder.plans] == ["a"]
    assert [(FilePath(one.place.file).name, one.code) for one in folder.problems] == [
        ("b.yml", "J080"),
        ("b.yml", "J081"),
        ("c.yaml", "J001"),
    ]

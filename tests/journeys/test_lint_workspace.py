"""Lint: what templates, coupons, events, tags and other journeys of the workspace tell, each at its exact line."""

from pathlib import Path

import pytest

from journeys.check import lint_workspace

HEAD = "journey: a\nstage: acquire\nenter: {on: signed_up}\n"


def found(root: Path, text: str, **files: str) -> list[tuple[str, str, int, int]]:
    """Lint a workspace of the journey `a` and `files` (a path, `__` for /), each complaint as file, code, place."""
    for name, content in {"journeys__a": text, **files}.items():
        path = root / (name.replace("__", "/") + ("" if "." in name else ".yaml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    problems = lint_workspace(root)
    assert all(problem.in_language("zh").message and problem.remedy for problem in problems)
    return [(Path(one.place.file).stem, one.code, one.place.line, one.place.column) for one in problems]


# --- templates ---------------------------------------------------------------------------------------

SEND = HEAD + "steps:\n  - send: hello\n    via: sms\n"


def test_a_variable_that_no_with_gives_is_told_at_the_send(tmp_path: Path) -> None:
    assert found(tmp_path, SEND, templates__hello__sms="text: hi\n# {{ x }}\nurl: '{{ product.name }}'") == [
        ("a", "J114", 5, 11)
    ]
    (problem,) = lint_workspace(tmp_path)
    assert "asks for `product.name` (hello/sms.yaml:3)" in str(problem)
    assert "Give `product` by `with:`" in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.name }} {{ enter.total }} {{ journey }}",
        "{{ product | default: 'it' }}",
        "{% if product %}{{ product }}{% endif %}",
        "{% assign product = customer.last %}{{ product }}",
        "{% for product in enter.items %}{{ product.name }}{% endfor %}",
        "{% capture product %}x{% endcapture %}{{ product }}",
        "{% comment %}{{ product }}{% endcomment %}{% raw %}{{ product }}{% endraw %}",
        "{{ 'product' | append: \"product\" }}",
    ],
)
def test_what_a_template_has_from_elsewhere_need_not_be_given(text: str, tmp_path: Path) -> None:
    assert found(tmp_path, SEND, templates__hello__sms=f"text: |\n  {text}") == []


def test_a_with_that_no_template_uses_is_told_at_its_key(tmp_path: Path) -> None:
    text = SEND + "    with: {product: enter.product, prodcut: enter.product}\n"
    assert found(tmp_path, text, templates__hello__sms="text: '{{ product }}'") == [("a", "J115", 7, 36)]


def test_a_coupon_code_needs_a_coupon_step_before_the_send(tmp_path: Path) -> None:
    template = "text: '{{ coupon.code }}'"
    assert found(tmp_path, SEND, templates__hello__sms=template) == [("a", "J116", 5, 11)]
    text = SEND.replace("  - send", "  - coupon: SPRING10\n  - send")
    assert found(tmp_path, text, **{"coupons__SPRING10.csv": "code\n" + "".join(f"C{n}\n" for n in range(100))}) == []


def test_a_template_in_one_language_among_others_in_two_is_told(tmp_path: Path) -> None:
    both = "text: |\n  {% if customer.language == 'zh' %}您好{% else %}Hello to you all{% endif %}"
    text = SEND + "".join(f"  - send: {name}\n    via: sms\n" for name in ("other", "third"))
    files = {f"templates__{name}__sms": both for name in ("other", "third")}
    assert found(tmp_path, text, templates__hello__sms="text: Hello to you all", **files) == [("sms", "J117", 1, 1)]
    (problem,) = lint_workspace(tmp_path, "zh")
    assert "缺少中文版本" in str(problem)


# --- coupons and timing ------------------------------------------------------------------------------

COUPON = HEAD + "steps:\n  - coupon: SPRING10\n  - stop\n"


def test_a_coupon_pool_that_is_not_there_or_small_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, COUPON) == [("a", "J113", 5, 13)]
    enough = "".join(f"A{number}\n" for number in range(100))
    assert found(tmp_path, COUPON, **{"coupons__SPRING1.txt": enough}) == [("a", "J118", 5, 13)]
    assert "Did you mean `SPRING1`?" in str(lint_workspace(tmp_path)[0])
    assert found(tmp_path, COUPON, **{"coupons__SPRING10.txt": "A1\nA2\n\n"}) == [("a", "J119", 5, 13)]
    assert "only 2 codes" in str(lint_workspace(tmp_path)[0])


def test_a_code_issued_long_before_its_message_is_told(tmp_path: Path) -> None:
    codes = {"coupons__SPRING10.txt": "".join(f"A{n}\n" for n in range(200))}
    text = HEAD + ("steps:\n  - coupon: SPRING10\n  - wait: 2d\n  - send: hello\n    via: sms\n    expires: 24h\n")
    assert found(tmp_path, text, templates__hello__sms="text: '{{ coupon.code }}'", **codes) == [("a", "J120", 5, 13)]
    assert found(tmp_path, text.replace("wait: 2d", "wait: 2h")) == []


def test_quiet_hours_longer_than_a_message_lives_are_told_with_the_hours(tmp_path: Path) -> None:
    text = HEAD + "quiet: 21:00-09:00\nsteps:\n  - send: hello\n    via: sms\n    expires: 1h\n"
    assert found(tmp_path, text, templates__hello__sms="text: hi") == [("a", "J121", 8, 14)]
    assert "quiet hours are 21:00-09:00 and the message lives 1h: planned in 21:00-08:00" in str(
        lint_workspace(tmp_path)[0]
    )
    assert found(tmp_path, text.replace("quiet: 21:00-09:00", "quiet: {hours: 21:00-09:00, late: drop}")) == []
    assert found(tmp_path, text.replace("1h", "12h")) == []


def test_a_message_at_every_event_without_a_wait_is_told(tmp_path: Path) -> None:
    text = SEND.replace("signed_up", "signed_up, again: always")
    template = {"templates__hello__sms": "text: hi"}
    assert found(tmp_path, text, **template) == [("a", "J125", 3, 31)]
    assert found(tmp_path, text.replace("  - send", "  - wait: 1h\n  - send")) == []
    assert found(tmp_path, text.replace("always", "always, key: event.id")) == []
    assert found(tmp_path, "purpose: transactional\n" + text) == []


# --- events, tags, segments, stages, types -----------------------------------------------------------


def test_a_goal_or_a_wait_for_an_event_that_is_a_slip_of_a_known_one_is_told(tmp_path: Path) -> None:
    other = "journey: b\nstage: acquire\nenter: {on: order_paid}\nsteps: [stop]\n"
    text = HEAD + "goal: {on: order_payed, within: 1d}\nsteps:\n  - wait for: {on: ordr_paid, within: 1d}\n"
    assert found(tmp_path, text, journeys__b=other) == [("a", "J122", 4, 12), ("a", "J123", 6, 15)]
    assert "Did you mean `order_paid`?" in str(lint_workspace(tmp_path)[0])
    assert found(tmp_path, text, events="events: [order_payed, ordr_paid]") == []
    assert found(tmp_path, text.replace("order_payed", "refund_asked").replace("ordr_paid", "app_opened")) == []


def test_tags_that_nobody_gives_are_told(tmp_path: Path) -> None:
    text = HEAD + 'steps:\n  - tag: +vips\n  - if: tag("vip")\n    then: [stop]\n'
    assert found(tmp_path, text) == [("a", "J128", 6, 9)]
    assert "Did you mean vips?" in str(lint_workspace(tmp_path)[0])


def test_a_stage_that_nobody_reaches_is_told(tmp_path: Path) -> None:
    stages = 'stages:\n  acquire: {when: ever("signed_up")}\n'
    text = HEAD + 'steps:\n  - if: stage() == "refer"\n    then: [stop]\n'
    assert found(tmp_path, text, audience__lifecycle=stages) == [("a", "J129", 5, 9)]
    assert found(tmp_path, text.replace("on: signed_up", "stage: retain")) == [
        ("a", "J129", 3, 16),
        ("a", "J129", 5, 9),
    ]


def test_a_value_that_other_rules_take_for_another_kind_is_told(tmp_path: Path) -> None:
    head = "journey: {}\nstage: acquire\nenter: {{on: order_paid, where: {}}}\nsteps: [stop]\n"
    files = {f"journeys__{name}": head.format(name, f"event.total > {name!r}"[:-3] + "9") for name in "bc"}
    assert found(tmp_path, head.format("a", "event.total == '200'"), **files) == [("a", "J130", 3, 32)]
    (problem,) = lint_workspace(tmp_path)
    assert "compared with a text here and with a number at b.yaml:3" in str(problem)


def test_a_date_that_is_compared_with_a_number_is_told(tmp_path: Path) -> None:
    text = "journey: a\nstage: acquire\nenter: {date: customer.birthday}\nsteps:\n  - if: customer.birthday > 5\n"
    assert found(tmp_path, text + "    then: [stop]\n") == [("a", "J130", 5, 9)]


def test_a_list_of_events_that_is_none_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, HEAD + "steps: [stop]\n", events="events: {a: 1}\nevnts: []\n") == [
        ("events", "J035", 1, 9),
        ("events", "J010", 2, 1),
    ]


def test_a_task_that_asks_for_what_nobody_supplies_is_told(tmp_path: Path) -> None:
    task = 'steps:\n  - task:\n      to: mei@shop.example\n      title: "Call {{ %s.name }}"\n'
    assert found(tmp_path, HEAD + task % "customer") == []
    assert found(tmp_path, HEAD + task % "custmer") == [("a", "J112", 7, 14)]


# --- other journeys ----------------------------------------------------------------------------------


def test_starting_a_journey_that_is_not_there_or_not_manual_is_told(tmp_path: Path) -> None:
    other = "journey: b\nstage: acquire\nenter: {on: x}\nsteps: [stop]\n"
    text = HEAD + "steps:\n  - start: b\n  - start: bb\n  - leave: a\n  - leave: c\n"
    assert found(tmp_path, text, journeys__b=other) == [
        ("a", "J108", 5, 12),
        ("a", "J107", 6, 12),
        ("a", "J109", 7, 12),
        ("a", "J086", 8, 12),
    ]


def test_journeys_that_start_each_other_without_a_wait_are_an_error(tmp_path: Path) -> None:
    manual = "journey: {}\nstage: acquire\nenter: {{manual: true, again: {}}}\nsteps:\n  - start: {}\n"
    other = {"journeys__b": manual.format("b", "always", "a")}
    assert found(tmp_path, manual.format("a", "always", "b"), **other) == [("a", "J110", 5, 12)]
    assert "a -> b -> a" in str(lint_workspace(tmp_path)[0])
    assert found(tmp_path, manual.format("a", "never", "b")) == [("a", "J111", 5, 12)]
    waiting = manual.format("a", "always", "b").replace("  - start", "  - wait: 1d\n  - start")
    assert found(tmp_path, waiting) == [("a", "J111", 6, 12)]


def test_a_journey_that_a_tag_it_sets_itself_lets_in_again_is_told(tmp_path: Path) -> None:
    text = "journey: a\nstage: acquire\nenter: {tag: hot, again: always}\nsteps:\n  - tag: +hot\n"
    assert found(tmp_path, text) == [("a", "J111", 5, 5)]
    assert found(tmp_path, text.replace("- tag: +hot", "- tag: -hot\n  - tag: +hot")) == [("a", "J110", 6, 5)]
    assert found(tmp_path, text.replace("always", "never")) == []


def test_a_trait_that_a_journey_sets_and_enters_on_is_told(tmp_path: Path) -> None:
    head = "journey: a\nstage: acquire\nenter: {changed: customer.city, again: always}\n"
    text = head + "steps:\n  - set: {customer.city: x}\n"
    assert found(tmp_path, text) == [("a", "J111", 5, 5)]


def test_a_purpose_and_a_channel_that_ask_nobody_are_told(tmp_path: Path) -> None:
    consent = {"audience__consent": "purposes: {news: none}\nchannels: {sms: none}\n"}
    text = "purpose: news\n" + SEND
    assert found(tmp_path, text, templates__hello__sms="text: hi", **consent) == [("a", "J131", 7, 10)]


def test_a_role_that_accounts_do_not_know_is_told(tmp_path: Path) -> None:
    text = SEND + "    to: {role: buyer}\n"
    assert found(tmp_path, text, templates__hello__sms="text: hi") == [("a", "J132", 7, 9)]

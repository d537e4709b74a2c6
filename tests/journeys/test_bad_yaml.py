"""Bad journey files: every mistake is located, and no text whatever gives a traceback."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core import plan
from journeys.compile import Loaded, load_journey
from journeys.expressions import TRAVEL, parse_condition, parse_value
from journeys.forms.audience import FORMS
from journeys.parse import parse_form
from journeys.step_compiler import MAX_STEPS

GOOD = """\
journey: cart-rescue
title: 购物车挽回
stage: monetize
plan: {goal: Recover carts, owner: mei@brand.example, budget: 5000 CNY}
enter:
  on: cart_updated
  where: event.total >= 200 and not tag("vip")
  again: after 14d
  key: event.cart_id
  holdout: 10%
exit:
  - on: order_paid
    where: {all: [event.cart_id == enter.cart_id, {not: 'event.gift == true'}]}
  - when: not consent("marketing")
goal: {on: order_paid, within: 7d, value: event.total}
quiet: {hours: "21:00-09:00", late: drop}
steps:
  - wait: 1h
  - wait until: {weekday: mon, at: "10:00"}
  - send: cart-reminder
    via: [wechat, sms]
    with: {product: enter.product}
  - wait for: {on: link_clicked, where: event.journey == "cart-rescue", within: 24h}
    then:
      - tag: {add: [engaged], for: 30d}
    else:
      - split: incentive
        arms:
          nothing: {share: 50}
          coupon: {share: 50, steps: [{send: cart-coupon, via: sms}]}
  - wait for: {all: [profile_completed, {on: first_deposit, where: event.sum > 0}], within: 7d, lookback: 10m}
  - wait while: not reachable("wechat")
    within: 3d
    else: [{leave: welcome}]
  - repeat: {every: 7d, times: 4, until: count("order_paid", within="7d") > 0}
    steps: [{start: survey, with: {city: customer.city}}]
  - coupon: SPRING10
    else: [{task: {to: mei@brand.example, title: "Call {{ customer.name }}", due: 2d}}]
  - webhook: {url: "https://crm.example/hooks", body: {who: customer.email, more: {city: customer.city}}}
  - choose:
      - if: count("order_paid", within="30d", where=event.total > 10) > 2
        then: [{set: {customer.offer: SPRING10}}]
      - else: [stop]
in_flight: {migrate: {"1": "2"}}
"""
HEAD = "journey: a\nstage: acquire\nenter: {on: x}\n"


def problems(text: str) -> list[tuple[str, int, int]]:
    loaded = load_journey(text, "a.yaml")
    assert loaded.plan is None or all(problem.severity == "warning" for problem in loaded.problems)
    return [(problem.code, problem.place.line, problem.place.column) for problem in loaded.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("just text", [("J013", 1, 1)]),
        ("[]", [("J013", 1, 1)]),
        ("journey: a", [("J012", 1, 1)] * 3),
        (HEAD, [("J012", 1, 1)]),
        (HEAD + "steps: []", [("J040", 4, 8)]),
        (HEAD + "steps:", [("J013", 4, 7)]),
        (HEAD + "steps: [stop]\nstpes: 1", [("J010", 5, 1)]),
        (HEAD + "steps: [stop]\nfoo: 1", [("J011", 5, 1)]),
        (HEAD + "steps: [stop]\npriority: 2000", [("J093", 5, 11)]),
        (HEAD + "steps: [stop]\npriority: high", [("J013", 5, 11)]),
        (HEAD + "steps: [stop]\nquiet: 21-9", [("J025", 5, 8)]),
        (HEAD + "steps: [stop]\nquiet: {hours: 21:00-09:00, late: never}", [("J014", 5, 8)]),
        (HEAD + "steps: [stop]\nexit: {where: true}", [("J038", 5, 7)]),
        (HEAD + "steps: [stop]\nexit: {on: x, when: true}", [("J038", 5, 7)]),
        (HEAD + "steps: [stop]\nexit: [{when: event.x > 1}]", [("J047", 5, 15)]),
        (HEAD + "steps: [stop]\ngoal: {on: x, within: 1mo}", [("J022", 5, 23)]),
        (HEAD + "steps: [stop]\ngoal: {on: x, within: 1d, value: 'tag(\"a\")'}", [("J059", 5, 34)]),
        (HEAD + "steps: [wait]", [("J015", 4, 9)]),
        (HEAD + "steps: [3]", [("J015", 4, 9)]),
        (HEAD + "steps: [stopp]", [("J010", 4, 9)]),
        (HEAD + "steps: [{wait: 1h, stop: true}]", [("J016", 4, 9)]),
        (HEAD + "steps: [{sned: x, via: sms}]", [("J010", 4, 9)]),
        (HEAD + "steps: [{send: x}]", [("J012", 4, 9)]),
        (HEAD + "steps: [{send: X y, via: []}]", [("J032", 4, 16), ("J040", 4, 26)]),
        (HEAD + "steps: [{wait: 1 hour}, {wait: 5}]", [("J020", 4, 16), ("J020", 4, 32)]),
        (HEAD + "steps: [{wait: 9999w}]", [("J021", 4, 16)]),
        (HEAD + "steps: [{repeat: {every: 0s, times: 3}, steps: [stop]}]", [("J020", 4, 26)]),
        (HEAD + "steps: [{wait until: 25:00}]", [("J024", 4, 22)]),
        (HEAD + "steps: [{wait until: {date: enter.d, offset: 5h, at: 9:00}}]", [("J023", 4, 46)]),
        (HEAD + "steps: [{wait for: {on: x}}]", [("J012", 4, 20)]),
        (HEAD + "steps: [{tag: {add: []}}]", [("J077", 4, 9)]),
        (HEAD + "steps: [{tag: [+a, -a]}]", [("J078", 4, 9)]),
        (HEAD + "steps: [{tag: '+a!'}]", [("J033", 4, 15)]),
        (HEAD + "steps: [{set: {customer: 3}}]", [("J037", 4, 26)]),
        (HEAD + "steps: [{split: s, arms: {a: {share: 1}}}]", [("J074", 4, 20)]),
        (HEAD + "steps: [{split: s, arms: {a: {share: 0}, b: {}}}]", [("J028", 4, 38), ("J012", 4, 45)]),
        (HEAD + "steps: [{split: s, arms: {a: {share: 50%}, b: {share: 40%}}}]", [("J073", 4, 20)]),
        (HEAD + "steps: [{choose: [{else: [stop]}, {if: true, then: []}]}]", [("J075", 4, 19)]),
        (HEAD + "steps: [{id: a, wait: 1h}, {id: a, wait: 1h}]", [("J071", 4, 28)]),
        (HEAD + "steps: [{id: 3, wait: 1h}]", [("J034", 4, 14)]),
        (HEAD + "steps: [stop, {wait: 1h}, {if: true, then: [{wait: 1h}]}]", [("J070", 4, 15)]),
        (HEAD + "steps: [{if: true, then: [stop], else: [stop]}, {wait: 1h}]", [("J070", 4, 49)]),
        (HEAD + "steps: [{if: true, then: [stop, {wait: 1h}]}]", [("J070", 4, 33)]),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    ("enter", "code"),
    [
        ("{}", "J017"),
        ("{on: a, manual: true}", "J017"),
        ("3", "J017"),
        ("{evry: x}", "J010"),
        ("{segment: A b}", "J032"),
        ("{segment: a, exists: true}", "J010"),
        ("{segment: a, existing: perhaps}", "J013"),
        ("{segment: a, leaves: a}", "J017"),
        ("{leaves: a, existing: true}", "J011"),
        ("{segmnt: a}", "J010"),
        ("{stage: retained}", "J014"),
        ("{tag: +vip}", "J033"),
        ("{loses: 3}", "J033"),
        ("{changed: city}", "J037"),
        ("{changed: customer.city, where: event.x > 1}", "J047"),
        ("{date: birthday}", "J053"),
        ("{date: enter.birthday}", "J047"),
        ("{date: customer.birthday, at: noon}", "J024"),
        ("{date: customer.birthday, offset: 3h}", "J023"),
        ("{date: customer.birthday, key: enter.x}", "J011"),
        ("{every: '0 10 * *', zone: UTC}", "J031"),
        ("{every: '0 10 30 2 *', zone: UTC}", "J031"),
        ("{every: '0 10 * * *', zone: Mars/Base}", "J030"),
        ("{every: '0 10 * * *'}", "J012"),
        ("{every: '0 10 * * *', zone: UTC, where: true}", "J011"),
        ("{once: tomorrow}", "J029"),
        ("{once: 2026-11-11}", "J029"),
        ("{on: []}", "J035"),
        ("{on: x, again: sometimes}", "J026"),
        ("{on: x, holdout: 100%}", "J027"),
        ("{on: x, key: cart}", "J053"),
        ("{on: x, key: 3}", "J059"),
        ("{on: x, where: enter.x > 1}", "J047"),
    ],
)
def test_a_wrong_way_in_is_told(enter: str, code: str) -> None:
    found = problems(f"journey: a\nstage: acquire\nenter: {enter}\nsteps: [stop]")
    assert [(one[0], one[1]) for one in found] == [(code, 3)]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("wait for: {on: x, all: [y], within: 1d}", [("J092", 15)]),
        ("wait for: {all: [y], where: event.a > 1, within: 1d}", [("J011", 26)]),
        ("wait for: {any: [], within: 1d}", [("J040", 21)]),
        ("wait for: {all: [{on: x}, {whre: y}], within: 1d}", [("J012", 31), ("J010", 32)]),
        ("wait for: {all: [x]}", [("J012", 15)]),
        ("wait for: {on: x, count: 0, within: 1d}", [("J093", 30)]),
        ("wait for: {on: x, count: two, within: 1d}", [("J013", 30)]),
        ("wait for: {on: x, lookback: 8d, within: 1d}", [("J021", 33)]),
        ("wait for: {on: x, lookbak: 8d, within: 1d}", [("J010", 23)]),
        ("wait for: order_paid", [("J013", 15)]),
        ("wait while: 3", [("J056", 17)]),
        ("wait while: tag('a')\n    else: [stop]", [("J091", 5)]),
        ("wait while: tag('a')\n    withn: 1d", [("J010", 5)]),
        ("coupon: SPRING 10", [("J094", 13)]),
        ("coupon: SPRING10\n    els: [stop]", [("J010", 5)]),
        ("repeat: {every: 7d}\n    steps: [stop]", [("J012", 13)]),
        ("repeat: {every: 7d, times: 4}", [("J012", 5)]),
        ("repeat: {every: 7d, times: 4}\n    steps: []", [("J040", 12)]),
        ("repeat: {every: 7d, times: 1001}\n    steps: [stop]", [("J093", 32)]),
        ("repeat: {every: 7d, times: 4, untill: true}\n    steps: [stop]", [("J010", 35)]),
        ("start: My Journey", [("J032", 12)]),
        ("start: other\n    with: [1]", [("J013", 11)]),
        ("leave: ''", [("J032", 12)]),
        ("task: {title: Call}", [("J012", 11)]),
        ("task: {to: the sales team, title: Call}", [("J054", 16)]),
        ("task: {to: customer., title: Call}", [("J054", 16)]),
        ("task: {to: mei@brand.example, title: ''}", [("J040", 42)]),
        ("task: {to: mei@brand.example, titel: Call}", [("J012", 11), ("J010", 35)]),
        (f"task: {{to: mei@brand.example, title: {'x' * 201}}}", [("J097", 42)]),
        ("webhook: {url: 'http://crm.example/x'}", [("J095", 20)]),
        ("webhook: {url: 'https://u:p@crm.example/x'}", [("J095", 20)]),
        ("webhook: {url: 'https://'}", [("J095", 20)]),
        ("webhook: {url: 'ftp://crm.example/x'}", [("J095", 20)]),
        ("webhook: {url: 'https://crm.example/x', body: 3}", [("J013", 51)]),
        ("webhook: {url: 'https://crm.example/x', body: {a: {b: event.x}}}", [("J047", 59)]),
        ("webhook: {url: 'https://crm.example/x', body: {a: {b: {c: {d: {e: {f: 1}}}}}}}", [("J098", 71)]),
        ("split: s\n    winner: {by: clicks}\n    arms: {a: {share: 1}, b: {share: 1}}", [("J014", 18)]),
        ("split: s\n    winner: {after: 1}\n    arms: {a: {share: 1}, b: {share: 1}}", [("J093", 21)]),
        ("split: s\n    winner: {by: convert}\n    arms: {a: {share: 1}, b: {share: 1}}", [("J069", 5)]),
        ("send: x\n    via: email\n    to: {rol: buyer}", [("J012", 9), ("J010", 10)]),
        ("send: x\n    via: email\n    to: buyer", [("J013", 9)]),
        ("send: x\n    via: email\n    purpose: Sales calls", [("J032", 14)]),
        ("wait: 1h\n    coupon: SPRING10", [("J016", 5)]),
        ("coupn: SPRING10", [("J010", 5)]),
        ("set: {customer.x: {y: 1}}", [("J058", 23)]),
        ("set: {customer.x: [[1]]}", [("J058", 23)]),
        ("choose: [{if: tag('a')}]", [("J076", 14)]),
        ("choose: [{if: tag('a'), then: [stop]}, {else: [stop], then: [stop]}]", [("J076", 44)]),
    ],
)
def test_a_wrong_step_is_told_where_it_stands(step: str, expected: list[tuple[str, int]]) -> None:
    assert [(code, column) for code, _, column in problems(f"{HEAD}steps:\n  - {step}\n")] == expected


def test_a_journey_of_more_steps_than_may_be_is_told() -> None:
    assert problems(f"{HEAD}steps:\n" + "  - wait: 1h\n" * MAX_STEPS) == []
    assert problems(f"{HEAD}steps:\n" + "  - wait: 1h\n" * (MAX_STEPS + 1)) == [("J079", 5, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("later", [("J096", 5, 12)]),
        ("{pin: 3}", [("J096", 5, 12)]),
        ("{migrate: []}", [("J096", 5, 12)]),
        ("{migrate: {}}", [("J096", 5, 12)]),
        ("{migrate: {3: 1, 4: 9}}", [("J055", 5, 32)]),
        ("migrat", [("J096", 5, 12)]),
    ],
)
def test_a_wrong_word_for_runs_in_flight_is_told(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert problems(f"{HEAD}steps: [stop]\nin_flight: {text}\n") == expected


@pytest.mark.parametrize("word", ["variables", "version"])
def test_words_of_later_versions_are_refused_by_name(word: str) -> None:
    loaded = load_journey(f"{HEAD}steps: [stop]\n{word}: 1\n", "a.yaml")
    assert [problem.code for problem in loaded.problems] == ["J090"]
    assert "not available in this version yet" in str(loaded.problems[0])


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_the_file() -> None:
    broken = (
        GOOD.replace("stage: monetize", "stage: monetise")
        .replace("after 14d", "after 14 days")
        .replace("event.gift == true", "event.gift = true")
        .replace("share: 50, steps", "share: -1, steps")
        .replace("via: [wechat", "vai: [wechat")
    )
    assert [(code, line) for code, line, _ in problems(broken)] == [
        ("J014", 3),
        ("J020", 8),
        ("J043", 13),
        ("J012", 20),
        ("J010", 21),
        ("J028", 30),
    ]


def test_a_file_full_of_mistakes_is_cut_short() -> None:
    found = problems(HEAD + "steps: [stop]\n" + "".join(f"k{number}: 1\n" for number in range(500)))
    assert len(found) == 101
    assert found[-1] == ("J099", 104, 1)


def test_a_file_that_breaks_off_is_not_blamed_for_what_is_missing() -> None:
    assert problems("journey: a\nenter: {on: x\n") == [("J002", 3, 1)]


def test_deep_steps_are_refused_not_recursed_into() -> None:
    nested = "".join(f"{'  ' * depth}- if: true\n{'  ' * depth}  then:\n" for depth in range(1, 200))
    assert "J005" in [code for code, _, _ in problems(HEAD + "steps:\n" + nested + "  " * 201 + "- stop\n")]


def _check(loaded: Loaded) -> None:
    if loaded.plan is not None:
        assert plan.decode(plan.encode(loaded.plan)) == loaded.plan
    else:
        assert loaded.problems
    for problem in loaded.problems:
        assert str(problem)
        assert str(problem.in_language("zh"))


_PIECES = st.sampled_from(
    ["&a ", "*a", "!!int ", "[", "]", "{", "}", ": ", "- ", "\n", "\n  ", "\t", "'", '"', "#", "|", ">", "%", "~", "\0",
     "null", "true", "3", "1e400", "9" * 30, "9" * 5000, "stop", "if", "{not: x}", "\ud800", "\u2028", "\x85", "🚀"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_journey_loads_or_is_complained_of(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = begin + data.draw(st.integers(0, 12))
        text = text[:begin] + data.draw(_PIECES | st.text(max_size=5)) + text[end:]
    _check(load_journey(text, "a.yaml"))


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["stop", "1h", "x", "event.x > 1", 'tag("a")', "mon", "09:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["on", "where", "within", "if", "then", "else", "steps", "arms", "share", "send", "via", "all", "any",
                 "count", "lookback", "wait for", "wait while", "repeat", "every", "times", "until", "coupon", "task",
                 "to", "title", "webhook", "url", "body", "start", "with", "segment", "date", "at", "changed", "tag",
                 "winner", "migrate"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        ["enter", "exit", "goal", "quiet", "steps", "plan", "stage", "priority", "expires", "title", "in_flight"]
    ),
    _VALUES,
)
def test_any_value_under_any_key_loads_or_is_complained_of(key: str, value: Any) -> None:
    body = {"journey": "a", "stage": "acquire", "enter": {"on": "x"}, "steps": ["stop"], key: value}
    _check(load_journey(msgspec.json.encode(body), "a.yaml"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["event.x", "tag(", ")", "(", '"a"', "'", "and", "or", "not", "in", "[", "]", ",", "<", "==", "+", "-", "*",
             "1", "2.5", "count(", "where=", "within=", '"7d"', "matches", "last(", "stage()", ".", "=", "é", "$",
             "exists("]
        ),
        max_size=14,
    )
)  # fmt: skip
def test_any_words_in_a_row_are_a_condition_or_a_complaint(words: list[str]) -> None:
    text = " ".join(words)
    for parsed in (parse_condition(text, TRAVEL), parse_value(text, TRAVEL)):
        assert (parsed.expr is None) == bool(parsed.faults)
        assert all(fault.offset is None or 0 <= fault.offset <= len(text) for fault in parsed.faults)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(sorted(FORMS.values(), key=lambda form: form.__name__)))
def test_any_bytes_as_an_audience_file_are_read_or_complained_of(source: bytes, form: Any) -> None:
    parsed = parse_form(source, "caps.yaml", form)
    assert (parsed.form is None) == bool(parsed.problems)

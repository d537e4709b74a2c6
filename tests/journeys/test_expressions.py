"""Condition text and YAML forms become trees; what is wrong is named with its offset."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.expression import (
    FOREVER,
    AllOf,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Duration,
    Exists,
    Expr,
    HasConsent,
    HasTag,
    Measure,
    Measured,
    Not,
    Path,
    Text,
    Touched,
    walk,
)
from engine.core.ids import DAY
from journeys.compile import load_journey
from journeys.expressions import CUSTOMER, EVENT, RUN, TRAVEL, Scope, parse_condition, parse_formula, parse_value
from journeys.functions import SINCE_ENTER, merge
from journeys.words.phrases import condition


def tree(raw: Any, scope: Scope = TRAVEL) -> Expr:
    parsed = parse_condition(raw, scope)
    assert parsed.faults == []
    assert parsed.expr is not None
    return parsed.expr


TOTAL = Path("event", ("total",))
VIP = HasTag("vip")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event.total >= 200", Compare(">=", TOTAL, Constant(200))),
        ('not tag("vip")', Not(VIP)),
        (
            'tag("vip") and event.total > 1 or false',
            AnyOf((AllOf((VIP, Compare(">", TOTAL, Constant(1)))), Constant(False))),
        ),
        (
            "event.total + 2 * 3 == 7",
            Compare("==", Arithmetic("+", TOTAL, Arithmetic("*", Constant(2), Constant(3))), Constant(7)),
        ),
        (
            "event.total - 1 - 2 > -3",
            Compare(">", Arithmetic("-", Arithmetic("-", TOTAL, Constant(1)), Constant(2)), Constant(-3)),
        ),
        ('customer.city not in ["a", "b"]', Compare("not in", Path("customer", ("city",)), Constant(["a", "b"]))),
        ('not customer.city in ["a"]', Not(Compare("in", Path("customer", ("city",)), Constant(["a"])))),
        ("18 <= event.total < 30", AllOf((Compare("<=", Constant(18), TOTAL), Compare("<", TOTAL, Constant(30))))),
        ('customer.email matches "@brand[.]"', Text("matches", Path("customer", ("email",)), Constant("@brand[.]"))),
        ('event.tags contains "x"', Text("contains", Path("event", ("tags",)), Constant("x"))),
        ("account.size > 3", Compare(">", Path("account", ("size",)), Constant(3))),
        ("exists(customer.address.city)", Exists(Path("customer", ("address", "city")))),
        ('event["order total"] > 1', Compare(">", Path("event", ("order total",)), Constant(1))),
        ('consent("sms")', HasConsent("sms")),
        ('opened("welcome", within="7d")', Touched("opened", "welcome", 7 * DAY)),
        ("(event.total > 1)", Compare(">", TOTAL, Constant(1))),
        ("event.total >\n  1", Compare(">", TOTAL, Constant(1))),
        ("customer.is_member", Path("customer", ("is_member",))),
    ],
)
def test_text_becomes_a_tree(text: str, expected: Expr) -> None:
    assert tree(text) == expected


SHOES = Compare("==", Path("event", ("category",)), Constant("shoes"))


@pytest.mark.parametrize(
    ("text", "function", "measure"),
    [
        ('count("o") > 1', "count", Measure("", "o")),
        ('count("o", within="7d") > 1', "count", Measure("", "o", window=7 * DAY)),
        ('sum("o", "total.net", within="7d") > 1', "sum", Measure("", "o", "total.net", window=7 * DAY)),
        ('max("o", "total") > 1', "max", Measure("", "o", "total")),
        ('min("o", "total", since="enter") > 1', "min", Measure("", "o", "total", window=SINCE_ENTER)),
        ('avg("o", "total", within="7d") > 1', "avg", Measure("", "o", "total", window=7 * DAY)),
        ('distinct("o", "sku") > 1', "distinct", Measure("", "o", "sku", window=FOREVER, kind="values")),
        ('distinct("o", "sku", within="7d") > 1', "distinct", Measure("", "o", "sku", window=7 * DAY, kind="values")),
        ('first("o", within="7d") > "1d"', "first", Measure("", "o", window=7 * DAY)),
        ('last("o", since="enter") > "1d"', "last", Measure("", "o")),
        ('ever("o", within="7d")', "ever", Measure("", "o")),
        ('never("o", where=event.category == "shoes")', "never", Measure("", "o", where=SHOES)),
        (
            'sequence("a", "b", "a", within="7d", where=event.category == "shoes")',
            "sequence",
            Measure("", "a", where=SHOES, window=7 * DAY, kind="sequence", others=("b",)),
        ),
        (
            'sequence("a", "b", since="enter")',
            "sequence",
            Measure("", "a", window=SINCE_ENTER, kind="sequence", others=("b",)),
        ),
    ],
)
def test_a_behaviour_function_asks_the_fold_for_what_it_needs(text: str, function: str, measure: Measure) -> None:
    parsed = parse_condition(text, TRAVEL)
    assert parsed.faults == []
    assert [replace(asked, key="") for asked in parsed.measures] == [measure]
    assert parsed.expr is not None
    [asked] = [part for part in walk(parsed.expr) if isinstance(part, Measured)]
    assert (asked.function, asked.measure) == (function, parsed.measures[0].key)
    assert asked.chain == ((0, 1, 0)[: text.count('", "') + 1] if function == "sequence" else ())


def test_different_questions_have_different_keys_and_functions_of_one_field_share_one() -> None:
    asked = ['sum("o", "t")', 'distinct("o", "t")', 'count("o")', 'count("t")', 'sum("t", "o")', 'sum("o", "t.u")']
    asked += ['sequence("o", "t", since="enter")', 'sequence("t", "o", since="enter")', 'count("o", where=event.t > 1)']
    keys = {parse_value(text, TRAVEL).measures[0].key for text in asked}
    assert len(keys) == len(asked)
    [together] = parse_condition('max("o", "t") - min("o", "t") > avg("o", "t", within="7d")').measures
    assert together.window == 7 * DAY


def test_a_filter_may_ask_whether_the_event_says_something() -> None:
    [measure] = parse_condition('count("o", where=exists(event.coupon.code)) > 1').measures
    assert measure.where == Exists(Path("event", ("coupon", "code")))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"all": ["event.total > 1 and event.gift", 'tag("vip")']}, 'event.total > 1 and event.gift and tag("vip")'),
        ({"any": [{"any": ["event.a", "event.b"]}, "event.c"]}, "event.a or (event.b or event.c)"),
        ({"all": ["18 <= event.a < 30", {"all": ["event.b"]}]}, "18 <= event.a < 30 and event.b"),
        ({"not": {"all": ["event.a", True]}}, "not (event.a and true)"),
        ({"all": [{"any": ["event.a", "event.b"]}, "event.c"]}, "(event.a or event.b) and event.c"),
        ({"any": ['max("o", "t") > 1', {"not": 'ever("o")'}]}, 'max("o", "t") > 1 or not ever("o")'),
    ],
)
def test_however_a_condition_is_written_it_is_the_same_tree(form: Any, text: str) -> None:
    assert parse_condition(form, TRAVEL) == parse_condition(text, TRAVEL)


def test_yaml_forms_make_the_same_tree_as_text() -> None:
    form = {"all": ['tag("vip")', {"any": ["event.total > 1", {"not": "event.gift == true"}]}]}
    assert tree(form) == tree('tag("vip") and (event.total > 1 or not event.gift == true)')


def test_an_age_is_compared_with_a_duration() -> None:
    expr = tree('last("order_paid") > "30d"')
    assert isinstance(expr, Compare)
    assert expr.right == Duration(30 * DAY)
    assert tree('"30d" < last("order_paid")') == Compare("<", Duration(30 * DAY), expr.left)


def test_measures_are_the_same_question_in_every_window_and_the_longest_is_kept() -> None:
    parsed = parse_condition('count("o", within="30d") > count("o", within="7d") and ever("o")')
    assert [(measure.event, measure.window) for measure in parsed.measures] == [("o", 30 * DAY)]
    other = parse_condition('count("o", within="90d", where=event.total > 1) > 0')
    assert other.measures[0].key != parsed.measures[0].key
    assert len(merge([*parsed.measures, *other.measures])) == 2


def test_counts_since_the_entrance_keep_a_bounded_window() -> None:
    parsed = parse_condition('count("o", since="enter") > 1', RUN)
    assert parsed.measures[0].window == SINCE_ENTER
    never = parse_condition('never("o", since="enter")', RUN)
    assert isinstance(never.expr, Measured)
    assert never.expr.since_enter


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("", "J040", 0),
        ("   ", "J040", 0),
        ("event.total # 3", "J042", 12),
        ('max("x", "\ud800") > 1', "J042", 10),
        ("event.total > 30d", "J042", 14),
        ("event.total = 3", "J043", 12),
        ("event.total > 3 && true", "J043", 16),
        ("!true", "J043", 0),
        ('tag("vip', "J044", 4),
        ("(" * 70 + "true" + ")" * 70, "J045", 64),
        ("event.a" + "+1" * 100 + " > 1", "J045", 0),
        ("not " * 80 + "true", "J045", 256),
        ("tag()", "J046", 0),
        ('tag("a", "b")', "J046", 0),
        ('count("x", until="7d") > 1', "J140", 11),
        ('count("x", withn="7d") > 1', "J140", 11),
        ('tag("x", within="7d")', "J046", 0),
        ('sum("x") > 1', "J046", 0),
        ('max("x", event.total) > 1', "J046", 0),
        ('distinct("x", within="7d") > 1', "J046", 0),
        ('max("x", "event.total") > 1', "J142", 9),
        ('sequence("x", within="1h")', "J046", 0),
        ('sequence("x", "y")', "J141", 0),
        ('sequence("x", "y", since="enter", within="1h")', "J046", 25),
        ('sequence("x", " ", within="1h")', "J035", 14),
        ('max("x", "total")', "J051", 0),
        ('maxx("x", "total") > 1', "J062", 0),
        ('contains(event.x, "a")', "J062", 0),
        ('count("x", within="7d", within="8d") > 1', "J046", 24),
        ('ever("x", since="exit")', "J046", 16),
        ("exists(1)", "J046", 0),
        ('hour() > "9"', "J048", 7),
        ('"a" > 3', "J048", 4),
        ('customer.city in "Shanghai"', "J049", 17),
        ("customer.a < true", "J050", 11),
        ('count("x")', "J051", 0),
        ('"text" and true', "J051", 0),
        ('customer.email matches "(a"', "J052", 23),
        ('customer.email matches "(a)(?=b)"', "J052", 23),
        ("customer.email matches customer.x", "J052", 23),
        ("vip", "J053", 0),
        ('last("x") > customer.age', "J057", 10),
        ('last("x") > "soon"', "J020", 12),
        ('last("x") > "1mo"', "J022", 12),
        ("customer.x == null", "J060", 14),
        ("customer.x is true", "J060", 11),
        ("event > 3", "J061", 0),
        ('tags("vip")', "J062", 0),
        ('count("x", where=tag("vip")) > 1', "J063", 17),
        ('count("x", where=customer.a) > 1', "J047", 17),
        ("customer.x in [customer.y]", "J064", 15),
        ("event.total >", "J065", 12),
        ('tag("vip"', "J065", 8),
        ("event.total > 3)", "J066", 15),
        ("event.total > > 3", "J066", 14),
        ('stage() == "retian"', "J014", 11),
        ('weekday() in ["mon", "monday"]', "J014", 13),
        ('tag("a b")', "J033", 4),
        ('segment("A B")', "J032", 8),
        ('count("x", within="9000d") > 1', "J021", 18),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_is(text: str, code: str, offset: int) -> None:
    faults = parse_condition(text, TRAVEL).faults
    assert [(fault.code, fault.offset) for fault in faults] == [(code, offset)]


def test_a_condition_that_ends_too_early_says_which_bracket_it_lacks() -> None:
    lacking = [parse_condition(text).faults[0].data["wanted"] for text in ('tag("vip"', 'customer.x in ["a"', "(true")]
    assert lacking == [")", "]", ")"]


def test_a_condition_reads_only_what_its_place_has() -> None:
    assert [fault.code for fault in parse_condition("event.x == 1", RUN).faults] == ["J047"]
    assert [fault.code for fault in parse_condition("enter.x == 1", CUSTOMER).faults] == ["J047"]
    assert [fault.code for fault in parse_condition('ever("x", since="enter")', CUSTOMER).faults] == ["J047"]
    assert [fault.code for fault in parse_condition('tag("x")', EVENT).faults] == ["J063"]


def test_every_wrong_part_of_a_yaml_form_is_told_with_its_path() -> None:
    parsed = parse_condition({"all": ["bogus", {"any": []}, {"nor": []}, 3, "true"]})
    assert [(fault.code, fault.path) for fault in parsed.faults] == [
        ("J053", ("all", 0)),
        ("J056", ("all", 1, "any")),
        ("J056", ("all", 2)),
        ("J056", ("all", 3)),
    ]


def test_a_yaml_form_is_bounded_in_depth() -> None:
    form: Any = "true"
    for _ in range(80):
        form = {"not": form}
    assert [fault.code for fault in parse_condition(form).faults] == ["J045"]


def test_a_condition_is_bounded_in_length() -> None:
    assert [fault.code for fault in parse_condition("true or " * 1_000 + "true").faults] == ["J041"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("SPRING10", Constant("SPRING10")),
        ("New York", Constant("New York")),
        ("3 days", Constant("3 days")),
        (5, Constant(5)),
        (True, Constant(True)),
        (["a", 1], Constant(["a", 1])),
        ("enter.total * 2", Arithmetic("*", Path("enter", ("total",)), Constant(2))),
        ('"a customer.x"', Constant("a customer.x")),
    ],
)
def test_a_value_is_a_formula_when_it_reads_something_and_itself_otherwise(raw: Any, expected: Expr) -> None:
    assert parse_value(raw).expr == expected


def test_a_formula_must_read_something_of_the_right_kind() -> None:
    assert parse_formula("event.cart_id", EVENT).expr == Path("event", ("cart_id",))
    assert parse_formula(3, TRAVEL, frozenset({"number", "any"})).expr == Constant(3)
    wrong = parse_formula('tag("vip")', TRAVEL, frozenset({"number", "any"}))
    assert [fault.code for fault in wrong.faults] == ["J059"]


@pytest.mark.parametrize(
    ("text", "en", "zh"),
    [
        ('max("o", "t", within="7d") > 3', "the largest t over o in the last 7 days is above 3", "最大值"),
        ('min("o", "t") > 3', "the smallest t over o is above 3", "最小值"),
        ('avg("o", "t", since="enter") > 3', "the average t over o since the entrance is above 3", "平均值"),
        ('distinct("o", "t") > 3', "the number of different t over o is above 3", "不同的"),
        ('sequence("a", "b", "a", within="1h")', "a, then b, then a happened in this order in the last 1 hour", "依次"),
        ('first("o", within="30d") > "7d"', "the time since the first o in the last 30 days is above 7 days", "首次"),
        ("account.size > 3", "the account's size is above 3", "企业客户"),
    ],
)
def test_every_function_is_said_in_both_languages(text: str, en: str, zh: str) -> None:
    parsed = parse_condition(text, TRAVEL)
    assert parsed.expr is not None
    measures = {measure.key: measure for measure in parsed.measures}
    assert condition(parsed.expr, measures) == en
    assert zh in condition(parsed.expr, measures, "zh")


EVERYWHERE = """
journey: everywhere
title: Everywhere
stage: retain
purpose: transactional
enter: {on: o, where: WHERE}
exit:
  - {on: p, where: WHERE}
  - {when: WHEN}
goal: {on: q, where: WHERE, within: 7d}
steps:
  - wait for: {on: r, where: WHERE, within: 1d}
  - wait for: {any: [{on: s, where: WHERE}, {on: t}], within: 1d}
  - {wait while: WHEN, within: 1d}
  - {if: WHEN, then: [{tag: +a}]}
  - choose: [{if: WHEN, then: [{tag: +b}]}, {else: [{tag: +c}]}]
  - repeat: {every: 1d, times: 2, until: WHEN}
    steps: [{tag: +d}]
"""
TEXTS = {"WHERE": "'event.total > 1 and not event.gift'", "WHEN": '\'ever("x") and not tag("vip")\''}
TREES = {
    "WHERE": "{all: [event.total > 1, {not: event.gift}]}",
    "WHEN": "{all: ['ever(\"x\")', {not: 'tag(\"vip\")'}]}",
}


def test_text_and_tree_give_the_same_plan_in_every_place_that_takes_a_condition() -> None:
    plans = []
    for words in (TEXTS, TREES):
        body = EVERYWHERE
        for place, written in words.items():
            body = body.replace(place, written)
        loaded = load_journey(body, "everywhere.yaml")
        assert [str(problem) for problem in loaded.problems] == []
        assert loaded.plan is not None
        plans.append(loaded.plan)
    assert plans[0].version == plans[1].version

"""Condition text and YAML forms become trees; what is wrong is named with its offset."""

from typing import Any

import pytest

from engine.core.expression import (
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
    Measured,
    Not,
    Path,
    Text,
    Touched,
)
from engine.core.ids import DAY
from journeys.expressions import CUSTOMER, EVENT, RUN, TRAVEL, Scope, parse_condition, parse_formula, parse_value
from journeys.functions import SINCE_ENTER, merge


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
        ("account.size > 3", "J090", 0),
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

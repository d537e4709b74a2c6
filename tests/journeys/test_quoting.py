"""Conditions inside braces are one value whatever commas they hold, and complaints stay where they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.plan import Every, Repeat
from journeys.compile import load_journey
from journeys.quoting import with_quotes

HEAD = "journey: a\nstage: acquire\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {when: f(1, 2) > 3, for: 1d}", "a: {when: 'f(1, 2) > 3', for: 1d}"),
        ('- {if: x in ["a", "b"], then: [stop]}', '- {if: \'x in ["a", "b"]\', then: [stop]}'),
        ("a: {b: [f(1, 2), 3]}", "a: {b: ['f(1, 2)', 3]}"),
        ("a: {b: f('x', 2)}", "a: {b: 'f(''x'', 2)'}"),
        ("a: {\n  b: f(1, 2),\n  c: g(1, 2) }", "a: {\n  b: 'f(1, 2)',\n  c: 'g(1, 2)' }"),
    ],
)
def test_quotes_are_put_around_what_holds_commas_or_brackets(text: str, expected: str) -> None:
    quoted = with_quotes(text)
    assert quoted is not None
    assert quoted.text == expected


@pytest.mark.parametrize(
    "text",
    [
        "a: f(1, 2)",
        "a: {b: 'f(1, 2)', c: \"g(1, 2)\"}",
        "a: {b: [1, 2], c: {d: 1}}",
        "a: {b: f(1, 2}",
        "a: 1 # {b: f(1, 2)}",
        "note: |\n  a: {b: f(1, 2)}\n\n  {c: f(1, 2)}",
        "title: Call {{ f(1, 2) }}",
        "{}}}{{[]]",
    ],
)
def test_what_stands_by_itself_and_what_cannot_be_told_is_left_alone(text: str) -> None:
    assert with_quotes(text) is None


def test_a_condition_with_commas_needs_no_quotes_in_braces() -> None:
    loaded = load_journey(
        HEAD + "enter: {every: 0 10 * * MON, zone: UTC, audience: customer.city in ['Köln', \"Bonn\"] and tag('x')}\n"
        'steps:\n  - repeat: {every: 7d, times: 4, until: count("order_paid", within="7d") > 0}\n'
        "    steps: [{wait: 1h}]\n",
        "a.yaml",
    )
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.plan is not None
    assert isinstance(loaded.plan.enter, Every)
    assert isinstance(loaded.plan.nodes[0], Repeat)
    assert loaded.plan.nodes[0].until is not None


def test_complaints_about_a_quoted_file_stand_where_the_marketer_sees_them() -> None:
    text = HEAD + (
        'enter: {on: x, where: count("a", within="7d") > 0 and evnt.x > 1, agan: never}\n'
        "steps: [{if: count(\"a\", within='7d') > 0, then: [stop], els: [stop]}]\n"
    )
    lines = text.split("\n")
    problems = load_journey(text, "a.yaml").problems
    assert [(one.code, one.place.line, lines[one.place.line - 1][one.place.column - 1 :][:4]) for one in problems] == [
        ("J053", 3, "evnt"),
        ("J010", 3, "agan"),
        ("J010", 4, "els:"),
    ]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab{}[](),:'\"#|>- \n\t", max_size=60))
def test_any_text_is_read_to_its_end_and_only_gains_quotes(text: str) -> None:
    quoted = with_quotes(text)
    if quoted is not None:
        lines = [list(line) for line in quoted.text.split("\n")]
        for number, columns in quoted.inserted.items():
            assert columns == sorted(set(columns))
            for column in reversed(columns):
                assert lines[number].pop(column) == "'"
        assert "\n".join("".join(line) for line in lines) == text

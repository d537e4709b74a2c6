"""What a chat, a word processor or a Chinese keyboard leaves in a file is named, with the sign to write instead."""

import pytest

from journeys.compile import load_journey
from journeys.fix import mend
from journeys.parse import parse_journey

HEAD = "journey: a\ntitle: 大促：快来，“抢”\nstage: retain\n"
WELL = "enter: {on: order_paid}\nsteps:\n  - send: hello\n    via: email\n"
CHAT = "journey：a\nstage：retain\nenter：\n  on：order_paid\nsteps：\n  - send：hello\n    via：email\n"


def codes(source: str) -> list[tuple[str, int, int]]:
    return [(one.code, one.place.line, one.place.column) for one in parse_journey(source, "a.yaml").problems]


def test_a_well_written_file_may_hold_any_sign_in_its_texts() -> None:
    assert codes(HEAD + WELL) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CHAT, [("J133", line, column) for line, column in enumerate((8, 6, 6, 5, 6, 9, 8), 1)]),
        (HEAD + WELL.replace("via:", "via："), [("J133", 7, 8)]),
        (HEAD + WELL.replace("order_paid}", "order_paid，where: event.x > 1}"), [("J133", 4, 23)]),
        (HEAD + WELL.replace("{on", "｛on"), [("J133", 4, 8)]),
        (HEAD + WELL.replace("{on: order_paid}", "\n\ton: order_paid"), [("J134", 5, 1)]),
        (HEAD + "enter: {on: x, where: event.city == “Beijing”}\nsteps: [{stop: }]", [("J133", 4, 37)]),
        (HEAD + "enter: {on: x, where: event.total ≥ 200}\nsteps: [{stop: }]", [("J133", 4, 35)]),
    ],
)
def test_a_look_alike_is_named_where_it_stands_and_nothing_that_would_mislead(
    source: str, expected: list[tuple[str, int, int]]
) -> None:
    assert codes(source) == expected


def test_the_complaint_says_what_to_type_in_both_languages() -> None:
    (problem,) = load_journey(HEAD + WELL.replace("via:", "via："), "a.yaml").problems
    assert "`：`" in str(problem)
    assert "`:`" in str(problem)
    (problem,) = load_journey(HEAD + WELL.replace("via:", "via："), "a.yaml", lang="zh").problems
    assert "请改用英文输入法的 `:`" in str(problem)


@pytest.mark.parametrize(
    "source",
    [CHAT, HEAD + WELL.replace("via:", "via："), HEAD + WELL.replace("{on: order_paid}", "\n\ton: order_paid")],
)
def test_mending_types_the_plain_sign_and_leaves_texts_alone(source: str) -> None:
    mended = mend(source, lambda text: load_journey(text, "a.yaml").problems)
    assert load_journey(mended.text, "a.yaml").problems == []
    assert source.splitlines()[1] in mended.text or source == CHAT


def test_curly_quotes_of_a_condition_are_mended_in_pairs() -> None:
    source = HEAD + "enter:\n  on: x\n  where: event.city == “Beijing” and not tag(‘vip’)\nsteps:\n  - tag: +x\n"
    mended = mend(source, lambda text: load_journey(text, "a.yaml").problems)
    assert "where: event.city == \"Beijing\" and not tag('vip')" in mended.text
    assert "“抢”" in mended.text


def test_words_of_the_scanner_are_said_in_the_readers_language() -> None:
    (problem,) = load_journey(HEAD + "enter: {on: x\n", "a.yaml", lang="zh").problems
    assert "expected" not in str(problem)
    (problem,) = load_journey(HEAD + 'plan: {goal: "a "b""}\n', "a.yaml").problems
    assert problem.code == "J002"

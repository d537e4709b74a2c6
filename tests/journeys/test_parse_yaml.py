"""YAML 1.2 as marketers write it, and the complaints about what is not."""

import pytest

from journeys.positions import MAX_BYTES, read_document


def codes(source: str | bytes) -> list[tuple[str, int, int]]:
    document = read_document(source, "a.yaml")
    return [(problem.code, problem.place.line, problem.place.column) for problem in document.problems]


def test_yaml_1_2_keeps_on_no_clock_times_and_leading_zeros_as_text() -> None:
    document = read_document("on: NO\nquiet: 21:00-09:00\nat: 22:30\ncode: 010\nyes: off\nwhen: 2026-11-11", "a.yaml")
    assert document.problems == []
    assert document.data == {
        "on": "NO", "quiet": "21:00-09:00", "at": "22:30", "code": "010", "yes": "off", "when": "2026-11-11",
    }  # fmt: skip


def test_numbers_and_truths_are_read_and_quoted_ones_stay_text() -> None:
    document = read_document("[12, -3, 0.5, 1e3, true, FALSE, ~, '12', \"true\", 0x1F, .inf, 1_000]", "a.yaml")
    assert document.data == [12, -3, 0.5, 1000.0, True, False, None, "12", "true", "0x1F", ".inf", "1_000"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"a: \xff", [("J001", 1, 4)]),
        ('a: "\\ud800"', [("J001", 1, 4)]),
        ("a: [1, 2", [("J002", 1, 9)]),
        ("a: b: c", [("J002", 1, 5)]),
        ("a: 1\n\tb: 2", [("J002", 2, 1)]),
        ("a: \x00", [("J002", 1, 4)]),
        ("", [("J003", 1, 1)]),
        ("# only a remark", [("J003", 1, 1)]),
        ("x" * (MAX_BYTES + 1), [("J004", 0, 0)]),
        ("a: 1\n" + "!" * 900_000, [("J000", 2, 10_001)]),
        ("- a\n" * 30_000, [("J004", 20_000, 3)]),
        ("[" * 60, [("J005", 1, 51)]),
        ("a: &x 1\nb: *x", [("J006", 1, 4), ("J006", 2, 4)]),
        ("*x: 1\n? *x\n: {b: 2}\nc: 3", [("J006", 1, 1), ("J006", 2, 3)]),
        ("a: !!python/object:os.system 1", [("J007", 1, 4)]),
        ("a: 1\nb: 2\na: 3", [("J008", 3, 1)]),
        ("a: 1\n---\nb: 2", [("J009", 2, 1)]),
        ("%YAML 1.1\n---\na: 1", [("J009", 2, 1)]),
        ("? [a]\n: 1", [("J018", 1, 3)]),
    ],
)
def test_what_is_not_plain_yaml_is_refused_where_it_stands(
    source: str | bytes, expected: list[tuple[str, int, int]]
) -> None:
    assert codes(source) == expected


def test_a_billion_laughs_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(9)
    )
    assert codes(bomb)[0] == ("J006", 1, 4)


def test_of_a_duplicate_key_the_first_value_counts() -> None:
    document = read_document("a: {x: 1}\na: {y: [2, {z: 3}]}\nb: 4", "a.yaml")
    assert document.data == {"a": {"x": 1}, "b": 4}


def test_a_place_inside_a_folded_text_is_the_line_it_was_written_on() -> None:
    source = "where: >-\n  event.total > 1\n  and bogus\nother: 'it''s bogus'"
    document = read_document(source, "a.yaml")
    folded = document.place(("where",), str(document.value(("where",))).index("bogus"))
    quoted = document.place(("other",), str(document.value(("other",))).index("bogus"))
    assert (folded.line, folded.column) == (3, 7)
    assert (quoted.line, quoted.column) == (4, 15)


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    document = read_document(b"\xef\xbb\xbfa: 1\r\nb: two\r\n", "a.yaml")
    assert document.data == {"a": 1, "b": "two"}
    assert document.place(("b",)).line == 2

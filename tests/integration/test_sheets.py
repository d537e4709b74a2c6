"""Tables that come back from a spreadsheet: what could be a formula is shown and not run, and nothing is lost."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.sheets import Sheet, safe, write_sheet
from engine.core.errors import BadInput

CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r\n"), max_size=20)


@given(CELLS)
def test_no_cell_begins_a_formula_and_an_import_reads_it_as_it_was(cell: str) -> None:
    written = safe(cell)
    assert written.strip() == cell.strip()
    assert written[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize("cell", ["=1+1", "+8613800138000", "-2", "@SUM(A1)", "\uff1dcmd", " =1", "\t=1"])
def test_what_could_be_a_formula_gets_a_tab_before_it(cell: str) -> None:
    assert safe(cell) == f"\t{cell}"


def test_a_sheet_comes_back_as_it_went(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [("+8613800138000", 'say "hi", please', ""), ("=1+1", "中文", "x")]
    assert write_sheet(file, ("phone", "note", "rest"), rows) == 2
    sheet = Sheet(file, tmp_path / "no.csv")
    found = list(sheet.rows(dict, lambda: None))
    assert [tuple(row.values()) for row in found] == rows
    assert (sheet.read, sheet.taken, sheet.refused, sheet.lines()) == (2, 2, 0, 3)
    assert not (tmp_path / "no.csv").exists()


def test_refused_rows_are_set_apart_with_the_reason_and_as_no_formula(tmp_path: Path) -> None:
    file, rejects = tmp_path / "a.csv", tmp_path / "no.csv"
    file.write_text("name;value\nmei;=2\nan;3\n", encoding="gb18030")

    def understand(row: object) -> object:
        if "=2" in str(row):
            raise BadInput("=no", "Write a number")
        return row

    sheet = Sheet(file, rejects)
    assert len(list(sheet.rows(understand, lambda: None))) == 1
    assert sheet.wrong == [f"{file}:2: =no. Write a number"]
    with rejects.open(encoding="utf-8-sig", newline="") as opened:
        assert list(csv.reader(opened)) == [["name", "value", "problem"], ["mei", "\t=2", "\t=no. Write a number"]]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    for body in (b"\xff\xfe\x00a", b"name\n\xff\xfe"):
        file.write_bytes(body)
        with pytest.raises(BadInput, match="UTF-8"):
            list(Sheet(file, tmp_path / "no.csv").rows(dict, lambda: None))


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("")
    assert list(Sheet(file, tmp_path / "no.csv").rows(dict, lambda: None)) == []

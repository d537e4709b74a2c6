"""Whatever stands in a file: reading it ends, a row is a row or a fault with its line, and good rows come through."""

import csv
import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli import import_mapping as mapping
from engine.cli.import_cells import TYPES, clean, identifier, read
from engine.cli.import_messages import Rows, Task
from engine.cli.import_rejects import safe
from engine.cli.import_tables import Row, open_table
from engine.core.errors import BadInput
from engine.http.naming import Naming

# What a table can hold: text that Excel writes in GB18030, too, with delimiters, quotes and line ends inside of cells.
words = st.text(st.characters(codec="gb18030", exclude_characters="\0\r�"), max_size=12)
cells = words | st.sampled_from(
    ["1.38E+10", "=1+1", "13800138000", "是", "46143", "a,b", 'say "x"', "two\nlines", "　"]
)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8)


def written(rows: list[list[str]], encoding: str, delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["会员号", "手机号", "c"], *rows])
    return text.getvalue().encode(encoding)


def rows_of(body: bytes, name: str = "file.csv") -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(body)
        with open_table(path) as table:
            return list(table.rows)


@given(tables, st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]), st.sampled_from([",", ";", "\t", "|"]))
@settings(max_examples=150, deadline=None)
def test_what_a_spreadsheet_wrote_is_read_back(rows: list[list[str]], encoding: str, delimiter: str) -> None:
    kept = [row for row in rows if any(row)]
    found = rows_of(written(rows, encoding, delimiter))
    assert [row.fault for row in found] == [None] * len(kept)
    for row, said in zip(found, kept, strict=True):
        assert list(row.cells.values()) == said


torn = st.binary(max_size=400).map(lambda body: gzip.compress(body)[:-3])


@given(st.binary(max_size=400) | torn, st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "a.csv.gz"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_rows_faults_or_no_table(body: bytes, name: str) -> None:
    try:
        found = rows_of(body, name)
    except (BadInput, OSError):
        return
    for row in found:
        assert (row.fault is None) or row.fault.problem
    assert [row.number for row in found] == sorted(row.number for row in found)


@given(
    st.lists(st.dictionaries(st.sampled_from(["u", "p", "t", "x"]), cells | st.none() | st.integers() | st.booleans()))
)
@settings(max_examples=100, deadline=None)
def test_rows_make_messages_or_say_why_not(rows: list[dict[str, Any]]) -> None:
    said = mapping.said(["u=user_id", "p=phone", "t=seen:time", "x=consent.sms"], zone="Asia/Shanghai")
    task = Task(what="customers", file="f.csv", as_of="2026-05-01T00:00:00+00:00")
    maker, again = Rows(task, said, Naming()), Rows(task, said, Naming())
    for number, row in enumerate(rows):
        try:
            messages = maker.messages(row, number)
        except BadInput as why:
            assert why.problem
            continue
        assert messages == again.messages(row, number + 7)


@given(cells | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
@settings(max_examples=300, deadline=None)
def test_a_cell_is_read_as_its_type_or_refused(value: Any) -> None:
    for kind in TYPES:
        try:
            read(value, kind, "c", "UTC")
        except BadInput as why:
            assert why.field == "c"
    for kind in Naming().kinds:
        try:
            identifier(value, kind, "c", Naming())
        except BadInput as why:
            assert why.field == "c"


@given(st.text(max_size=20))
def test_no_rejected_cell_is_a_formula_and_each_can_be_imported_again(text: str) -> None:
    assert safe(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    if text[:1] in {"=", "+", "-", "@"} and clean(text)[:1] == text[:1]:
        assert clean(safe(text)) == clean(text)

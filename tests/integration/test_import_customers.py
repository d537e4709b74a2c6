"""`journeyd import customers`: files as people have them become customers, once; what is wrong is told by its line."""

import csv
import gzip
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from engine.cli.main import app
from tests.integration.lived_shop import data, journeyd, known, live, make_shop

PEOPLE = """\
会员号,手机号,姓名,注册时间,是否订阅,标签,备注
001,１３８ 0013 8000,梅,2026年5月1日,是,茶；玉,x
002,1.38E+10,李,46143,否,,
003,13900139000,王,2026/5/3 9:30,,,
,,,,,,
004,13700137000,赵,1/5/2026,,,
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def load(shop: Path, *arguments: str, lang: str = "en") -> Result:
    return CliRunner().invoke(app, ["-w", str(shop), "--lang", lang, "import", "customers", *arguments])


def told(shop: Path, *arguments: str, code: int = 0) -> Any:
    return data(shop, "import", "customers", *arguments, code=code)


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    os.utime(path, (1_777_000_000, 1_777_000_000))
    return str(path)


def settle(shop: Path) -> None:
    """Let a log that was written to a stopped workspace take effect."""
    live(shop, [known("nobody", "2027-01-01T00:00:00Z")])


def customer(shop: Path, who: str) -> Any:
    return data(shop, "customers", "show", who)


def rejects(path: str) -> list[dict[str, str]]:
    with Path(f"{path}.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        ("utf-8", "CSV, UTF-8"),
        ("utf-8-sig", "CSV, UTF-8 (BOM)"),
        ("gb18030", "CSV, GB18030 (Chinese Excel)"),
        ("utf-16", "CSV, UTF-16"),
    ],
)
def test_a_chinese_file_becomes_customers(shop: Path, tmp_path: Path, encoding: str, form: str) -> None:
    file = write(tmp_path / "people.csv", PEOPLE, encoding)
    summary = told(shop, file, "--yes", "--zone", "Asia/Shanghai", code=1)
    assert (summary["read"], summary["taken"], summary["refused"]) == (4, 2, 2)
    assert summary["files"] == [f"people.csv: {form}"]
    assert [(one["line"], one["会员号"]) for one in rejects(file)] == [("3", "002"), ("6", "004")]
    assert "Excel has rounded" in rejects(file)[0]["problem"]
    assert "Day or month first?" in rejects(file)[1]["remedy"]
    settle(shop)
    mei = customer(shop, "user_id:001")
    assert mei["identifiers"] == {"user_id": ["001"], "phone": ["+8613800138000"]}
    assert mei["traits"] == {"name": "梅", "created_at": "2026-04-30T16:00:00+00:00", "phone": "+8613800138000"}
    assert mei["tags"].keys() == {"茶", "玉"}
    assert mei["consents"]["marketing"]["granted"] is True
    assert mei["consents"]["marketing"]["proof"] == "import:people.csv"


def test_a_guess_waits_until_somebody_has_looked_at_it(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", PEOPLE)
    result = load(shop, file)
    assert result.exit_code == 2
    assert "会员号 = user_id" in result.stderr
    assert "注册时间 = created_at:time" in result.stderr
    assert "备注 = left out" in result.stderr
    assert "--yes" in result.stderr
    assert not (shop / ".journeyd/journal.db").exists()


def test_a_dry_run_shows_what_would_be_and_changes_nothing(shop: Path, tmp_path: Path) -> None:
    live(
        shop,
        [
            known("001", "2026-01-01T00:00:00Z", phone="13800138000"),
            known("b", "2026-01-01T00:00:00Z", phone="13900139000"),
            {
                "type": "identify",
                "anonymousId": "x",
                "timestamp": "2026-01-01T00:00:00Z",
                "traits": {"email": "x@a.example"},
            },
            {
                "type": "identify",
                "anonymousId": "y",
                "timestamp": "2026-01-01T00:00:00Z",
                "traits": {"phone": "13500135000"},
            },
        ],
    )
    rows = [
        "user_id,phone,email",
        "001,13800138000,",  # known
        "new,13600136000,",  # new
        "new,,n@a.example",  # the same again
        "003,13900139000,",  # the phone of another user
        ",13500135000,x@a.example",  # two who are one
        "null,,",
    ]
    file = write(tmp_path / "people.csv", "\n".join(rows))
    before = data(shop, "customers", "list")
    said = told(shop, file, "--dry-run")
    assert said["would"] == {"new": 1, "known": 2, "would_merge": 1, "conflicting": 1, "names_nobody": 1}
    assert said["first"][0]["line"] == 2
    assert data(shop, "customers", "list") == before
    shown = load(shop, file, "--dry-run", lang="zh")
    assert "1 新客户" in shown.stdout
    assert "1 冲突" in shown.stdout


def test_two_new_rows_of_one_address_and_two_numbers_are_foreseen_as_the_conflict_they_become(
    shop: Path, tmp_path: Path
) -> None:
    rows = [
        "user_id,phone,email",
        ",13600136000,home@a.example",  # new, of no number yet
        "001,,home@a.example",  # the same: now 001
        "002,,home@a.example",  # another person by the number
        "002,13700137000,",  # known: the conflict's
        "001,13700137000,",  # 002 holds the phone
    ]
    file = write(tmp_path / "people.csv", "\n".join(rows))
    foreseen = told(shop, file, "--dry-run")["would"]
    assert foreseen == {"new": 1, "known": 2, "would_merge": 0, "conflicting": 2, "names_nobody": 0}
    told(shop, file, "--yes")
    settle(shop)
    contested = {row["identifier"]: row["times"] for row in data(shop, "identity", "review")["contested"]}
    assert contested == {"email:home@a.example": 1, "phone:+8613700137000": 1}
    assert customer(shop, "user_id:001")["id"] != customer(shop, "user_id:002")["id"]


def test_the_same_file_twice_changes_nothing(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", PEOPLE)
    told(shop, file, "--yes", code=1)
    settle(shop)
    before = customer(shop, "user_id:001")
    copy = write(tmp_path / "copy.csv", PEOPLE)
    os.utime(copy)
    told(shop, copy, "--yes", code=1)
    settle(shop)
    assert customer(shop, "user_id:001") == before


def test_what_a_file_says_is_as_old_as_the_file(shop: Path, tmp_path: Path) -> None:
    live(shop, [known("001", "2026-08-01T00:00:00Z", name="newer")])
    write(tmp_path / "people.csv", PEOPLE)
    told(shop, str(tmp_path / "people.csv"), "--yes", code=1)
    settle(shop)
    assert customer(shop, "user_id:001")["traits"]["name"] == "newer"


def test_a_mapping_names_every_column(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "a;b;c;d;e\n7;1,200;是;茶,玉;13800138000.0\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text("zone: Asia/Shanghai\ncolumns:\n  a: user_id\n  b: points:number\n  c: vip:bool\n  e: phone\n")
    assert told(shop, file, "--mapping", str(mapping))["taken"] == 1
    words = ["a=user_id", "b=-", "c=consent.email", "d=likes:list"]
    assert told(shop, file, *[part for word in words for part in ("--map", word)], "--proof", "fair")["taken"] == 1
    settle(shop)
    seven = customer(shop, "user_id:7")
    assert seven["traits"] == {"points": 1200, "vip": True, "likes": ["茶", "玉"], "phone": "+8613800138000"}
    assert seven["consents"]["email"]["proof"] == "fair"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--map", "phone"], "not COLUMN=FIELD"),
        (["--map", "手机号=phone:money"], "money is no type"),
        (["--map", "手机=phone"], "has no column 手机"),
        (["--map", "姓名=name"], "no column names anybody"),
        (["--map", "姓名=phone", "--map", "手机号=phone"], "Two columns are mapped to phone"),
        (["--map", "手机号=phone", "--zone", "Mars/Base"], "no time zone"),
        (["--yes", "--encoding", "klingon"], "no encoding"),
        (["--yes", "--delimiter", ";;"], "not one character"),
        (["--map", "手机号=phone", "--mapping", "m.yaml"], "said twice"),
    ],
)
def test_a_wrong_mapping_says_what_to_write(shop: Path, tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = load(shop, write(tmp_path / "people.csv", PEOPLE), *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    "text", ["[", "7", "columns: 7", "columns: {}", "columns: {a: 7}", "columns: {a: b, a: c}", "x: 1"]
)
def test_a_mapping_file_that_is_none_is_refused(shop: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    result = load(shop, write(tmp_path / "people.csv", PEOPLE), "--mapping", str(tmp_path / "m.yaml"))
    assert result.exit_code == 2
    assert "m.yaml" in result.stderr


def test_wrong_lines_are_set_apart_and_can_be_mended(shop: Path, tmp_path: Path) -> None:
    lines = [
        "user_id,phone,email,points,name",
        'u1,13800138000,a@a.example,5,"=HYPERLINK(""x"")"',
        "u2,call me,,,+1",
        "u3,,mei@,,=2+2",
        "u4,,,many,",
        "1.5E+11,,,,",
        "17.0,,,,",
        "u5,,,,a,b,c",
        ",,,,only a name",
        "u6,,,,a\x00b",
    ]
    file = write(tmp_path / "people.csv", "\n".join(lines))
    words = [
        "--map",
        "user_id=user_id",
        "--map",
        "phone=phone",
        "--map",
        "email=email",
        "--map",
        "points=points:number",
    ]
    summary = told(shop, file, *words, "--map", "name=name", code=1)
    assert (summary["taken"], summary["refused"]) == (1, 8)
    found = rejects(file)
    assert [one["line"] for one in found] == ["3", "4", "5", "6", "7", "8", "9", "10"]
    assert (found[0]["name"], found[1]["name"]) == ("'+1", "'=2+2")
    assert "A tool made a fraction of it" in found[4]["remedy"]
    settle(shop)
    assert customer(shop, "user_id:u1")["traits"]["name"] == '=HYPERLINK("x")'
    mended = Path(f"{file}.rejects.csv").read_text(encoding="utf-8-sig").replace("call me", "13900139000")
    again = write(tmp_path / "mended.csv", mended)
    told(shop, again, *words, "--map", "name=name", code=1)
    settle(shop)
    assert customer(shop, "user_id:u2")["traits"]["name"] == "+1"
    assert list(rejects(again)[0]) == list(found[0])  # the reasons of the first round made way


def test_an_import_is_known_by_its_own_write_key_else_by_the_first(shop: Path, tmp_path: Path) -> None:
    told(shop, write(tmp_path / "first.csv", "user_id\nu1\n"), "--yes")
    settings = (shop / "journeyd.yaml").read_text()
    own = "    key: file:.journeyd/write.key\n"
    assert own in settings
    (shop / "journeyd.yaml").write_text(settings.replace(own, f"{own}  - name: import\n    key: file:import.key\n"))
    (shop / "import.key").write_text("0123456789abcdef0123456789abcdef\n")
    (shop / "import.key").chmod(0o600)
    told(shop, write(tmp_path / "second.csv", "user_id\nu2\n"), "--yes")
    settle(shop)
    assert [customer(shop, f"user_id:{who}")["source"] for who in ("u1", "u2")] == ["shop", "import"]


def test_a_line_is_refused_in_the_language_asked_for(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", PEOPLE)
    assert load(shop, file, "--yes", lang="zh").exit_code == 1
    assert [one["problem"] for one in rejects(file)] == [
        "手机号：1.38E+10 是被 Excel 取整的数字",
        "注册时间：'1/5/2026' 不是日期",
    ]


def test_too_many_wrong_lines_stop_the_import(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "phone\n" + "none\n" * 500)
    result = load(shop, file, "--yes", "--most-refused", "20")
    assert result.exit_code == 2
    assert "stopped at line 21" in result.stderr
    assert len(rejects(file)) == 20


def test_files_that_are_no_tables_are_refused(shop: Path, tmp_path: Path) -> None:
    for name, body, complaint in [
        ("book.xlsx", b"PK\x03\x04rest", "Excel workbook"),
        ("old.xls", b"\xd0\xcf\x11\xe0rest", "Excel workbook"),
        ("empty.csv", b"", "no header line"),
        ("twice.csv", b"phone,phone\n1,2\n", "two columns phone"),
        ("odd.csv", b"\xff\xff\xff\xff", "neither UTF-8 nor GB18030"),
        ("odd.parquet", b"PAR1", "no Parquet file"),
    ]:
        (tmp_path / name).write_bytes(body)
        result = load(shop, str(tmp_path / name), "--yes")
        assert (result.exit_code, complaint in result.stderr) == (2, True), result.stderr
    assert load(shop, str(tmp_path / "missing.csv"), "--yes").exit_code == 2


def test_json_lines_and_gzip_are_read(shop: Path, tmp_path: Path) -> None:
    lines = [
        {"user_id": 7, "phone": 13800138000, "likes": ["tea"], "points": 1.5},
        {"user_id": "8", "email": "b@a.example"},
        {"user_id": 13800138000.0},
    ]
    body = "\ufeff" + "\n".join(json.dumps(line) for line in lines) + "\n{bad\n7\n\n"
    file = tmp_path / "people.jsonl.gz"
    file.write_bytes(gzip.compress(body.encode()))
    words = ["user_id=user_id", "phone=phone", "email=email", "likes=likes:list", "points=points:number"]
    summary = told(shop, str(file), *[part for word in words for part in ("--map", word)], code=1)
    assert (summary["taken"], summary["refused"]) == (3, 2)
    assert [one["line"] for one in rejects(str(file))] == ["4", "5"]
    settle(shop)
    assert customer(shop, "user_id:7")["traits"] == {"likes": ["tea"], "points": 1.5, "phone": "+8613800138000"}


def test_parquet_keeps_its_types(shop: Path, tmp_path: Path) -> None:
    table = pa.table(
        {
            "user_id": pa.array([1, 2, None]),
            "phone": pa.array([13800138000.0, None, None]),
            "created_at": pa.array([datetime(2026, 5, 1, tzinfo=UTC), None, None]),
            "spent": pa.array([Decimal("12.50"), Decimal("7.00"), None]),
            "vip": pa.array([True, False, None]),
        }
    )
    file = tmp_path / "people.parquet"
    parquet.write_table(table, file)
    words = ["user_id=user_id", "phone=phone", "created_at=created_at:time", "spent=spent:number", "vip=vip:bool"]
    summary = told(shop, str(file), *[part for word in words for part in ("--map", word)], code=1)
    assert (summary["taken"], summary["refused"], summary["files"]) == (2, 1, ["people.parquet: Parquet"])
    settle(shop)
    assert customer(shop, "user_id:1")["traits"] == {
        **{"created_at": "2026-05-01T00:00:00+00:00", "spent": 12.5, "vip": True},
        "phone": "+8613800138000",
    }


def test_imported_customers_start_no_journey_unless_told_to(shop: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "user_id\nu1\n")
    lines = told(shop, file, "--yes", "--dry-run")["first"]
    assert lines[0]["messages"][0]["backfill"] is True
    lines = told(shop, file, "--yes", "--dry-run", "--trigger")["first"]
    assert "backfill" not in lines[0]["messages"][0]
    assert journeyd(shop, "import").exit_code != 1

"""Imports: CSV mappings, history in virtual time, hostile lines, and a daemon that asks to come back later."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from engine.cli.csv_shape import Column, CsvShape
from engine.cli.daemon import ATTEMPTS, Daemon, Unreachable
from engine.cli.main import app
from engine.core.errors import BadInput
from tests.integration.lived_shop import data, make_shop

PURCHASES = """\
customer_id,date,cds,dollars
00001,1997-01-01 10:00,1,11.77
00002,1997-01-12 10:00,1,12.00
00001,1997-01-12 13:00,1,9.00
00002,1997-02-12 10:00,5,77.00
"""
MAPPING = (
    *("--csv", "--map", "user_id=customer_id", "--event", "order_paid", "--at", "date", "--zone", "Asia/Shanghai"),
    *("--set", "total=dollars:number", "--set", "cds=cds:number"),
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def ingest(shop: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["-w", str(shop), "ingest", *arguments])


def test_history_is_lived_through_in_virtual_time(shop: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.jsonl"
    people.write_text(
        json.dumps(
            {
                "type": "identify",
                "userId": "00002",
                "timestamp": "1996-12-01T00:00:00Z",
                "traits": {"email": "two@home.example", "consents": {"marketing": True}},
            }
        )
    )
    purchases = tmp_path / "purchases.csv.gz"
    purchases.write_bytes(gzip.compress(PURCHASES.encode()))
    assert ingest(shop, "--history", str(people)).exit_code == 0
    summary = json.loads(ingest(shop, "--history", *MAPPING, str(purchases), "--json").stdout)
    assert (summary["read"], summary["taken"], summary["refused"]) == (4, 4, 0)
    assert summary["history"]["customers"] == 2
    customer = data(shop, "customers", "show", "00002")
    assert customer["stages"].keys() >= {"acquire", "activate", "retain"}
    touches = data(shop, "touches", "--journey", "first-order", "--customer", "00002")
    assert [(one["template"], one["state"]) for one in touches] == [("first-order-thanks", "sent")]
    told = data(shop, "explain", "00002", "first-order")["lines"]
    assert any("1997-01-12 11:00  first-order [3]" in line for line in told), told


def test_history_would_not_write_to_real_customers(shop: Path, tmp_path: Path) -> None:
    settings = (shop / "journeyd.yaml").read_text().replace("enabled: true", "enabled: false")
    (shop / "journeyd.yaml").write_text(settings)
    file = tmp_path / "purchases.csv"
    file.write_text(PURCHASES)
    result = ingest(shop, "--history", *MAPPING, str(file))
    assert result.exit_code == 2
    assert "--backfill" in result.stderr
    assert ingest(shop, "--history", "--backfill", *MAPPING, str(file)).exit_code == 0
    assert data(shop, "touches") == []
    assert len(data(shop, "customers", "list")) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--csv", "--event", "x"], "--map user_id="),
        (["--csv", "--map", "user=customer_id"], "no kind of identifier"),
        (["--csv", "--map", "user_id"], "not NAME=COLUMN"),
        (["--csv", "--map", "user_id=nobody"], "has no column nobody"),
        ([*MAPPING, "--set", "x=cds:money"], "money is no type"),
        ([*MAPPING, "--zone", "Mars/Base"], "no time zone"),
        ([*MAPPING, "--delimiter", ";;"], "not one character"),
        (["--event", "order_paid"], "Add --csv"),
    ],
)
def test_a_wrong_mapping_says_what_to_write(
    shop: Path, tmp_path: Path, arguments: Sequence[str], complaint: str
) -> None:
    file = tmp_path / "purchases.csv"
    file.write_text(PURCHASES)
    result = ingest(shop, "--dry-run", *arguments, str(file))
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_bad_rows_are_set_apart_with_their_line(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "purchases.csv"
    rows = [
        "1,1997-13-01,1,2",
        "2,1997-01-01,one,2",
        ",1997-01-01,1,2",
        "3,1997-01-01,1,2,9",
        "4,,1,2",
        "5,1997-01-01,1,2",
    ]
    file.write_text("\n".join(["customer_id,date,cds,dollars", *rows]))
    rejects = tmp_path / "bad.jsonl"
    result = ingest(shop, "--dry-run", *MAPPING, str(file), "--rejects", str(rejects), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["taken"] == 1
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [one["line"] for one in found] == [2, 3, 4, 5, 6]
    assert [one["field"] for one in found] == ["date", "cds", "userId", "", "date"]


def test_hostile_lines_hurt_only_themselves(shop: Path, tmp_path: Path) -> None:
    good = b'{"type": "track", "userId": "u1", "event": "seen"}'
    lines = [
        b"[" * 100_000,
        b'{"type": "track", "userId": "u1", "event": "\xff"}',
        b'{"a": NaN}',
        b'"text"',
        b'{"type": "explode", "userId": "u1"}',
        b'{"type": "track", "userId": "u1", "event": "big", "properties": {"x": "' + b"y" * 40_000 + b'"}}',
        b'{"x": "' + b"z" * 1_200_000 + b'"}',
        b"",
        good,
    ]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    result = ingest(shop, "--dry-run", str(file), "--json")
    summary = json.loads(result.stdout)
    assert (summary["read"], summary["taken"], summary["refused"]) == (8, 1, 7)


def test_without_a_daemon_the_remedy_is_to_start_it(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"type": "track", "userId": "u1", "event": "seen"}\n')
    result = ingest(shop, str(file))
    assert result.exit_code == 2
    assert "journeyd run" in result.stderr
    missing = ingest(shop, str(tmp_path / "nothing.jsonl"))
    assert missing.exit_code == 2
    assert "nothing.jsonl" in missing.stderr


# --- the parts -------------------------------------------------------------------------------------


def test_a_daemon_that_is_full_is_asked_again_after_its_pause() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(503), httpx.Response(200)]
    pauses: list[float] = []
    daemon = Daemon("http://daemon", pauses.append, transport=httpx.MockTransport(lambda _: answers.pop(0)))
    assert daemon.post_batch("key", [{"type": "track"}]).status_code == 200
    assert pauses == [3.0, 0.5]
    daemon.close()


def test_a_daemon_that_stays_full_is_given_up_in_the_end() -> None:
    pauses: list[float] = []
    daemon = Daemon("http://daemon", pauses.append, transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    with pytest.raises(Unreachable, match="Run the import again later"):
        daemon.post_batch("key", [{"type": "track"}])
    assert len(pauses) == ATTEMPTS
    daemon.close()


def test_a_csv_row_becomes_a_message() -> None:
    shape = CsvShape(
        identifiers=(Column("user_id", "id"), Column("email", "mail"), Column("openid", "wx")),
        at="when",
        zone="Asia/Shanghai",
        traits=(Column("name", "name"), Column("points", "points", "number")),
        consents=(Column("marketing", "yes", "bool"),),
    )
    row = {"id": "7", "mail": "mei@home.example", "wx": "o-1", "when": "2026-03-01 20:00", "name": "Mei", "yes": "Y"}
    assert shape.message({**row, "points": "1,200"}) == {
        "type": "identify",
        "userId": "7",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "context": {
            "traits": {"name": "Mei", "points": 1200, "consents": {"marketing": True}, "email": "mei@home.example"},
            "externalIds": [{"type": "openid", "id": "o-1"}],
        },
    }
    with pytest.raises(BadInput, match="points"):
        shape.message({**row, "points": "many"})

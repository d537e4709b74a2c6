"""`journeyd segments` over a workspace that has lived: counts, members, previews, reasons and files."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.core.ids import DAY, SECOND, Micros
from engine.runtime.clock import SystemClock
from journeys.words.phrases import instant
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop

TODAY = SystemClock().now() // DAY * DAY
SHANGHAI = ZoneInfo("Asia/Shanghai")

SEGMENTS = """
  dormant-30d: {when: ever("order_paid") and last("order_paid") > "30d"}
  regulars: {when: count("order_paid", within="90d") >= 2 and (customer.city == "Dali" or not tag("vip"))}
  winter-fair: {from: list}
"""


def ago(days: int) -> Micros:
    return TODAY - days * DAY


def stamp(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_shop(tmp_path_factory.mktemp("segments") / "shop")
    file = folder / "audience" / "segments.yaml"
    file.write_text(file.read_text() + SEGMENTS)
    live(
        folder,
        [
            did("li", "order_paid", stamp(ago(60)), total=7),
            known("li", stamp(ago(59)), city="Wuhan"),
            known("mei", stamp(ago(20)), city="Dali", email="mei@home.example"),
            did("mei", "order_paid", stamp(ago(19)), total=5),
            did("mei", "order_paid", stamp(ago(9)), total=5),
        ],
    )
    return folder


def test_every_segment_is_counted_without_asking_anybody(shop: Path) -> None:
    rows = {row["name"]: row for row in data(shop, "segments")}
    assert (rows["regulars"]["customers"], rows["dormant-30d"]["customers"]) == (1, 1)
    assert rows["winter-fair"] == {
        "name": "winter-fair",
        "kind": "list",
        "words": "an imported list",
        "customers": 0,
    }
    assert data(shop, "segments", "count", "regulars") == {"regulars": 1}
    assert journeyd(shop, "segments", "count", "regulars").stdout == "1\n"


def test_members_are_shown_with_since_when(shop: Path) -> None:
    [member] = data(shop, "segments", "preview", "regulars")["members"]
    assert member["identifiers"]["user_id"] == ["mei"]
    assert member["since"] == ago(9)  # the second order
    assert "1 of 2 customers (50.0%)" in journeyd(shop, "segments", "preview", "regulars").stdout


def test_a_condition_that_is_not_published_is_asked_of_everybody(shop: Path) -> None:
    said = data(shop, "segments", "preview", "--when", 'customer.city == "Wuhan"')
    assert (said["customers"], said["of"], said["not_counted"]) == (1, 2, [])
    assert said["examples"][0]["identifiers"]["user_id"] == ["li"]


def test_what_nothing_counts_yet_is_named_and_not_guessed(shop: Path) -> None:
    said = data(shop, "segments", "preview", "--when", 'count("order_refunded") == 0')
    assert said["not_counted"] == ["order_refunded"]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("preview",), "Preview one thing"),
        (("preview", "regulars", "--when", "true"), "Preview one thing"),
        (("preview", "--when", "customer.x =="), "bad_input"),
        (("preview", "--when", 'segment("regular")'), "did you mean regulars"),
        (("preview", "--when", 'not tag("no-such-tag")'), "nothing gives the tag"),
        (("count", "regular"), "Did you mean regulars?"),
        (("explain", "regulars", "nobody"), "Nobody is known as nobody"),
        (("export", "regulars", "--csv", "--json"), "Export as CSV or as JSON"),
    ],
)
def test_what_cannot_be_answered_says_what_to_write_instead(shop: Path, words: tuple[str, ...], wrong: str) -> None:
    refused = journeyd(shop, "segments", *words)
    assert (refused.exit_code, wrong in refused.stderr) == (2, True), refused.stderr


def test_why_somebody_is_in_or_out_is_told_part_by_part_in_both_languages(shop: Path) -> None:
    inside = journeyd(shop, "segments", "explain", "regulars", "mei").stdout.splitlines()
    assert inside[0] == f"in regulars since {instant(ago(9), SHANGHAI)}"
    assert inside[1] == f"may turn by itself at {instant(ago(19) + 90 * DAY, SHANGHAI)}"
    assert "(it is 2)" in inside[3]
    outside = journeyd(shop, "--lang", "zh", "segments", "explain", "regulars", "li").stdout.splitlines()
    assert outside[0] == "不属于 regulars"
    assert "现为" in outside[2]


def test_a_segment_is_written_as_csv_and_as_json_lines(shop: Path, tmp_path: Path) -> None:
    assert journeyd(shop, "segments", "export", "regulars", "--csv", "--to", str(tmp_path / "r.csv")).exit_code == 0
    with (tmp_path / "r.csv").open() as file:
        [row] = csv.DictReader(file)
    assert (row["user_id"], row["email"], row["since"]) == ("mei", "mei@home.example", stamp(ago(9)))
    [line] = journeyd(shop, "segments", "export", "regulars", "--json").stdout.splitlines()
    assert json.loads(line)["identifiers"]["user_id"] == ["mei"]

"""`journeyd funnel` on a workspace that has lived: tables in both languages, JSON, CSV, cohorts, groups, refusals."""

import csv
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop

LIFECYCLE = """
stages:
  acquire: {when: ever("signed_up")}
  activate: {when: ever("profile_completed")}
  monetize: {when: ever("order_paid")}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four customers: a buys a day after the profile, b before it, c never, d only signs up."""
    shop = make_shop(tmp_path_factory.mktemp("funnel") / "shop")
    (shop / "audience" / "lifecycle.yaml").write_text(LIFECYCLE, encoding="utf-8")
    settings = shop / "journeyd.yaml"
    assert "default_zone: Asia/Shanghai" in settings.read_text()
    live(
        shop,
        [
            did("a", "Signed Up", "2026-01-31T15:00:00Z"),
            known("a", "2026-01-31T15:30:00Z", city="上海"),
            did("b", "Signed Up", "2026-01-31T17:00:00Z"),
            known("b", "2026-01-31T17:30:00Z", city="=cmd()"),
            did("b", "Order Paid", "2026-01-31T18:00:00Z", total=5),
            did("a", "Profile Completed", "2026-02-01T15:00:00Z"),
            did("c", "Signed Up", "2026-02-01T17:00:00Z"),
            did("a", "Order Paid", "2026-02-02T15:00:00Z", total=9),
            did("b", "Profile Completed", "2026-02-02T17:00:00Z"),
            did("c", "Profile Completed", "2026-02-02T17:00:00Z"),
            did("d", "Signed Up", "2026-03-01T00:00:00Z"),
        ],
    )
    return shop


def rows(shop: Path, *arguments: str) -> list[dict[str, str]]:
    result = journeyd(shop, "funnel", "--csv", *arguments)
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_the_figures_are_those_of_the_four_lives(shop: Path) -> None:
    said = data(shop, "funnel")["all"]
    assert said["customers"] == 4
    assert [(row["stage"], row["reached"], row["now"]) for row in said["stages"]] == [
        ("acquire", 4, 1),
        ("activate", 3, 1),
        ("monetize", 2, 2),
    ]
    hour = 3_600_000_000
    first, second = said["steps"]
    assert (first["converted"], first["before"], first["share"]) == (3, 0, 0.75)
    # a and c took 24 hours, b 48; of the two who bought, b did it before the profile.
    assert (first["median"], first["p90"]) == (24 * hour, 48 * hour)
    assert (second["started"], second["converted"], second["before"]) == (3, 2, 1)
    assert (second["median"], second["p90"]) == (24 * hour, 24 * hour)


def test_a_table_speaks_both_languages(shop: Path) -> None:
    result = journeyd(shop, "funnel")
    assert result.exit_code == 0, result.output
    assert "75.0%" in result.stdout
    assert "1d" in result.stdout
    assert "counted as converted, not in the times" in result.stderr
    chinese = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "funnel", "--cohort", "month"])
    assert "获客" in chinese.stdout
    assert "中位用时" in chinese.stdout
    assert "提前" in chinese.stderr


def test_stages_have_one_name_wherever_they_are_shown(shop: Path) -> None:
    status = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "status"]).stdout
    assert [name in status for name in ("获客", "激活", "变现", "acquire")] == [True, True, True, False]
    life = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "customers", "show", "user_id:a"]).stdout
    assert "阶段 变现" in life
    assert "激活：首次到达于" in life
    assert "acquire" in journeyd(shop, "status").stdout
    assert "stage monetize" in journeyd(shop, "customers", "show", "user_id:a").stdout


def test_cohorts_are_months_of_the_workspaces_zone(shop: Path) -> None:
    """In Shanghai b came on the first of February."""
    groups = data(shop, "funnel", "--cohort", "month")["groups"]
    assert [(group["cohort"], group["customers"]) for group in groups] == [
        ("2026-01", 1),
        ("2026-02", 2),
        ("2026-03", 1),
    ]
    text = journeyd(shop, "funnel", "--cohort", "month").stdout
    assert "2026-02" in text
    assert [row["cohort"] for row in rows(shop, "--cohort", "week")][::3] == ["2026-W05", "2026-W06", "2026-W09"]


def test_any_trait_splits_and_csv_is_safe_to_open(shop: Path) -> None:
    found = rows(shop, "--by", "customer.city")
    assert {row["value"] for row in found} == {"", "上海", "'=cmd()"}
    assert [row["customers"] for row in found if row["stage"] == "acquire"] == ["2", "1", "1"]
    groups = data(shop, "funnel", "--by", "customer.city")["groups"]
    assert [group["value"] for group in groups] == [None, "=cmd()", "上海"]
    assert data(shop, "funnel", "--by", "source")["groups"][0]["value"] == "import"


def test_csv_has_a_row_for_each_stage(shop: Path) -> None:
    found = rows(shop)
    assert [row["stage"] for row in found] == ["acquire", "activate", "monetize"]
    assert found[1]["from"] == "acquire"
    assert (found[1]["converted"], found[1]["conversion"], found[1]["median_seconds"]) == ("3", "0.75", "86400")
    assert (found[2]["reached_before"], found[2]["of_all"]) == ("1", "0.5")
    assert found[0]["median_seconds"] == ""


@pytest.mark.parametrize(
    ("arguments", "customers"),
    [
        (("--since", "2026-02-01"), 3),
        (("--until", "2026-02-01"), 1),
        (("--since", "2026-02-01", "--until", "2026-03-01"), 2),
        (("--since", "2026-02-01T00:00:00Z"), 2),
        (("--since", "2026-04-01"), 0),
    ],
)
def test_a_window_is_of_when_customers_came(shop: Path, arguments: tuple[str, ...], customers: int) -> None:
    assert data(shop, "funnel", *arguments)["all"]["customers"] == customers


def test_nobody_in_the_window_is_said(shop: Path) -> None:
    assert "No customer came" in journeyd(shop, "funnel", "--since", "2026-04-01").stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--by", "city"), "--by city is neither source nor a trait"),
        (("--since", "soon"), "--since soon is neither a length of time nor a date"),
        (("--since", "2026-05-01", "--until", "2026-04-01"), "is not before --until"),
    ],
)
def test_what_cannot_be_asked_is_refused(shop: Path, arguments: tuple[str, ...], problem: str) -> None:
    result = journeyd(shop, "funnel", *arguments)
    assert (result.exit_code, problem in result.stderr) == (2, True), result.output


def test_without_stages_the_funnel_says_where_to_declare_them(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    live(shop, [did("a", "Signed Up", "2026-01-31T15:00:00Z")])
    (shop / "audience" / "lifecycle.yaml").write_text("stages: {}\n")
    assert "lifecycle.yaml declares no stage" in journeyd(shop, "funnel").stderr

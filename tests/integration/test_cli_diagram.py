"""`journeyd diagram`, `journeyd explain` and `journeyd status` on a workspace that has lived through some events."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop

HISTORY = [
    known("mei", "2026-03-02T02:00:00Z", email="mei@home.example", consents={"marketing": True}),
    did("mei", "cart_updated", "2026-03-02T02:10:00Z", total=260, cart_id="C1"),
    did("u2", "cart_updated", "2026-03-02T02:10:00Z", total=20, cart_id="C2"),
    did("welcome", "logged_in", "2026-03-02T09:10:00Z"),
    did("mei", "order_paid", "2026-03-02T10:10:00Z", total=260, cart_id="C9"),
    did("u2", "logged_in", "2026-03-02T20:10:00Z"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_shop(tmp_path_factory.mktemp("diagram") / "shop")
    live(folder, HISTORY)
    return folder


def test_the_tree_is_printed_with_live_counts(shop: Path) -> None:
    result = journeyd(shop, "diagram", "cart-rescue", "--counts")
    assert result.exit_code == 0, result.output
    assert "● on cart_updated" in result.stdout
    assert "1 entered" in result.stdout
    assert "├ 2  send cart-reminder" in result.stdout
    assert "1 sent" in result.stdout


def test_totals_have_their_headings_in_the_readers_language(shop: Path) -> None:
    assert "of all" in journeyd(shop, "status").stdout
    said = journeyd(shop, "--lang", "zh", "status").stdout
    assert [word for word in ("阶段", "曾到达", "旅程", "渠道", "已发送") if word not in said] == []
    assert [word for word in ("stage ", "reached", "channel", "sent") if word in said] == []


def test_the_drawing_is_written_as_svg_and_printed_as_mermaid(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "cart.svg"
    assert journeyd(shop, "--lang", "zh", "diagram", "cart-rescue", "--svg", str(file)).exit_code == 0
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert journeyd(shop, "diagram", "cart-rescue", "--mermaid").stdout.startswith("flowchart TD\n")
    assert journeyd(shop, "diagram", "cart-rescue", "--svg", "-").stdout.startswith("<svg ")


def test_the_drawing_is_data_as_well(shop: Path) -> None:
    found = data(shop, "diagram", "cart-rescue", "--counts")
    steps = {step["step"]: step for step in found["steps"]}
    assert steps["2"]["counts"]["sent"] == 1
    assert steps["1"]["ways"] == [{"label": "", "goes": "2"}]


def test_a_journey_that_is_not_there_is_named_with_the_nearest(shop: Path) -> None:
    result = journeyd(shop, "diagram", "cart-rescu")
    assert result.exit_code == 2
    assert "cart-rescue" in result.output


# --- explain


def test_a_touch_is_explained_from_its_road_to_its_effect(shop: Path) -> None:
    touch = data(shop, "touches", "--journey", "cart-rescue")[0]
    told = journeyd(shop, "explain", touch["id"])
    assert told.exit_code == 0, told.output
    for words in ("cart-reminder by email to mei@home.example: sent", "entered the journey on cart_updated"):
        assert words in told.stdout
    for words in ("no address for wechat", "Hand-over:", "attempt 1: the provider took it", "reached the goal"):
        assert words in told.stdout
    chinese = journeyd(shop, "--lang", "zh", "explain", touch["id"]).stdout
    assert "闸门：" in chinese
    assert "第 1 次: 服务商已接受" in chinese
    assert "没有 wechat 的地址" in chinese
    assert "no address" not in chinese
    assert "发送 4 小时 后" in chinese
    assert data(shop, "explain", touch["id"])["lines"] == told.stdout.rstrip("\n").split("\n")


def test_a_run_is_explained_by_its_id(shop: Path) -> None:
    touch = data(shop, "touches", "--journey", "cart-rescue")[0]
    told = data(shop, "explain", touch["run"])
    assert told["journey"] == "cart-rescue"
    assert {note["run"] for note in told["notes"]} == {touch["run"]}


def test_a_customer_is_explained_over_all_journeys(shop: Path) -> None:
    told = data(shop, "explain", "user_id:mei")
    assert "cart-rescue" in {note["journey"] for note in told["notes"]}
    assert journeyd(shop, "explain", "u2").stdout.count("`where` does not hold") >= 1


def test_a_name_that_may_be_several_things_says_what_was_found(shop: Path) -> None:
    told = journeyd(shop, "explain", "welcome")
    assert told.exit_code == 2
    assert "welcome is a journey and a customer" in told.output
    assert "--as journey" in told.output
    assert "Enters: on signed_up" in journeyd(shop, "explain", "welcome", "--as", "journey").stdout
    assert "in all journeys" in journeyd(shop, "explain", "welcome", "--as", "customer").stdout


def test_a_name_of_nothing_is_told_the_nearest_journey(shop: Path) -> None:
    told = journeyd(shop, "explain", "cart-rescu")
    assert told.exit_code == 2
    assert "Did you mean the journey cart-rescue?" in told.output

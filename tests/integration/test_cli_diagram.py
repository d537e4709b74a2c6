"""`journeyd diagram` and `journeyd explain` on a workspace that has lived through some events."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.lived_shop import data, did, journeyd, known, live, make_shop

HISTORY = [
    known("mei", "2026-03-02T02:00:00Z", email="mei@home.example", consents={"marketing": True}),
    did("mei", "cart_updated", "2026-03-02T02:10:00Z", total=260, cart_id="C1"),
    did("u2", "cart_updated", "2026-03-02T02:10:00Z", total=20, cart_id="C2"),
    did("u2", "logged_in", "2026-03-02T09:10:00Z"),
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

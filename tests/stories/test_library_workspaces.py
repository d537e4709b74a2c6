"""A workspace from each library works at once: it has no complaints, passes its stories, starts and sends."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.cli.main import app
from engine.core.plan import STAGES

LIBRARIES = ("e-commerce", "saas", "content")
MEI = {"email": "mei@home.example", "name": "Mei", "timezone": "UTC", "consents": {"marketing": True}}
PAST = [
    {"type": "identify", "messageId": "1", "userId": "u1", "timestamp": "2026-03-02T09:59:00Z", "traits": MEI}
    | {"confirmed": True},
    {"type": "track", "messageId": "2", "userId": "u1", "timestamp": "2026-03-02T10:00:00Z", "event": "signed_up"},
]


def journeyd(*arguments: str, at: Path | None = None) -> Result:
    return CliRunner().invoke(app, [*([] if at is None else ["-w", str(at)]), *arguments])


def data(*arguments: str, at: Path) -> Any:
    result = journeyd(*arguments, "--json", at=at)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_workspace_of_the_library_has_no_complaints_passes_its_stories_and_sends(
    library: str, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    made = journeyd("init", str(shop), "--library", library)
    assert made.exit_code == 0, made.output
    for word in (*STAGES, "welcome", "templates", "caps", "sample codes"):
        assert word in made.stdout
    assert data("lint", at=shop) == {"errors": 0, "warnings": 0, "problems": []}
    assert journeyd("test", "--min-coverage", "100", at=shop).exit_code == 0
    assert journeyd("doctor", at=shop).exit_code == 0
    (shop / "past.jsonl").write_text("".join(json.dumps(line) + "\n" for line in PAST), encoding="utf-8")
    lived = journeyd("ingest", "--history", str(shop / "past.jsonl"), at=shop)
    assert lived.exit_code == 0, lived.output
    assert ("welcome", "email") in {(one["journey"], one["channel"]) for one in data("touches", at=shop)}


def test_without_a_library_named_it_is_the_shops(tmp_path: Path) -> None:
    said = data("init", str(tmp_path / "a"), at=tmp_path)
    assert said["library"] == "e-commerce"
    assert {"journeys/monetize/cart-rescue.yaml", "coupons/SPRING10.csv"} < set(said["written"])
    assert "示例券码" in journeyd("--lang", "zh", "init", str(tmp_path / "b")).stdout


def test_an_unknown_library_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = journeyd("init", str(tmp_path / "shop"), "--library", "bank")
    assert result.exit_code == 2
    assert "There is no library 'bank'. Choose one of content, e-commerce, saas" in result.stderr
    assert not (tmp_path / "shop").exists()

"""`journeyd enter`: somebody enters a manual journey from a shell, the daemon running or stopped; what is refused."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from engine.core.events import Directive, decode
from engine.store.sqlite import SqliteLog
from tests.integration.lived_shop import data, journeyd, known, live, make_shop
from tests.integration.served_shop import Running, serving, sign_up, until

RECALL = """
journey: recall
title: A recall
stage: retain
purpose: transactional
enter: {manual: true}
steps:
  - if: enter.units > 2
    then:
      - tag: {add: many}
  - wait: 3d
  - stop
"""


def with_recall(shop: Path) -> Path:
    (shop / "journeys" / "recall.yaml").write_text(RECALL, encoding="utf-8")
    return shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = with_recall(make_shop(tmp_path_factory.mktemp("enter") / "shop"))
    live(made, [known("mei", "2026-05-01T10:00:00Z", phone="13800138000"), known("li", "2026-05-01T11:00:00Z")])
    return made


def test_a_stopped_workspace_keeps_the_entry_in_its_log(shop: Path) -> None:
    said = data(shop, "enter", "recall", "user_id:mei", "--property", "units=3", "--property", "code=007")
    assert (said["verb"], said["journey"], said["through"]) == ("enter", "recall", "log")
    assert said["properties"] == {"units": 3, "code": "007"}
    with closing(SqliteLog(shop / ".journeyd" / "journal.db")) as log:
        word = decode(log.read(said["offset"] - 1, 1)[0].body)
    assert isinstance(word, Directive)
    assert (word.id, word.subject, word.identifiers) == (said["id"], "recall", {"user_id": "mei"})


def test_it_says_who_was_meant_and_where_to_look(shop: Path) -> None:
    result = journeyd(shop, "enter", "recall", "13800138000")
    assert result.exit_code == 0
    assert result.stdout.startswith("Asked into recall: 13800138000 (")
    assert "No daemon runs" in result.stderr
    assert "journeyd explain 13800138000 recall" in result.stderr
    result = journeyd(shop, "--lang", "zh", "enter", "recall", "mei")
    assert "已请求进入 recall：mei（" in result.stdout
    assert "下次启动时生效" in result.stderr


@pytest.mark.parametrize(
    ("asked", "en", "zh"),
    [
        (("recal", "mei"), "No journey recal is published. Known: ", "没有已发布的旅程 recal"),
        (("welcome", "mei"), "welcome is not entered by hand. Write `manual: true`", "手动进入的旅程：promoter-invite"),
        (("recall", "nobody"), "Nobody is known as nobody", "没有客户 nobody"),
        (("recall", "mei", "--property", "units"), "units is not NAME=VALUE", "例如 --property total=80"),
    ],
)
def test_what_cannot_be_is_refused_with_words(shop: Path, asked: tuple[str, ...], en: str, zh: str) -> None:
    for lang, words in (("en", en), ("zh", zh)):
        result = journeyd(shop, "--lang", lang, "enter", *asked)
        assert result.exit_code == 2
        assert words in result.stderr


def test_a_workspace_without_data_is_told_apart(tmp_path: Path) -> None:
    result = journeyd(with_recall(make_shop(tmp_path / "new")), "enter", "recall", "mei")
    assert (result.exit_code, "has no data yet" in result.stderr) == (2, True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("enter") / "served"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    with serving(with_recall(root)) as served:
        yield served


def runs(running: Running) -> list[dict[str, Any]]:
    shown = running.data("customers", "show", "user_id:mei")
    return [run for run in shown["runs"] if run["journey"] == "recall"]


def test_the_running_daemon_lets_the_customer_in_with_the_values(running: Running) -> None:
    assert running.post(*sign_up("mei")).status_code == 200
    until(lambda: running.data("customers", "list"))
    said = running.data("enter", "recall", "user_id:mei", "--property", "units=3")
    assert said["through"] == "daemon"
    (run,) = until(lambda: runs(running))
    assert run["enter"] == {"units": 3}
    assert "many" in running.data("customers", "show", "user_id:mei")["tags"]
    assert "recall" in running.journeyd("explain", "user_id:mei", "recall").stdout

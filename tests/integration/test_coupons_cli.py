"""Pools from files: beside the journeys, by the command, through the daemon or into the log; who got which code."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.bootstrap.coupons import CodeFile, pool_files, stock_entries, stock_on_start
from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.coupons import CHUNK
from engine.core.errors import BadInput, BadSetting
from engine.core.events import Directive, decode
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.store.sqlite import SqliteLog
from engine.usecases.advance import advance
from tests.integration.lived_shop import journeyd
from tests.integration.served_shop import Running, serving, until

GIFT = """
journey: gift
title: A gift
stage: monetize
purpose: transactional
enter: {on: gift_asked}
steps:
  - coupon: GIFT
  - stop
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    (root / "journeys" / "gift.yaml").write_text(GIFT, encoding="utf-8")
    return root


def codes_of(path: Path, text: str) -> tuple[list[str], CodeFile]:
    path.write_text(text, encoding="utf-8")
    file = CodeFile(path)
    return list(file), file


# --- files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "A1\nB2\n"),
        ("p.csv", "code\nA1\nB2\n"),
        ("p.csv", "\ufeffvalue,Code ,until\n10,A1,2026\n10,B2,2026\n"),
        ("p.csv", "code;value\r\nA1;10\r\nB2;10\r\n"),
        ("p.csv", 'A1,first column\n"B2",counts\n'),
        ("p.txt", "A1\n  B2  \n"),
        ("p.txt", "券码\nA1\nB2"),
    ],
)
def test_codes_are_the_column_code_or_else_the_first(tmp_path: Path, name: str, text: str) -> None:
    codes, file = codes_of(tmp_path / name, text)
    assert (codes, file.refused, file.blank, file.repeated) == (["A1", "B2"], 0, 0, 0)


def test_what_a_file_repeats_leaves_out_or_spoils_is_said(tmp_path: Path) -> None:
    codes, file = codes_of(tmp_path / "p.txt", "A1\n\nA1\nB 2\n" + "x" * 65 + "\n\nC3\n")
    assert codes == ["A1", "C3"]
    assert (file.taken, file.blank, file.repeated, file.refused) == (2, 2, 1, 2)
    assert file.wrong[0] == f"{tmp_path / 'p.txt'}:4: 'B 2' has a space in it"
    assert "longer than 64" in file.wrong[1]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"\xff\xfe\x00A")
    with pytest.raises(BadInput, match="UTF-8"):
        list(CodeFile(path))


def test_pools_are_named_by_their_files(tmp_path: Path) -> None:
    assert pool_files(tmp_path) == []
    folder = tmp_path / "coupons"
    folder.mkdir()
    for name in ("SPRING10.csv", "new_5.txt", "README.md"):
        (folder / name).write_text("A\n")
    assert [pool for pool, _ in pool_files(tmp_path)] == ["SPRING10", "new_5"]
    (folder / "spring sale.csv").write_text("A\n")
    with pytest.raises(BadSetting, match=r"spring sale\.csv"):
        pool_files(tmp_path)


def test_codes_travel_in_bounded_pieces_whose_ids_follow_from_them() -> None:
    codes = [f"CODE-{n}" for n in range(2 * CHUNK + 1)]
    words = list(stock_entries("P", codes, at=5, by="mei"))
    assert [len(word.properties["codes"]) for word in words] == [CHUNK, CHUNK, 1]
    assert [word.id for word in stock_entries("P", codes, at=9, by="li")] == [word.id for word in words]
    assert [word.id for word in stock_entries("Q", codes, at=5, by="mei")] != [word.id for word in words]
    wide = list(stock_entries("P", [f"{n:05}" + "春" * 59 for n in range(CHUNK)], at=5, by="mei"))
    assert len(wide) > 1
    assert sum(len(word.properties["codes"]) for word in wide) == CHUNK


# --- a start


def test_a_start_stocks_the_workspaces_pools_and_the_next_start_does_not_repeat_it(shop: Path) -> None:
    for sample in (shop / "coupons").iterdir():
        sample.unlink()
    (shop / "coupons" / "SPRING10.csv").write_text("code\nA1\nB2\nno good\n")
    workspace = Workspace.open(shop, {})
    with closing(workspace.files()) as files:
        assert stock_on_start(workspace, files, 5) == 2
        tail = files.log.tail()
        while advance(files.store, files.log, Playbook([], Audience())):
            pass
        assert files.store.codes("SPRING10", 9) == ["A1", "B2"]
        assert stock_on_start(workspace, files, 6) == 0
        assert files.log.tail() == tail
        (shop / "coupons" / "SPRING10.csv").write_text("A1\nB2\nC3\n")
        assert stock_on_start(workspace, files, 7) == 3
        while advance(files.store, files.log, Playbook([], Audience())):
            pass
        assert files.store.codes("SPRING10", 9) == ["A1", "B2", "C3"]


# --- the commands, without a daemon


def test_without_a_daemon_an_import_waits_in_the_log(shop: Path) -> None:
    (shop / "codes.csv").write_text("A1\nB2\nA1\n\nB 2\n")
    result = journeyd(shop, "coupons", "import", "GIFT", str(shop / "codes.csv"))
    assert result.exit_code == 1
    assert "2 codes taken, 1 repeated, 1 blank line, 1 refused" in result.stdout
    assert "next start" in result.stderr
    assert "codes.csv:5" in result.stderr
    with closing(SqliteLog(shop / ".journeyd" / "journal.db")) as log:
        words = [decode(logged.body) for logged in log.read(0, 99)]
    assert [word.properties for word in words if isinstance(word, Directive)] == [{"codes": ["A1", "B2"]}]


def test_a_wrong_pool_or_a_missing_file_is_said(shop: Path) -> None:
    (shop / "codes.csv").write_text("A1\n")
    assert "no name of a pool" in journeyd(shop, "coupons", "import", "a pool", str(shop / "codes.csv")).stderr
    missing = journeyd(shop, "coupons", "import", "GIFT", str(shop / "none.csv"))
    assert (missing.exit_code, "none.csv" in missing.stderr) == (2, True)


# --- with a daemon


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("coupons") / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    (root / "journeys" / "gift.yaml").write_text(GIFT, encoding="utf-8")
    (root / "coupons" / "GIFT.csv").write_text("code,value\nG1,10\nG2,10\n")
    with serving(root) as served:
        yield served


def pools(running: Running) -> dict[str, tuple[int, int]]:
    return {row["pool"]: (row["free"], row["issued"]) for row in running.data("coupons")}


def test_a_journey_gives_the_workspaces_codes_and_the_command_says_to_whom(running: Running) -> None:
    assert pools(running)["GIFT"] == (2, 0)
    ask = {"type": "track", "userId": "mei", "event": "Gift Asked"}
    assert running.post(ask).status_code == 200
    (row,) = until(lambda: running.data("coupons", "issued", "GIFT", "--customer", "user_id:mei"))
    assert (row["code"], row["journey"], row["pool"]) == ("G1", "gift", "GIFT")
    assert pools(running)["GIFT"] == (1, 1)
    shown = running.journeyd("coupons")
    assert "GIFT" in shown.stdout
    assert "GIFT runs out of codes: 1 left" in shown.stderr
    assert "GIFT 仅剩 1 个券码" in running.journeyd("--lang", "zh", "coupons").stderr
    assert "G1" in running.journeyd("coupons", "issued", "GIFT").stdout
    unknown = running.journeyd("coupons", "issued", "NONE")
    assert (unknown.exit_code, "GIFT" in unknown.stderr) == (2, True)


def test_a_pool_that_nobody_stocked_is_shown_once_a_journey_is_written_that_asks_for_it(running: Running) -> None:
    file = running.root / "journeys" / "thanks.yaml"
    file.write_text(GIFT.replace("journey: gift", "journey: thanks").replace("GIFT", "THANKS"), encoding="utf-8")
    try:
        assert pools(running)["THANKS"] == (0, 0)
        assert running.data("coupons", "issued", "THANKS") == []
        assert "THANKS runs out of codes: 0 left" in running.journeyd("coupons").stderr
        file.write_text("broken", encoding="utf-8")
        assert "THANKS" not in pools(running)
    finally:
        file.unlink()


def test_an_import_reaches_the_running_daemon_once(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "more.txt"
    file.write_text("".join(f"MORE-{n:05}\n" for n in range(12_000)))
    said = running.data("coupons", "import", "MORE", str(file))
    assert (said["taken"], said["through"]) == (12_000, "daemon")
    until(lambda: pools(running).get("MORE") == (12_000, 0))
    running.data("coupons", "import", "MORE", str(file))
    file.write_text("MORE-00001\nLAST\n")
    running.data("coupons", "import", "MORE", str(file))
    until(lambda: pools(running).get("MORE") == (12_001, 0))

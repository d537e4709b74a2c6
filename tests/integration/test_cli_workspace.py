"""The commands that need no daemon: init, lint, test, explain, doctor, version, and what errors look like."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from engine.cli.main import app

COMMANDS = (
    *("init", "lint", "test", "run", "ingest", "touches", "customers", "explain", "stop", "resume"),
    *("sandbox", "status", "doctor", "version"),
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    assert journeyd("init", str(folder)).exit_code == 0
    return folder


def journeyd(*arguments: str, at: Path | None = None) -> Result:
    where = [] if at is None else ["--workspace", str(at)]
    return CliRunner().invoke(app, [*where, *arguments])


def data(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_fresh_workspace_has_no_complaints(shop: Path) -> None:
    result = journeyd("lint", "--json", at=shop)
    assert result.exit_code == 0, result.output
    assert data(result) == {"errors": 0, "warnings": 0, "problems": []}


def test_a_fresh_workspace_passes_its_stories_for_all_five_stages(shop: Path) -> None:
    result = journeyd("test", "--json", at=shop)
    assert result.exit_code == 0, result.output
    report = data(result)
    assert report["passed"] is True
    stages = {Path(journey["file"]).parent.name for journey in report["journeys"]}
    assert stages == {"acquire", "activate", "retain", "monetize", "refer"}
    assert all(journey["coverage"]["share"] == 1.0 for journey in report["journeys"])


def test_a_fresh_workspace_is_well(shop: Path) -> None:
    result = journeyd("doctor", "--json", at=shop)
    report = data(result)
    assert result.exit_code == 0, result.output
    assert {"settings", "python", "sqlite", "journeys", "templates"} <= {one["what"] for one in report["findings"]}


def test_init_keeps_its_keys_to_itself(shop: Path) -> None:
    for name in ("write.key", "ops.key"):
        key = shop / ".journeyd" / name
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert len(key.read_text().strip()) >= 30
    assert stat.S_IMODE((shop / ".journeyd").stat().st_mode) == 0o700
    assert ".journeyd/" in (shop / ".gitignore").read_text()


def test_init_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = journeyd("init", str(tmp_path))
    assert result.exit_code == 2
    assert "is not empty" in result.stderr
    assert "--force" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_init_by_force_keeps_what_is_there(shop: Path) -> None:
    (shop / "journeyd.yaml").write_text("brand: Mine\n")
    key = (shop / ".journeyd/write.key").read_text()
    (shop / "audience/caps.yaml").unlink()
    result = journeyd("init", str(shop), "--force", "--json")
    assert data(result)["written"] == ["audience/caps.yaml"]
    assert (shop / "journeyd.yaml").read_text() == "brand: Mine\n"
    assert (shop / ".journeyd/write.key").read_text() == key


def test_lint_names_the_place_and_the_remedy(shop: Path) -> None:
    (shop / "journeys/acquire/welcome.yaml").write_text(
        "journey: welcome\nstage: acquire\nenter: {on: signed_up}\nstepps:\n  - stop\n"
    )
    result = journeyd("lint", at=shop)
    assert result.exit_code == 1
    assert "welcome.yaml:4:1: error J010: unknown key `stepps`. Did you mean `steps`?" in result.stdout
    assert "错误" in journeyd("--lang", "zh", "lint", at=shop).stdout


def test_lint_sees_templates_and_what_they_are_not_given(shop: Path) -> None:
    (shop / "templates/welcome-tips/subject").write_text("Hi {{ nickname }} {% if %}\n")
    (shop / "templates/welcome/subject").write_text("Hi {{ nickname }}\n")
    problems = data(journeyd("lint", "--json", at=shop))["problems"]
    found = {(Path(one["file"]).parent.name, one["code"], one["line"]) for one in problems}
    assert ("welcome-tips", "T001", 1) in found
    assert ("acquire", "J114") in {one[:2] for one in found}
    assert any("nickname" in one["message"] for one in problems)


def test_lint_writes_for_github_and_for_code_scanning(shop: Path) -> None:
    (shop / ".git").mkdir()
    (shop / "journeys/acquire/welcome.yaml").write_text("journey: welcome\nstepps: 100%\n")
    lines = journeyd("lint", "--format", "github", at=shop).stdout.splitlines()
    assert lines[0].startswith(
        "::error file=journeys/acquire/welcome.yaml,line=1,col=1,title=J012::`stage` is missing. Add `stage:`"
    )
    assert any(
        line.startswith("::error file=journeys/acquire/welcome.yaml,line=2,col=1,title=J010::") for line in lines
    )
    result = journeyd("lint", "--format", "sarif", at=shop)
    (run,) = data(result)["runs"]
    assert result.exit_code == 1
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    for one in run["results"]:
        assert rules[one["ruleIndex"]] == one["ruleId"]
        (place,) = one["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"] == "journeys/acquire/welcome.yaml"
        assert place["physicalLocation"]["region"]["startLine"] >= 1


def test_lint_mends_what_is_mechanical_and_shows_it_first(shop: Path) -> None:
    path = shop / "journeys/monetize/cart-rescue.yaml"
    sound = path.read_text()
    path.write_text(sound.replace("again: after 14d", "again: 14 days").replace("steps:", "stepps:", 1))
    before = path.read_text()
    result = journeyd("lint", "--diff", at=shop)
    assert result.exit_code == 1
    assert "-  again: 14 days" in result.stderr
    assert "+  again: after 14d" in result.stderr
    assert path.read_text() == before
    assert journeyd("lint", "--fix", str(shop / "journeys/refer"), at=shop).exit_code == 0
    assert path.read_text() == before
    result = journeyd("lint", "--fix", at=shop)
    assert result.exit_code == 0, result.output
    assert "2 mended" in result.stderr
    assert path.read_text() == sound
    assert "0 mended" in journeyd("lint", "--fix", at=shop).stderr


def test_lint_calls_a_journey_as_its_file_unless_others_name_it(shop: Path) -> None:
    path = shop / "journeys/acquire/hello.yaml"
    path.write_text("journey: helo # hi\nstage: acquire\nenter: {on: signed_up}\nsteps: [stop]\n")
    assert journeyd("lint", "--fix", at=shop).exit_code == 0
    assert path.read_text().startswith("journey: hello # hi\n")
    path.write_text(path.read_text().replace("journey: hello", "journey: greeting"))
    other = (
        'journey: other\nstage: acquire\nenter: {on: signed_up}\nexit: {when: in_journey("greeting")}\nsteps: [stop]\n'
    )
    (shop / "journeys/acquire/other.yaml").write_text(other)
    assert "J081" in journeyd("lint", "--fix", at=shop).stdout
    assert path.read_text().startswith("journey: greeting")


def test_lint_of_one_file_is_silent_about_the_others(shop: Path) -> None:
    (shop / "journeys/acquire/welcome.yaml").write_text("journey: welcome\n")
    assert journeyd("lint", str(shop / "journeys/acquire"), at=shop).exit_code == 1
    assert journeyd("lint", str(shop / "journeys/refer"), at=shop).exit_code == 0
    assert journeyd("lint", str(shop / "nowhere"), at=shop).exit_code == 2


def test_a_failing_story_says_what_happened_instead(shop: Path, tmp_path: Path) -> None:
    story = shop / "journeys/acquire/first-order.story.yaml"
    story.write_text(story.read_text().replace("11:00: send first-order-thanks", "10:30: send first-order-thanks"))
    junit = tmp_path / "report.xml"
    result = journeyd("test", str(story), "--junit", str(junit), at=shop)
    assert result.exit_code == 1
    assert "✗ a first order is thanked an hour later" in result.stdout
    assert "expected: " in result.stdout
    assert "happened: " in result.stdout
    suite = ElementTree.fromstring(junit.read_text()).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


def test_a_journey_is_told_in_both_languages(shop: Path) -> None:
    assert "Enters: on signed_up" in journeyd("explain", "welcome", at=shop).stdout
    assert "进入：发生 signed_up" in journeyd("--lang", "zh", "explain", "welcome", at=shop).stdout
    shown = data(journeyd("explain", "welcome", "--json", at=shop))
    assert shown["journey"] == "welcome"
    assert shown["mermaid"].startswith("flowchart TD")


def test_an_unknown_journey_names_the_nearest(shop: Path) -> None:
    result = journeyd("explain", "welcom", at=shop)
    assert result.exit_code == 2
    assert "Did you mean welcome?" in result.stderr


def test_commands_outside_a_workspace_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["lint"], ["test"], ["status"], ["touches"], ["customers", "list"], ["run"], ["stop", "--all"]):
        result = journeyd(*command)
        assert result.exit_code == 2, command
        assert "journeyd init" in result.stderr
        assert "Traceback" not in result.output


def test_the_workspace_is_found_from_a_folder_below(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop / "journeys/acquire")
    assert journeyd("lint").exit_code == 0


def test_before_the_first_run_there_is_no_data_and_no_traceback(shop: Path) -> None:
    for command in (["status"], ["touches"], ["customers", "list"], ["explain", "u1", "welcome"]):
        result = journeyd(*command, at=shop)
        assert result.exit_code == 2, command
        assert "no data yet" in result.stderr
    assert journeyd("sandbox", "inbox", "--json", at=shop).stdout.strip() == "[]"


def test_a_wrong_setting_is_named_with_its_line(shop: Path) -> None:
    (shop / "journeyd.yaml").write_text("server:\n  prot: 8025\n")
    result = journeyd("run", at=shop)
    assert result.exit_code == 2
    assert "journeyd.yaml:2:3: unknown key `server.prot`; did you mean `port`?" in result.stderr
    checked = journeyd("doctor", "--json", at=shop)
    assert checked.exit_code == 1
    assert data(checked)["findings"][0]["level"] == "problem"


def test_a_daemon_refuses_journeys_with_errors(shop: Path) -> None:
    (shop / "journeys/acquire/welcome.yaml").write_text("journey: welcome\n")
    result = journeyd("run", at=shop)
    assert result.exit_code == 1
    assert "welcome.yaml" in result.stderr


def test_a_stop_of_an_idle_workspace_stands_in_the_log(shop: Path) -> None:
    said = data(journeyd("stop", "welcome", "--why", "wrong price", "--json", at=shop))
    assert said["through"] == "log"
    assert said["offset"] == 1
    assert journeyd("stop", "welcom", at=shop).exit_code == 2
    assert journeyd("stop", at=shop).exit_code == 2
    assert journeyd("resume", "--all", at=shop).exit_code == 0


def test_version_prints_stable_names(shop: Path) -> None:
    assert set(data(journeyd("version", "--json"))) == {"journeyd", "python", "sqlite"}


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from engine.cli.main import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'apsw', 'uvicorn', 'starlette', 'httpx', 'pydantic', 'liquid', 'ruamel', 'phonenumbers'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, env=os.environ, check=True, timeout=60
    )
    assert "HEAVY []" in done.stdout
    assert all(f" {command} " in done.stdout for command in COMMANDS)

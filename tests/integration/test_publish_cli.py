"""The marketer's way of changing a journey: plan, publish, versions, rollback, pause; the daemon running or stopped."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from engine.bootstrap.release import compose
from engine.bootstrap.workspace import Workspace
from engine.cli.daemon import Daemon, Unreachable
from engine.cli.direct import ops_key_of
from engine.cli.main import app
from engine.core.ids import SECOND
from engine.core.release import encode
from engine.runtime.clock import SystemClock
from tests.integration.lived_shop import data, journeyd
from tests.integration.served_shop import Running, accepted, serving, sign_up, until


def edit(root: Path, journey: str, old: str, new: str) -> None:
    (path,) = root.glob(f"journeys/**/{journey}.yaml")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    return root


def test_a_first_plan_says_that_everything_is_new(shop: Path) -> None:
    found = data(shop, "plan")
    assert found["before"] is None
    assert "welcome" in found["new"]
    assert found["changed"] == found["removed"] == found["refused"] == []
    assert not (shop / ".journeyd" / "store.db").exists()
    assert journeyd(shop, "plan", "--exit-code").exit_code == 2


def test_a_stopped_workspace_publishes_into_its_log_at_once(shop: Path) -> None:
    said = data(shop, "publish", "--note", "the start")
    assert (said["published"], said["through"]) == (True, "log")
    assert data(shop, "publish") == {"published": False}
    assert journeyd(shop, "plan", "--exit-code").exit_code == 0
    (only,) = data(shop, "versions")
    assert (only["release"], only["note"]) == (said["release"], "the start")
    assert data(shop, "status")["release"] == said["release"]


def test_an_edited_journey_is_shown_line_by_line_and_can_be_taken_back(shop: Path) -> None:
    first = data(shop, "publish")["release"]
    edit(shop, "welcome", "title: ", "title: Our ")
    (changed,) = data(shop, "plan")["changed"]
    assert changed["journey"] == "welcome"
    assert any(line.startswith("+Our ") for line in changed["diff"])
    second = data(shop, "publish")["release"]
    assert [one["release"] for one in data(shop, "versions", "welcome")] == [second, first]
    assert [one["release"] for one in data(shop, "versions", "welcome", "--limit", "1")] == [second]
    never = journeyd(shop, "versions", "welcom")
    assert (never.exit_code, "welcom was never published. Known: " in never.stderr) == (2, True)
    back = data(shop, "rollback")
    assert back["release"] == first
    newest = data(shop, "versions")[0]
    assert (newest["release"], newest["changed"], newest["note"]) == (first, ["welcome"], f"back to {first}")
    assert journeyd(shop, "rollback").exit_code == 2
    assert data(shop, "rollback", second[:6])["release"] == second


def test_a_template_is_part_of_what_is_published(shop: Path) -> None:
    data(shop, "publish")
    subject = shop / "templates" / "welcome" / "subject"
    subject.write_text("Good to see you", encoding="utf-8")
    found = data(shop, "plan")
    assert (found["templates"], found["changed"]) == (["welcome"], [])
    assert data(shop, "publish")["published"]


def test_a_journey_with_errors_is_neither_planned_nor_published(shop: Path) -> None:
    edit(shop, "welcome", "stage: ", "stage: nowhere-")
    for command in ("plan", "publish"):
        result = journeyd(shop, command)
        assert result.exit_code == 1
        assert "welcome.yaml:" in result.stderr
        assert "mend these first" in result.stderr


def test_words_about_runs_in_flight_are_checked(shop: Path) -> None:
    data(shop, "publish")
    for wrong, said in (
        (["--in-flight", "welcome=jump"], "names no policy"),
        (["--in-flight", "nobody=pin"], "There is no journey nobody"),
        (["--map", "welcome:1=2"], "do not move"),
        (["--in-flight", "welcome=migrate", "--map", "welcome:77=2"], "no such step"),
        (["--map", "welcome"], "is not understood"),
    ):
        result = journeyd(shop, "plan", *wrong)
        assert result.exit_code == 2, result.output
        assert said in result.stderr


def test_a_release_that_is_too_big_is_refused_with_words(shop: Path) -> None:
    for number in range(85):
        folder = shop / "templates" / f"big-{number}"
        folder.mkdir()
        (folder / "subject").write_text("Big", encoding="utf-8")
        (folder / "email.txt").write_text("x" * 99_000, encoding="utf-8")
    result = journeyd(shop, "publish")
    assert result.exit_code == 2
    assert "over 8,000,000" in result.stderr


def test_plan_and_publish_speak_chinese(shop: Path) -> None:
    result = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "plan"])
    assert "新旅程" in result.stdout
    result = CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "publish", "--yes"])
    assert "已生效" in result.stdout
    assert "发布人" in CliRunner().invoke(app, ["--lang", "zh", "-w", str(shop), "versions"]).stdout


def test_a_pause_of_a_stopped_workspace_stands_in_the_log(shop: Path) -> None:
    said = data(shop, "pause", "welcome", "--why", "rehearsal")
    assert (said["verb"], said["through"]) == ("pause", "log")
    assert "Paused: welcome" in journeyd(shop, "pause", "welcome").stdout
    assert journeyd(shop, "pause").exit_code == 2


def test_a_journey_that_left_the_folder_can_still_be_stopped_while_it_is_travelled(shop: Path) -> None:
    (path,) = shop.glob("journeys/**/welcome.yaml")
    sign_ups = shop / "events.jsonl"
    just_now = datetime.fromtimestamp(SystemClock().now() // SECOND - 60, UTC)
    at = {"timestamp": just_now.isoformat()}
    lines = [{**message, **at} for message in sign_up("mei")]
    sign_ups.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert journeyd(shop, "ingest", "--history", str(sign_ups)).exit_code == 0
    path.unlink()
    path.with_name("welcome.story.yaml").unlink()
    said = data(shop, "publish")
    assert said["removed"] == ["welcome"]
    assert [(row["journey"], row["runs"], row["goes"]) for row in said["in_flight"]] == [("welcome", 1, "")]
    assert data(shop, "stop", "welcome")["verb"] == "stop"
    assert journeyd(shop, "stop", "nobody").exit_code == 2


# --- the daemon runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("publish") / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    with serving(root) as served:
        yield served


def subjects(running: Running, who: str) -> list[str]:
    return [str(mail.get("subject", "")) for mail in accepted(running, f"{who}@home.example")]


def test_the_daemon_takes_a_publish_and_a_rollback_without_a_restart(running: Running) -> None:
    first = running.data("status")["release"]
    assert running.data("versions")[0]["by"] == "start"
    subject = running.root / "templates" / "welcome" / "subject"
    before = subject.read_text(encoding="utf-8")
    subject.write_text("Hello from the second release", encoding="utf-8")
    edit(running.root, "welcome", "title: ", "title: Our ")
    said = running.data("publish", "--note", "friendlier")
    assert (said["published"], said["through"], said["templates"]) == (True, "daemon", ["welcome"])
    assert running.data("status")["release"] == said["release"]
    assert running.post(*sign_up("ann")).status_code == 200
    assert until(lambda: subjects(running, "ann")) == ["Hello from the second release"]
    assert running.data("rollback")["release"] == first
    assert running.post(*sign_up("bob")).status_code == 200
    assert until(lambda: subjects(running, "bob")) != ["Hello from the second release"]
    subject.write_text(before, encoding="utf-8")


def test_a_publish_repeated_under_its_key_counts_once(running: Running) -> None:
    workspace = Workspace.open(running.root, {})
    body = encode(compose(workspace, None, by="mei", note="said twice"))
    with closing(Daemon(running.address, print)) as daemon:
        first, second = (daemon.publish(ops_key_of(workspace), body, "said-twice") for _ in range(2))
    assert (first["id"], second["id"]) == ("said-twice", "said-twice")
    with closing(workspace.read_store()) as store:
        until(lambda: store.position() >= second["offset"])
    assert [one["note"] for one in running.data("versions")].count("said twice") == 1


def test_a_lost_answer_to_a_publish_is_asked_for_again_under_the_same_key() -> None:
    keys: list[str] = []
    pauses: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) % 3:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(202, json={"offset": 7})

    with closing(Daemon("http://daemon", pauses.append, transport=httpx.MockTransport(answer))) as daemon:
        assert daemon.publish("key", b"release", "k1") == {"offset": 7}
    assert keys == ["k1", "k1", "k1"]
    assert pauses == [0.5, 1.0]


def test_a_daemon_that_never_answers_a_publish_is_given_up() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer")

    daemon = Daemon("http://daemon", lambda _: None, transport=httpx.MockTransport(answer))
    with closing(daemon), pytest.raises(Unreachable):
        daemon.publish("key", b"release", "k1")


def test_a_paused_journey_takes_nobody_until_it_is_resumed(running: Running) -> None:
    assert running.data("pause", "welcome", "--why", "audit")["through"] == "daemon"
    until(lambda: running.data("status")["paused"] == {"welcome": "audit"})
    assert running.post(*sign_up("cai")).status_code == 200
    until(lambda: "paused" in running.journeyd("explain", "user_id:cai", "welcome").stdout)
    running.data("resume", "welcome")
    until(lambda: running.data("status")["paused"] == {})


def test_a_rollback_takes_back_whom_the_publish_took_along(shop: Path) -> None:
    data(shop, "publish")
    edit(shop, "welcome", "wait: 2d", "wait: 1d")
    data(shop, "publish", "--in-flight", "welcome=migrate")
    (changed,) = data(shop, "rollback")["changed"]
    assert (changed["journey"], changed["in_flight"]) == ("welcome", "migrate")

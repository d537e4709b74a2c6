"""The newcomer's way, as a process: init, run, events over HTTP and from files, the mail, the log, a stop, SIGTERM."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local import free_ports
from engine.cli.main import app
from tests.integration.served_shop import Running, accepted, noon_zone, serving, sign_up, until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("daemon") / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    with serving(root) as served:
        yield served


def test_a_sign_up_gets_the_mail_and_the_log_says_so(running: Running) -> None:
    assert running.post(*sign_up("mei")).status_code == 200
    (mail,) = until(lambda: accepted(running, "mei@home.example"))
    (touch,) = until(lambda: running.data("touches", "--customer", "user_id:mei", "--state", "sent"))
    assert "已发送" in running.journeyd("--lang", "zh", "touches", "--customer", "user_id:mei").stdout
    assert mail["key"] == touch["id"]
    assert (touch["journey"], touch["channel"], touch["template"]) == ("welcome", "email", "welcome")
    shown = running.data("touches", "show", touch["id"])
    assert [one["outcome"] for one in shown["history"]] == ["sent"]
    assert shown["body_hash"]
    inbox = running.data("sandbox", "inbox", "--recipient", "mei@home.example")
    assert [one["key"] for one in inbox] == [touch["id"]]


def test_explain_says_why_somebody_did_or_did_not_hear(running: Running) -> None:
    silent = [{**sign_up("lin")[0], "traits": {"email": "lin@home.example"}}, sign_up("lin")[1]]
    assert running.post(*sign_up("wei"), *silent).status_code == 200
    until(lambda: accepted(running, "wei@home.example"))
    heard = running.data("explain", "wei@home.example", "welcome")
    assert heard["zone"] == noon_zone()
    assert heard["touches"][0]["state"] == "sent"
    unheard = running.data("explain", "user_id:lin", "welcome")
    assert unheard["touches"] == []
    assert any(note["code"] == "skipped.consent" for note in unheard["notes"])
    assert "no consent for marketing" in running.journeyd("explain", "lin", "welcome").stdout
    assert "未同意 marketing" in running.journeyd("--lang", "zh", "explain", "lin", "welcome").stdout
    assert "Nothing this customer did starts win-back" in running.journeyd("explain", "lin", "win-back").stdout


def test_a_customer_is_shown_with_what_is_known(running: Running) -> None:
    assert running.post(*sign_up("ann")).status_code == 200
    until(lambda: accepted(running, "ann@home.example"))
    shown = running.data("customers", "show", "ann")
    assert shown["identifiers"] == {"email": ["ann@home.example"], "user_id": ["ann"]}
    assert shown["consents"]["marketing"]["granted"] is True
    assert shown["stage"] == "acquire"
    assert shown["id"] in {customer["id"] for customer in running.data("customers", "list")}
    stranger = running.journeyd("customers", "show", "nobody")
    assert stranger.exit_code == 2
    assert "Nobody is known as nobody" in stranger.stderr


def test_files_of_events_go_to_the_daemon_and_bad_lines_come_back(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = [json.dumps(message) for message in sign_up("ida")]
    file.write_text("\n".join([*lines, '{"type": "track"', '{"type": "track", "event": "x"}', ""]))
    result = running.journeyd("ingest", str(file), "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert (summary["read"], summary["taken"], summary["refused"]) == (4, 2, 2)
    refused = [json.loads(line) for line in Path(summary["rejects"]).read_text().splitlines()]
    assert [(one["line"], one["field"]) for one in refused] == [(3, ""), (4, "userId")]
    assert all(one["problem"] and one["remedy"] for one in refused)
    until(lambda: accepted(running, "ida@home.example"))
    # The same file again is the same events: nobody is written to twice.
    assert running.journeyd("ingest", str(file)).exit_code == 1
    assert running.post(*sign_up("last")).status_code == 200
    until(lambda: accepted(running, "last@home.example"))
    assert len(accepted(running, "ida@home.example")) == 1


def test_a_stop_reaches_the_running_daemon(running: Running) -> None:
    said = running.data("stop", "win-back", "--why", "wrong price")
    assert said["through"] == "daemon"
    until(lambda: running.data("status")["stopped"] == {"win-back": "wrong price"})
    assert running.data("resume", "win-back")["through"] == "daemon"
    until(lambda: running.data("status")["stopped"] == {})


def test_status_counts_what_the_log_shows(running: Running) -> None:
    assert running.post(*sign_up("sum")).status_code == 200
    until(lambda: accepted(running, "sum@home.example"))
    status = until(lambda: _settled(running))
    sent = sum(one["count"] for one in status["touches"] if one["state"] == "sent")
    assert sent == len(running.data("touches", "--state", "sent"))
    assert status["reached"]["acquire"] >= 1
    assert "welcome" in running.journeyd("status").stdout


def _settled(running: Running) -> Any:
    status = running.data("status")
    return status if all(one["state"] in {"sent", "dropped"} for one in status["touches"]) else None


def test_only_doubtful_touches_can_be_resolved(running: Running) -> None:
    assert running.post(*sign_up("res")).status_code == 200
    until(lambda: accepted(running, "res@home.example"))
    (touch,) = until(lambda: running.data("touches", "--customer", "res", "--state", "sent"))
    result = running.journeyd("touches", "resolve", touch["id"], "sent")
    assert result.exit_code == 2
    assert "Only uncertain touches" in result.stderr


def test_a_second_daemon_is_refused_with_the_remedy(running: Running) -> None:
    (port,) = free_ports(1)
    result = running.journeyd("run", "--port", str(port))
    assert result.exit_code == 2
    assert "already_running" in result.stderr
    assert "Stop it first" in result.stderr


def test_history_waits_until_the_daemon_is_stopped(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps({**sign_up("old")[1], "timestamp": "2026-01-05T02:00:00Z"}))
    result = running.journeyd("ingest", "--history", str(file))
    assert result.exit_code == 2
    assert "already_running" in result.stderr

"""Nobody who was erased comes back: not over kill -9 in any phase, a replay, a restore or history read again."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local import free_ports
from engine.bootstrap.release import apply_log
from engine.bootstrap.workspace import Workspace
from engine.cli.main import app
from engine.core.events import Event, encode
from engine.core.ids import MINUTE
from engine.ports import Changes, JobRow, TouchQuery
from engine.runtime.embedded import ERASING
from engine.runtime.inbox import last_received
from engine.usecases.erase import marks_of
from tests.integration.served_shop import until
from tests.integration.test_rights_cli import traces

MAIL = "canary-mei@home.example"
DATABASES = ("store.db*", "journal.db*")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    assert CliRunner().invoke(app, ["init", str(root)]).exit_code == 0
    journeyd(root, "publish")
    return root


def journeyd(shop: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["-w", str(shop), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def opened(shop: Path) -> Workspace:
    return Workspace.open(shop, os.environ)


def live(shop: Path, *names: str) -> None:
    """Let somebody sign up under each name, with nobody but this process at work."""
    workspace = opened(shop)
    with closing(workspace.files()) as files:
        at = max(last_received(files.log), 1_772_366_400_000_000) + MINUTE
        for name in names:
            who = {"user_id": name, "email": f"{name}@home.example"}
            consents = {"marketing": True}
            events = [
                Event(f"{name} {at} 1", "identified", at, at, identifiers=who, consents=consents),
                Event(f"{name} {at} 2", "signed_up", at, at, identifiers=who, properties={"mail": who["email"]}),
            ]
            files.log.append([encode(event) for event in events])
        apply_log(workspace, files, lambda jobs: None)


def state(shop: Path) -> dict[str, Any]:
    """Return who is known, who is shut out and what is planned, after the log was applied."""
    workspace = opened(shop)
    with closing(workspace.files()) as files:
        apply_log(workspace, files, lambda jobs: None)
        store = files.store
        return {
            "people": sorted(store.resolve(["user_id:canary-mei", "user_id:lin", f"email:{MAIL}"])),
            "touches": len(store.find_touches(TouchQuery())),
            "shut": sorted(row.why for row in store.suppressions()),
            "ledger": [bool(row.done) for row in store.erasures()],
            "jobs": store.jobs(),
        }


ALONE = {"people": ["user_id:lin"], "touches": 1, "shut": ["erased"], "ledger": [True], "jobs": []}


def erased(shop: Path) -> None:
    live(shop, "canary-mei", "lin")
    journeyd(shop, "customers", "erase", "canary-mei", "--yes")


def test_an_erasure_without_a_daemon_is_carried_out_at_once(shop: Path) -> None:
    erased(shop)
    assert state(shop) == ALONE
    assert traces(shop / ".journeyd") == {}


def test_a_replay_of_the_whole_log_into_an_empty_store_brings_nobody_back(shop: Path) -> None:
    erased(shop)
    for file in (shop / ".journeyd").glob("store.db*"):
        file.unlink()
    journeyd(shop, "publish")
    assert state(shop) == ALONE
    assert traces(shop / ".journeyd") == {}


def test_a_restored_backup_is_erased_again_before_anything_is_sent(shop: Path, tmp_path: Path) -> None:
    live(shop, "canary-mei", "lin")
    backup = tmp_path / "backup"
    shutil.copytree(shop / ".journeyd", backup)
    journeyd(shop, "customers", "erase", "canary-mei", "--yes")
    for pattern in DATABASES:
        for file in (shop / ".journeyd").glob(pattern):
            file.unlink()
        for file in backup.glob(pattern):
            shutil.copy(file, shop / ".journeyd" / file.name)
    assert "canary" in str(traces(shop / ".journeyd"))
    assert state(shop) == ALONE
    assert traces(shop / ".journeyd") == {}


def test_without_the_key_of_the_ledger_the_doctor_says_so_and_no_daemon_starts(shop: Path) -> None:
    erased(shop)
    (shop / ".journeyd" / "fingerprint.key").unlink()
    for command in ("doctor", "run"):
        result = CliRunner().invoke(app, ["-w", str(shop), command])
        assert result.exit_code != 0
        assert "fingerprint.key is gone" in " ".join(result.output.split())


def test_the_doctor_says_of_whom_traces_are_left(shop: Path) -> None:
    with closing(opened(shop).files()) as files, files.store.unit() as unit:
        unit.commit(Changes(jobs=[JobRow("erase:c1", "scrub", body=b"c1")]))
    said = journeyd(shop, "doctor")
    assert "traces of 1 erased person are left" in said
    assert "a publish is being worked in" not in said


def test_what_comes_after_a_journal_was_lost_is_applied_all_the_same(shop: Path) -> None:
    live(shop, "lin")
    for file in (shop / ".journeyd").glob("journal.db*"):
        file.unlink()
    live(shop, "jun")
    live(shop, "wei")
    with closing(opened(shop).read_store()) as store:
        names = [f"user_id:{name}" for name in ("lin", "jun", "wei")]
        assert list(store.resolve(names)) == names


def test_history_read_again_into_a_fresh_store_brings_nobody_back(shop: Path) -> None:
    erased(shop)
    for pattern in DATABASES:
        for file in (shop / ".journeyd").glob(pattern):
            file.unlink()
    journeyd(shop, "publish")
    live(shop, "canary-mei", "lin")
    assert state(shop) == ALONE
    assert traces(shop / ".journeyd") == {}


def test_the_ledgers_file_is_made_whole_from_the_store(shop: Path) -> None:
    erased(shop)
    ledger = shop / ".journeyd" / "erasures.jsonl"
    before = ledger.read_bytes()
    ledger.unlink()
    state(shop)
    assert ledger.read_bytes().splitlines()[-1] == before.splitlines()[-1]
    assert MAIL.encode() not in before
    assert ledger.stat().st_mode & 0o077 == 0


def test_the_word_carries_the_fingerprints_of_every_identifier(shop: Path) -> None:
    live(shop, "canary-mei")
    with closing(opened(shop).read_store()) as store:
        (id_,) = store.resolve(["user_id:canary-mei"]).values()
        assert len(marks_of(store, id_)) == 2


def said(shop: Path) -> str:
    """Return where the purge stands, as another process reads it."""
    with closing(opened(shop).read_store()) as store:
        return "purging" if store.jobs() else "done"


# --- kill -9 ------------------------------------------------------------------------------------------


@contextmanager
def daemon(shop: Path, failpoint: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run the workspace's daemon until it is killed, or kill it."""
    port, smtp, http = free_ports(3)
    environ = {"JOURNEYD_SANDBOX__SMTP_PORT": str(smtp), "JOURNEYD_SANDBOX__HTTP_PORT": str(http)}
    environ |= {"JOURNEYD_FAILPOINT": failpoint} if failpoint else {}
    command = [sys.executable, "-c", "from engine.cli.main import run; run()", "-w", str(shop)]
    process = subprocess.Popen(
        [*command, "run", "--port", str(port), "--json", "--log-level", "warning"],
        stdout=subprocess.PIPE,
        stderr=(shop / "daemon.log").open("ab"),
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process, f"http://127.0.0.1:{port}"
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()


@pytest.mark.parametrize("failpoint", [*(f"{point}:1" for point in ERASING), "erase.ledger:2", "erase.ledger:3"])
def test_whatever_phase_kill_9_meets_the_next_start_ends_the_erasure(shop: Path, failpoint: str) -> None:
    live(shop, "canary-mei", "lin")
    key = {"Authorization": "Bearer " + (shop / ".journeyd/ops.key").read_text().strip()}
    word = {"verb": "erase", "subject": "user_id:canary-mei"}
    with daemon(shop, failpoint) as (process, address):
        assert httpx.post(f"{address}/v1/ops/directives", json=word, headers=key, trust_env=False).status_code == 202
        assert process.wait(30) == -signal.SIGKILL
    with daemon(shop, "") as (_, address):
        until(lambda: httpx.get(f"{address}/readyz", trust_env=False).status_code == 200)
        until(lambda: "purging" not in said(shop))
        until(lambda: traces(shop / ".journeyd") == {})
    assert {**state(shop), "touches": 1} == ALONE
    assert traces(shop / ".journeyd") == {}
    assert b"canary" not in (shop / "daemon.log").read_bytes()

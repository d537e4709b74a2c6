"""A workspace whose daemon runs as a process of its own, with its sandbox, for tests of what speaks to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from deploy.local import free_ports
from engine.cli.main import app
from engine.core.ids import DAY, HOUR
from engine.runtime.clock import SystemClock

PATIENCE = 1200
"""Looks before a test gives up, 50 ms apart: other tests run beside it, on the same cores."""


@dataclass(frozen=True)
class Running:
    """A daemon at work: where it listens, where its sandbox shows what was accepted."""

    root: Path
    address: str
    inbox: str
    process: "subprocess.Popen[str]"
    environ: dict[str, str]

    def journeyd(self, *arguments: str) -> Result:
        return CliRunner(env=self.environ).invoke(app, ["-w", str(self.root), *arguments])

    def data(self, *arguments: str) -> Any:
        result = self.journeyd(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def post(self, *messages: dict[str, Any]) -> httpx.Response:
        key = (self.root / ".journeyd/write.key").read_text().strip()
        return httpx.post(
            f"{self.address}/v1/batch", json={"batch": messages}, auth=(key, ""), trust_env=False, timeout=30
        )


@contextmanager
def serving(root: Path) -> Iterator[Running]:
    """Run the workspace's daemon on free ports; at the end it has to stop in peace."""
    port, smtp, http = free_ports(3)
    environ = {"JOURNEYD_SANDBOX__SMTP_PORT": str(smtp), "JOURNEYD_SANDBOX__HTTP_PORT": str(http)}
    command = [sys.executable, "-c", "from engine.cli.main import run; run()", "-w", str(root)]
    process = subprocess.Popen(
        [*command, "run", "--port", str(port), "--json", "--log-level", "warning"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    yield Running(root, said["address"], said["inbox"], process, environ)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


def until(look: Callable[[], Any]) -> Any:
    """Return what `look` sees once it sees something."""
    for _ in range(PATIENCE):
        if seen := look():
            return seen
        threading.Event().wait(0.05)
    raise AssertionError("waited in vain")


def noon_zone() -> str:
    """Return a zone where it is about noon, so that no quiet hours hold a message back."""
    offset = 12 - SystemClock().now() % DAY // HOUR
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


def sign_up(user: str) -> list[dict[str, Any]]:
    """Return the messages of somebody who signs up and may be written to."""
    traits = {
        "email": f"{user}@home.example",
        "name": "Mei",
        "timezone": noon_zone(),
        "consents": {"marketing": True},
    }
    return [
        {"type": "identify", "userId": user, "traits": traits},
        {"type": "track", "userId": user, "event": "Signed Up"},
    ]


def accepted(running: Running, recipient: str) -> list[dict[str, Any]]:
    """Return what the sandbox accepted for an address."""
    query = {"recipient": recipient}
    found: list[dict[str, Any]] = httpx.get(f"{running.inbox}/_accepted", params=query, trust_env=False).json()
    return found

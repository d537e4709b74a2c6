"""A workspace whose roles run as processes of their own, on a database and a topic, for tests of them together."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.local import free_ports
from tests.integration.served_shop import Running, until

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


@dataclass(frozen=True)
class Troupe(Running):
    """The roles at work: `worker` and `dispatcher` are where those answer for their health."""

    worker: str
    dispatcher: str
    roles: Mapping[str, "subprocess.Popen[bytes]"]

    def health(self, address: str, path: str) -> httpx.Response:
        return httpx.get(f"{address}{path}", trust_env=False, timeout=30)


def spread_over(database: str, brokers: str, topic: str) -> dict[str, str]:
    """Return the environment that spreads a workspace over them."""
    return {
        "JOURNEYD_STORE__URL": database,
        "JOURNEYD_STREAM__BROKERS": brokers,
        "JOURNEYD_STREAM__TOPIC": topic,
        "JOURNEYD_STREAM__DEAD_TOPIC": "",
        "JOURNEYD_STREAM__GROUP": topic,
        "JOURNEYD_STREAM__PARTITIONS": str(PARTITIONS),
        "JOURNEYD_STREAM__SESSION_TIMEOUT": "6s",
    }


@contextmanager
def spread(root: Path, environ: Mapping[str, str]) -> Iterator[Troupe]:
    """Run the three roles; at the end each has to stop in peace."""
    serve, worker, dispatcher, smtp, http = free_ports(5)
    environ = {
        **environ,
        "JOURNEYD_SANDBOX__SMTP_PORT": str(smtp),
        "JOURNEYD_SANDBOX__HTTP_PORT": str(http),
        "JOURNEYD_SERVER__PORT": str(serve),
    }
    ports = {"serve": serve, "worker": worker, "dispatcher": dispatcher}
    with ExitStack() as stack:
        roles = {role: stack.enter_context(started(root, role, port, environ)) for role, port in ports.items()}
        addresses = {role: f"http://127.0.0.1:{port}" for role, port in ports.items()}
        troupe = Troupe(
            root,
            addresses["serve"],
            f"http://127.0.0.1:{http}",
            roles["serve"],  # type: ignore[arg-type]
            dict(environ),
            addresses["worker"],
            addresses["dispatcher"],
            roles,
        )
        for role, address in addresses.items():
            until(partial(is_ready, address, roles[role]))
        yield troupe


@contextmanager
def started(root: Path, role: str, port: int, environ: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one role; at the end it has to stop in peace."""
    command = [sys.executable, "-c", "from engine.cli.main import run; run()", "-w", str(root), role]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "warning"],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, **environ},
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, role
    finally:
        process.kill()
        process.wait()


def is_ready(address: str, process: "subprocess.Popen[bytes]") -> bool:
    """Does it answer that it is ready? One that has ended never will."""
    assert process.poll() is None, f"{address} has ended"
    try:
        said: dict[str, Any] = httpx.get(f"{address}/readyz", trust_env=False, timeout=5).json()
    except httpx.TransportError:
        return False
    return bool(said["ready"])

"""Services that tests share: one PostgreSQL server and one broker per run, whoever of its processes asks first.

Not the services themselves (deploy.local), and not the fixtures (conftest.py), which call this. What an environment
variable names is used instead of starting one.
"""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, NoReturn

import pytest

POSTGRES: Final = "JOURNEYD_TEST_POSTGRES"
"""The address of a server whose user may make databases: `postgresql://user@host:5432/postgres`."""

KAFKA: Final = "JOURNEYD_TEST_KAFKA"
"""`host:port` of a broker on which topics may be made."""

BROKER: Final = "JOURNEYD_TEST_BROKER"
"""Which broker of deploy.local to start for every test: `tansu`, `noida` or `apache`."""

LOOKS: Final = 6000
"""Looks for a service that starts, 20 ms apart."""

_ORDERS: Final = {"postgres": ["--broker", "none"], "kafka": ["--no-postgres", "--broker"]}


def postgres_of_the_run(folder: Path) -> str:
    """Return the address of the server that the tests of this run share."""
    return os.environ.get(POSTGRES) or _of_the_run("postgres", folder, [])


def kafka_of_the_run(folder: Path) -> str:
    """Return the address of the broker that the tests of this run share."""
    return os.environ.get(KAFKA) or _of_the_run("kafka", folder, [os.environ.get(BROKER, "tansu")])


def absent(why: str) -> NoReturn:
    """Say that a test cannot run here: where all has to be proved it fails, elsewhere it is skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"CI runs every test, and this one cannot: {why}", pytrace=False)
    pytest.skip(why)


def _of_the_run(name: str, folder: Path, orders: list[str]) -> str:
    """Return what the run's first process started; it ends when the run does, in whatever way that comes about."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder, owner = (folder.parent, os.getppid()) if is_worker else (folder, os.getpid())
    said = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            _start([*_ORDERS[name], *orders, "--fleeting", "--tell", str(said), "--beside", str(owner)], said)
    addresses = json.loads(said.read_text(encoding="utf-8"))
    if "missing" in addresses:
        absent(addresses["missing"])
    return str(addresses[name])


def _start(orders: list[str], said: Path) -> None:
    log = said.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", *orders],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    for _ in range(LOOKS):
        if said.exists():
            return
        if process.poll() is not None:
            break
        threading.Event().wait(0.02)
    raise AssertionError(f"no service: {log.read_text(encoding='utf-8')}")

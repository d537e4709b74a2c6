"""`python -m deploy.local`: start PostgreSQL and a broker, print the settings that lead to them, stop on Ctrl-C.

For `make demo RUNTIME=kafka`, benchmarks and people. Tests start it too, to share one server among their processes
(`--tell`, `--beside`); it ends with them, however they end.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from psycopg.errors import DuplicateDatabase

from deploy.local.brokers import BROKERS
from deploy.local.postgres import PostgresServer
from deploy.local.processes import ServiceMissing

NAMES = {"postgres": "JOURNEYD_STORE__URL", "kafka": "JOURNEYD_STREAM__BROKERS"}
LOOK = 0.2
"""Seconds between two looks whether whom we serve is still there."""


def main() -> int:
    """Run until told to stop; return the exit code."""
    orders = _orders().parse_args()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    try:
        with contextlib.ExitStack() as running:
            addresses = dict(_started(orders, running))
            _tell(orders.tell, addresses)
            while not over.wait(LOOK) and (orders.beside is None or _lives(orders.beside)):
                pass
    except ServiceMissing as missing:
        _tell(orders.tell, {"missing": str(missing)})
        sys.stderr.write(f"{missing}\n")
        return 1
    return 0


def _orders() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="PostgreSQL and a broker to try with.")
    parser.add_argument("--broker", choices=sorted([*BROKERS, "none"]), default="noida", help="which one (noida)")
    parser.add_argument("--no-postgres", action="store_true", help="the broker alone")
    parser.add_argument("--fleeting", action="store_true", help="do not wait for the disk: for tests")
    parser.add_argument("--folder", type=Path, help="keep the data there; else it is forgotten at the end")
    parser.add_argument("--tell", type=Path, help="write the addresses into this file, as JSON")
    parser.add_argument("--beside", type=int, help="stop when this process has ended")
    return parser


def _started(orders: argparse.Namespace, running: contextlib.ExitStack) -> Iterator[tuple[str, str]]:
    """Yield the name and the address of each service once it answers."""
    folder = orders.folder or Path(running.enter_context(tempfile.TemporaryDirectory(prefix="journeyd-services-")))
    folder.mkdir(parents=True, exist_ok=True)
    if orders.folder is None:
        folder.chmod(0o711)  # root starts PostgreSQL as somebody else, who has to pass here
    if not orders.no_postgres:
        server = running.enter_context(PostgresServer(folder / "postgres", durable=not orders.fleeting))
        yield "postgres", server.url() if orders.tell else _own_database(server)
    if orders.broker != "none":
        yield "kafka", running.enter_context(BROKERS[orders.broker](folder / orders.broker)).address


def _own_database(server: PostgresServer) -> str:
    with contextlib.suppress(DuplicateDatabase):  # a folder that was kept
        server.create_database("journeyd")
    return server.url("journeyd")


def _tell(file: Path | None, said: dict[str, str]) -> None:
    if file is not None:
        aside = file.with_suffix(".part")
        aside.write_text(json.dumps(said), encoding="utf-8")
        aside.replace(file)
    elif "missing" not in said:
        for name, address in said.items():
            print(f"export {NAMES[name]}={address}")
        print("# Ctrl-C stops them", flush=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

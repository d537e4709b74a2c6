"""A process of the product as a group of its own, to be killed, frozen and started twice.

Forked from a server that has imported everything but opened nothing, so that a restart costs what recovery costs and
not what importing costs. `daemon.py` runs the embedded daemon in it, `tests/scaled/roles.py` the roles of many.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(
    ["tests.crash.daemon", "tests.scaled.roles", "apsw", "phonenumbers", "aiosmtplib", "uvloop", "uvicorn"]
)


def nursery() -> None:
    """Have the fork server import everything now, so that the first start is measured like the others."""
    first = _NURSERY.Process(target=int)
    first.start()
    first.join()
    first.close()


def settle_in(log: Path) -> None:
    """Make this process a group of its own whose words go to the file."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)


class Forked:
    """A process that runs `live(*arguments, said)` and says once, through `said`, that it is ready."""

    def __init__(self, live: Callable[..., int], *arguments: str) -> None:
        self._hears, says = _NURSERY.Pipe(duplex=False)
        process: Any = _NURSERY.Process(target=_live, args=(live, arguments, says), daemon=True)
        self.process = process
        self.born = time.monotonic()
        process.start()
        says.close()
        self.ready_after = 0.0

    def wait_ready(self, seconds: float) -> bool:
        """Wait until it serves; False when it died or took longer."""
        if not self.ready_after and self._hears.poll(max(seconds, 0.0)):
            try:
                self._hears.recv()
            except (EOFError, OSError):
                return False
            self.ready_after = time.monotonic() - self.born
        return self.ready_after > 0

    def wait_dead(self, seconds: float) -> bool:
        """Wait until the process is gone; False when it still lives after that."""
        self.process.join(max(seconds, 0.0))
        return self.process.exitcode is not None

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; a group that is gone is no problem."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            # Not yet a group of its own in its first instants, or gone already.
            if self.process.exitcode is None:
                os.kill(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until the kernel is done with it."""
        if self.process.exitcode is None:
            self.signal(signal.SIGKILL)
        self.process.join()

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it lives."""
        code: int | None = self.process.exitcode
        return code

    def close(self) -> None:
        """Kill what is left and release."""
        self.kill()
        self._hears.close()
        self.process.close()


def _live(live: Callable[..., int], arguments: tuple[str, ...], said: "Connection[str, str]") -> None:
    sys.exit(live(*arguments, said))

"""The daemon as a process group of its own, to be killed, frozen and started twice.

Forked from a server that has imported everything but opened nothing, so that a restart costs what recovery costs and
not what importing costs. The process runs `engine.bootstrap.serve`, as `journeyd run` does.
"""

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from engine.bootstrap.serve import serve
from engine.bootstrap.workspace import Workspace
from engine.core.errors import AlreadyRunning
from tests.crash import wrong

REFUSED: Final = 3
"""Exit code of a daemon that found another one in its workspace."""

_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(["tests.crash.daemon", "apsw", "phonenumbers", "aiosmtplib", "uvloop", "uvicorn"])


def nursery() -> None:
    """Have the fork server import everything now, so that the first start is measured like the others."""
    first = _NURSERY.Process(target=int)
    first.start()
    first.join()
    first.close()


def live(root: str, said: "Connection[str, str]", failpoint: str, variant: str) -> None:
    """Run the daemon in this process until a signal or a failpoint ends it."""
    os.setsid()
    log = os.open(Path(root) / "daemon.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["JOURNEYD_FAILPOINT"] = failpoint
    wrong.inject(variant)
    try:
        code = serve(Workspace.open(Path(root), os.environ), on_ready=said.send)
    except AlreadyRunning:
        code = REFUSED
    sys.exit(code)


class Daemon:
    """One process of the daemon. `variant` "" is the product; the others are in `wrong.py`."""

    def __init__(self, root: Path, *, failpoint: str = "", variant: str = "") -> None:
        self._hears, says = _NURSERY.Pipe(duplex=False)
        process: Any = _NURSERY.Process(target=live, args=(str(root), says, failpoint, variant), daemon=True)
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

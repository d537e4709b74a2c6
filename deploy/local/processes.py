"""A service as a child process: started with its output in a file, watched until it is ready, stopped, killed.

Knows no service; `postgres` and `brokers` do. Not for production: a service here dies with whoever started it.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

PATIENCE: Final = 60.0
"""Seconds that a service may take to be ready or to stop; a machine at work on other things is slow."""

_PAUSE: Final = 0.02


class ServiceMissing(Exception):
    """A service cannot be had on this machine; the text says what to install or to set."""


class ServiceFailed(Exception):
    """A service did not start or did not stop; the text has the end of its output."""


class Account:
    """Whom a process runs as: PostgreSQL refuses root, so root starts it as somebody without rights."""

    def __init__(self, uid: int, gid: int) -> None:
        self.uid, self.gid = uid, gid

    def owns(self, folder: Path) -> None:
        """Give it a folder."""
        os.chown(folder, self.uid, self.gid)


class Child:
    """One process of a service. `log` takes what it prints; `account` None: as ourselves."""

    def __init__(self, log: Path, *, account: Account | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._account = account
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process, also for signals of one's own (SIGSTOP)."""
        if self._process is None:
            raise ServiceFailed("it was never started")
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Is it running (or stopped by a signal, but not ended)."""
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], is_ready: Callable[[], bool]) -> None:
        """Start it and return once it is ready; raises ServiceFailed when it ends before, or takes too long."""
        with self.log.open("ab") as output:
            self._process = self._spawn(command, output.fileno())
        # Whoever forgets to stop it, or ends by an exception: nothing is left behind.
        weakref.finalize(self, _end, self._process)
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if not self.is_alive:
                raise ServiceFailed(f"{command[0]} ended at once:\n{self.said()}")
            if time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise ServiceFailed(f"{command[0]} was not ready within {PATIENCE:.0f} s:\n{self.said()}")
            pause()

    def run(self, command: Sequence[str]) -> None:
        """Run a command of the service to its end, as the same account; raises ServiceFailed when it fails."""
        with self.log.open("ab") as output:
            code = self._spawn(command, output.fileno()).wait()
        if code:
            raise ServiceFailed(f"{command[0]} failed ({code}):\n{self.said()}")

    def end(self, how: signal.Signals) -> None:
        """Send a signal and return when the process is gone; a process that is gone already is fine."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(how)
        self._process.send_signal(signal.SIGCONT)  # it may have been stopped
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise ServiceFailed(f"it did not stop within {PATIENCE:.0f} s:\n{self.said()}") from None

    def end_all(self) -> None:
        """Kill it and the processes that it started itself, as the machine's end would."""
        if not self.is_alive:
            return
        os.kill(self.pid, signal.SIGSTOP)  # so that it starts no more of them meanwhile
        started = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        others = [int(number) for number in started.read_text().split()] if started.exists() else []
        self.end(signal.SIGKILL)
        for other in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)

    def said(self) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])

    def _spawn(self, command: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
        account = self._account
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", **self._environ},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            process_group=0,  # Ctrl-C on the terminal is for us, who then stop it in order
        )


def pause() -> None:
    """Let another process get on."""
    threading.Event().wait(_PAUSE)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

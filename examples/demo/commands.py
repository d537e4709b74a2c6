"""Types `journeyd` commands as a user would, shows them, and ends what it started. The demo's only way to processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

from rich.console import Console

WIDE: Final = 160
"""Columns of what is printed into a pipe or a file."""

GRACE: Final = 20.0
"""Seconds that a process has to end in order."""

PATIENCE: Final = 45.0
"""Seconds that anything awaited may take."""


class Failed(Exception):
    """Something in the demo did not do what it should; the message says what, and where to look."""


class Commands:
    """Runs commands on one workspace. Leave its `with` and everything it started is gone, unless `keep` was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = Console(width=None if sys.stdout.isatty() else WIDE, markup=False, highlight=False, emoji=False)
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Commands":
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            end(process)
        self._stack.close()

    def keep(self) -> list[int]:
        """Leave what runs running, and return the process ids."""
        pids = [process.pid for process in self._processes]
        self._processes = []
        return pids

    def say(self, text: str = "") -> None:
        """Print a line."""
        self.out.print(text, soft_wrap=True)

    def head(self, text: str) -> None:
        """Print a headline."""
        self.out.print()
        self.out.rule(text, align="left", style="bold")

    def run(self, *said: str, quiet: bool = False) -> None:
        """Show a command and run it; raises `Failed` when it does not end well. `quiet` keeps its answer to itself."""
        self.say(f"$ journeyd {self._shown(said)}")
        self.out.file.flush()
        done = subprocess.run(  # noqa: S603 - our own interpreter on our own words
            self._line(said), check=False, text=True, stdout=subprocess.PIPE if quiet else None, env=_environ()
        )
        if done.returncode:
            raise Failed(f"`journeyd {self._shown(said)}` ended with {done.returncode}. {(done.stdout or '').strip()}")

    def start(self, *said: str, log: Path, ready: Callable[[], bool]) -> None:
        """Show a command, start it beside us and wait until it is `ready`; all that it says goes to `log`."""
        self._start(f"journeyd {self._shown(said)}", self._line(said), log, ready)

    def start_module(self, said: Sequence[str], *, log: Path, ready: Callable[[], bool]) -> None:
        """Start a module of this checkout beside us in the same way."""
        self._start(f"python -m {self._shown(said)}", [sys.executable, "-m", *said], log, ready)

    def _start(self, shown: str, line: Sequence[str], log: Path, ready: Callable[[], bool]) -> None:
        self.say(f"$ {shown} > {log} &")
        out: IO[str] = self._stack.enter_context(log.open("w", encoding="utf-8"))
        process = subprocess.Popen(  # noqa: S603 - our own interpreter on our own words
            line,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environ(),
            # Ctrl-C is for us: we end what we started, in order.
            start_new_session=True,
        )
        self._processes.append(process)
        try:
            self.until(ready, f"`{shown}` to answer")
        except Failed as failure:
            raise Failed(f"{failure}\n{log.read_text(encoding='utf-8')[-2_000:].strip()}") from None

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; raises `Failed` after `PATIENCE`, or when a process we need has ended."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            self.check_alive()
            if time.monotonic() > deadline:
                raise Failed(f"waited {PATIENCE:g} s for {what}")
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raise `Failed` when something that should run has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise Failed(f"process {process.pid} ended with {process.returncode}. See the logs in {self.folder}")

    def _line(self, said: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", "from engine.cli.main import run; run()", *said]

    def _shown(self, said: Sequence[str]) -> str:
        return " ".join(f'"{word}"' if " " in word else word for word in said)


def end(process: "subprocess.Popen[str]") -> None:
    """End a process, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environ() -> dict[str, str]:
    """Return the environment without settings that would change what the demo shows."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYD_")}

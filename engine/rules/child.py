"""A process that answers a line with a line within a time, or is killed: it holds what may crash or hang.

It knows nothing of rules. Called by `durable.py`, from one thread at a time.
"""

import os
import selectors
import subprocess
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

PIECE: Final = 65_536


class Broken(Exception):
    """The process died, hung or went quiet; the next question starts another."""


class Child:
    """`Child(command, first)`: `ask` starts it when it does not run, and hands it the line `first` before all else.

    `start_within` and `answer_within` are seconds.
    """

    def __init__(
        self, command: Sequence[str], first: bytes, *, start_within: float = 20.0, answer_within: float = 10.0
    ) -> None:
        self._command, self._first = command, first
        self._start_within, self._answer_within = start_within, answer_within
        self._running: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _end, self._running)  # nobody who forgets it leaves a process behind
        self._rest = b""
        self.starts = 0

    @property
    def pid(self) -> int:
        """Return the process's id, 0 while none runs."""
        return self._running[0].pid if self._running else 0

    def ask(self, line: bytes) -> bytes:
        """Return the answer to a line (without its end); raises `Broken`, and then the process is gone."""
        try:
            if not self._running or self._running[0].poll() is not None:
                self._start()
            return self._exchange(line, self._answer_within)
        except (OSError, TimeoutError, EOFError) as problem:
            self.kill()
            raise Broken(f"{type(problem).__name__}: {problem}"[:200]) from None

    def kill(self) -> None:
        """End the process at once, whatever it is doing, stopped ones too."""
        self._rest = b""
        _end(self._running)

    def _start(self) -> None:
        self.kill()
        self.starts += 1
        process = subprocess.Popen(  # noqa: S603 our own interpreter and our own script
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the daemon: it ends this one by closing the pipe
        )
        self._running.append(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        self._exchange(self._first, self._start_within)

    def _exchange(self, line: bytes, within: float) -> bytes:
        """Write the line and read one, looking at the pipes only when they are ready: neither end can hold us."""
        process = self._running[0]
        assert process.stdin is not None and process.stdout is not None
        until, ahead, heard = time.monotonic() + within, memoryview(line + b"\n"), [self._rest]
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            ready.register(process.stdin, selectors.EVENT_WRITE)
            while b"\n" not in heard[-1]:
                found = ready.select(max(until - time.monotonic(), 0))
                if not found:
                    raise TimeoutError(f"no answer within {within:g} s")
                for key, _ in found:
                    if key.fileobj is process.stdout:
                        heard.append(_read(process.stdout.fileno()))
                    elif ahead:
                        ahead = ahead[os.write(process.stdin.fileno(), ahead[:PIECE]) :]
                        if not ahead:
                            ready.unregister(process.stdin)
        answer, _, self._rest = b"".join(heard).partition(b"\n")
        return answer


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    while running:
        process = running.pop()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _read(pipe: int) -> bytes:
    said = os.read(pipe, PIECE)
    if not said:
        raise EOFError("it ended")
    return said

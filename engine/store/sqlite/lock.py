"""One daemon per workspace: an exclusive lock on a file, held as long as the process lives.

The kernel drops the lock when the process dies, however it dies, so there is no stale lock to clean up.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from engine.core.errors import AlreadyRunning


class WorkspaceLock:
    """The right to write to a workspace's files. The file stays after release: deleting it would race."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock at once or raise `AlreadyRunning`; a second call by the holder does nothing."""
        if self._fd >= 0:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            who = f" (process {holder})" if holder else ""
            message = f"{self._path} is held by another journeyd{who}. Stop it first, or use another data folder"
            raise AlreadyRunning(message) from None
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
        self._fd = fd

    def renew(self) -> None:
        """Do nothing: the kernel's lock is not lost while the process lives."""

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "WorkspaceLock":
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

"""Ports of the loopback for services that tests and demos start: no two processes are handed the same one.

Asking the system for any free port and letting go of it is a race when many ask at once, and such a port can become the
near end of somebody's connection before the server listens, or while it restarts. So ports below the system's own range
are dealt out in turn, the turn being kept in a file that is locked while it is read. Called by tests, demos and
`deploy.local`.
"""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

FIRST: Final = 20_000
LAST: Final = 31_999
"""Linux takes the near ends of connections from 32768 up."""


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on and that nobody else who asks here is given soon.

    Raises OSError when there are not so many.
    """
    turn = Path(tempfile.gettempdir()) / f"journeyd-ports-{os.getuid()}"
    with turn.open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        found, last = _following(int(file.read() or FIRST), count)
        file.seek(0)
        file.truncate()
        file.write(str(last))
    return found


def _following(after: int, count: int) -> tuple[list[int], int]:
    """Return the next free ports, and the one looked at last."""
    found: list[int] = []
    port = after
    for _ in range(LAST - FIRST + 1):
        if len(found) == count:
            return found, port
        port = port + 1 if port < LAST else FIRST
        if _is_free(port):
            found.append(port)
    raise OSError(f"no {count} free ports between {FIRST} and {LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

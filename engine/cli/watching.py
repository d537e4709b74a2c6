"""Waits for changed files and pressed keys, whichever comes first: the loop of `journeyd test --watch`.

Nothing is polled: the system tells of changes, and a thread sits at the keyboard. Without a terminal, lines on standard
input are keys as well.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Final

DEBOUNCE: Final = 150
"""Milliseconds in which changes are taken together: editors write a file in several steps."""

CHANGED: Final = "changed"
_SUFFIXES: Final = (".yaml", ".yml")


@contextmanager
def happenings(folders: Sequence[Path]) -> Iterator[Iterator[str]]:
    """Yield an endless iterator of `CHANGED` and pressed keys; the terminal is as it was afterwards."""
    queue: SimpleQueue[str] = SimpleQueue()
    ended = Event()
    there = [folder for folder in folders if folder.exists()]
    Thread(target=_watch, args=(there, queue, ended), name="files", daemon=True).start()
    with _keyboard() as keys:
        Thread(target=_read, args=(keys, queue), name="keys", daemon=True).start()
        try:
            yield iter(queue.get, None)
        finally:
            ended.set()


def _watch(folders: Sequence[Path], queue: "SimpleQueue[str]", ended: Event) -> None:
    from watchfiles import Change, watch

    def is_ours(_change: Change, path: str) -> bool:
        return path.endswith(_SUFFIXES)

    for _ in watch(*folders, watch_filter=is_ours, debounce=DEBOUNCE, stop_event=ended, raise_interrupt=False):
        queue.put(CHANGED)


def _read(keys: Iterator[str], queue: "SimpleQueue[str]") -> None:
    for key in keys:
        queue.put(key)


@contextmanager
def _keyboard() -> Iterator[Iterator[str]]:
    """Yield the keys as they are pressed; from a pipe, its characters up to its end."""
    keys = iter(lambda: sys.stdin.read(1), "")
    if not sys.stdin.isatty():
        yield keys
        return
    try:
        import termios
        import tty
    except ImportError:  # no such terminal on this system: keys count once Enter is pressed
        yield keys
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield keys
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

"""The two logs of a shared store as one, for commands: operators' words go to the desk, the rest into the topic.

An `EventLog` without a running loop: the way into the topic lives in a thread of its own, opened by the first entry
that goes there. Called by `bootstrap/database.py`.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.core.errors import JourneydError
from engine.core.events import Directive, Entry, decode
from engine.ports import History, Logged
from engine.runtime.stream.site import Door


class Opened(Door, Protocol):
    """A door that is opened in a loop, and closed in it."""

    def start(self) -> None:
        """Begin to send."""
        ...

    async def close(self) -> None:
        """Send what waits, then disconnect."""
        ...


class SharedLog:
    """`desk` is read, and takes words; `opens` makes the door that takes the rest, in its loop."""

    def __init__(self, desk: History, opens: Callable[[], Opened]) -> None:
        self._desk, self._opens = desk, opens
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._door: Opened | None = None

    def append(self, bodies: Sequence[bytes]) -> int:
        """Append the entries where they belong, and return the place of the last one of them."""
        entries = [decode(body) for body in bodies]
        words = [body for body, entry in zip(bodies, entries, strict=True) if isinstance(entry, Directive)]
        rest = [entry for entry in entries if not isinstance(entry, Directive)]
        last = self._produce(rest) if rest else 0
        return self._desk.append(words) if words else last

    def _produce(self, entries: Sequence[Entry]) -> int:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="stream-door", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._accept(entries), self._loop).result()

    async def _accept(self, entries: Sequence[Entry]) -> int:
        if self._door is None:
            self._door = self._opens()
            self._door.start()
        return await self._door.accept(lambda _stamp: entries)

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return entries of the desk."""
        return self._desk.read(after, limit)

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last entries of the desk up to an offset."""
        return self._desk.back(top, limit)

    def end(self, position: int) -> int:
        """Return the last offset of the desk that is applied."""
        return self._desk.end(position)

    def size(self, upto: int) -> int:
        """Return how many entries of the desk are kept up to an offset."""
        return self._desk.size(upto)

    def tail(self) -> int:
        """Return the desk's last offset."""
        return self._desk.tail()

    def rewrite(self, _bodies: Mapping[int, bytes]) -> None:
        """Workers do that, to the whole history."""
        raise JourneydError("a command rewrites nothing: this is a bug")

    def scrub(self) -> None:
        """Workers do that."""
        raise JourneydError("a command scrubs nothing: this is a bug")

    def trim(self, _below: int) -> None:
        """Workers do that."""
        raise JourneydError("a command trims nothing: this is a bug")

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit at the desk."""
        self._desk.on_append(wake)

    def close(self) -> None:
        """Send what waits, and disconnect."""
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            if self._door is not None:
                asyncio.run_coroutine_threadsafe(self._door.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()
        self._desk.close()

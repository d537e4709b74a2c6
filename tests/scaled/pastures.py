"""Where a herd grazes: a store and logs that several share, in memory or in PostgreSQL; and one engine by itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from config.scaled import Storage
from config.settings import Settings
from engine.bootstrap.database import opened
from engine.core.events import Entry, encode
from engine.core.ids import Micros
from engine.core.plan import Audience
from engine.ports import Reader
from engine.runtime.engine import Engine
from engine.runtime.stream.desk import Logs
from engine.store.memory import MemoryLog, MemoryStore
from engine.store.memory.shared import SharedMemoryStore
from engine.usecases.publish import in_force
from tests.scaled.herd import Pasture


def alone(entries: Sequence[Entry], until: Micros, audience: Audience) -> Reader:
    """Return what one embedded engine makes of the entries."""
    log, store = MemoryLog(), MemoryStore()
    log.append([encode(entry) for entry in entries])
    Engine(store, log, lambda: until, lambda: in_force(store, audience)).drain()
    return store


@contextmanager
def pasture(url: str, audience: Audience) -> Iterator[Pasture]:
    """Open an empty store that workers share: in the database at `url`, in memory for ""."""
    if not url:
        memory = SharedMemoryStore()
        yield Pasture(
            memory, Logs(memory.desk, memory.history, memory.history.find), lambda: in_force(memory, audience)
        )
        return
    opening = opened(Settings(store=Storage(url=url)))  # type: ignore[arg-type]
    try:
        yield Pasture(opening.store, opening.logs, lambda: in_force(opening.store, audience))
    finally:
        opening.store.close()

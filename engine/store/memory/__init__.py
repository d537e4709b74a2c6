"""The reference adapters of `EventLog` and `Store`: everything in memory, simple and correct.

They are shipped (simulation, stories, tests); they are not durable. The SQLite adapters must behave like these.
"""

from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore

__all__ = ["MemoryLog", "MemoryStore"]

"""The embedded adapters: journal and store in two SQLite files, driven through apsw.

`journal.db` is the event log, `store.db` everything that follows from it; `WorkspaceLock` keeps a second daemon out.
"""

from engine.store.sqlite.lock import WorkspaceLock
from engine.store.sqlite.log import SqliteLog
from engine.store.sqlite.store import SqliteStore

__all__ = ["SqliteLog", "SqliteStore", "WorkspaceLock"]

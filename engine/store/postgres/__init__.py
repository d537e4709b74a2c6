"""The scaled adapter: state, dedupe keys, touches and the history in PostgreSQL, driven through psycopg 3.

`PostgresStore` is a `SharedStore`: one process may have it for itself, or many share it.
"""

from engine.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

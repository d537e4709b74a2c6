"""Loads entries.sql: the statements of the history, each described. Used by the entries modules alone."""

from typing import Final

from engine.store.postgres.queries import resource
from engine.store.statements import load

SQL: Final = load(resource("entries.sql"))

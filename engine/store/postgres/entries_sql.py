"""Loads entries.sql: the statements of the history, each described. Used by the entries modules alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

import psycopg

from engine.core.errors import StoreAway
from engine.store.statements import load

SQL: Final = load(files("engine.store.postgres").joinpath("entries.sql").read_text(encoding="utf-8"))


@contextmanager
def said() -> Iterator[None]:
    """Say what the database's errors mean here."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreAway(str(error)) from error

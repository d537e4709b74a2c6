"""Loads queries.sql, people.sql and shared.sql: named statements, each described.

A name that is not there fails when the module is imported.
"""

from importlib.resources import files
from typing import Final

from engine.store.statements import load


def resource(name: str) -> str:
    """Return the text of a file of this package."""
    return files("engine.store.postgres").joinpath(name).read_text(encoding="utf-8")


SQL: Final = load(resource("queries.sql") + resource("people.sql") + resource("shared.sql"))

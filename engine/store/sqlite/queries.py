"""Loads queries.sql and people.sql: named statements, each described.

A name that is not there fails when the module is imported.
"""

from importlib.resources import files
from typing import Final

from engine.store.statements import load


def resource(name: str) -> str:
    """Return the text of a file of this package."""
    return files("engine.store.sqlite").joinpath(name).read_text(encoding="utf-8")


SQL: Final = load(resource("queries.sql") + resource("people.sql"))

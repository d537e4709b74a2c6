"""Loads queries.sql and people.sql: named statements, each described.

A name that is not there fails when the module is imported.
"""

from importlib.resources import files
from typing import Final


def load(text: str) -> dict[str, str]:
    r"""Return name -> statement of a file of `-- name: x` blocks; raises `ValueError` for a block with no description.

    >>> load("-- name: one\n-- Gives one.\nSELECT 1;\n")
    {'one': 'SELECT 1;'}
    """
    statements: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, rest = block.partition("\n")
        lines = rest.splitlines()
        body = "\n".join(line for line in lines if line and not line.startswith("--"))
        if not lines[0].startswith("-- ") or not body or name in statements:
            raise ValueError(f"statement {name!r} is not described, empty, or there twice")
        statements[name.strip()] = body
    return statements


def resource(name: str) -> str:
    """Return the text of a file of this package."""
    return files("engine.store.sqlite").joinpath(name).read_text(encoding="utf-8")


SQL: Final = load(resource("queries.sql") + resource("people.sql"))

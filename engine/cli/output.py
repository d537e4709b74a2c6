"""Where commands write: data to standard output, everything else to standard error. Nobody else prints.

Customers' words pass through `plain`, so that a trait cannot steer somebody's terminal.
"""

import sys
from typing import Any

import msgspec
import typer
from rich.console import Console

WIDE = 200
"""Columns of a table that goes into a pipe or a file."""


def console() -> Console:
    """Return standard output for text and tables."""
    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def aside() -> Console:
    """Return standard error for progress and remarks."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def emit(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def tell(text: str) -> None:
    """Print a line of the answer."""
    typer.echo(plain(text))


def remark(text: str) -> None:
    """Print a line beside the answer, to standard error."""
    typer.echo(plain(text), err=True)


def plain(text: str) -> str:
    """Return the text without control characters (line ends and tabs stay).

    >>> plain("a\\x1b[31mb")
    'a�[31mb'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)

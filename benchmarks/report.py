"""Lays the figures out: a table for people, one JSON file for machines. Knows no system and measures nothing."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Sample, spread


class Row(msgspec.Struct, frozen=True):
    """One line: what was measured, the median with its range, what it is held against. "failed" where a gate broke."""

    what: str
    durability: str
    figure: str
    per_cpu: str = ""
    ratio: str = ""
    target: str = ""
    gate: str = ""


def rate_row(what: str, durability: str, samples: Sequence[Sample], *, ratio: str = "", target: str = "") -> Row:
    """Return the row of a rate over several rounds."""
    gate = verdict(samples)
    if gate.startswith("failed"):
        return Row(what, durability, "failed", gate=gate)
    rates = spread([sample.rate for sample in samples])
    per_cpu = spread([sample.per_cpu for sample in samples])
    return Row(what, durability, f"{ranged(rates)} /s", ranged(per_cpu), ratio, target, gate)


def verdict(samples: Sequence[Sample]) -> str:
    """Return what the gate said of all rounds: the first that failed, else the last."""
    broken = next((sample for sample in samples if not sample.holds), None)
    return f"failed: {broken.verdict}" if broken is not None else samples[-1].verdict


def ranged(values: tuple[float, float, float]) -> str:
    """Return "median (least-most)"."""
    median, least, most = values
    return f"{median:,.0f} ({least:,.0f}-{most:,.0f})" if least != most else f"{median:,.0f}"


def shares(values: tuple[float, float, float]) -> str:
    """Return a ratio's median and range in per cent."""
    return f"{values[0]:.0%} ({values[1]:.0%}-{values[2]:.0%})"


def machine() -> dict[str, Any]:
    """Return what a reader must know of the machine."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 1),
    }


def show(rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """Print the table."""
    title = "journeyd: " + ", ".join(f"{name} {value}" for name, value in facts.items())
    table = Table(title=title, show_lines=False)
    for name in ("what", "durability", "median (range)", "per CPU-second", "ratio", "target", "gate"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*msgspec.structs.astuple(row))
    # Into a file or a pipe the table keeps its width: lines folded in the middle of a figure help nobody.
    console = Console()
    (console if console.is_terminal else Console(width=190)).print(table)
    print(DURABILITY)


def save(path: Path, rows: Sequence[Row], facts: dict[str, Any], samples: dict[str, list[Sample]]) -> None:
    """Write everything that was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = msgspec.json.encode({"machine": facts, "rows": rows, "samples": samples})
    path.write_bytes(msgspec.json.format(body, indent=1))


DURABILITY = """Durability: A = fsync before a commit returns; B = survives the death of the process; C = memory.
Compare only within a class. Rates are wall clock; a CPU-second counts all threads and processes of the system."""

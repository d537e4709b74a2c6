"""Reads the purchases and moves them, by whole days, so that their year ends yesterday. The demo calls it.

An engine that counts days should not be woken decades late. The order of the days, their distance and every amount
stay as they are; the data have no time of day, so each purchase gets one that follows from its place in the file.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

from engine.core.ids import DAY, MINUTE, Micros, share

FILE: Final = Path(__file__).with_name("cdnow-purchases.csv.gz")
LAST: Final = date(1997, 12, 31)
"""The last day of the year that the demo plays."""

_EPOCH: Final = date(1970, 1, 1)


class Purchase(NamedTuple):
    """One row of the file, `at` its moved instant."""

    row: int
    customer: str
    at: Micros
    cds: int
    dollars: str


class Recount(NamedTuple):
    """What a plain reading of the file adds up to, in cents."""

    customers: int
    purchases: int
    cents: int


def read_year(today: Micros, customers: int = 0) -> list[Purchase]:
    """Return the purchases of 1997, oldest first, moved so that 31 December is the day before `today` (UTC).

    `customers` above 0 keeps so many of them, spread evenly over the file.
    """
    shift = today // DAY - 1 - (LAST - _EPOCH).days
    kept = _sample(customers)
    year = [
        Purchase(row, said["customer_id"], _instant(said["date"], shift, row), int(said["cds"]), said["dollars"])
        for row, said in enumerate(_rows())
        if said["date"] <= LAST.isoformat() and (not kept or said["customer_id"] in kept)
    ]
    return sorted(year, key=lambda purchase: purchase.at)


def recount(customers: int = 0) -> Recount:
    """Add the year up again, straight from the text and in whole cents: nothing is shared with `read_year`."""
    kept = _sample(customers)
    with gzip.open(FILE, "rt", encoding="ascii") as file:
        cells = [line.rstrip("\n").split(",") for line in file][1:]
    year = [row for row in cells if row[1].startswith("1997-") and (not kept or row[0] in kept)]
    cents = 0
    for row in year:
        whole, _, part = row[3].partition(".")
        cents += int(whole) * 100 + int(part.ljust(2, "0"))
    return Recount(len({row[0] for row in year}), len(year), cents)


def day_of(at: Micros) -> str:
    """Return the UTC day of an instant, YYYY-MM-DD."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).date().isoformat()


def _rows() -> Iterator[dict[str, str]]:
    with gzip.open(FILE, "rt", encoding="ascii", newline="") as file:
        yield from csv.DictReader(file)


def _sample(size: int) -> frozenset[str]:
    """Return the ids to keep; empty keeps all."""
    if not size:
        return frozenset()
    everybody = sorted({row["customer_id"] for row in _rows()})
    size = min(size, len(everybody))
    return frozenset(everybody[place * len(everybody) // size] for place in range(size))


def _instant(day: str, shift: int, row: int) -> Micros:
    # The first minutes of the day are left free: what is known of a customer is told just before the first purchase.
    moment = 10 * MINUTE + int(share("time of day", row) * (DAY - 10 * MINUTE))
    return ((date.fromisoformat(day) - _EPOCH).days + shift) * DAY + moment

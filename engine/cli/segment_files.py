"""The members of a segment as a file: CSV or JSON lines, page by page. Called by `journeyd segments export`."""

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec

from engine.cli.segment_tables import Member
from engine.cli.sheets import safe
from engine.core.ids import SECOND, Micros

_PHONE: Final = re.compile(r"\+[0-9]{1,15}")


def written(
    pages: Iterable[list[Member]],
    kinds: Sequence[str],
    to: Path | None,
    progress: Callable[[int], None],
    *,
    as_json: bool,
) -> int:
    """Write everybody to the file (None = standard output) and return how many; `kinds` are the columns of CSV.

    The newest value of each kind of identifier is given; times are in UTC.
    """
    number = 0
    with _opened(to) as out:
        rows = csv.writer(out, lineterminator="\n")
        if not as_json:
            rows.writerow(("customer", "since", *kinds))
        for page in pages:
            for one in page:
                if as_json:
                    out.write(msgspec.json.encode(one.data()).decode() + "\n")
                else:
                    named = (_cell(one.customer.address(kind)) for kind in kinds)
                    rows.writerow((one.customer.id, _utc(one.since), *named))
            number += len(page)
            progress(len(page))
    return number


def _cell(identifier: str) -> str:
    """Return an identifier so that no spreadsheet runs it; a phone number stays as other systems read it.

    >>> _cell("=cmd()"), _cell("+8613800138000"), _cell("u1")
    ('\\t=cmd()', '+8613800138000', 'u1')
    """
    return identifier if _PHONE.fullmatch(identifier) else safe(identifier)


def _utc(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _opened(to: Path | None) -> Iterator[IO[str]]:
    if to is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with to.open("w", encoding="utf-8", newline="") as out:
        yield out

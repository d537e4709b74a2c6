"""Parquet files as rows. Needs the extra `parquet`; imported only when such a file is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from engine.cli.import_tables import Row, Table
from engine.core.errors import BadInput, BadSetting
from engine.http.strict import check

_BATCH: Final = 1_000


@contextmanager
def open_parquet(path: Path) -> Iterator[Table]:
    """Open a Parquet file; raises `BadSetting` without pyarrow, `BadInput` for a file that is none."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise BadSetting("Parquet files need pyarrow. Install it with `pip install 'journeyd[parquet]'`") from None
    done = 0

    def rows() -> Iterator[Row]:
        nonlocal done
        for batch in file.iter_batches(batch_size=_BATCH):
            for cells in batch.to_pylist():
                done += 1
                yield _row(done, cells)

    with path.open("rb") as raw:
        try:
            file = parquet.ParquetFile(raw)
        except (pyarrow.ArrowException, OSError):
            raise BadInput(f"{path.name} is no Parquet file", "Write it anew, or import CSV") from None
        columns = tuple(str(name) for name in file.schema_arrow.names)
        yield Table(path.name, "Parquet", columns, rows(), file.metadata.num_rows, lambda: done)


def _row(number: int, cells: dict[str, Any]) -> Row:
    plain = {name: _plain(value) for name, value in cells.items()}
    text = ",".join("" if value is None else str(value) for value in plain.values())
    try:
        check(plain)
    except BadInput as fault:
        return Row(number, text=text, fault=fault)
    return Row(number, plain, text)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: instants as text, decimals as numbers, bytes as text."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {str(name): _plain(one) for name, one in value.items()}
        case _:
            return value

"""What the columns of a CSV file mean: `--map user_id=customer_id --event order_paid --set total=dollars:number`.

Options in, a function from row to Segment message out. Reads no file.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.core.errors import BadInput
from engine.core.events import KINDS

_YES: Final = {"1", "true", "yes", "y", "是"}
_NO: Final = {"0", "false", "no", "n", "否"}


@dataclass(frozen=True)
class Column:
    """A name in the message, the column it comes from, and how its cells are read."""

    name: str
    column: str
    type: str = "text"


@dataclass(frozen=True)
class CsvShape:
    """The whole mapping. Without `event` the rows are identifies: they only tell who somebody is."""

    identifiers: tuple[Column, ...]
    event: str = ""
    at: str = ""
    id: str = ""
    zone: str = "UTC"
    properties: tuple[Column, ...] = ()
    traits: tuple[Column, ...] = ()
    consents: tuple[Column, ...] = ()

    def columns(self) -> set[str]:
        """Return every column that the mapping reads."""
        parts = (*self.identifiers, *self.properties, *self.traits, *self.consents)
        return {part.column for part in parts} | {name for name in (self.at, self.id) if name}

    def message(self, row: Mapping[str, str | None]) -> dict[str, Any]:
        """Return the row as a message; raises `BadInput` that names the column."""
        message: dict[str, Any] = {"type": "track" if self.event else "identify"}
        if self.event:
            message["event"] = self.event
            message["properties"] = _values(row, self.properties)
        traits = _values(row, self.traits)
        if self.consents:
            traits["consents"] = _values(row, self.consents)
        external: list[dict[str, str]] = []
        for part in self.identifiers:
            _identify(part, _cell(row, part.column), message, traits, external)
        message["context"] = {"traits": traits, "externalIds": external}
        if self.id and (cell := _cell(row, self.id)):
            message["messageId"] = cell
        if self.at:
            message["timestamp"] = _instant(_cell(row, self.at), self.at, self.zone)
        return message


def parse_column(said: str, option: str, types: Sequence[str] = ()) -> Column:
    """Return what `name=column[:type]` says; raises `BadInput`.

    >>> parse_column("total=dollars:number", "--set", ("text", "number"))
    Column(name='total', column='dollars', type='number')
    """
    name, equals, column = said.partition("=")
    kind = "text"
    if types and ":" in column and column.rpartition(":")[2] in types:
        column, _, kind = column.rpartition(":")
    elif types and ":" in column:
        raise BadInput(f"{option} {said}: {column.rpartition(':')[2]} is no type", f"Use one of {', '.join(types)}")
    if not (equals and name and column):
        raise BadInput(f"{option} {said} is not NAME=COLUMN", f"Write {option} total=dollars, for example")
    return Column(name, column, kind)


def parse_identifier(said: str, kinds: Collection[str] = KINDS) -> Column:
    """Return what `--map kind=column` says; raises `BadInput` for a kind that is none."""
    column = parse_column(said, "--map")
    if column.name not in kinds:
        raise BadInput(f"--map {said}: {column.name} is no kind of identifier", f"Use one of {', '.join(kinds)}")
    return column


def columns_of(
    said: Mapping[str, Sequence[str] | None],
    *,
    event: str,
    at: str,
    id_: str,
    zone: str,
    kinds: Collection[str] = KINDS,
) -> CsvShape:
    """Return the mapping that the options `map`, `set`, `trait` and `consent` make; raises `BadInput`.

    `kinds` are those of identifiers that may be mapped.
    """
    types = tuple(TYPES)
    shape = CsvShape(
        identifiers=tuple(parse_identifier(one, kinds) for one in said.get("map") or ()),
        event=event,
        at=at,
        id=id_,
        zone=check_zone(zone),
        properties=tuple(parse_column(one, "--set", types) for one in said.get("set") or ()),
        traits=tuple(parse_column(one, "--trait", types) for one in said.get("trait") or ()),
        consents=tuple(parse_column(f"{one}:bool", "--consent", types) for one in said.get("consent") or ()),
    )
    if not shape.identifiers:
        raise BadInput("Nobody is named", "Say which column names the customer: --map user_id=customer_id")
    return shape


def check_zone(name: str) -> str:
    """Return the zone's name; raises `BadInput` when there is no such zone."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"--zone {name} is no time zone", "Write an IANA name like Asia/Shanghai") from None


def _identify(
    part: Column, value: str, message: dict[str, Any], traits: dict[str, Any], external: list[dict[str, str]]
) -> None:
    if not value:
        return
    match part.name:
        case "user_id":
            message["userId"] = value
        case "anonymous_id":
            message["anonymousId"] = value
        case "email" | "phone":
            traits[part.name] = value
        case _:
            external.append({"type": part.name, "id": value})


def _cell(row: Mapping[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _values(row: Mapping[str, str | None], columns: Sequence[Column]) -> dict[str, Any]:
    """Return name -> value; empty cells say nothing."""
    return {part.name: TYPES[part.type](cell, part.column) for part in columns if (cell := _cell(row, part.column))}


def _text(cell: str, _column: str) -> Any:
    return cell


def _number(cell: str, column: str) -> Any:
    try:
        number = float(cell.replace(",", "")) if "." in cell or "e" in cell.lower() else int(cell.replace(",", ""))
    except ValueError:
        raise BadInput(f"{column}: {cell[:64]!a} is not a number", "Write digits, or map it as text", column) from None
    if not math.isfinite(number) or abs(number) > 1 << 53:
        raise BadInput(f"{column}: {cell[:64]} is too big for a number", "Map it as text", column)
    return number


def _flag(cell: str, column: str) -> Any:
    if cell.lower() in _YES:
        return True
    if cell.lower() in _NO:
        return False
    raise BadInput(f"{column}: {cell[:64]!a} is neither yes nor no", "Write true or false", column)


TYPES: Final[dict[str, Callable[[str, str], Any]]] = {"text": _text, "number": _number, "bool": _flag}
"""How a cell is read: the types of `--set` and `--trait`."""


def _instant(cell: str, column: str, zone: str) -> str:
    if not cell:
        raise BadInput(f"{column} is empty", "Every row needs its time", column)
    try:
        moment = datetime.fromisoformat(cell)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        return aware.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise BadInput(f"{column}: {cell[:64]!a} is not a date", "Write ISO 8601, like 2026-05-01", column) from None

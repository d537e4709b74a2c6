"""What moves from one store to another: tables and columns in the order of writing, and how two copies are compared.

Both stores keep the same rows under the same numbers (their schemas lie side by side), so a move copies rows and
decides nothing anew. Used by each store's `moving.py` and by `bootstrap/migrate_store.py`. Values only.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

Kind: TypeAlias = Literal["int", "small", "text", "bytes", "bool", "real"]
"""What a column holds. small: 32 bits in PostgreSQL."""

Row: TypeAlias = tuple[Any, ...]


class Moved(msgspec.Struct, frozen=True):
    """A table: its columns with what each holds. `serial`: whose numbers go on. `only`: which rows are meant (SQL)."""

    name: str
    columns: tuple[tuple[str, Kind], ...]
    serial: str = ""
    only: str = ""

    @property
    def names(self) -> list[str]:
        """Return the columns' names."""
        return [name for name, _ in self.columns]


class Sum:
    """The sum over rows in whatever order: how many, and a checksum of 64 bits."""

    def __init__(self) -> None:
        self.rows = 0
        self.sum = 0

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, summed up as they pass.

        >>> one, other = Sum(), Sum()
        >>> _ = [*one.over([(1, "a"), (2, None)])], [*other.over([(2, None), (1, "a")])]
        >>> one == other, one.rows
        (True, 2)
        """
        for row in rows:
            self.rows += 1
            digest = blake2b(_encode(row), digest_size=8).digest()
            self.sum = (self.sum + int.from_bytes(digest, "big")) & _MASK
            yield row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self.sum) == (other.rows, other.sum)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.sum:016x}"


_encode: Final = msgspec.msgpack.Encoder().encode
_MASK: Final = (1 << 64) - 1


def _table(name: str, columns: str, *, serial: str = "", only: str = "") -> Moved:
    """Return a table from "name:kind name:kind"; text needs no kind."""
    said = [column.partition(":") for column in columns.split()]
    assert all(not kind or kind in get_args(Kind) for _, _, kind in said)
    return Moved(name, tuple((column, cast("Kind", kind or "text")) for column, _, kind in said), serial, only)


TABLES: Final = (
    _table("secrets", "name value:bytes"),
    _table("partitions", "partition:small position:int time:int"),
    _table("meta", "name value:int", only="name IN ('desk', 'desk_at')"),
    _table("customers", "num:int oneid known:bool winner:int wake:int stage reached", serial="num"),
    _table("states", "num:int version:int body:bytes"),
    _table("seen", "slice:int key:int place:int"),
    _table("identifiers", "name num:int"),
    _table(
        "runs",
        "seq:int id num:int journey version place entered:int active:bool goal_until:int body:bytes",
        serial="seq",
    ),
    _table("refiled", "run num:int"),
    _table(
        "touches",
        "seq:int id num:int run journey channel template planned:int priority:int state due:int lease_until:int "
        "provider provider_id body:bytes",
        serial="seq",
    ),
    _table("attempts", "touch token:int body:bytes"),
    _table("facts", "seq:int id touch at:int provider provider_id body:bytes", serial="seq"),
    _table("effects", "seq:int key journey kind num:int body:bytes", serial="seq"),
    _table("notes", "seq:int at:int num:int body:bytes", serial="seq"),
    _table("dead", "place:int at:int reason body:bytes"),
    _table("schedules", "journey home:small due:int body:bytes"),
    _table("flags", "name value"),
    _table("plans", "journey version current:bool body:bytes"),
    _table("tallies", "kind a b c stripe:small n:int value:real"),
    _table("releases", "seq:int id body:bytes", serial="seq"),
    _table("jobs", "seq:int name body:bytes", serial="seq"),
    _table("pools", "num:int name", serial="num"),
    _table("codes", "seq:int pool:int code taken:bool", serial="seq"),
    _table("coupons", "seq:int key pool:int num:int code at:int run journey step", serial="seq"),
    _table("arms", "journey split arm stripe:small tried:int won:int"),
    _table("accounts", "id body:bytes"),
    _table("merges", "seq:int id winner:int loser:int at:int body:bytes", serial="seq"),
    _table("reviews", "identifier state last:int body:bytes"),
    _table("claims", "customer identifier"),
    _table("label_names", "id:int kind name", serial="id"),
    _table("labels", "label:int num:int since:int until:int"),
    _table("erasures", "seq:int customer at:int body:bytes", serial="seq"),
    _table("erased", "key erasure:int"),
    _table("suppressions", "key body:bytes"),
    _table("entries", "place:int at:int body:bytes"),
)

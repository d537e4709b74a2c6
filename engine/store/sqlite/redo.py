"""Commits that are durable but not yet written down where they belong.

A random update of a table costs a page per row, whatever the row's size. So a commit appends what it changed in
`states` and in the dedupe tables as one row of `redo`, and those tables are brought up to date later, in key order
(writeback.py). Whoever reads them lays the overlay of these rows on top.
"""

from collections import deque
from typing import Final

import apsw
import msgspec

from engine.store.sqlite.queries import SQL


class Redo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One commit: values by customer number (empty: gone), and dedupe keys with their slice."""

    nums: list[int]
    bodies: list[bytes]
    slice: int
    seen: dict[int, int]


_encoder: Final = msgspec.msgpack.Encoder()


class _Numbers(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first field of `Redo`: whose values a row holds."""

    nums: list[int]


_numbers: Final[msgspec.msgpack.Decoder[_Numbers]] = msgspec.msgpack.Decoder(_Numbers)
_decoder: Final[msgspec.msgpack.Decoder[Redo]] = msgspec.msgpack.Decoder(Redo)


def encode(redo: Redo) -> bytes:
    """Return the bytes of a redo row."""
    return _encoder.encode(redo)


def without(body: bytes, nums: set[int]) -> bytes | None:
    """Return the redo row with the values of these customers gone, None when it holds none of them."""
    if nums.isdisjoint(_numbers.decode(body).nums):
        return None
    redo = _decoder.decode(body)
    kept = [b"" if num in nums else value for num, value in zip(redo.nums, redo.bodies, strict=True)]
    return encode(msgspec.structs.replace(redo, bodies=kept))


class Overlay:
    """What the redo rows say, kept up to date by reading only the new ones.

    `refresh` must run in the transaction (or savepoint) that reads the tables below, so that both are of one commit.
    """

    def __init__(self) -> None:
        self.first = 0
        self.last = 0
        self._bodies: dict[int, tuple[int, bytes]] = {}
        self._seen: deque[tuple[int, Redo]] = deque()

    def refresh(self, connection: apsw.Connection) -> None:
        """Take in new rows and forget those that were written down meanwhile."""
        first, last = connection.execute(SQL["redo_span"]).fetchall()[0]
        assert isinstance(first, int)
        assert isinstance(last, int)
        for seq, body in connection.execute(SQL["redo_after"], (self.last,)) if last != self.last else ():
            redo = _decoder.decode(body)
            self._bodies.update(zip(redo.nums, ((seq, body) for body in redo.bodies), strict=True))
            if redo.seen:
                self._seen.append((seq, redo))
        if first != self.first:
            self._bodies = {num: value for num, value in self._bodies.items() if value[0] >= first}
            while self._seen and self._seen[0][0] < first:
                self._seen.popleft()
        self.first, self.last = first, last

    def body(self, num: int) -> bytes | None:
        """Return a customer's value; empty when it is gone, None when the table has the last word."""
        entry = self._bodies.get(num)
        return None if entry is None else entry[1]

    def bodies(self) -> dict[int, bytes]:
        """Return all values."""
        return {num: body for num, (_, body) in self._bodies.items()}

    def seen(self) -> dict[int, dict[int, int]]:
        """Return slice -> key -> offset."""
        slices: dict[int, dict[int, int]] = {}
        for _, redo in self._seen:
            slices.setdefault(redo.slice, {}).update(redo.seen)
        return slices

"""Reading a request body within bounds: wire bytes, unpacked bytes, gzip members, ratio and time.

Nothing is parsed here. A bomb costs at most the limits; a slow body at most the time-out.
"""

import asyncio
import zlib
from typing import Final

from starlette.requests import Request

from engine.http.problems import Problem

_MEMBERS: Final = 8
_RATIO: Final = 200
_RATIO_FROM: Final = 65_536


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """Return the unpacked body; raises `Problem` 400, 408, 413 or 415."""
    unpack = _unpacker(request.headers.get("content-encoding", ""), limit)
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit():
        raise Problem(400, "bad_length", "Content-Length is not a number", remedy="Send the body's length in bytes")
    if len(declared) > 12 or int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    wire = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                wire += len(chunk)
                if wire > limit:
                    raise _too_large(limit)
                parts.append(unpack.feed(chunk) if unpack else chunk)
    except TimeoutError:
        raise Problem(408, "body_slow", f"The body took over {seconds:g} s", remedy="Send smaller batches") from None
    if unpack:
        unpack.finish()
    return b"".join(parts)


class Gunzip:
    """Unpacks gzip piece by piece; never holds more than `limit` bytes of output."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._member = zlib.decompressobj(wbits=31)
        self._members = 1
        self._wire = self._out = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return what `chunk` adds; raises `Problem` for anything that is not an honest gzip body."""
        self._wire += len(chunk)
        parts: list[bytes] = []
        while chunk:
            if self._member.eof:
                self._next_member()
            try:
                part = self._member.decompress(chunk, self._limit + 1 - self._out)
            except zlib.error:
                raise _not_gzip("The body is not gzip") from None
            parts.append(part)
            self._out += len(part)
            if self._out > self._limit:
                raise _too_large(self._limit)
            if self._out > _RATIO_FROM and self._out > _RATIO * self._wire:
                raise Problem(413, "gzip_bomb", f"The body unpacks to over {_RATIO} times its size", remedy="Send less")
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(parts)

    def finish(self) -> None:
        """Check that the last member is whole."""
        if not self._member.eof:
            raise _not_gzip("The gzip body is cut off")

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MEMBERS:
            raise _not_gzip(f"The gzip body has over {_MEMBERS} members")
        self._member = zlib.decompressobj(wbits=31)


def _unpacker(encoding: str, limit: int) -> Gunzip | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return Gunzip(limit)
        case _:
            raise Problem(415, "bad_encoding", "The Content-Encoding is not known", remedy="Send gzip or no encoding")


def _not_gzip(detail: str) -> Problem:
    return Problem(400, "bad_gzip", detail, remedy="Pack the body as one gzip member, or send it unpacked")


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"The body is over {limit:,} bytes", remedy="Split it into smaller batches")

"""What every callback parser takes and returns: the provider's request, our answer, and the entries for the log.

Parsers are pure and never raise for bad input; http/ appends the entries durably and then sends the reply.
"""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from engine.core.events import Event, Receipt
from engine.core.ids import Micros


class Callback(msgspec.Struct, frozen=True):
    """A provider's HTTP request as it came. `query`: first value of each name, decoded; header names in lower case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now: Micros


class Reply(msgspec.Struct, frozen=True):
    """The HTTP answer that the provider expects."""

    status: int
    body: bytes
    media_type: str = "application/json"


Parsed: TypeAlias = tuple[Reply, list[Receipt | Event]]
"""Send the reply only after the entries are durable."""

"""What every callback parser returns: the answer for the provider, and the entries for the log.

Parsers are pure and never raise for bad input; http/ appends the entries durably and then sends the reply.
"""

from typing import TypeAlias

import msgspec

from engine.core.events import Event, Receipt


class Reply(msgspec.Struct, frozen=True):
    """The HTTP answer that the provider expects."""

    status: int
    body: bytes
    media_type: str = "application/json"


Parsed: TypeAlias = tuple[Reply, list[Receipt | Event]]
"""Send the reply only after the entries are durable."""

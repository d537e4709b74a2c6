"""The dials of the HTTP face, as plain values. `config/` reads them from the workspace; this module reads nothing."""

from typing import Final, Literal, TypeAlias

import msgspec

Scope: TypeAlias = Literal["server", "browser"]

WIRE_LIMIT: Final = 512_000
"""Bytes of a request body as it came over the wire, and again once unpacked."""
BATCH_LIMIT: Final = 500_000
EVENT_LIMIT: Final = 32_000
BATCH_MESSAGES: Final = 1_000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may send events: a name, the hash of its write key (`auth.hash_key`) and what it may do.

    A `browser` key is public by nature: it may not set consents, backfill or enter customers into journeys.
    `rate`: requests per second in the long run; `burst`: how many may come at once.
    """

    name: str
    key_hash: str
    scope: Scope = "server"
    rate: float = 500.0
    burst: float = 1000.0


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Another channel that may ask for customers: a name, the hash of its read key and which traits it sees."""

    name: str
    key_hash: str
    traits: Literal["none", "all"] | tuple[str, ...] = "none"
    rate: float = 100.0
    burst: float = 200.0


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `make_app` needs to know.

    `ops_key_hash`: of the bearer key of `/v1/ops` ("" closes it). `callback_secrets`: "channel/provider" -> the
    unguessable last part of its callback path. `region`: ISO country of phone numbers written without "+".
    `body_timeout`: seconds in which a body must have arrived. `hold`: seconds for which hits on tracked links wait,
    so that a scanner's burst is seen as one. `brand`: shown on the unsubscribe page.
    """

    sources: tuple[Source, ...] = ()
    readers: tuple[Reader, ...] = ()
    ops_key_hash: str = ""
    callback_secrets: dict[str, str] = {}
    region: str = "CN"
    body_timeout: float = 10.0
    hold: float = 2.0
    brand: str = ""

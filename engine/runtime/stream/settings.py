"""How the stream is reached and shared out: brokers, topic, group, time limits. Values only, made by bootstrap.

Durations are in seconds, as Kafka's clients take them.
"""

import ssl
from typing import Literal

import msgspec

from engine.core.errors import BadSetting
from engine.runtime.stream.envelope import LIMIT


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the brokers know us, and we them. `protocol` as Kafka has it; `ca`: a file of certificates, "" the system's.

    `certificate` and `key` are files of our own for mutual TLS.
    """

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    user: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __repr__(self) -> str:
        return f"Access({self.protocol}, user={self.user!r})"

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without TLS; raises `BadSetting` for files that are none."""
        if not self.protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as problem:
            raise BadSetting(f"the stream's certificates cannot be read: {problem}") from None
        return context


class StreamSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stream. `partitions` is fixed once customers live in them. `dead_topic` "": dead letters stay in the store.

    `session_timeout`: until a worker that died is taken for dead. `rebalance_timeout`: how long a worker may finish
    what it is at before others go on without it. `confirm_timeout`: how long a producer waits for the brokers.
    `stall_timeout`: how long there may be something to read and nothing read before the reader gives up. `look_every`:
    how often the topic's end is asked for. `max_message`: bytes of one message. `batch` messages of up to `batch_bytes`
    are handed to the engine at once: enough that each of a worker's partitions has its share of a good transaction.
    `replication` is for topics that are made here.
    """

    brokers: tuple[str, ...]
    topic: str = "journeyd.events"
    partitions: int = 12
    group: str = "journeyd"
    dead_topic: str = "journeyd.dead"
    replication: int = 1
    access: Access = Access()
    session_timeout: float = 10.0
    rebalance_timeout: float = 60.0
    confirm_timeout: float = 10.0
    stall_timeout: float = 120.0
    look_every: float = 0.5
    max_message: int = LIMIT
    compression: Literal["none", "gzip"] = "none"
    batch: int = 4_000
    batch_bytes: int = 8_000_000

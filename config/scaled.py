"""The settings of what grows beyond one process: the database that holds the state, the broker that carries events.

Values only, as in `sections.py`; both sections are off by default, and then everything is SQLite in one process.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from config.sections import Count, Section, dial
from config.units import DatabaseUrl, Positive, SecretRef

Partitions = Annotated[int, Field(ge=1, le=1_024)]
Bytes = Annotated[int, Field(ge=10_000, le=100_000_000)]


class Storage(Section):
    """Where the state is kept."""

    url: DatabaseUrl = dial(
        "", "postgresql://host:5432/name, or by reference since it may hold a password; empty: SQLite in `data`"
    )
    connections: Count = dial(
        8, "Connections to PostgreSQL that one process works with; up to four more listen and lock"
    )


class StreamSecurity(Section):
    """How the broker is spoken to."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = dial(
        "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    ca_file: str = dial("", "Certificate authorities of the brokers; empty trusts the system's")
    certificate_file: str = dial("", "Certificate of our own, for brokers that ask for one")
    key_file: str = dial("", "Its private key, in a file that only its owner may read")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = dial(
        "SCRAM-SHA-512", "How SASL logs in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    user: str = dial("", "Who logs in; empty for nobody")
    password: SecretRef | None = dial(None, "Its password, by reference: env:NAME or file:path")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.protocol.startswith("SASL") and (not self.user or self.password is None):
            raise ValueError("names nobody who logs in; write user, and password: env:NAME")
        return self


class Stream(Section):
    """Events through a topic of Kafka, for more than one process."""

    brokers: Annotated[tuple[str, ...], NoDecode] = dial(
        (), "host:port of brokers to begin with; none: one process with a log of its own"
    )
    topic: str = dial("journeyd.events", "Topic that events travel through", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    partitions: Partitions = dial(12, "Its partitions; fixed once customers live in them")
    replication: Annotated[int, Field(ge=1, le=9)] = dial(
        1, "Copies that the brokers keep of a topic that is made here; 3 where nothing may be lost"
    )
    group: str = dial("journeyd", "Name under which the workers share the partitions", min_length=1)
    dead_topic: str = dial(
        "journeyd.dead",
        "Topic that what cannot be applied is copied to; empty: none",
        pattern=r"^[A-Za-z0-9._-]{0,249}$",
    )
    session_timeout: Positive = dial("10s", "How long a worker may be silent before others take its partitions")
    batch: Count = dial(500, "Entries of one partition that one transaction applies at most")
    slack: Positive = dial("1s", "How far the clocks of the machines may differ, and an event be on its way")
    max_message: Bytes = dial(900_000, "Bytes of one message at most; brokers refuse over 1 MB unless told otherwise")
    security: StreamSecurity = dial(StreamSecurity(), "How the brokers are spoken to")

    @field_validator("brokers", mode="before")
    @classmethod
    def _from_text(cls, said: object) -> object:
        """The environment names several with commas between them."""
        return [one.strip() for one in said.split(",") if one.strip()] if isinstance(said, str) else said

    @field_validator("brokers")
    @classmethod
    def _are_places(cls, said: Iterable[str]) -> tuple[str, ...]:
        for one in said:
            host, _, port = one.rpartition(":")
            if not host or "/" in one or not (port.isascii() and port.isdigit()):
                raise ValueError("names no host and port; write kafka-1.internal:9092")
        return tuple(said)

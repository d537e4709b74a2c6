"""The dials of email over SMTP: plain values that config/ fills in."""

from typing import Literal

import msgspec

from channels.secret import Secret


class DkimSettings(msgspec.Struct, frozen=True):
    """Sign with this key as `selector`._domainkey.`domain`. `key`: a PEM private key, RSA (2048 bits) or Ed25519."""

    domain: str
    selector: str
    key: Secret


class SmtpSettings(msgspec.Struct, frozen=True):
    """Where and how to hand mail over.

    `key` signs Message-IDs and bounce addresses; `domain` is the right side of Message-ID; `bounce_domain` "" means no
    VERP: the envelope sender is the From address. Times are seconds. `ca_file` "" trusts the system's authorities.
    """

    host: str
    port: int
    domain: str
    key: Secret
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: Secret = Secret()
    bounce_domain: str = ""
    local_hostname: str = "localhost"
    connections: int = 8
    recycle_after: int = 500
    connect_timeout: float = 10.0
    timeout: float = 30.0
    ca_file: str = ""
    dkim: DkimSettings | None = None

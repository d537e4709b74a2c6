"""The dials of outgoing webhooks: plain values that config/ fills in."""

import msgspec

from channels.secret import Secret


class WebhookSettings(msgspec.Struct, frozen=True):
    """How webhooks are signed and where they may go. Times are seconds.

    The first of `secrets` is the newest; all sign. `allow` are `host:port` pairs (port `*` for any) as they stand in
    URLs, for which no address is refused and http will do. `divert`, when set, receives every webhook instead of its
    address, under `<divert>/<host>/<path>`: the sandbox.
    """

    secrets: tuple[Secret, ...]
    allow: tuple[str, ...] = ()
    connections: int = 16
    connect_timeout: float = 5.0
    timeout: float = 15.0
    divert: str = ""

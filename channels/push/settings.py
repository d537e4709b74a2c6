"""The dials of app push: plain values that config/ fills in."""

import msgspec

from channels.secret import Secret


class FcmSettings(msgspec.Struct, frozen=True):
    """The project, and the service account's JSON as Google hands it out. Times are seconds."""

    project: str
    credentials: Secret
    base_url: str = "https://fcm.googleapis.com"
    connections: int = 16
    connect_timeout: float = 5.0
    timeout: float = 10.0

"""The dials of a WeCom app: plain values that config/ fills in."""

import msgspec

from channels.secret import Secret


class WecomSettings(msgspec.Struct, frozen=True):
    """The company, its app and the endpoint. Times are seconds."""

    corp_id: str
    agent_id: int
    secret: Secret
    base_url: str = "https://qyapi.weixin.qq.com"
    connections: int = 16
    connect_timeout: float = 5.0
    timeout: float = 10.0

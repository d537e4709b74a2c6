"""The dials of a WeChat official account: plain values that config/ fills in."""

import msgspec

from channels.secret import Secret


class WechatSettings(msgspec.Struct, frozen=True):
    """The account and the endpoint. Times are seconds.

    `token` and `aes_key` (43 characters, "" = plain mode) are those of the callback server. `max_age` refuses
    callbacks older than this, which leaves room for WeChat's own repeats.
    """

    app_id: str
    secret: Secret
    token: Secret = Secret()
    aes_key: Secret = Secret()
    base_url: str = "https://api.weixin.qq.com"
    connections: int = 32
    connect_timeout: float = 5.0
    timeout: float = 10.0
    max_age: float = 600.0

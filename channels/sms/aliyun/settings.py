"""The dials of Aliyun SMS: plain values that config/ fills in."""

import msgspec

from channels.secret import Secret


class AliyunSettings(msgspec.Struct, frozen=True):
    """The account and the endpoint. Times are seconds.

    `sign_name` signs templates that name none.
    `callback_key`, when set, must be the query parameter `key` of the callback URLs: Aliyun signs nothing.
    """

    access_key_id: str
    access_key_secret: Secret
    base_url: str = "https://dysmsapi.aliyuncs.com"
    connections: int = 32
    connect_timeout: float = 5.0
    timeout: float = 10.0
    callback_key: Secret = Secret()
    sign_name: str = ""
    opt_out_words: tuple[str, ...] = ("R", "T", "TD", "N", "QX", "STOP", "退订", "拒收", "取消")

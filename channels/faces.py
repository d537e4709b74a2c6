"""The callbacks that providers may call, by the last part of their path under /callbacks/.

Each parser takes the request as it came and its adapter's settings, never raises for bad input, and returns the reply
and the entries for the log. http/ looks here; it gives each parser the settings of the adapter named beside it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from channels.email.bounce import parse_bounce
from channels.email.settings import SmtpSettings
from channels.reply import Callback, Parsed
from channels.sms.aliyun.receipts import parse_replies, parse_reports
from channels.sms.aliyun.settings import AliyunSettings
from channels.wechat.official.callback import parse_callback
from channels.wechat.official.settings import WechatSettings


class Face(msgspec.Struct, frozen=True):
    """A parser and the type of the settings it wants."""

    parse: Callable[[Callback, Any], Parsed]
    settings: type[SmtpSettings] | type[AliyunSettings] | type[WechatSettings]


FACES: Final[dict[str, Face]] = {
    "email/bounces": Face(parse_bounce, SmtpSettings),
    "aliyun/reports": Face(parse_reports, AliyunSettings),
    "aliyun/replies": Face(parse_replies, AliyunSettings),
    "wechat": Face(parse_callback, WechatSettings),
}

"""What the WeChat platform refuses before it sends, as (errcode, errmsg). Pure; used by `wechat`."""

import re
from typing import Any, Final

from channels.sandbox.dials import Fault, Trouble

_OPENID: Final = re.compile(r"[\w+-]{1,64}", re.ASCII)
_LIMITS: Final = {"thing": 20, "character_string": 32, "phone_number": 17, "car_number": 8, "const": 20}
_TYPES: Final = ("text", "image", "voice", "video", "music", "news", "mpnews", "msgmenu", "miniprogrampage", "link")
_CODES: Final = {"": 40003, "unfollowed": 43004, "closed": 45015, "full": 45047, "spam": 45168}
_MESSAGES: Final = {
    -1: "system error",
    40003: "invalid openid",
    43004: "require subscribe",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    45168: "content includes sensitive words",
}


def template_message(said: dict[str, Any]) -> tuple[int, str] | None:
    """Return why a template message is refused."""
    if not _is_openid(said.get("touser")):
        return 40003, "invalid openid"
    if not isinstance(said.get("template_id"), str) or not said["template_id"]:
        return 40037, "invalid template_id"
    if not isinstance(said.get("client_msg_id", ""), str):
        return 47001, "data format error"
    data = said.get("data")
    if not isinstance(data, dict) or not data:
        return 47003, "argument invalid! data is empty"
    for name, field in data.items():
        value = field.get("value") if isinstance(field, dict) else None
        if not isinstance(value, str) or len(value) > _LIMITS.get(name.rstrip("0123456789"), 200):
            return 47003, f"argument invalid! data.{name}.value invalid"
    return None


def custom_message(said: dict[str, Any]) -> tuple[int, str] | None:
    """Return why a customer-service message is refused."""
    if not _is_openid(said.get("touser")):
        return 40003, "invalid openid"
    if said.get("msgtype") not in _TYPES:
        return 40008, "invalid message type"
    content = said.get(said["msgtype"])
    if not isinstance(content, dict) or not content:
        return 44004, "empty content"
    if said["msgtype"] == "text" and not (isinstance(content.get("content"), str) and content["content"]):
        return 44004, "empty content"
    if len(str(content.get("content", "")).encode()) > 2_048:
        return 45002, "content size out of limit"
    return None


def errors_of_trouble(trouble: Trouble | None) -> tuple[int, str] | None:
    """Return the error of a fault that keeps the message from being accepted."""
    if trouble is None or trouble.fault not in (Fault.REFUSE, Fault.RATE_LIMIT, Fault.ERROR_BEFORE):
        return None
    if re.fullmatch(r"-?\d{1,6}", trouble.code, re.ASCII):
        code = int(trouble.code)
    elif trouble.fault is Fault.REFUSE:
        code = _CODES.get(trouble.code, 40003)
    else:
        code = 45011 if trouble.fault is Fault.RATE_LIMIT else -1
    return code, _MESSAGES.get(code, "refused by the sandbox")


def _is_openid(value: object) -> bool:
    return isinstance(value, str) and _OPENID.fullmatch(value) is not None

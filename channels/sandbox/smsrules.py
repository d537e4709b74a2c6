"""What Aliyun refuses before it sends: numbers, signature names, templates, parameters. Pure; used by `aliyun`."""

import re
from typing import Final

import msgspec

from channels.sandbox.settings import AliyunAccount

_MAINLAND: Final = re.compile(r"(?:\+86|0086|86)?(1[3-9]\d{9})", re.ASCII)
_ABROAD: Final = re.compile(r"(?:\+|00)?([1-9]\d{6,14})", re.ASCII)
_TEMPLATE: Final = re.compile(r"SMS_\w{1,32}", re.ASCII)
_URL: Final = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|cn|net|org|top|link)\b", re.IGNORECASE)
_HOLE: Final = re.compile(r"\$\{(\w+)\}")


def international(phone: str) -> str:
    """Return the number with + and country code; what is no number comes back as it is.

    >>> international("13800138000"), international("008613800138000"), international("6591234567")
    ('+8613800138000', '+8613800138000', '+6591234567')
    """
    home = _MAINLAND.fullmatch(phone)
    if home is not None:
        return "+86" + home.group(1)
    abroad = _ABROAD.fullmatch(phone)
    return "+" + abroad.group(1) if abroad is not None else phone


def business_error(account: AliyunAccount, given: dict[str, str]) -> tuple[str, str] | None:
    """Return (Code, Message) of the vendor's refusal, None when the request is in order."""
    phones = given.get("PhoneNumbers", "").split(",")
    if len(phones) > 1_000:
        return "isv.MOBILE_COUNT_OVER_LIMIT", "at most 1000 numbers"
    if not all(_MAINLAND.fullmatch(phone) or _ABROAD.fullmatch(phone) for phone in phones):
        return "isv.MOBILE_NUMBER_ILLEGAL", "PhoneNumbers holds something that is no number"
    sign = given.get("SignName", "")
    if not sign or (account.signs and sign not in account.signs):
        return "isv.SMS_SIGNATURE_ILLEGAL", "the signature name is not one of this account"
    template = given.get("TemplateCode", "")
    if not _TEMPLATE.fullmatch(template) or (account.templates and template not in account.templates):
        return "isv.SMS_TEMPLATE_ILLEGAL", "the template is not one of this account"
    if len(given.get("OutId", "")) >= 256:
        return "isv.INVALID_PARAMETERS", "OutId must be shorter than 256 characters"
    return _param_error(account, template, given.get("TemplateParam", ""))


def content_of(account: AliyunAccount, given: dict[str, str]) -> str:
    """Return what the phone shows; without the template's text, the parameters."""
    params = _params(given.get("TemplateParam", "")) or {}
    text = account.templates.get(given["TemplateCode"], given.get("TemplateParam", ""))
    return f"【{given['SignName']}】" + _HOLE.sub(lambda hole: params.get(hole.group(1), ""), text)


def _param_error(account: AliyunAccount, template: str, raw: str) -> tuple[str, str] | None:
    params = _params(raw)
    if params is None:
        return "isv.INVALID_JSON_PARAM", "TemplateParam must be a JSON object whose values are strings"
    missing = [name for name in _HOLE.findall(account.templates.get(template, "")) if name not in params]
    if missing:
        return "isv.TEMPLATE_MISSING_PARAMETERS", f"the template needs {missing[0]}"
    for name, value in params.items():
        if len(value) > account.param_limit:
            return "isv.PARAM_LENGTH_LIMIT", f"{name} is longer than {account.param_limit} characters"
        if _URL.search(value):
            return "isv.PARAM_NOT_SUPPORT_URL", f"{name} holds a link"
    return None


def _params(raw: str) -> dict[str, str] | None:
    try:
        return msgspec.json.decode(raw or "{}", type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError):
        return None

"""What Aliyun's codes mean: of a send's answer, and of a delivery report. Tables, so that they can be read and grown.

Codes change over the years: an unknown one of the business (isv.) fails this message only; of the system (isp.) it
is tried again.
"""

from typing import Final

from engine.core.delivery import Fact, Retry
from engine.core.ids import HOUR, MINUTE, Micros

_EXACT: Final[dict[str, Retry]] = {
    "isv.DAY_LIMIT_CONTROL": Retry.RATE_LIMITED,
    "isv.MONTH_LIMIT_CONTROL": Retry.RATE_LIMITED,
    "isp.GATEWAY_ERROR": Retry.RATE_LIMITED,
    "isp.SYSTEM_ERROR": Retry.TRANSIENT,
    "isv.MOBILE_NUMBER_ILLEGAL": Retry.PERMANENT,
    "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": Retry.PERMANENT,
    # Our signature, account or rights: every other message would be refused as well.
    "isv.SMS_SIGNATURE_ILLEGAL": Retry.CONFIGURATION,
    "isv.SMS_SIGN_ILLEGAL": Retry.CONFIGURATION,
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL": Retry.CONFIGURATION,
    "isv.SIGN_STATE_ILLEGAL": Retry.CONFIGURATION,
    "isv.EXTEND_CODE_ERROR": Retry.CONFIGURATION,
    "isv.OUT_OF_SERVICE": Retry.CONFIGURATION,
    "isv.AMOUNT_NOT_ENOUGH": Retry.CONFIGURATION,
    "isv.PRODUCT_UN_SUBSCRIPT": Retry.CONFIGURATION,
    "isv.PRODUCT_UNSUBSCRIBE": Retry.CONFIGURATION,
    "isv.ACCOUNT_NOT_EXISTS": Retry.CONFIGURATION,
    "isv.ACCOUNT_ABNORMAL": Retry.CONFIGURATION,
    "isp.RAM_PERMISSION_DENY": Retry.CONFIGURATION,
    "isv.DENY_IP_RANGE": Retry.CONFIGURATION,
}
_BEGINS: Final[tuple[tuple[str, Retry], ...]] = (
    ("Throttling", Retry.RATE_LIMITED),
    ("isv.", Retry.CONTENT),
    ("isp.", Retry.TRANSIENT),
    ("ServiceUnavailable", Retry.TRANSIENT),
)

UNCLEAR: Final = frozenset({"SignatureNonceUsed", "isp.UNKNOWN_ERROR", "isp.UNKNOWN"})
"""Answers that do not say whether the message was taken: the nonce was used by a request of ours that got there."""

_HARD: Final = frozenset({"INVALID_NUMBER", "MOBILE_NOT_EXIST", "MK:0001"})
_OPTED_OUT: Final = frozenset({"MOBILE_IN_BLACK", "USER_REJECT", "DB:0144", "MBBLACK", "DBBLACK"})
_REFUSED: Final = frozenset({"PORT_NOT_REGISTERED", "CONTENT_KEYWORD", "REJECTD"})


def retry_of(code: str, message: str) -> tuple[Retry, Micros]:
    """Return the class of a refused send and how long to wait (0 = not said).

    >>> retry_of("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10")
    (<Retry.UNREACHABLE: 'unreachable'>, 0)
    """
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        return _number_limit(message)
    retry = _EXACT.get(code) or next((kind for start, kind in _BEGINS if code.startswith(start)), Retry.CONFIGURATION)
    return retry, HOUR if code.endswith("_LIMIT_CONTROL") and retry is Retry.RATE_LIMITED else 0


def _number_limit(message: str) -> tuple[Retry, Micros]:
    """One number got too many: that is its own matter, and must not slow the others down."""
    if "分钟" in message or "minute" in message.lower():
        return Retry.TRANSIENT, MINUTE
    if "小时" in message or "hour" in message.lower():
        return Retry.TRANSIENT, HOUR
    return Retry.UNREACHABLE, 0


def fact_of(*, success: bool, code: str) -> Fact:
    """Return what a delivery report says; an unknown failure is soft, it suppresses nobody."""
    if success:
        return Fact.DELIVERED
    if code in _HARD:
        return Fact.HARD_BOUNCE
    return Fact.REJECTED if code in _REFUSED or code in _OPTED_OUT else Fact.SOFT_BOUNCE


def is_opt_out(code: str) -> bool:
    """Does this failure mean that the person told the carrier "no"?"""
    return code in _OPTED_OUT

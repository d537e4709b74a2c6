"""What an SMTP reply means: the class of a refusal, from its code, its enhanced code and its text.

The three digits decide whether to retry, the enhanced code decides the cause (RFC 3463). Used for live replies and
for the diagnostic codes inside bounces. The order of the rules matters: narrow ones stand first.
"""

import re
from typing import Final

import msgspec

from engine.core.delivery import Retry
from engine.core.ids import HOUR, MINUTE, Micros

_ENHANCED: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_UNKNOWN_USER: Final = re.compile(
    r"user unknown|unknown user|no such (user|recipient|mailbox|address)|recipient address rejected: access denied"
    r"|mailbox (not found|unavailable|does not exist)|account (that you tried to reach )?does not exist"
    r"|does not exist|invalid recipient|unrouteable address",
    re.IGNORECASE,
)
_FULL: Final = re.compile(r"mailbox (is )?full|over ?quota|quota exceeded|insufficient storage", re.IGNORECASE)
_GREY: Final = re.compile(r"gr[ea]y.?list", re.IGNORECASE)
_LISTED: Final = re.compile(
    r"spamhaus|spamcop|barracuda|sorbs|surbl|\brbl\b|dnsbl|block ?list(ed)?|black ?list(ed)?", re.IGNORECASE
)

_DEAD: Final = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)})
_OUR_ADDRESS: Final = frozenset({(1, 7), (1, 8)})
_OUR_PROOF: Final = frozenset({(7, 8), (7, 26), (7, 27), (7, 30), (7, 32), (7, 515)})
_SLOW_DOWN: Final = frozenset({(2, 1), (7, 0), (7, 28)})


class Verdict(msgspec.Struct, frozen=True):
    """The class of a refusal and, where it is known, how long to wait."""

    retry: Retry
    retry_after: Micros = 0


def judge(code: int, text: str, *, about_recipient: bool = True) -> Verdict:
    """Return what a refusal means; `about_recipient` is false for replies to EHLO, AUTH and MAIL.

    >>> judge(550, "5.1.1 no such user").retry, judge(421, "4.7.0 try later").retry
    (<Retry.PERMANENT: 'permanent'>, <Retry.RATE_LIMITED: 'rate_limited'>)
    """
    subject, detail = enhanced(text)
    cause = (subject, detail)
    if cause in _OUR_PROOF or cause in _OUR_ADDRESS or code in {530, 534, 535, 538}:
        return Verdict(Retry.CONFIGURATION)
    if _LISTED.search(text):
        return Verdict(Retry.RATE_LIMITED, HOUR)  # our address is listed: the recipient is innocent
    if code < 500:
        return _temporary(code, cause, text)
    if not about_recipient and 500 <= code <= 504:
        return Verdict(Retry.CONFIGURATION)
    return Verdict(_final(cause, text) if about_recipient or code == 552 else Retry.CONFIGURATION)


def enhanced(text: str) -> tuple[int, int]:
    """Return (subject, detail) of the enhanced code in `text`, (0, 0) without one."""
    found = _ENHANCED.search(text[:200])
    return (int(found[2]), int(found[3])) if found else (0, 0)


def _temporary(code: int, cause: tuple[int, int], text: str) -> Verdict:
    if _GREY.search(text):
        return Verdict(Retry.TRANSIENT, 5 * MINUTE)
    if code == 421 or cause in _SLOW_DOWN or (code == 451 and cause[0] == 7):
        return Verdict(Retry.RATE_LIMITED)
    return Verdict(Retry.TRANSIENT)


def _final(cause: tuple[int, int], text: str) -> Retry:
    if cause in _DEAD or cause[0] == 1:
        return Retry.PERMANENT
    if cause == (2, 2) or _FULL.search(text):
        return Retry.UNREACHABLE  # full today: the next channel may, the address stays
    if cause[0] in {3, 6, 7}:
        return Retry.PERMANENT if _UNKNOWN_USER.search(text) and cause[0] != 7 else Retry.CONTENT
    if _UNKNOWN_USER.search(text):
        return Retry.PERMANENT
    return Retry.CONTENT

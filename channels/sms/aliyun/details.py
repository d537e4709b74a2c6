"""What Aliyun's QuerySendDetails is asked and says: pure readings for `client.look_up`.

A message is recognised by our `OutId` alone. Only a find counts: what is not listed may be listed a minute later.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from channels.sms.aliyun.numbers import to_provider
from engine.core.ids import MINUTE, SECOND, Micros
from engine.ports import Sent

PAGE: Final = 50
PAGES: Final = 4
"""A number gets few messages a day: two hundred are looked through, no more."""

_CHINA: Final = timezone(timedelta(hours=8))
_SKEW: Final = 5 * MINUTE
_DELIVERED: Final = 3


def questions(address: str, at: Micros) -> Iterator[dict[str, str]]:
    """Yield the queries of one message: its day in China, and the neighbour's when it left near midnight.

    >>> [asked["SendDate"] for asked in questions("+8613800138000", 1_772_380_740_000_000)]
    ['20260301', '20260302']
    """
    for day in dict.fromkeys(_day(instant) for instant in (at - _SKEW, at, at + _SKEW)):
        yield {"PhoneNumber": to_provider(address), "SendDate": day, "PageSize": str(PAGE)}


def find(answer: dict[str, Any], out_id: str) -> Sent | None:
    """Return the message's state when the answer lists it under `out_id`."""
    for one in _listed(answer):
        if str(one.get("OutId", "")) == out_id:
            status, code = one.get("SendStatus"), str(one.get("ErrCode", ""))
            detail = f"found by OutId{f', {code}' if code else ''}"
            return Sent(detail=detail[:300], delivered=status in (_DELIVERED, str(_DELIVERED)))
    return None


def has_more(answer: dict[str, Any], page: int) -> bool:
    """Say whether there are pages after this one."""
    total = answer.get("TotalCount")
    return bool(_listed(answer)) and str(total).isdigit() and int(str(total)) > page * PAGE


def _day(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(_CHINA).strftime("%Y%m%d")


def _listed(answer: dict[str, Any]) -> list[dict[str, Any]]:
    around = answer.get("SmsSendDetailDTOs") if answer.get("Code") == "OK" else None
    listed = around.get("SmsSendDetailDTO") if isinstance(around, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

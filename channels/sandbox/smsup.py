"""People who answer an SMS: the vendor's SmsUp push. The sandbox sends one when it is told to, never by itself."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import msgspec

from channels.sandbox.receipts import Courier, Posting
from channels.sandbox.settings import Receipts
from channels.sandbox.smsrules import international
from engine.core.ids import SECOND, Micros

_CHINA: Final = timezone(timedelta(hours=8))


class SmsUp(msgspec.Struct, frozen=True):
    """One answer, in the vendor's words; the time is China's without a zone."""

    phone_number: str
    content: str
    send_time: str
    dest_code: str
    sequence_id: int


class Phones:
    """The people behind the numbers."""

    def __init__(self, courier: Courier, now: Callable[[], Micros]) -> None:
        self._courier, self._now = courier, now
        self._sequence = now()

    async def answer(self, phone: str, content: str) -> None:
        """Let a phone answer; nothing is pushed while no URL is set."""
        if not self._courier.rules.aliyun_replies_url:
            return
        self._sequence += 1
        at = datetime.fromtimestamp(self._now() / SECOND, UTC).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")
        number = international(phone).removeprefix("+86").removeprefix("+")
        await self._courier.send(f"up:{self._sequence}", SmsUp(number, content, at, "1069000", self._sequence))


def pack_replies(rules: Receipts, batch: Sequence[msgspec.Struct]) -> Posting:
    """Make the push of a batch of answers."""
    return Posting(rules.aliyun_replies_url, {}, "application/json;charset=utf-8", msgspec.json.encode(list(batch)))

"""Faults on purpose: dials per provider and magic recipients that always misbehave the same way.

A dial fires with a probability drawn from its seed and the number of the request (never from dice), at most `count`
times. Providers ask `pick` once per request; `POST /_dials` and tests turn the dials while the sandbox runs.
"""

from enum import StrEnum
from typing import Final

import msgspec

from engine.core.errors import BadInput
from engine.core.ids import share

PROVIDERS: Final = ("smtp", "aliyun", "wechat", "wecom", "webhook", "fcm")


class Fault(StrEnum):
    """What can go wrong. After `error_after`, `drop_reply` and `stall` the provider HAS the message."""

    REFUSE = "refuse"  # permanent: this recipient, for good
    RATE_LIMIT = "rate_limit"  # 421, 429: later, and slower
    ERROR_BEFORE = "error_before"  # a server error, nothing accepted
    ERROR_AFTER = "error_after"  # accepted, then a server error
    DROP_REPLY = "drop_reply"  # accepted, then the connection closes without a word
    STALL = "stall"  # accepted, answered after `seconds`
    DOWN = "down"  # the connection closes before anything is read


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """One dial. `count` 0 means no limit; `code` replaces the provider's error (SMTP reply, Aliyun Code, errcode)."""

    provider: str
    fault: Fault
    probability: float = 1.0
    count: int = 0
    seconds: float = 5.0
    code: str = ""
    seed: str = "sandbox"


class Trouble(msgspec.Struct, frozen=True):
    """A fault that fired for one request."""

    fault: Fault
    code: str = ""
    seconds: float = 5.0


MAGIC: Final[dict[str, Trouble]] = {
    "bounce": Trouble(Fault.REFUSE),
    "full": Trouble(Fault.REFUSE, "full"),
    "spam": Trouble(Fault.REFUSE, "spam"),
    "unfollowed": Trouble(Fault.REFUSE, "unfollowed"),
    "closed": Trouble(Fault.REFUSE, "closed"),
    "busy": Trouble(Fault.RATE_LIMIT),
    "error": Trouble(Fault.ERROR_BEFORE),
    "late-error": Trouble(Fault.ERROR_AFTER),
    "drop": Trouble(Fault.DROP_REPLY),
    "stall": Trouble(Fault.STALL),
}
"""Names that always fail: the local part of an address (`bounce@...`, `bounce+7@...`) or an openid (`o_bounce+7`)."""

MAGIC_PHONES: Final[dict[str, Trouble]] = {
    "13800000001": Trouble(Fault.REFUSE),
    "13800000002": Trouble(Fault.REFUSE, "isv.BUSINESS_LIMIT_CONTROL"),
    "13800000003": Trouble(Fault.RATE_LIMIT),
    "13800000004": Trouble(Fault.ERROR_BEFORE),
    "13800000005": Trouble(Fault.ERROR_AFTER),
    "13800000006": Trouble(Fault.DROP_REPLY),
    "13800000007": Trouble(Fault.STALL),
}
"""Mainland numbers that always fail when sent to; `aliyun.BAD_RECEIPTS` are those whose receipts say so later."""


class Dials:
    """The dials of one sandbox, and how often each fired."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, Fault], Dial] = {}
        self._left: dict[tuple[str, Fault], int] = {}
        self._requests: dict[str, int] = {}
        self.fired: dict[str, int] = {}

    def turn(self, dial: Dial) -> None:
        """Set a dial for its provider ("*" = all); a probability of 0 turns it off. Raises `BadInput`."""
        providers = PROVIDERS if dial.provider == "*" else (dial.provider,)
        if dial.provider not in (*PROVIDERS, "*"):
            raise BadInput(
                f"there is no provider {dial.provider!r}", f"Use one of {', '.join(PROVIDERS)} or *", "provider"
            )
        if not 0 <= dial.probability <= 1:
            raise BadInput("probability is outside 0 to 1", "0 turns the dial off, 1 fires always", "probability")
        if not 0 <= dial.seconds <= 3_600 or dial.count < 0:
            raise BadInput(
                "seconds or count is out of range", "seconds 0 to 3600, count 0 (no limit) or more", "seconds"
            )
        for provider in providers:
            place = (provider, dial.fault)
            self._set.pop(place, None)
            self._left.pop(place, None)
            if dial.probability:
                self._set[place] = msgspec.structs.replace(dial, provider=provider)
                self._left[place] = dial.count or -1

    def clear(self, provider: str = "*") -> None:
        """Turn every dial of the provider off."""
        for place in [place for place in self._set if provider in ("*", place[0])]:
            del self._set[place], self._left[place]

    def settings(self) -> list[Dial]:
        """Return the dials that are on, with `count` showing how often they may still fire (0 = no limit)."""
        return [msgspec.structs.replace(dial, count=max(self._left[place], 0)) for place, dial in self._set.items()]

    def is_down(self, provider: str) -> bool:
        """Say whether the provider is not there for this connection."""
        return self._fires(provider, (Fault.DOWN,)) is not None

    def pick(self, provider: str) -> Trouble | None:
        """Return what goes wrong with this request, if anything: the first dial that fires, in the order of `Fault`."""
        return self._fires(provider, tuple(fault for fault in Fault if fault is not Fault.DOWN))

    def _fires(self, provider: str, faults: tuple[Fault, ...]) -> Trouble | None:
        number = self._requests[provider] = self._requests.get(provider, 0) + 1
        for fault in faults:
            place = (provider, fault)
            dial = self._set.get(place)
            if dial is None or share(dial.seed, provider, fault.value, number) >= dial.probability:
                continue
            self._left[place] -= 1
            if not self._left[place]:
                del self._set[place], self._left[place]
            name = f"{provider}.{fault}"
            self.fired[name] = self.fired.get(name, 0) + 1
            return Trouble(fault, dial.code, dial.seconds)
        return None


def magic_name(name: str) -> Trouble | None:
    """Return what the local part of an address, or an openid without its `o_`, always suffers.

    >>> magic_name("bounce+7").fault.value
    'refuse'
    >>> magic_name("anna") is None
    True
    """
    return MAGIC.get(name) or MAGIC.get(name.partition("+")[0])

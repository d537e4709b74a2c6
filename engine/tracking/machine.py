"""Was it a person or a machine? Pure: looks at one hit, when its touch left, and the other hits of the same touch.

Mail scanners open and click everything within seconds; Apple prefetches every picture. Such hits are recorded apart
and never advance a run. Every verdict carries its reason, so that a wrong one can be found.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from engine.core.ids import SECOND, Micros

_QUICK: Final = 2 * SECOND
_BURST: Final = 2 * SECOND
_BURST_LINKS: Final = 3
_SCANNERS: Final = re.compile(
    r"(?<!cu)bot\b|crawl|spider|headless|phantomjs|mimecast|proofpoint|barracuda|safelinks|ms-safelinks|urlscan|virustotal"
    r"|symantec|forcepoint|trendmicro|fireeye|python|curl/|wget|httpx|httpclient|libwww|java/|node-fetch|axios|^go-"
    r"|monitoring|linkcheck|scanner"
)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One fetch of a pixel or a tracked link. `prefetch`: the client itself said that nobody looks yet."""

    touch: str
    fact: Literal["OPENED", "CLICKED"]
    at: Micros
    index: int = 0
    url: str = ""
    agent: str = ""
    prefetch: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """Who it was, and `why` in one of a few words."""

    machine: bool
    why: str


def classify(hit: Hit, *, sent: Micros, others: Sequence[Hit]) -> Verdict:
    """Judge `hit`; `sent` is when the touch was handed over (0 = unknown), `others` the touch's hits near in time.

    >>> classify(Hit(touch="t", fact="OPENED", at=9**9, agent="Mozilla/5.0"), sent=0, others=[]).why
    'apple_privacy'
    """
    agent = hit.agent.strip().lower()
    if hit.prefetch:
        return Verdict(True, "prefetch")
    if not agent:
        return Verdict(True, "no_agent")
    if agent == "mozilla/5.0":
        return Verdict(True, "apple_privacy" if hit.fact == "OPENED" else "bare_agent")
    if _SCANNERS.search(agent):
        return Verdict(True, "scanner")
    if sent and hit.at - sent < _QUICK:
        return Verdict(True, "too_quick")
    if hit.fact == "CLICKED" and _is_burst(hit, others):
        return Verdict(True, "burst")
    return Verdict(False, "person")


def _is_burst(hit: Hit, others: Sequence[Hit]) -> bool:
    """Were three or more different links of the message fetched within two seconds round this one?"""
    links = {other.index for other in others if other.fact == "CLICKED" and abs(other.at - hit.at) <= _BURST}
    return len(links | {hit.index}) >= _BURST_LINKS

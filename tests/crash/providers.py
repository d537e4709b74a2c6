"""The sandbox as a process that outlives every daemon, and its dials."""

import subprocess
import sys
from typing import Any, Final

import httpx

from engine.bootstrap.providers import sandbox_settings
from tests.crash.ground import PROVIDERS, Ground

LATENCY: Final[list[dict[str, Any]]] = [
    {"provider": "*", "fault": "stall", "probability": 0.7, "seconds": 0.06, "seed": "latency"},
]
"""Accepted, answered a little later: without it a process is hardly ever killed with something in flight."""

_STORMS: Final[list[list[dict[str, Any]]]] = [
    [],
    [{"provider": "*", "fault": "drop_reply", "probability": 0.04}],
    [
        {"provider": "aliyun", "fault": "error_after", "probability": 0.05},
        {"provider": "wechat", "fault": "error_after", "probability": 0.05},
    ],
    [{"provider": "smtp", "fault": "error_before", "probability": 0.15}],
    [{"provider": "*", "fault": "down", "probability": 0.1}],
    [{"provider": "*", "fault": "stall", "probability": 0.05, "seconds": 5.0, "count": 5}],
]

_RATE_LIMIT: Final[list[dict[str, Any]]] = [{"provider": "*", "fault": "rate_limit", "probability": 0.1, "count": 5}]
"""Only early: a provider that says "later" is believed for a minute."""


class Providers:
    """Start it, turn its dials between kills, `close` it."""

    def __init__(self, ground: Ground) -> None:
        receipts = sandbox_settings(ground.workspace()).receipts
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "engine.bootstrap.sandbox_process", "--record", str(ground.record)),
                *("--smtp-port", str(ground.smtp), "--http-port", str(ground.http), "--delay", "0.15"),
                *("--aliyun-callback", receipts.aliyun_url, "--wechat-callback", receipts.wechat_url),
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the sandbox did not start"
        self._http = httpx.Client(base_url=ground.sandbox_url, trust_env=False, timeout=10)
        self._http.post("/_receipts", json={"duplicate": 0.3, "reorder": True}).raise_for_status()

    def storm(self, number: int, *, is_early: bool) -> int:
        """Set the weather of the next kills; return how many stalls over the time-out it may bring."""
        storm = _STORMS[number % len(_STORMS)] + (_RATE_LIMIT if is_early and number % 2 else [])
        self.clear()
        # A stall of the storm takes the place of the ordinary latency.
        self._http.post("/_dials", json=LATENCY + storm).raise_for_status()
        return sum(dial["count"] * len(PROVIDERS) for dial in storm if dial["fault"] == "stall")

    def clear(self) -> None:
        """Fair weather."""
        self._http.delete("/_dials").raise_for_status()

    def fired(self) -> dict[str, int]:
        """Return how often each fault fired, "smtp.drop_reply" -> n."""
        fired: dict[str, int] = self._http.get("/_dials").raise_for_status().json()["fired"]
        return fired

    def close(self) -> None:
        """End the process."""
        self._http.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

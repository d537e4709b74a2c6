"""Operators at work while the daemon is killed: they publish an edited journey, roll back, pause, resume, stock codes.

One after the other, each repeated until it is acknowledged. The edited journey has other waits, a step more and asks
for a statistic that must be filled first; runs on the road move with each publish.
"""

import threading
from typing import Any, Final

import httpx

from engine.bootstrap.release import again, compose
from engine.core import release as releases
from engine.core.release import Release
from tests.crash.ground import EDITED, JOURNEY, POOL, Ground

PAUSE: Final = 0.7
"""Seconds between two words of the operators."""

RETRY: Final = 0.05
CODES: Final = 12
"""Codes of one stocking: fewer than the customers of that time."""

SIDE: Final = "side"
"""The journey that is paused now and then; nobody counts who enters it."""


class Operators:
    """Start them; `finish` lets them end what they began. `last` is the release they were promised."""

    def __init__(self, ground: Ground) -> None:
        self._http = httpx.Client(
            base_url=ground.url, headers={"Authorization": f"Bearer {ground.ops_key}"}, trust_env=False, timeout=3
        )
        first = compose(ground.workspace(), None)
        edited = _edited(ground, first)
        self._releases = [edited, again(first, edited, by="mei", note="back"), edited, first]
        self._enough, self._give_up = threading.Event(), threading.Event()
        self.last = first
        self.published = 0
        self.codes: set[str] = set()
        self.said = 0
        self.refusals: list[str] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Let them end what they began, at most so long; a journey that is paused is resumed first."""
        self._enough.set()
        self._thread.join(seconds)
        self._give_up.set()
        self._thread.join()
        self._http.close()

    def _work(self) -> None:
        turn = 0
        while not self._enough.is_set():
            self._stock(turn)
            self._publish(self._releases[turn % len(self._releases)])
            self._say(f"pause-{turn}", "pause", SIDE)
            self._say(f"resume-{turn}", "resume", SIDE)
            turn += 1

    def _stock(self, turn: int) -> None:
        codes = [f"C{turn}-{number}" for number in range(CODES)]
        if self._say(f"stock-{turn}", "stock", POOL, properties={"codes": codes}):
            self.codes |= set(codes)

    def _publish(self, release: Release) -> None:
        if self._repeat("/v1/ops/publish", content=releases.encode(release)):
            self.last = release
            self.published += 1

    def _say(self, id_: str, verb: str, subject: str, **more: Any) -> bool:
        return self._repeat("/v1/ops/directives", json={"id": id_, "verb": verb, "subject": subject, **more})

    def _repeat(self, path: str, **body: Any) -> bool:
        while not self._give_up.is_set():
            try:
                answer = self._http.post(path, **body)
            except httpx.HTTPError:
                self._give_up.wait(RETRY)
                continue
            if answer.is_success:
                self.said += 1
                self._enough.wait(PAUSE)
                return True
            if answer.status_code not in (404, 429, 503):  # 404: nothing was published yet
                self.refusals.append(f"{answer.status_code} {answer.text[:300]}")
            self._give_up.wait(RETRY)
        return False


def _edited(ground: Ground, first: Release) -> Release:
    """Return the release of the workspace with the journey edited; the folder is left as it was."""
    path = ground.root / "journeys" / "sign-up.yaml"
    path.write_text(EDITED, encoding="utf-8")
    edited = compose(ground.workspace(), first, by="mei")
    path.write_text(JOURNEY, encoding="utf-8")
    return edited

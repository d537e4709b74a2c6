"""Clients that never give up: each posts a new customer's sign-up and repeats the same bytes until it hears 2xx."""

import threading
from typing import Any

import httpx

from engine.core.ids import share
from tests.crash.ground import Ground

WORKERS = 4
RETRY = 0.03  # seconds


class Feeder:
    """Posts about `rate` customers per second. Read `acknowledged` once `finish` has returned."""

    def __init__(self, ground: Ground, rate: float, seed: str) -> None:
        self._ground, self._seed = ground, seed
        self._interval = WORKERS / rate
        self._enough, self._give_up = threading.Event(), threading.Event()
        self._counting = threading.Lock()
        self.may = threading.Event()
        """Cleared: nothing new is posted for the moment."""
        self.may.set()
        self.acknowledged: list[int] = []
        self.unanswered: list[int] = []
        self.repeats = 0
        self.refusals: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(WORKERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def enough(self) -> None:
        """Send nothing new; what was begun is still repeated."""
        self._enough.set()
        self.may.set()

    def finish(self, seconds: float) -> None:
        """Wait until everything that was begun is acknowledged, at most so long."""
        self.enough()
        for thread in self._threads:
            thread.join(seconds / WORKERS)
        self._give_up.set()
        for thread in self._threads:
            thread.join()

    def _work(self, worker: int) -> None:
        with httpx.Client(base_url=self._ground.url, auth=(self._ground.write_key, ""), trust_env=False) as client:
            number = worker
            while not self._enough.is_set():
                self.may.wait()
                self._post(client, number)
                self._enough.wait(self._interval)
                number += WORKERS

    def _post(self, client: httpx.Client, number: int) -> None:
        body = sign_up(number, self._seed)
        is_taken = False
        while not is_taken and not self._give_up.is_set():
            is_taken = self._try(client, body)
            if not is_taken:
                self._give_up.wait(RETRY)
        with self._counting:
            (self.acknowledged if is_taken else self.unanswered).append(number)
        if is_taken and share(self._seed, "again", number) < 0.05:
            self._try(client, body)

    def _try(self, client: httpx.Client, body: dict[str, Any]) -> bool:
        try:
            answer = client.post("/v1/batch", json=body, timeout=3)
        except httpx.HTTPError:
            with self._counting:
                self.repeats += 1
            return False
        if answer.status_code in (429, 503):
            return False
        if not answer.is_success:
            with self._counting:
                self.refusals.append(f"{answer.status_code} {answer.text[:300]}")
            self._give_up.wait(0.5)
        return answer.is_success


def sign_up(number: int, seed: str) -> dict[str, Any]:
    """Return the body of one customer: who they are and that they signed up. Some have addresses that refuse."""
    refuses_mail, refuses_wechat = (share(seed, word, number) < 0.02 for word in ("mail", "wechat"))
    who = {"userId": f"u{number}"}
    traits = {
        "name": f"C{number}",
        "email": f"{f'bounce+{number}' if refuses_mail else f'c{number}'}@brand.example",
        "phone": f"139{number:08d}",
        "consents": {"marketing": True},
    }
    openid = f"o_bounce+{number}" if refuses_wechat else f"o_c{number}"
    context = {"externalIds": [{"type": "openid", "id": openid}]}
    return {
        "batch": [
            {"type": "identify", "messageId": f"i{number}", **who, "traits": traits, "context": context},
            {"type": "track", "messageId": f"s{number}", **who, "event": "signed_up", "properties": {"n": number}},
        ]
    }

"""Customer care at work while the daemon is killed: two are found to be one and parted again, addresses are shut and
opened, people are erased and spoken of afterwards.

One word after the other, each repeated until it is acknowledged and can be seen in `GET /v1/customers`. The people are
sign-ups of its own: what the audit says of everybody else holds as it did. `said` is what the audit is to hold it to.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec

from engine.core.ids import Micros
from engine.runtime.clock import SystemClock
from tests.crash.feeder import sign_up
from tests.crash.ground import Ground

FIRST: Final = 90_000_000
"""Numbers of these people: nobody else's, and no accident in a file."""

RETRY: Final = 0.05
PAUSE: Final = 0.1


class Pair(msgspec.Struct):
    """Two sign-ups that were found to be one: their OneIDs, and whether they were parted again."""

    numbers: tuple[int, int]
    winner: str
    loser: str
    is_parted: bool = False


class Gone(msgspec.Struct):
    """Somebody erased: the sign-ups they were, their OneIDs, since when nobody is known by their name, in µs.

    `late`: messages about them that were acknowledged afterwards.
    """

    numbers: tuple[int, ...]
    ids: tuple[str, ...]
    since: Micros
    late: int = 0


class Shut(msgspec.Struct):
    """A sign-up whose e-mail address was shut before it came; `is_open`: and opened again, also before."""

    number: int
    is_open: bool = False


class Said(msgspec.Struct):
    """What customer care was promised."""

    pairs: list[Pair] = []
    gone: list[Gone] = []
    shut: list[Shut] = []


class Care:
    """Start it; `finish` lets it end what it began."""

    def __init__(self, ground: Ground, seed: str) -> None:
        self._seed = seed
        self._client = httpx.Client(base_url=ground.url, trust_env=False, timeout=3)
        self._ops = {"Authorization": f"Bearer {ground.ops_key}"}
        self._till = {"Authorization": f"Bearer {ground.read_key}"}
        self._shop = (ground.write_key, "")
        self._enough, self._give_up = threading.Event(), threading.Event()
        self._words = 0
        self.said = Said()
        self.refusals: list[str] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Let it end what it began, at most so long."""
        self._enough.set()
        self._thread.join(seconds)
        self._give_up.set()
        self._thread.join()
        self._client.close()

    def _work(self) -> None:
        turn = 0
        while not self._enough.is_set():
            first = FIRST + 10 * turn
            self._erase((first, first + 1) if turn % 3 == 2 else (first,))
            self._unite(first + 2, first + 3, parts=turn % 2 == 1)
            self._shut(first + 4, opens=turn % 3 == 1)
            turn += 1
        if self.said.gone:  # somebody erased long ago is spoken of once more
            self._speak_of(self.said.gone[0])

    # --- what it does

    def _erase(self, numbers: tuple[int, ...]) -> None:
        ids = [self._begin(number) for number in numbers]
        name = f"user_id:u{numbers[0]}"
        if len(numbers) > 1:
            self._say("merge", ids[0], ids[1])
            self._wait(f"user_id:u{numbers[1]}", lambda id_: id_ == ids[0])
        self._say("erase", name)
        self._wait(name, lambda id_: not id_)
        if not self._give_up.is_set():
            gone = Gone(numbers, tuple(ids), SystemClock().now())
            self.said.gone.append(gone)
            self._speak_of(gone)

    def _speak_of(self, gone: Gone) -> None:
        """Say once more, as a system that has not heard of it would, that they signed up."""
        for number in gone.numbers:
            body = sign_up(number, self._seed)
            for message in body["batch"]:
                message["messageId"] += f"-late{gone.late}"
            if self._post(body):
                gone.late += len(body["batch"])

    def _unite(self, one: int, other: int, *, parts: bool) -> None:
        pair = Pair((one, other), self._begin(one), self._begin(other))
        self._say("merge", pair.winner, pair.loser)
        self._wait(f"user_id:u{other}", lambda id_: id_ == pair.winner)
        if parts:
            self._say("unmerge", pair.loser)
            self._wait(f"user_id:u{other}", lambda id_: id_ == pair.loser)
            pair.is_parted = True
        if not self._give_up.is_set():
            self.said.pairs.append(pair)

    def _shut(self, number: int, *, opens: bool) -> None:
        address = f"email:{address_of(number, self._seed)}"
        is_said = self._say("suppress", address)
        if opens:
            is_said = self._say("unsuppress", address)
        if is_said and self._begin(number):
            self.said.shut.append(Shut(number, opens))

    # --- how it speaks

    def _begin(self, number: int) -> str:
        """Sign somebody up and return the OneID under which they are known."""
        self._post(sign_up(number, self._seed))
        return self._wait(f"user_id:u{number}", bool)

    def _post(self, body: dict[str, Any]) -> bool:
        return self._repeat(lambda: self._client.post("/v1/batch", json=body, auth=self._shop), {429, 503}) is not None

    def _say(self, verb: str, subject: str, value: str = "") -> bool:
        """Say a word; 400 and 404 may say that it was taken when its answer was lost."""
        # An id that names nobody: it is kept.
        self._words += 1
        body = {"id": f"care-{self._words}", "verb": verb, "subject": subject, "value": value}
        attempts = 0

        def post() -> httpx.Response:
            nonlocal attempts
            attempts += 1
            return self._client.post("/v1/ops/directives", json=body, headers=self._ops)

        answer = self._repeat(post, {429, 503})
        if answer is None:
            return False
        if not answer.is_success and (attempts == 1 or answer.status_code not in (400, 404)):
            self.refusals.append(f"{verb} {answer.status_code} {answer.text[:300]}")
        return True

    def _wait(self, name: str, is_so: Callable[[str], bool]) -> str:
        """Ask for a customer until the OneID ("" for nobody) is as it should be; return it."""
        while True:
            answer = self._repeat(lambda: self._client.get(f"/v1/customers/{name}", headers=self._till), {429, 503})
            if answer is None:
                return ""
            if answer.status_code not in (200, 404):
                self.refusals.append(f"{name} {answer.status_code} {answer.text[:300]}")
            id_ = str(answer.json()["id"]) if answer.is_success else ""
            if is_so(id_):
                return id_
            self._give_up.wait(RETRY)

    def _repeat(self, ask: Callable[[], httpx.Response], later: set[int]) -> httpx.Response | None:
        """Ask until there is an answer that is not one of `later`; None when it is given up."""
        while not self._give_up.is_set():
            try:
                answer = ask()
            except httpx.HTTPError:
                self._give_up.wait(RETRY)
                continue
            if answer.status_code not in later:
                self._enough.wait(PAUSE)
                return answer
            self._give_up.wait(RETRY)
        return None


def address_of(number: int, seed: str) -> str:
    """Return the e-mail address with which that number signs up."""
    return str(sign_up(number, seed)["batch"][0]["traits"]["email"])

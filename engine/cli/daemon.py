"""Speaking to the running daemon over its own port: where it is, with which key, and what its refusals mean.

`run` leaves the address in the data folder, so that a daemon on another port is found.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx

from engine.core.errors import BadInput, BadSetting, JourneydError

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bootstrap.workspace import Workspace

ADDRESS_FILE: Final = "address"
ATTEMPTS: Final = 8
PUBLISH_ATTEMPTS: Final = 3
LONGEST_PAUSE: Final = 30.0
_LATER: Final = frozenset({429, 502, 503, 504})


class Unreachable(JourneydError):
    """No daemon answers: start it with `journeyd run`."""

    code = "unreachable"


def address_file(workspace: "Workspace") -> "Path":
    """Return the file that holds the running daemon's address."""
    return workspace.data / ADDRESS_FILE


def address_of(workspace: "Workspace") -> str:
    """Return where the workspace's daemon listens, or would."""
    file = address_file(workspace)
    said = file.read_text(encoding="ascii").strip() if file.is_file() else ""
    if said.startswith("http://"):
        return said
    server = workspace.settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)  # noqa: S104 - compared, not bound
    return f"http://{host}:{server.port}"


class Daemon:
    """A connection to the daemon. `pause` waits so many seconds between two tries."""

    def __init__(self, address: str, pause: Callable[[float], None], *, transport: httpx.BaseTransport | None = None):
        self.address, self._pause = address, pause
        # trust_env: a proxy of the environment has no business between us and our own machine.
        self._client = httpx.Client(base_url=address, timeout=30.0, trust_env=False, transport=transport)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def check(self) -> None:
        """Raise `Unreachable` when the daemon answers no more."""
        try:
            self._client.get("/healthz")
        except httpx.TransportError as problem:
            raise self._unreachable(problem) from None

    def direct(self, ops_key: str, directive: dict[str, Any]) -> dict[str, Any]:
        """Hand an operator's word over and return the daemon's answer; raises `Unreachable` or what was wrong."""
        try:
            answer = self._client.post(
                "/v1/ops/directives", json=directive, headers={"Authorization": f"Bearer {ops_key}"}
            )
        except httpx.TransportError as problem:
            raise self._unreachable(problem) from None
        if answer.status_code >= 300:
            raise refusal(answer)
        shown: dict[str, Any] = answer.json()
        return shown

    def tell_consents(self, ops_key: str, words: Sequence[dict[str, Any]]) -> None:
        """Hand consents over that were given elsewhere; raises `Unreachable` or what was wrong."""
        headers = {"Authorization": f"Bearer {ops_key}"}
        try:
            answer = self._client.post("/v1/ops/consents", json={"words": words}, headers=headers)
        except httpx.TransportError as problem:
            raise self._unreachable(problem) from None
        if answer.status_code >= 300:
            raise refusal(answer)

    def publish(self, ops_key: str, release: bytes, key: str) -> dict[str, Any]:
        """Hand a release over and return the daemon's answer; raises `Unreachable` or what was wrong.

        A lost answer is asked for again under the same `key`, by which the daemon collapses repeats.
        """
        headers = {
            "Authorization": f"Bearer {ops_key}",
            "Content-Type": "application/msgpack",
            "Idempotency-Key": key,
        }
        tries = 0
        while True:
            try:
                answer = self._client.post("/v1/ops/publish", content=release, headers=headers)
                break
            except httpx.TransportError as problem:
                tries += 1
                if isinstance(problem, httpx.ConnectError) or tries == PUBLISH_ATTEMPTS:
                    raise self._unreachable(problem) from None
                self._pause(0.25 * 2**tries)
        if answer.status_code >= 300:
            raise refusal(answer)
        shown: dict[str, Any] = answer.json()
        return shown

    def post_batch(self, write_key: str, messages: Sequence[dict[str, Any]]) -> httpx.Response:
        """Post one batch, again after a while when the daemon asks for it; return the answer that is final."""
        body = {"batch": list(messages)}
        trouble = ""
        for attempt in range(ATTEMPTS):
            try:
                answer = self._client.post("/v1/batch", json=body, auth=(write_key, ""))
            except httpx.ConnectError as problem:
                if attempt == 0:
                    raise self._unreachable(problem) from None
                trouble, asked = str(problem), 0.0
            except httpx.TransportError as problem:
                trouble, asked = str(problem), 0.0  # safe to repeat: the messages carry their ids
            else:
                if answer.status_code not in _LATER:
                    return answer
                trouble, asked = f"HTTP {answer.status_code}", _retry_after(answer)
            self._pause(min(LONGEST_PAUSE, max(asked, 0.25 * 2**attempt)))
        raise Unreachable(f"{self.address} took nothing after {ATTEMPTS} tries ({trouble}). Run the import again later")

    def _unreachable(self, problem: httpx.TransportError) -> Unreachable:
        return Unreachable(f"No daemon answers at {self.address} ({problem}). Start it with `journeyd run`")


def refusal(answer: httpx.Response) -> JourneydError:
    """Return the daemon's refusal as an error of our own."""
    if answer.status_code == 401:
        return BadSetting("The daemon does not know the key. Use the keys of journeyd.yaml that it was started with")
    try:
        said = answer.json()
        return BadInput(str(said["detail"]), str(said.get("remedy", "")))
    except (ValueError, KeyError, TypeError):
        return BadInput(f"The daemon answered HTTP {answer.status_code}", "Look into its log")


def _retry_after(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else 0.0

"""Brings imported messages to where they take effect: the running daemon, else the log of the stopped workspace.

Both know the source by the same name, so that what was imported one way is known when it is imported the other.
"""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from engine.cli.daemon import Daemon, address_of, refusal
from engine.cli.direct import Through
from engine.cli.intake import faults_of
from engine.core.audience.tags import LIST
from engine.core.errors import AlreadyRunning, BadInput, BadSetting
from engine.core.events import Event, encode
from engine.core.ids import key64
from engine.runtime.clock import SystemClock
from engine.runtime.inbox import last_received

if TYPE_CHECKING:
    from config.sections import WriteKey
    from engine.bootstrap.storage import Files
    from engine.bootstrap.workspace import Workspace
    from engine.ports import Reader

IMPORT: Final = "import"
BATCH: Final = 500
BATCH_BYTES: Final = 400_000
_PAGE: Final = 1_000

Refuse = Callable[[int, BadInput], None]
"""Hears which message of a batch the daemon refused, and why."""


def source_of(workspace: "Workspace") -> str:
    """Return the name under which imports are known: that of their write key."""
    key = _key_of(workspace)
    return IMPORT if key is None else key.name


def _key_of(workspace: "Workspace") -> "WriteKey | None":
    """Return the server write key called `import`, so that identity.yaml can trust imports as such; else the first."""
    keys = [key for key in workspace.settings.write_keys if key.scope == "server"]
    return next((key for key in keys if key.name == IMPORT), keys[0] if keys else None)


class Delivery:
    """An open way to the log. Use as a context."""

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace
        self._stack = ExitStack()
        self._files: Files | None = None
        self._daemon: Daemon | None = None
        self._key = ""
        self.through: Through = "log"

    def __enter__(self) -> "Delivery":
        try:
            self._files = self._workspace.files()
            self._stack.callback(self._files.close)
            self.through = self._files.through
        except AlreadyRunning:
            key = _key_of(self._workspace)
            if key is None:
                raise BadSetting("journeyd.yaml has no write key of scope server. Add one under write_keys") from None
            self.through, self._key = "daemon", key.key.reveal()
            self._daemon = Daemon(address_of(self._workspace), time.sleep)
            self._stack.callback(self._daemon.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, messages: Sequence[dict[str, Any]], events: Sequence[Event], refuse: Refuse) -> int:
        """Bring a batch there durably; return how many were taken. `messages` and `events` say the same."""
        if self._daemon is not None:
            return self._post(self._daemon, messages, refuse)
        assert self._files is not None
        log = self._files.log
        received = max(last_received(log), SystemClock().now())
        log.append([encode(replace(event, received=received)) for event in events])
        return len(events)

    def _post(self, daemon: Daemon, messages: Sequence[dict[str, Any]], refuse: Refuse) -> int:
        left = list(enumerate(messages))
        while left:
            answer = daemon.post_batch(self._key, [message for _, message in left])
            if answer.is_success:
                return len(left)
            faults = faults_of(answer.json() if answer.status_code in {400, 403, 413} else {}, len(left))
            if not faults:
                raise refusal(answer)
            for place, fault in faults.items():
                refuse(left[place][0], fault)
            left = [one for place, one in enumerate(left) if place not in faults]
        return 0


class Named:
    """Who stands in a file, by the hashes of their identifiers: eight bytes each, however long the list."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._is_sorted = True

    def add(self, event: Event) -> None:
        """Remember whom the event names."""
        self._numbers.extend(key64("", f"{kind}:{value}") for kind, value in event.identifiers.items())
        self._is_sorted = False

    def holds(self, keys: Iterable[str]) -> bool:
        """Is one of the identifiers ("kind:value") among those of the file?"""
        if not self._is_sorted:
            self._numbers = array("q", sorted(self._numbers))
            self._is_sorted = True
        for key in keys:
            number = key64("", key)
            place = bisect_left(self._numbers, number)
            if place < len(self._numbers) and self._numbers[place] == number:
                return True
        return False


def leavers(store: "Reader", name: str, named: Named, kinds: Sequence[str], now: int) -> Iterator[dict[str, str]]:
    """Yield an identifier of everybody who is on the list and not in the file, as {kind: value}."""
    after = ""
    while page := store.members("list", name, now, after, _PAGE):
        after = page[-1].customer
        customers = store.customers([row.customer for row in page])
        for customer in customers.values():
            held = [(kind, value) for kind in kinds for value in customer.identifiers.get(kind, ())]
            if held and not named.holds(f"{kind}:{value}" for kind, value in held):
                ids = store.resolve([f"{kind}:{value}" for kind, value in held])
                yield next(({kind: value} for kind, value in held if ids.get(f"{kind}:{value}") == customer.id), {})


def off_the_list(name: str, identifiers: dict[str, str], now: str) -> dict[str, Any]:
    """Return the message that takes somebody off a list.

    >>> off_the_list("fair", {"user_id": "u1"}, "2026-05-01T00:00:00Z")["tags"]
    {'list:fair': None}
    """
    message: dict[str, Any] = {"type": "identify", "timestamp": now, "tags": {LIST + name: None}}
    names = dict(identifiers)
    for kind, field in (("user_id", "userId"), ("anonymous_id", "anonymousId")):
        if kind in names:
            message[field] = names.pop(kind)
    return {**message, "context": {"externalIds": [{"type": kind, "id": value} for kind, value in names.items()]}}

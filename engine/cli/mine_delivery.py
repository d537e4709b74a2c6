"""Hands mined tags over: to the running daemon as messages of its API, else straight into the log of the stopped one.

Called by `mine.py`. Whatever came before is said again without harm: the newest word about a tag stands.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from engine.cli.daemon import Daemon, address_of, refusal
from engine.core.errors import AlreadyRunning, BadSetting
from engine.core.events import Event, Mark, encode
from engine.core.ids import Micros
from engine.runtime.inbox import last_received

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace
    from engine.cli.direct import Through

BATCH: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def hand_over(workspace: "Workspace", events: Iterable[Event], done: Callable[[int], None]) -> "Through":
    """Bring the events to where they take effect; `done` gets how many each time. Raises what was refused, and why."""
    try:
        files = workspace.files()
    except AlreadyRunning:
        _to_daemon(workspace, events, done)
        return "daemon"
    with closing(files):
        for batch in _batches(events):
            received = max(last_received(files.log), batch[0].received)
            files.log.append([encode(replace(event, received=received)) for event in batch])
            done(len(batch))
    return files.through


def _to_daemon(workspace: "Workspace", events: Iterable[Event], done: Callable[[int], None]) -> None:
    keys = [key for key in workspace.settings.write_keys if key.scope == "server"]
    if not keys:
        raise BadSetting("journeyd.yaml has no write key of scope server. Add one under write_keys")
    with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
        for batch in _batches(events):
            answer = daemon.post_batch(keys[0].key.reveal(), [message_of(event) for event in batch])
            if not answer.is_success:
                raise refusal(answer)
            done(len(batch))


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    rest = iter(events)
    while batch := list(islice(rest, BATCH)):
        yield batch


def message_of(event: Event) -> dict[str, Any]:
    """Return the event as the API takes it.

    >>> event = Event("m", "tags_mined", 1_000_000, 0, identifiers={"user_id": "u1"}, tags={"rfm-new": None})
    >>> message_of(event)["userId"], message_of(event)["timestamp"], message_of(event)["tags"]
    ('u1', '1970-01-01T00:00:01+00:00', {'rfm-new': None})
    """
    names = dict(event.identifiers)
    message: dict[str, Any] = {
        "type": "track",
        "event": event.name,
        "messageId": event.id,
        "timestamp": _instant(event.at),
        "properties": event.properties,
        "tags": {name: None if mark is None else _mark(mark) for name, mark in event.tags.items()},
        "backfill": event.backfill,
    }
    for kind, field in (("user_id", "userId"), ("anonymous_id", "anonymousId")):
        if kind in names:
            message[field] = names.pop(kind)
    external = [{"type": kind, "id": value} for kind, value in names.items()]
    return {**message, "context": {"traits": event.traits, "externalIds": external}}


def _mark(mark: Mark) -> dict[str, Any]:
    return {"by": mark.by, "until": _instant(mark.until), "score": mark.score, "version": mark.version}


def _instant(at: Micros) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat()

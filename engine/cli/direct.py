"""An operator's word: through the daemon when it runs, else straight into the log of the stopped workspace.

Where several processes share the store it goes to the desk, whoever runs.
"""

import getpass
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec.structs import replace

from engine.cli.daemon import Daemon, address_of
from engine.core.errors import AlreadyRunning, BadSetting
from engine.core.events import Directive, encode
from engine.runtime.clock import SystemClock, mint_id
from engine.runtime.inbox import last_received

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

Through: TypeAlias = Literal["daemon", "log", "desk"]
"""The way that words took: the running daemon, the desk where workers hear them, a log that nobody reads just now."""

_SPOKEN: Final = ("id", "verb", "subject", "value", "by", "identifiers", "properties")


def say(
    workspace: "Workspace", *, verb: Literal["stop", "pause", "resume", "resolve"], subject: str, value: str = ""
) -> dict[str, Any]:
    """Put the word into the log; return {id, offset, through}."""
    return put(workspace, Directive("", verb, 0, 0, subject=subject, value=value))


def put(workspace: "Workspace", word: Directive) -> dict[str, Any]:
    """Put the word into the log as of now, by this shell's user unless it says; return {id, offset, through: ...}."""
    word = replace(word, id=mint_id(), by=word.by or operator())
    try:
        files = workspace.files()
    except AlreadyRunning:
        return _through_daemon(workspace, word)
    with closing(files):
        received = max(last_received(files.log), SystemClock().now())
        offset = files.log.append([encode(replace(word, at=received, received=received))])
    return {"id": word.id, "offset": offset, "through": files.through}


def hand_over(workspace: "Workspace", words: Iterable[Directive], done: Callable[[Directive], None]) -> Through:
    """Put ready-made words into the log, in order; `done` hears of each. A word said before is dropped by its id."""
    try:
        files = workspace.files()
    except AlreadyRunning:
        key = ops_key_of(workspace)
        with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
            for word in words:
                body = {"id": word.id, "verb": word.verb, "subject": word.subject, "value": word.value, "by": word.by}
                daemon.direct(key, {**body, "properties": word.properties})
                done(word)
        return "daemon"
    with closing(files):
        for word in words:
            received = max(last_received(files.log), word.received)
            files.log.append([encode(replace(word, received=received))])
            done(word)
    return files.through


def _through_daemon(workspace: "Workspace", word: Directive) -> dict[str, Any]:
    fields = {name: getattr(word, name) for name in _SPOKEN}
    with closing(Daemon(address_of(workspace), time.sleep)) as daemon:
        said = daemon.direct(ops_key_of(workspace), {name: value for name, value in fields.items() if value})
    return {**said, "through": "daemon"}


def ops_key_of(workspace: "Workspace") -> str:
    """Return the key that the daemon asks of operators; raises `BadSetting` when there is none."""
    key = workspace.settings.ops_key
    if key is None:
        raise BadSetting("A daemon runs and journeyd.yaml has no ops_key to speak to it. Add one and restart it")
    return key.reveal()


def operator() -> str:
    """Return who speaks: the user of this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"

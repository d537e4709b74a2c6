"""The topic of a workspace: its settings as the runtime takes them, and the way into it.

What it needs is an extra: without it the complaint says what to install. Used by `database.py` and `roles.py`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from config.settings import Settings
from engine.core.audience.identity import Rules
from engine.core.errors import BadSetting
from engine.core.ids import SECOND
from engine.core.policy import Identity
from engine.ports import Clock, Reader
from engine.runtime.inbox import Inbox
from engine.telemetry import Telemetry

if TYPE_CHECKING:
    from engine.runtime.stream.keys import Keys
    from engine.runtime.stream.producer import StreamInbox
    from engine.runtime.stream.settings import Access, StreamSettings


def stream_settings(settings: Settings) -> "StreamSettings":
    """Return the stream as the runtime takes it; raises `BadSetting` when the packages for it are missing."""
    try:
        import aiokafka  # noqa: F401 - asked for, so that what is missing is said here
        import faust  # noqa: F401
    except ImportError as missing:
        raise BadSetting(
            f"stream.brokers is set, and {missing.name} is not installed. "
            "Install it with `pip install 'journeyd[kafka,postgres]'`"
        ) from None
    from engine.runtime.stream.settings import StreamSettings

    said = settings.stream
    return StreamSettings(
        brokers=said.brokers,
        topic=said.topic,
        partitions=said.partitions,
        group=said.group,
        dead_topic=said.dead_topic,
        replication=said.replication,
        access=_access(settings),
        session_timeout=said.session_timeout / SECOND,
        max_message=said.max_message,
    )


def door_to(
    settings: Settings, store: Reader, identity: Callable[[], Identity], site: "tuple[Clock, Telemetry, Inbox]"
) -> "StreamInbox":
    """Return the way into the topic. `identity` gives the rules in force; `site`: clock, metrics, the desk's door."""
    from engine.runtime.stream.producer import StreamInbox

    clock, telemetry, desk = site
    keys = keys_of(settings, store, identity)
    return StreamInbox(stream_settings(settings), clock, keys, desk=desk.accept, telemetry=telemetry)


def keys_of(settings: Settings, store: Reader, identity: Callable[[], Identity]) -> "Keys":
    """Return what knows whose partition an entry goes to."""
    from engine.runtime.stream.keys import Keys

    return Keys(store, _Spelling(identity), settings.stream.partitions)


class _Spelling:
    """The rules of identity in force, made anew only when they change."""

    def __init__(self, identity: Callable[[], Identity]) -> None:
        self._identity = identity
        self._known = identity()
        self._rules = Rules(self._known)

    def __call__(self) -> Rules:
        known = self._identity()
        if known is not self._known:
            self._known, self._rules = known, Rules(known)
        return self._rules


def _access(settings: Settings) -> "Access":
    from engine.runtime.stream.settings import Access

    said = settings.stream.security
    return Access(
        protocol=said.protocol,
        mechanism=said.mechanism,
        user=said.user,
        password="" if said.password is None else said.password.reveal(),
        ca=said.ca_file,
        certificate=said.certificate_file,
        key=said.key_file,
    )

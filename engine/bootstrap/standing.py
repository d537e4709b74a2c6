"""Where the partitions of a shared store stand, what waits at the desk, and whether time is virtual: for `status`.

Nothing where one process has everything: its log says it all. Reads, and changes nothing.
"""

import msgspec

from engine.bootstrap.workspace import Workspace
from engine.core.events import Directive, decode
from engine.core.ids import Micros
from engine.ports import Clock, EventLog
from engine.ports.partitions import DESK, unpack


class PartitionStanding(msgspec.Struct, frozen=True):
    """A partition by Kafka's number. `owner` applies it ("" nobody); `behind` the clock (µs, -1: never begun).

    `offset` is the last message of the topic that was applied, -1 for none.
    """

    partition: int
    owner: str
    behind: Micros
    offset: int


class Word(msgspec.Struct, frozen=True):
    """The operators' word that is next at the desk, when it was said, and how many wait with it."""

    verb: str
    said: Micros
    waiting: int


class Standing(msgspec.Struct, frozen=True):
    """`tide`: where virtual time stands, None when the clock's counts; `turned_by`: who turns it ("" nobody)."""

    partitions: list[PartitionStanding]
    word: Word | None
    tide: Micros | None
    turned_by: str


def standing_of(workspace: Workspace, clock: Clock) -> Standing | None:
    """Return how a shared store stands, None where the store is one process's."""
    if not workspace.is_shared:
        return None
    from engine.store.postgres import PostgresStore
    from engine.store.postgres.entries_log import PostgresLog

    store = PostgresStore.open_readonly(workspace.settings.store.url.reveal())
    try:
        rows, now = store.partitions(), clock.now()
        shown = [
            PartitionStanding(
                partition=row.partition - 1,
                owner=row.keeper(now),
                behind=max(now - row.time, 0) if row.time else -1,
                offset=unpack(row.position).offset if row.position else -1,
            )
            for row in rows
            if row.partition != DESK
        ]
        turned_by = next((row.keeper(now) for row in rows if row.partition == DESK), "")
        return Standing(shown, _next_word(PostgresLog(store.database), store.position()), store.tide_at(), turned_by)
    finally:
        store.close()


def _next_word(desk: EventLog, applied: int) -> Word | None:
    found = desk.read(applied, 1)
    if not found:
        return None
    try:
        entry = decode(found[0].body)
    except ValueError:
        return Word("unreadable", 0, desk.tail() - applied)
    verb = entry.verb if isinstance(entry, Directive) else entry.__class__.__name__.lower()
    return Word(verb, entry.received, desk.tail() - applied)

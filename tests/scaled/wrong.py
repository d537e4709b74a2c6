"""Two systems that are wrong on purpose. If the audit does not convict them, it proves nothing of the right one.

Each is the product with one part taken out of every process: who is fenced off, and what is committed with what.
"""

from collections.abc import Callable, Sequence
from typing import Final

from engine.ports import Changes, PartitionRow, Turn
from engine.ports.partitions import DESK, ENTRIES, pack
from engine.runtime.stream.engine import StreamEngine
from engine.runtime.stream.messages import Message
from engine.store.postgres import PostgresStore, turns
from engine.store.postgres.seen import Seen
from engine.store.postgres.unit import PostgresView

_AHEAD: Final = "UPDATE partitions SET position = greatest(position, %s) WHERE partition = %s"


def without_a_fence() -> None:
    """Go by what this process remembers: not by who owns the partition now, how far it is, and what was seen."""
    _remember_positions()

    def is_anybodys(_terms: Turn, _row: PartitionRow | None) -> None:
        return

    def knows_nothing(_seen: Seen, _keys: Sequence[int]) -> dict[int, int]:
        return {}

    def writes_nothing(_seen: Seen, _changes: Changes) -> None:
        return

    _exchange(turns, "_check_owner", is_anybodys)
    _exchange(Seen, "find", knows_nothing)
    _exchange(Seen, "_write_keys", writes_nothing)


def acknowledged_first() -> None:
    """Write down how far a partition is when messages come, and apply them afterwards."""
    _remember_positions()
    feed, write = StreamEngine.feed, Seen.write

    def acknowledge(engine: StreamEngine, messages: Sequence[Message]) -> None:
        feed(engine, messages)
        store = engine.store
        assert isinstance(store, PostgresStore)
        with store.database.connection() as connection, connection.transaction():
            for one in messages:
                number = one.partition + 1
                if number in engine.shares:
                    said = _AHEAD.replace("%s", "$1", 1).replace("%s", "$2", 1)
                    connection.execute(said.encode(), [pack(number, one.offset, ENTRIES - 1), number])

    def without_position(seen: Seen, changes: Changes) -> None:
        position, changes.offset = changes.offset, changes.offset if seen._partition == DESK else 0
        write(seen, changes)
        changes.offset = position

    _exchange(StreamEngine, "feed", acknowledge)
    _exchange(Seen, "write", without_position)


def _remember_positions() -> None:
    """Let a turn begin where this process believes that the partition stands."""
    believed: dict[int, int] = {}
    position, commit, take = PostgresView.position, PostgresView.commit, StreamEngine.take

    def remembered(view: PostgresView) -> int:
        return believed.get(view._seen._partition, 0) if view._seen._partition > DESK else position(view)

    def committed(view: PostgresView, changes: Changes) -> None:
        commit(view, changes)
        if changes.offset:
            believed[view._seen._partition] = changes.offset

    def taken(engine: StreamEngine, partitions: Sequence[int]) -> dict[int, int]:
        found = take(engine, partitions)
        believed.update(found)
        return found

    _exchange(PostgresView, "position", remembered)
    _exchange(PostgresView, "commit", committed)
    _exchange(StreamEngine, "take", taken)


def _exchange(whole: object, part: str, wrong: object) -> None:
    assert hasattr(whole, part), f"{whole} has no {part} any more: exchange what took its place"
    setattr(whole, part, wrong)


VARIANTS: Final[dict[str, Callable[[], None]]] = {
    "without-a-fence": without_a_fence,
    "acknowledged-first": acknowledged_first,
}


def inject(variant: str) -> None:
    """Make this process the wrong system of that name; "" leaves the product as it is."""
    if variant:
        VARIANTS[variant]()

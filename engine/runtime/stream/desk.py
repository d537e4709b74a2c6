"""What operators have said and no worker has applied yet: which word comes next, and whether its time has come.

It reads only; `engine.py` applies the word, alone among all workers.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from engine.core.events import Directive, decode
from engine.core.ids import SECOND, Micros
from engine.ports import Clock, History, SharedStore

PATIENCE: Final = 30 * SECOND
"""How long a word waits for partitions that have not lived up to it, and what comes after it with it."""

AHEAD: Final = 20
"""Words that are looked at ahead: those before a stop do not keep it waiting."""

_AT_ONCE: Final = frozenset({"stop", "pause", "resume", "stock", "suppress", "unsuppress"})
"""Words that need not wait until every partition has lived up to the instant they were said."""


class Logs(msgspec.Struct, frozen=True):
    """The logs that stand in the store: the desk's, all that was ever applied, and what was applied at a place."""

    desk: History
    history: History
    find: Callable[[int], bytes | None]


class Word(msgspec.Struct, frozen=True):
    """The next word. `said`: None when nobody can read it. `waits`: since when entries wait for it, 0 when its time
    has come.
    """

    said: Directive | None
    waits: Micros


class Desk:
    """The words in their order. `log` is partition 0's."""

    def __init__(self, store: SharedStore, log: History, clock: Clock) -> None:
        self._store, self.log, self._clock = store, log, clock

    def next_word(self, tide: Micros | None) -> Word | None:
        """Return the next word, None when all are applied. `tide`: where virtual time stands, None when it does not."""
        words = [_read(logged.body) for logged in self.log.read(self._store.position(), AHEAD)]
        if not words:
            return None
        first = words[0]
        # Words keep their order: what a stop stands behind waits for nobody either.
        is_pressing = any(word is not None and word.verb in _AT_ONCE for word in words)
        if first is None or is_pressing or not self._is_early(first.received, tide):
            return Word(first, 0)
        return Word(first, first.received)

    def _is_early(self, said: Micros, tide: Micros | None) -> bool:
        """Has some partition not lived up to a word yet? One that is far behind is not waited for without end."""
        is_patient = tide is not None or self._clock.now() < said + PATIENCE
        return is_patient and said > self._store.lived()


def _read(body: bytes) -> Directive | None:
    try:
        entry = decode(body)
    except ValueError:
        return None
    return entry if isinstance(entry, Directive) else None

"""One partition in a worker's hands: its backlog, its customers' timers, its part of scheduled pushes.

A whole little engine: the same use cases in the same order as the embedded one, each in a turn of the shared store that
the partition's row fences. Synchronous; stepped by `engine.py`, in its thread.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.ports import Turn, TurnStore
from engine.runtime.stream.backlog import Backlog
from engine.usecases.advance import Advanced, advance
from engine.usecases.launch import NEVER, launch
from engine.usecases.wake import Woken, wake

UNKNOWN: Final[Micros] = 1
"""The next instant before anybody looked: everything may be due."""


class Share:
    """A partition. `turn` opens turns of the store on it; errors of the store are the caller's."""

    def __init__(
        self,
        backlog: Backlog,
        turn: Callable[[Turn], AbstractContextManager[TurnStore | None]],
        owner: str,
        *,
        batch: int,
        window: Micros,
    ) -> None:
        self.backlog, self._turn, self._owner = backlog, turn, owner
        self._batch, self._window = batch, window
        self._limit = batch
        self.drained_at: Micros = 0
        """Everything that the topic held at this instant has been read."""
        self.lived: Micros = backlog.time
        """Up to here everything has happened: entries, timers, launches."""
        self.word: Micros = 0
        """When an operator spoke whose word waits until everybody has lived up to it; later entries wait for it."""
        self._due = self._launch = UNKNOWN
        self._is_buried = False

    @property
    def partition(self) -> int:
        """Return its number, from 1 on."""
        return self.backlog.partition

    def next_instant(self) -> Micros:
        """Return no later than the next timer or launch is due, `NEVER` when none is known of."""
        return min(self._due or NEVER, self._launch)

    def look_again(self) -> None:
        """Others may have changed its customers, or the rules its schedules: look for what is due anew."""
        self._due = self._launch = UNKNOWN

    # --- the next piece of work

    def apply(self, playbook: Playbook, epoch: int) -> Advanced | None:
        """Apply the next waiting entries and fire what is due by then; None when something else comes first."""
        self._know(epoch)
        with self._open(epoch) as store:
            store.keep(self.backlog.applied)
            advanced = advance(
                store, self.backlog, playbook, limit=self._limit, before=self._before(), window=self._window
            )
        if advanced is not None:
            self.backlog.forget(advanced.offset)
            self.lived = max(self.lived, advanced.time)
            self._limit, self._is_buried = min(self._batch, self._limit * 2), False
            wakes = (customer.wake for customer in advanced.changed.values() if customer.wake)
            self._due = min(self._due or NEVER, min(wakes, default=NEVER))
        return advanced

    def fire(self, playbook: Playbook, epoch: int, until: Micros) -> Woken:
        """Fire a batch of what is due at or before `until`; `customers` 0: all of it was."""
        with self._open(epoch) as store:
            woken = wake(store, playbook, until, limit=self._batch)
            if not woken.customers:
                self._due = store.next_due()
        return woken

    def live_on(self, playbook: Playbook, epoch: int, mark: Micros) -> Woken | None:
        """Do the next thing that happens by itself up to `mark`; None: nothing is left, it is lived through."""
        self._know(epoch)
        if self._launch <= mark:
            return self._expand(playbook, epoch)
        if 0 < self._due <= mark:
            woken = self.fire(playbook, epoch, mark)
            if woken.customers:
                return woken
        self.lived = max(self.lived, mark)
        self.backlog.time = max(self.backlog.time, mark)
        return None

    def _expand(self, playbook: Playbook, epoch: int) -> Woken:
        """Fire the timers that come before the launch, then let it call a chunk of its audience."""
        woken = self.fire(playbook, epoch, self._launch)
        if woken.customers:
            return woken
        instant = self._launch
        with self._open(epoch) as store:
            launch(store, playbook, instant, chunk=self._batch)
        self.look_again()
        return Woken(0, 0)

    def _know(self, epoch: int) -> None:
        """Look for the next launch and timer, when nobody has."""
        if UNKNOWN not in (self._launch, self._due):
            return
        with self._open(epoch) as store:
            self._due = store.next_due()
            self._launch = min((row.expanding or row.due for row in store.schedules()), default=NEVER)

    def _before(self) -> Micros:
        """Return the instant of the next launch or of the operator's word that waits, 0 for none."""
        launch = NEVER if self._launch == UNKNOWN else self._launch
        instant = min(launch, self.word or NEVER)
        return 0 if instant == NEVER else instant

    def held_by(self) -> Micros:
        """Return the instant that must be lived through before the next entry is applied, 0 when it waits for none."""
        instant = self._before()
        return instant if 0 < instant <= self.backlog.first_received() else 0

    # --- what the store does not take

    def stumble(self, problem: Exception) -> bool:
        """Go slower after a batch that the store refused, then bury the entry that it is; False: it is neither."""
        if not self.backlog or self._is_buried:
            return False
        if self._limit > 1:
            self._limit = 1
        else:
            self.backlog.bury(f"{type(problem).__name__}: {problem}"[:500])
            self._is_buried = True
        return True

    @contextmanager
    def _open(self, epoch: int) -> Iterator[TurnStore]:
        with self._turn(Turn(self.partition, self._owner, epoch)) as store:
            assert store is not None, "a turn without a duty is nobody else's"
            yield store

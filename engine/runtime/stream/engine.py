"""A worker's engine: steps through its partitions, the desk and the jobs that publishes leave. Synchronous.

`worker.py` runs it in a thread and feeds it. What the store says of others at work (`Conflict`, `StoreAway`) is raised
by `step`, and the same step is tried again; what concerns one partition or the rules is dealt with here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.core.errors import Conflict, Fenced, RulesMoved, StoreAway, StoreFull
from engine.core.ids import SECOND, Micros
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import Clock, JobRow, SharedStore, Turn
from engine.ports.partitions import DESK
from engine.ports.window import WINDOW
from engine.runtime.counted import Counted
from engine.runtime.engine import BATCH, Committed
from engine.runtime.stream.backlog import Backlog
from engine.runtime.stream.desk import Desk, Logs
from engine.runtime.stream.envelope import Foreign
from engine.runtime.stream.messages import Message
from engine.runtime.stream.share import Share
from engine.runtime.stream.tide import TideWatch
from engine.usecases.advance import advance
from engine.usecases.follow_up import is_blocking, proceed
from engine.usecases.heard import Heard
from engine.usecases.launch import NEVER
from engine.usecases.purge import is_purge, rests_until
from engine.usecases.purge import proceed as purge

FIRST: Final = 1
"""Who owns this partition does the rare work that is nobody's: purges, retention."""

HELD: Final = 50_000
"""Entries that may wait for a word before no more are taken in."""

SILENT: Final = 5 * SECOND
"""How long the owner of a partition has said nothing when we take back what the group says is ours."""

LEFT_OUT: Final = 30 * SECOND
"""How long a worker may have no partition while some are nobody's, before that is said."""


class Dials(msgspec.Struct, frozen=True):
    """`slack`: how long after its stamp an entry may still come into the topic. `batch`: entries in a transaction.

    `window` is the store's dedupe window, `foreign` reads what producers send who are not ours. `look_every`: beats
    between two looks for timers that other partitions' workers have set for our customers.
    """

    slack: Micros = SECOND
    batch: int = BATCH
    window: Micros = WINDOW
    foreign: Foreign | None = None
    look_every: int = 4


class StreamEngine(Counted):
    """`owner` names this worker among all. `load` makes the playbook in force."""

    def __init__(
        self,
        store: SharedStore,
        logs: Logs,
        load: Callable[[], Playbook],
        clock: Clock,
        owner: str,
        dials: Dials | None = None,
    ) -> None:
        super().__init__()
        self.store, self._logs, self._load, self._clock, self.owner = store, logs, load, clock, owner
        self._desk = Desk(store, logs.desk, clock)
        self._dials = dials or Dials()
        self.erasures = 0
        self.trip: Callable[[str], None] = _pass
        self.committed: Committed | None = None
        self.shares: dict[int, Share] = {}
        self._contested: dict[int, Share] = {}
        """Partitions that the group says are ours and the store says are not: one of the two is about to learn more."""
        self._look_at: Micros = 0
        self.unserved = 0
        """Partitions that are nobody's while this worker has had none for some time: the group does not let it in."""
        self._dealt_at = clock.now()
        self._tides = TideWatch(store, clock, owner)
        self._heard = Heard(self._dials.window)
        self._told: dict[int, Micros] = {}
        self._turn_of = self._beats = 0
        self._is_desk_moved = True
        self._did_job = False
        self.reload()

    # --- what is ours

    def take(self, partitions: Collection[int]) -> dict[int, int]:
        """Own exactly these partitions (numbers from 1); return their positions. What waited of them is read anew."""
        now, dials = self._clock.now(), self._dials
        positions = {partition: self.store.take(partition, self.owner, now) for partition in sorted(partitions)}
        rows = {row.partition: row for row in self.store.partitions()}
        self.shares, self._contested = {}, {}
        for partition, position in positions.items():
            backlog = Backlog(replace(rows[partition], position=position), self._logs.find, dials.foreign)
            self.shares[partition] = Share(backlog, self.store.turn, self.owner, batch=dials.batch, window=dials.window)
        self.unserved, self._dealt_at = 0, now
        self._is_desk_moved = True  # a word may be waiting, and what came after it with it
        return positions

    def let_go(self, partitions: Iterable[int]) -> None:
        """Do nothing more for these."""
        self._dealt_at = self._clock.now()
        for partition in partitions:
            self.shares.pop(partition, None)
            self._contested.pop(partition, None)

    def feed(self, messages: Sequence[Message]) -> None:
        """Take messages in; those of partitions that are not ours are passed over: their owner reads them."""
        now = self._clock.now() if self.tide is None else None
        for message in messages:
            number = message.partition + 1
            share = self.shares.get(number) or self._contested.get(number)
            if share is not None:
                share.backlog.add(message, now)

    def drained(self, partitions: Collection[int], at: Micros) -> None:
        """Hear that the topic held nothing more of these at the instant `at`."""
        for partition in partitions:
            share = self.shares.get(partition)
            if share is not None:
                share.drained_at = max(share.drained_at, at)

    def is_fed(self) -> bool:
        """Does anything wait to be applied? Not what waits for an operator's word or for a job, unless it is much.

        Who waits for that must not keep the group from dealing: the partition that all wait for may be nobody's.
        """
        waiting = [share for share in self._ours() if share.backlog]
        if sum(len(share.backlog) for share in (*waiting, *self._contested.values())) > HELD:
            return True
        return not self.is_blocked() and any(not share.held_by() for share in waiting)

    # --- what others did

    def reload(self) -> None:
        """Take what was published or stopped since."""
        self.epoch = self.store.epoch()
        self.playbook = self._load()
        self.jobs: list[JobRow] = self.store.jobs()
        self.tide = self.store.tide_at()
        for share in self.shares.values():
            share.look_again()

    def hear(self, what: str) -> None:
        """Hear from the store that something moved."""
        match what:
            case "desk":
                self._is_desk_moved = True
            case "tide":
                self.tide = self.store.tide_at()
            case "rules":
                self._keep_up()
            case _:
                pass  # others are meant

    def beat(self) -> None:
        """Say how far each partition is lived through, and look again for what others may have left to do."""
        self.tell()
        self._beats += 1
        if self._beats % self._dials.look_every == 0:
            for share in self.shares.values():
                share.look_again()
        self._is_desk_moved = True
        self.tide = self._tides.look()
        self._look_for_unserved()
        self._keep_up()

    def _look_for_unserved(self) -> None:
        now = self._clock.now()
        if self.shares or now - self._dealt_at < LEFT_OUT:
            self.unserved = 0
            return
        self.unserved = sum(not row.keeper(now) for row in self.store.partitions() if row.partition != DESK)

    def is_at_tide(self) -> bool:
        """Has virtual time gone on in our partitions since we said so last? Whoever moves the tide waits for that."""
        return self.tide is not None and any(share.lived > self._told.get(share.partition, 0) for share in self._ours())

    def tell(self) -> None:
        """Say how far each of our partitions is lived through."""
        times = {share.partition: share.lived for share in self._ours()}
        if times:
            self.store.beat(self.owner, times, self._clock.now())
        self._told = times

    def _ours(self) -> list[Share]:
        return [self.shares[partition] for partition in sorted(self.shares)]

    def _keep_up(self) -> None:
        """Take the rules in force, where they are not ours."""
        if self.store.epoch() != self.epoch:
            self.reload()

    # --- stepping

    def step(self) -> bool:
        """Do the next piece of work, a transaction or two; False when there is none for now.

        Raises `Conflict`, `StoreAway` and `StoreFull`: nothing was written, and the same is to be tried again.
        """
        try:
            return self._step()
        except RulesMoved:
            self.reload()
            return True

    def next_instant(self) -> Micros:
        """Return when the next thing is due that happens by itself, 0 when none is known of."""
        instants = [share.next_instant() for share in self.shares.values()]
        instants += [rests_until(job) for job in self.jobs]
        return min((instant for instant in instants if 0 < instant < NEVER), default=0)

    def is_blocked(self) -> bool:
        """Does everything wait until something that a publish left to do is done?"""
        return any(map(is_blocking, self.jobs))

    def _step(self) -> bool:
        if self._take_back():
            return True
        if self.is_blocked():
            return self._work_off()
        if self._is_desk_moved and self._hear_desk():
            return True
        self._did_job = not self._did_job and self._are_jobs_pressing() and self._work_off()
        return self._did_job or any(self._move(share) for share in self._in_turn())

    def _in_turn(self) -> list[Share]:
        """Return the partitions, another one first each time: none waits for the others."""
        shares = self._ours()
        self._turn_of = (self._turn_of + 1) % max(len(shares), 1)
        return shares[self._turn_of :] + shares[: self._turn_of]

    def _move(self, share: Share) -> bool:
        """Do the next thing in a partition."""
        try:
            if share.backlog and not share.held_by():
                return self._apply(share)
            mark = share.held_by() or self._mark(share)
            woken = share.live_on(self.playbook, self.epoch, mark)
            if woken is None:
                return False
            self.fired += woken.customers
            self._hand_over(woken.changed, mark)
            return True
        except Fenced:
            self._contested[share.partition] = self.shares.pop(share.partition)
            self._look_at = self._clock.now() + SILENT
            return True

    def _take_back(self) -> bool:
        """Take a partition back whose owner in the store is silent, while the group still says that it is ours.

        Who was dealt it before us, and could not say so while the database was away, may have come after us.
        """
        now = self._clock.now()
        if not self._contested or now < self._look_at:
            return False
        self._look_at = now + SILENT
        rows = {row.partition: row for row in self.store.partitions()}
        silent = [number for number in sorted(self._contested) if now - rows[number].beat > SILENT]
        for number in silent:
            position = self.store.take(number, self.owner, now)
            share = self.shares[number] = self._contested.pop(number)
            share.backlog.forget(position)
            share.look_again()
        return bool(silent)

    def _apply(self, share: Share) -> bool:
        try:
            advanced = share.apply(self.playbook, self.epoch)
        except (Conflict, Fenced, RulesMoved, StoreAway, StoreFull, MemoryError):
            raise
        except Exception as problem:
            if not share.stumble(problem):
                raise
            return True
        if advanced is None:
            return False
        self.count(advanced)
        self._hand_over(advanced.changed, advanced.time)
        return True

    def _mark(self, share: Share) -> Micros:
        """Return up to when nothing more will come of a partition whose backlog is empty."""
        if self.tide is not None:
            return max(share.lived, self.tide)
        return max(share.lived, share.drained_at - self._dials.slack)

    def _hand_over(self, changed: Mapping[str, Customer], instant: Micros) -> None:
        if self.committed is not None and changed and all(map(is_purge, self.jobs)):
            self.committed(self.playbook, self.store, changed, instant)

    # --- the desk

    def _hear_desk(self) -> bool:
        """Apply the next word of an operator, alone, once every partition has lived up to it."""
        word = self._desk.next_word(self.tide)
        for share in self.shares.values():
            share.word = 0 if word is None else word.waits
        if word is None or word.waits:
            self._is_desk_moved = False  # the next beat looks again
            return False
        with self.store.turn(Turn(DESK, epoch=self.epoch, alone=True)) as store:
            assert store is not None, "a turn without a duty is nobody else's"
            advanced = advance(store, self._desk.log, self.playbook, limit=1, window=self._dials.window)
        if advanced is None:
            return False
        self.count(advanced)
        self.erasures += word.said is not None and word.said.verb == "erase"
        if advanced.directed or advanced.dropped:
            self.reload()
        return True

    # --- jobs

    def _are_jobs_pressing(self) -> bool:
        now = self._clock.now()
        return any(rests_until(job) <= now for job in self.jobs)

    def _work_off(self) -> bool:
        """Do a chunk of the jobs, unless another worker is at it; False: there was nothing for us to do."""
        now = self._clock.now()
        pending = [job for job in self.store.jobs() if rests_until(job) <= now]
        purges = [job for job in pending if is_purge(job)]
        if len(pending) > len(purges):
            with self.store.turn(Turn(epoch=self.epoch, duty="jobs")) as store:
                if store is None:
                    return False
                job = proceed(store, self._logs.history, self.playbook, limit=self._dials.batch, heard=self._heard)
        elif purges and FIRST in self.shares:
            job = purge(self.store, self._logs.history, purges[0], self.playbook.identity, now=now, trip=self.trip)
        else:
            return False
        if job is None or not job.phase:
            self._heard = Heard(self._dials.window)
            self.reload()
        return True


def _pass(_point: str) -> None:
    """Failpoints are off."""

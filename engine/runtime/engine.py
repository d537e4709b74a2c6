"""The engine as a thing that steps: log, timers, schedules and jobs in their one order. Synchronous, without a thread.

`embedded.py` runs it in a thread; simulation, history import and tests step it by hand. The log's time is its time:
a timer fires when an entry later than it has been applied, or when the log is drained and the watermark has passed.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from engine.core.events import Directive, Entry, decode
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.core.state import Customer
from engine.ports import History, JobRow, Reader, Store
from engine.ports.window import WINDOW
from engine.runtime.counted import Counted
from engine.usecases.advance import Advanced, advance
from engine.usecases.follow_up import is_blocking, next_job, proceed
from engine.usecases.heard import Heard
from engine.usecases.launch import NEVER, launch
from engine.usecases.purge import NOTICED, SHARE, is_long, is_purge, is_scrub, rest, rests_until
from engine.usecases.purge import proceed as purge
from engine.usecases.wake import wake

BATCH: Final = 500

Committed: TypeAlias = Callable[[Playbook, Reader, Mapping[str, Customer], Micros], None]
"""Gets the rules, the store, the customers that a commit changed, and the instant up to which timers have fired."""


class Engine(Counted):
    """Steps through the log. `watermark` says up to when nothing more will arrive once the log is drained."""

    def __init__(
        self,
        store: Store,
        log: History,
        watermark: Callable[[], Micros],
        load: Callable[[], Playbook],
        *,
        batch: int = BATCH,
        dedupe_window: Micros = WINDOW,
    ) -> None:
        super().__init__()
        self.store, self.log = store, log
        self._watermark, self._load, self._batch = watermark, load, batch
        self.playbook = load()
        self.trip: Callable[[str], None] = _pass
        self.committed: Committed | None = None
        """Called after each commit of decisions while the rules stand: not in a publish, nor while one is settled."""
        self._next_launch = self._read_schedules()
        self.jobs: list[JobRow] = store.jobs()
        self._swept = False
        self._next_scrub: Micros = 0
        self._heard = Heard(dedupe_window)

    def reload(self) -> None:
        """Take what was published or stopped since."""
        self.playbook = self._load()
        self._next_launch = self._read_schedules()
        self.jobs = self.store.jobs()

    def step(self) -> bool:
        """Do the next piece of work, one transaction or two; False when there is none for now.

        What a publish left to do comes first where the next entry depends on it, else by turns with everything else.
        """
        pressing = self._are_jobs_pressing()
        if pressing and (self.is_blocked_by_job() or not self._swept or self._publishes_next()):
            self._swept = True
            self._work_off()
            return True
        self._swept = False
        return self._move_on() or pressing

    def _move_on(self) -> bool:
        mark = self._watermark()
        window, before = self._heard.window, self._next_launch
        advanced = advance(self.store, self.log, self.playbook, limit=self._batch, before=before, window=window)
        if advanced is not None:
            self._take_in(advanced)
            if advanced.directed and not self.is_blocked_by_job():
                self._wake(self.time)
            while advanced.waits and self._wake(advanced.waits):
                pass
            return True
        if self._next_launch <= mark or self._is_blocked():
            return self._launch()
        return self._wake(mark)

    def drain(self) -> None:
        """Step until there is nothing to do."""
        while self.step():
            pass

    def next_instant(self) -> Micros:
        """Return when the next timer or schedule is due, 0 when none is."""
        due = self.store.next_due()
        rests = [rests_until(job) for job in self.jobs]
        instants = [instant for instant in (due, self._next_launch, *rests) if 0 < instant < NEVER]
        return min(instants, default=0)

    def is_blocked_by_job(self) -> bool:
        """Does the next entry wait until something that a publish left to do is done?"""
        return any(map(is_blocking, self.jobs))

    def _hand_over(self, changed: Mapping[str, Customer], applied: Micros) -> None:
        if self.committed is not None and changed and all(map(is_purge, self.jobs)):
            self.committed(self.playbook, self.store, changed, max(self.time, applied))

    def _take_in(self, advanced: Advanced) -> None:
        self.count(advanced)
        if not advanced.directed:
            self._hand_over(advanced.changed, advanced.waits)
        if advanced.directed:
            self.reload()
        elif advanced.dropped:
            self.jobs = self.store.jobs()

    def _work_off(self) -> None:
        """Do a chunk of the jobs; the rules are read anew when one is done: its moves are over."""
        mark = self._watermark()
        job = next_job(sorted((job for job in self.store.jobs() if rests_until(job) <= mark), key=is_scrub))
        if job is not None and is_purge(job):
            job = self._purge(job, mark)
            self.jobs = self.store.jobs()
        else:
            job = proceed(self.store, self.log, self.playbook, limit=self._batch, heard=self._heard)
        if job is None or not job.phase:
            self._heard = Heard(self._heard.window)  # it is big, and of no more use
            self.reload()

    def _purge(self, job: JobRow, mark: Micros) -> JobRow:
        """Do a chunk of a purge. After a long scrub the next one waits, and serves all who came meanwhile."""
        is_slow = is_long(job)
        if is_slow and mark < self._next_scrub:
            return rest(self.store, job, self._next_scrub)
        job = purge(self.store, self.log, job, self.playbook.identity, now=mark, trip=self.trip)
        took = self._watermark() - mark
        if is_slow and took > NOTICED:
            self._next_scrub = mark + took + SHARE * took
        return job

    def _wake(self, until: Micros) -> bool:
        woken = wake(self.store, self.playbook, until, limit=self._batch)
        self.time = max(self.time, until if woken.customers else 0)
        self.fired += woken.customers
        self._hand_over(woken.changed, until)
        return woken.customers > 0

    def _are_jobs_pressing(self) -> bool:
        """Is there a job that does not rest?"""
        return bool(self.jobs) and any(rests_until(job) <= self._watermark() for job in self.jobs)

    def _publishes_next(self) -> bool:
        """Is the next entry a publish? It waits until the one before it has moved everybody: moves do not overtake."""
        entry = self._next_entry()
        return isinstance(entry, Directive) and entry.verb == "publish"

    def _is_blocked(self) -> bool:
        """Does the next entry wait for the schedule? One that came since we looked for work does not."""
        entry = None if self._next_launch == NEVER else self._next_entry()
        return entry is not None and entry.received >= self._next_launch

    def _next_entry(self) -> Entry | None:
        """Return the entry that is to be applied next, None when there is none or nobody can read it."""
        position = self.store.position()
        found = self.log.read(position, 1) if self.log.tail() > position else []
        try:
            return decode(found[0].body) if found else None
        except ValueError:
            return None  # `advance` buries it

    def _launch(self) -> bool:
        """Fire the timers that come before the schedule, then expand a chunk of its audience."""
        instant = self._next_launch
        if self._wake(instant):
            return True
        looked_at = launch(self.store, self.playbook, instant, chunk=self._batch)
        self._next_launch = self._read_schedules()
        self.time = max(self.time, instant)
        return looked_at > 0

    def _read_schedules(self) -> Micros:
        rows = self.store.schedules()
        return min((row.expanding or row.due for row in rows), default=NEVER)


def _pass(_point: str) -> None:
    """Failpoints are off."""

"""What a process tells ops: counters, gauges and log events out of what its engine and dispatcher did.

It changes nothing. Made by `Embedded`, and by `bootstrap/roles.py` for the roles of a scaled one.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from engine.core.ids import SECOND, Micros
from engine.ports import EventLog, JobRow, NotSent, PartitionRow, Reader, Result, Sent, Unclear
from engine.ports.partitions import DESK
from engine.runtime.dispatching import HandedOver
from engine.runtime.rates import Lane
from engine.telemetry import Telemetry
from engine.usecases.purge import is_erasure

_COUNTED = {
    "journeyd_entries_applied_total": "applied",
    "journeyd_duplicates_total": "duplicates",
    "journeyd_erased_dropped_total": "dropped",
    "journeyd_merges_total": "merged",
    "journeyd_conflicts_total": "contested",
    "journeyd_suppressed_total": "suppressed",
    "journeyd_dead_letters_total": "dead",
    "journeyd_timers_fired_total": "fired",
}


class Working(Protocol):
    """An engine that counts what it does, and knows the jobs that a publish left."""

    @property
    def jobs(self) -> Sequence[JobRow]:
        """Return the jobs that are left."""
        ...


class Meters:
    """One per process. `stepped` runs in the engine's thread, the rest in the loop; the registry bears both."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told = dict.fromkeys(_COUNTED, 0)
        self._open: set[str] = set()
        self._shown: set[tuple[str, str, str]] = set()
        self._begun: dict[str, float] = {}
        self._kinds: set[str] = set()

    def stepped(self, engine: Working, seconds: float) -> None:
        """Count what a step of the engine did."""
        self._telemetry.observe("journeyd_batch_seconds", seconds)
        for metric, name in _COUNTED.items():
            now = getattr(engine, name)
            grown = now - self._told[metric]
            if grown:
                self._told[metric] = now
                self._telemetry.count(metric, grown)
                if name == "dead":
                    structlog.get_logger("engine").warning("entry_dead", count=grown)
        if engine.jobs or self._begun:
            self._follow(engine.jobs)

    def _follow(self, jobs: Sequence[JobRow]) -> None:
        """Log when work that a publish left is begun and when it is done: events may be waiting for it."""
        log = structlog.get_logger("engine")
        for job in jobs:
            if job.name not in self._begun:
                self._begun[job.name] = time.perf_counter()
                log.info("job_begun", kind=_kind(job.name), count=job.total - job.done)
        for name in self._begun.keys() - {job.name for job in jobs}:
            log.info("job_done", kind=_kind(name), seconds=round(time.perf_counter() - self._begun.pop(name), 1))

    def ended(self, done: HandedOver) -> None:
        """Count a hand-over, and say so when nobody knows how it ended."""
        channel, outcome = done.leased.message.channel, _outcome(done.result)
        labels = {"channel": channel, "provider": done.provider}
        self._telemetry.count("journeyd_attempts_total", 1, outcome=outcome, **labels)
        self._telemetry.observe("journeyd_send_seconds", (done.ended - done.started) / SECOND, **labels)
        if isinstance(done.result, Unclear):
            touch = done.leased.row.touch
            structlog.get_logger("dispatcher").warning(
                "touch_uncertain", touch=touch.id, journey=touch.journey, **labels
            )

    def lanes(self, lanes: Mapping[str, Lane], providers: Mapping[str, str]) -> None:
        """Show which breakers are open, and log each change once."""
        log = structlog.get_logger("dispatcher")
        for channel, lane in lanes.items():
            labels = {"channel": channel, "provider": providers[channel]}
            is_open = lane.breaker.is_open
            self._telemetry.gauge("journeyd_breaker_open", float(is_open), **labels)
            if is_open and channel not in self._open:
                self._open.add(channel)
                log.warning("breaker_opened", **labels)
            elif not is_open and channel in self._open:
                self._open.discard(channel)
                log.info("breaker_closed", **labels)

    def totals(self, store: Reader, log: EventLog) -> None:
        """Bring the gauges up to date."""
        counts = store.counts()
        self._telemetry.gauge("journeyd_log_tail", log.tail())
        self._telemetry.gauge("journeyd_log_applied", store.position())
        self._telemetry.gauge("journeyd_customers", counts.customers)
        jobs = store.jobs()
        self._telemetry.gauge("journeyd_erasures_pending", sum(is_erasure(job) for job in jobs))
        self._jobs(jobs)
        self._shown = {*self._shown, *counts.touches}  # what is empty now shows 0, not its last number
        for journey, channel, state in self._shown:
            number = counts.touches.get((journey, channel, state), 0)
            self._telemetry.gauge("journeyd_touches", number, journey=journey, channel=channel, state=state)

    def partitions(self, rows: Sequence[PartitionRow], now: Micros) -> None:
        """Show how far each partition is behind the clock, by Kafka's number, and how many are nobody's."""
        ours = [row for row in rows if row.partition != DESK]
        for row in ours:
            behind = max(now - row.time, 0) / SECOND
            self._telemetry.gauge("journeyd_partition_behind_seconds", behind, partition=str(row.partition - 1))
        self._telemetry.gauge("journeyd_partitions_unowned", sum(not row.keeper(now) for row in ours))

    def _jobs(self, jobs: Sequence[JobRow]) -> None:
        done, total = Counter[str](), Counter[str]()
        for job in jobs:
            done[_kind(job.name)] += job.done
            total[_kind(job.name)] += job.total
        self._kinds |= total.keys()
        for kind in self._kinds:
            self._telemetry.gauge("journeyd_job_done", done[kind], kind=kind)
            self._telemetry.gauge("journeyd_job_total", total[kind], kind=kind)


def _kind(job: str) -> str:
    """Return what a job does: backfill, settle, sweep or erase."""
    return job.partition(":")[0]


def _outcome(result: Result) -> str:
    match result:
        case Sent():
            return "sent"
        case NotSent(retry=retry):
            return str(retry)
        case Unclear():
            return "uncertain"

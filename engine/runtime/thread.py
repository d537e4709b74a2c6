"""The engine's own thread: steps when there is work, runs what others ask of the store in between, else sleeps.

One thread owns the store's writes, so use cases stay synchronous and simple. It sleeps until the log grows, somebody
asks, or the next timer is due: nothing is polled.
"""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog

from engine.core.errors import Conflict, StoreAway, StoreFull
from engine.core.ids import MINUTE, SECOND
from engine.ports import Clock
from engine.runtime.engine import Engine

T = TypeVar("T")
Job = tuple[Callable[[], Any], "Future[Any]"]

RETRY_FULL_DISK = 2.0
"""Seconds until a full disk is tried again."""

RETRY_AWAY = 1.0
"""Seconds until a database that is away is asked again."""

TURN = 0.0005
"""Seconds until a thread that computes lets another in. At the interpreter's 5 ms the loop, which talks to providers in
many short turns, waits for the engine at each of them: mails then take several times as long."""


class EngineThread:
    """Runs an `Engine`. `on_step` is called (in the thread) with the seconds of each step that did something."""

    def __init__(self, engine: Engine, clock: Clock, on_step: Callable[[float], None]) -> None:
        self.engine = engine
        self._clock, self._on_step = clock, on_step
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._noticed = False
        self._stopping = False
        self.failure: BaseException | None = None
        self.renew: Callable[[], None] = _pass
        """Called before the first step after the store was away; raises `AlreadyRunning` when it is another's now."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to step."""
        sys.setswitchinterval(min(TURN, sys.getswitchinterval()))
        self._thread.start()

    def notice(self) -> None:
        """Say, from any thread, that the log has grown."""
        with self._wake:
            self._noticed = True
            self._wake.notify()

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Run `job` between two steps; whatever it raises is the caller's."""
        future: Future[T] = Future()
        with self._wake:
            if self._stopping or self.failure is not None:
                future.set_exception(RuntimeError("the engine has stopped"))
                return future
            self._jobs.append((job, future))
            self._wake.notify()
        return future

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` between two steps and await its result."""
        return await asyncio.wrap_future(self.submit(job))

    def stop(self) -> None:
        """Finish the current step and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._fail_jobs()

    def _run(self) -> None:
        log, is_back = structlog.get_logger("engine"), True
        try:
            while not self._stopping:
                self._do_jobs()
                try:
                    if not is_back:
                        self.renew()
                        is_back = True
                    begun = time.perf_counter()
                    if self.engine.step():
                        self._on_step(time.perf_counter() - begun)
                        continue
                except StoreFull as full:
                    log.error("store_full", error=str(full))
                    self._hold(RETRY_FULL_DISK)
                    continue
                except StoreAway as away:
                    log.warning("store_away", error=str(away))
                    self._hold(RETRY_AWAY)
                    is_back = False
                    continue
                except Conflict:
                    continue  # nothing was written: the same again, on what is there now
                self._sleep(self._until_next())
        except BaseException as failure:  # the daemon ends itself: a half-dead engine helps nobody
            log.exception("engine_failed")
            self.failure = failure
            self._fail_jobs()
            self._on_step(0.0)

    def _do_jobs(self) -> None:
        while self._jobs:
            job, future = self._jobs.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Exception as problem:
                future.set_exception(problem)

    def _fail_jobs(self) -> None:
        while self._jobs:
            _, future = self._jobs.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(RuntimeError("the engine has stopped"))

    def _until_next(self) -> float | None:
        instant = self.engine.next_instant()
        if not instant:
            return None
        # At most a minute at once: the machine's clock may be set forward while we sleep.
        return min(max(instant - self._clock.now(), 0) + 1_000, MINUTE) / SECOND

    def _hold(self, seconds: float) -> None:
        """Do jobs, and no step, for so long: neither they nor new entries make room on a disk."""
        end = time.perf_counter() + seconds
        while not self._stopping and (left := end - time.perf_counter()) > 0:
            self._do_jobs()
            self._sleep(left)

    def _sleep(self, seconds: float | None) -> None:
        with self._wake:
            if not self._noticed and not self._jobs and not self._stopping:
                self._wake.wait(seconds)
            self._noticed = False


def _pass() -> None:
    """A lock on files is not lost."""

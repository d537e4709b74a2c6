"""The campaign: start, let it work, kill -9, look what was left in flight, again; then drain and audit.

Which kill comes when is derived from the seed, so a campaign can be run again; what the process was doing at that
instant is up to the machine.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import msgspec

from engine.core.delivery import OPEN, TouchState
from engine.core.errors import BadInput
from engine.core.ids import share
from engine.ports import RunQuery, TouchQuery
from engine.runtime.embedded import ERASING, POINTS
from engine.store.sqlite import SqliteStore
from engine.store.sqlite.ledger import FILE as LEDGER
from engine.store.sqlite.ledger import LedgerFile
from engine.store.sqlite.pepper import FILE as KEY
from tests.crash.audit import Promised, audit
from tests.crash.care import Care
from tests.crash.claims import Findings, Toll
from tests.crash.daemon import REFUSED, Daemon
from tests.crash.feeder import Feeder
from tests.crash.forked import nursery
from tests.crash.ground import LEASE, Ground, prepare
from tests.crash.operators import Operators
from tests.crash.providers import Providers

KILL_AT_LATEST: Final = 4.0
"""Seconds until a process is killed whose failpoint was not passed often enough."""

QUIET_AT_LATEST: Final = 150.0
"""Seconds that draining may take, and half a second more per kill: a provider that said "later" is believed for up
to 75, and every doubtful WeChat message is sent once more under its key."""

PLACES: Final = (*POINTS, *ERASING)
"""Where processes are killed."""

_UNKNOWABLE: Final = ("drop_reply", "error_after", "down", "refuse")


class Orders(msgspec.Struct, frozen=True):
    """How a campaign is fought. `storms`: faults of the providers and freezes besides the kills."""

    kills: int
    seed: str = "journeyd"
    rate: float = 40.0
    variant: str = ""
    storms: bool = True


class Result(msgspec.Struct):
    """What happened, and what the audit says of it."""

    kills: int = 0
    at_failpoints: dict[str, int] = {}
    with_in_flight: int = 0
    freezes: int = 0
    second_starts: list[float] = []
    restarts: list[float] = []
    acknowledged: int = 0
    unanswered: int = 0
    retried: int = 0
    published: int = 0
    erased: int = 0
    united: int = 0
    parted: int = 0
    shut: int = 0
    refusals: list[str] = []
    drained_after: float = 0.0
    exit_code: int | None = None
    took: float = 0.0
    findings: Findings = msgspec.field(default_factory=Findings)


def fight(root: Path, orders: Orders, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Run a campaign in an empty folder and return its result; `tell` gets a line now and then."""
    started = time.monotonic()
    ground = prepare(root)
    campaign = _Campaign(ground, orders, tell)
    try:
        campaign.run()
    finally:
        campaign.close()
    result = campaign.result
    operators = campaign.operators
    codes, said = frozenset(operators.codes), campaign.care.said
    promised = Promised(campaign.feeder.acknowledged, operators.last.id, codes, said, orders.seed)
    result.findings = audit(ground, promised, campaign.toll)
    result.took = time.monotonic() - started
    return result


class _Campaign:
    def __init__(self, ground: Ground, orders: Orders, tell: Callable[[str], None]) -> None:
        self.ground, self.orders, self.tell = ground, orders, tell
        self.result, self.toll = Result(), Toll()
        self.operators = Operators(ground)
        self.providers = Providers(ground)
        self.feeder = Feeder(ground, orders.rate, orders.seed)
        self.care = Care(ground, orders.seed)
        self.daemon: Daemon | None = None

    def run(self) -> None:
        nursery()
        self.providers.storm(0, is_early=False)
        self.feeder.start()
        self.operators.start()
        self.care.start()
        for number in range(self.orders.kills):
            if self.orders.storms and number % 7 == 0:
                is_early = number < self.orders.kills * 0.4
                self.toll.doubtful_faults += self.providers.storm(number // 7, is_early=is_early)
            self._one_life(number)
            if number % 25 == 24:
                self.tell(f"{number + 1} kills, {self.result.with_in_flight} with something in flight")
        self._drain()

    def close(self) -> None:
        self.feeder.finish(0)
        self.operators.finish(0)
        self.care.finish(0)
        if self.daemon is not None:
            self.daemon.close()
        self.providers.close()

    # --- killing

    def _one_life(self, number: int) -> None:
        is_aimed = number % 2 == 1 or bool(self.orders.variant)
        failpoint = self._aim(number) if is_aimed else ""
        is_tormented = not is_aimed and self.orders.storms and number % 10 == 4
        self.daemon = daemon = Daemon(self.ground.root, failpoint=failpoint, variant=self.orders.variant)
        if is_aimed:
            if daemon.wait_dead(KILL_AT_LATEST):
                point = failpoint.partition(":")[0]
                self.result.at_failpoints[point] = self.result.at_failpoints.get(point, 0) + 1
        elif is_tormented:
            assert daemon.wait_ready(30), "the daemon does not start, see daemon.log"
            self._torment(number, daemon)
        else:
            # Some die before they serve: in the middle of recovery, or of starting at all.
            daemon.wait_ready(self._dice("hurry", number) * 2)
            daemon.wait_dead(self._dice("life", number))
        daemon.kill()
        assert daemon.exit_code == -signal.SIGKILL, f"the daemon ended itself: {daemon.exit_code}, see daemon.log"
        if daemon.wait_ready(0):
            self.result.restarts.append(daemon.ready_after)
        daemon.close()
        self.daemon = None
        self.result.kills += 1
        left = self._left_in_flight()
        self.toll.left_in_flight |= left
        self._look_after_keys()
        self.result.with_in_flight += bool(left)

    def _aim(self, number: int) -> str:
        point = ("send.before", "send.after")[number % 2] if self.orders.variant else PLACES[number // 2 % len(PLACES)]
        times = 1 if point.startswith(("recover", "erase")) else 1 + int(self._dice("hits", number) ** 2 * 30)
        return f"{point}:{times}"

    def _torment(self, number: int, daemon: Daemon) -> None:
        """Start a second daemon beside it, or freeze it for a moment, or (once) for longer than a lease."""
        if number % 20 == 14:
            self._start_a_second()
            return
        is_long = number == 4
        daemon.wait_dead(0.3)
        daemon.signal(signal.SIGSTOP)
        daemon.wait_dead(LEASE + 0.5 if is_long else 0.3)
        daemon.signal(signal.SIGCONT)
        # Woken up, it must notice what it has missed.
        daemon.wait_dead(1.5 if is_long else 0.2)
        self.toll.freezes += 1
        self.result.freezes += 1

    def _start_a_second(self) -> None:
        second = Daemon(self.ground.root)
        try:
            assert second.wait_dead(10), "a second daemon runs beside the first"
            assert second.exit_code == REFUSED, f"a second daemon ended with {second.exit_code}"
            self.result.second_starts.append(time.monotonic() - second.born)
        finally:
            second.close()

    def _look_after_keys(self) -> None:
        """The key of the fingerprints never changes, and nobody leaves the ledger's file."""
        path, ledger = self.ground.data / KEY, LedgerFile(self.ground.data / LEDGER)
        key, erased = path.read_bytes() if path.exists() else b"", {row.customer for row in ledger.rows()}
        if self.toll.key not in (b"", key):
            self.toll.lost_files.append(f"{KEY} changed")
        if self.toll.ledger - erased:
            self.toll.lost_files.append(f"{LEDGER} lost {sorted(self.toll.ledger - erased)}")
        self.toll.key, self.toll.ledger = key, erased

    def _left_in_flight(self) -> set[str]:
        try:
            store = SqliteStore.open_readonly(self.ground.data / "store.db")
        except BadInput:
            return set()  # killed before there was a store
        try:
            return {row.touch.id for row in store.find_touches(TouchQuery(state=TouchState.IN_FLIGHT, limit=1_000))}
        finally:
            store.close()

    def _dice(self, *of: str | int) -> float:
        return share(self.orders.seed, self.orders.variant, *of)

    # --- draining

    def _drain(self) -> None:
        fired = self.providers.fired()
        self.toll.doubtful_faults += sum(n for name, n in fired.items() if name.partition(".")[2] in _UNKNOWABLE)
        self.providers.clear()
        self.feeder.enough()
        began = time.monotonic()
        self.daemon = daemon = Daemon(self.ground.root, variant=self.orders.variant)
        assert daemon.wait_ready(30), "the daemon does not start again, see daemon.log"
        self.result.restarts.append(daemon.ready_after)
        self.feeder.finish(60)
        self.operators.finish(60)
        self.care.finish(60)
        self.result.acknowledged, self.result.unanswered = len(self.feeder.acknowledged), len(self.feeder.unanswered)
        self.result.retried = self.feeder.repeats
        self.result.refusals = [*self.feeder.refusals, *self.operators.refusals, *self.care.refusals]
        self.result.published = self.operators.published
        said = self.care.said
        self.result.erased, self.result.shut = len(said.gone), len(said.shut)
        self.result.united, self.result.parted = len(said.pairs), sum(pair.is_parted for pair in said.pairs)
        self._wait_until_quiet(daemon, began + QUIET_AT_LATEST + self.orders.kills / 2)
        self.result.drained_after = time.monotonic() - began
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_dead(30), "the daemon does not stop on SIGTERM"
        self.result.exit_code = daemon.exit_code
        self._look_after_keys()

    def _wait_until_quiet(self, daemon: Daemon, deadline: float) -> None:
        """Wait until no run is under way and no touch is open but the doubtful ones."""
        store = SqliteStore.open_readonly(self.ground.data / "store.db")
        headers = {"Authorization": f"Bearer {self.ground.ops_key}"}
        with httpx.Client(base_url=self.ground.url, headers=headers, trust_env=False, timeout=10) as ops:
            try:
                while (
                    store.jobs()
                    or store.runs(RunQuery(active="yes", limit=1))
                    or any(_has(ops, state) for state in _BUSY)
                ):
                    assert time.monotonic() < deadline, "touches stay open, see the audit of the store"
                    assert not daemon.wait_dead(0.2), f"the daemon died while draining: {daemon.exit_code}"
            finally:
                store.close()


_BUSY: Final = sorted(OPEN - {TouchState.UNCERTAIN})


def _is_underway(store: SqliteStore) -> bool:
    return bool(store.jobs() or store.runs(RunQuery(active="yes", limit=1)))


def _has(ops: httpx.Client, state: TouchState) -> bool:
    answer = ops.get("/v1/ops/touches", params={"state": state.value, "limit": 1}).raise_for_status()
    return bool(answer.json()["touches"])

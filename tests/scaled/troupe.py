"""Everybody on the stage: three workers, two dispatchers, the door, and the clients who keep them busy.

`endure` lets them live through some trouble, drains what is under way, stops everybody and holds what is left against
what was said. What the trouble is, is the caller's: `campaign.py`, or a test.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from engine.bootstrap.roles import Role as RoleName
from engine.core.delivery import OPEN, TouchState
from engine.core.errors import StoreAway
from engine.ports import RunQuery, SharedStore, TouchQuery
from engine.store.postgres import PostgresStore
from tests.crash.audit import Promised
from tests.crash.care import Care
from tests.crash.claims import Findings, Toll
from tests.crash.feeder import Feeder
from tests.crash.forked import nursery
from tests.crash.operators import Operators
from tests.crash.providers import Providers
from tests.scaled.audit import audit
from tests.scaled.ground import Field
from tests.scaled.roles import Role
from tests.scaled.topic import set_marks
from tests.scaled.walkers import Walkers

WORKERS: Final = 3
DISPATCHERS: Final = 2
LEAVES_AT_LATEST: Final = 30.0
GIVES_UP_AFTER: Final = 9.0
"""Seconds: a dispatcher that leaves waits ten for what it has handed over, then leaves it in flight."""

QUIET_AT_LATEST: Final = 300.0
"""Seconds that draining may take: on a machine that has other things to do, providers are left alone for a while."""


class Orders(msgspec.Struct, frozen=True):
    """How a campaign is fought: so many acts, each a join, a clean leave or a kill -9 of somebody."""

    acts: int
    seed: str = "journeyd"
    rate: float = 15.0
    pause: float = 0.9
    variant: str = ""


class Result(msgspec.Struct):
    """What happened, and what the audit says of it."""

    acts: dict[str, int] = {}
    kills: int = 0
    leaves: int = 0
    joins: int = 0
    bad_ends: list[str] = []
    acknowledged: int = 0
    steps: int = 0
    unanswered: int = 0
    repeats: int = 0
    published: int = 0
    refusals: list[str] = []
    slowest_leave: float = 0.0
    drained_after: float = 0.0
    took: float = 0.0
    findings: Findings = msgspec.field(default_factory=Findings)


class Clients(Protocol):
    """Somebody who keeps the roles busy."""

    def start(self) -> None: ...

    def finish(self, seconds: float) -> None:
        """End what was begun, at most so long."""


def endure(field: Field, orders: Orders, trouble: "Callable[[Troupe], None]") -> Result:
    """Let the roles and their clients live through some trouble, drain, and audit."""
    started = time.monotonic()
    troupe = Troupe(field, orders)
    try:
        troupe.begin()
        trouble(troupe)
        troupe.drain()
        result = troupe.result
        operators, walked = troupe.operators, troupe.walkers.walked
        codes = frozenset(operators.codes)
        acknowledged = troupe.feeder.acknowledged
        promised = Promised(acknowledged, operators.last.id, codes, troupe.care.said, orders.seed)
        result.findings = audit(field, troupe.store, promised, walked, troupe.toll)
    finally:
        troupe.close()
    result.took = time.monotonic() - started
    return result


class Troupe:
    """Traffic and roles. `begin`, let something befall them, `drain`; then look at what the clients heard."""

    def __init__(self, field: Field, orders: Orders) -> None:
        self.field, self.orders = field, orders
        self.result, self.toll = Result(), Toll()
        self.store: SharedStore = PostgresStore(field.database, connections=2)
        self.providers = Providers(field.ground)
        self.operators = Operators(field.ground)
        self.feeder = Feeder(field.ground, orders.rate, orders.seed)
        self.care = Care(field.ground, orders.seed)
        self.walkers = Walkers(field, orders.seed)
        self.roles: list[Role] = []
        self._clients: list[Clients] = []
        self._wanted: dict[RoleName, int] = {"serve": 1, "worker": WORKERS, "dispatcher": DISPATCHERS}
        self._pausing = threading.Event()

    def begin(self) -> None:
        """Start everybody, then the traffic."""
        nursery()
        self.providers.storm(0, is_early=False)
        self.fill_up()
        for one in self.roles:
            assert one.wait_ready(60), f"the {one.role} does not start, see {one.role}.log"
        for clients in (self.feeder, self.operators, self.care, self.walkers):
            clients.start()
            self._clients.append(clients)

    def close(self) -> None:
        """Stop everything that is still there."""
        for clients in self._clients:
            clients.finish(0)
        for one in self.roles:
            one.close()
        self.providers.close()
        self.store.close()

    # --- what befalls them

    def of(self, role: RoleName) -> list[Role]:
        """Return who plays a role."""
        return [one for one in self.roles if one.role == role]

    def kill(self, victim: Role) -> None:
        """kill -9."""
        victim.kill()
        self._bury(victim)

    def leave(self, victim: Role) -> None:
        """SIGTERM, and wait until it has left."""
        began = time.monotonic()
        victim.signal(signal.SIGTERM)
        while not victim.wait_dead(0.3):
            self._bury_the_dead(victim)
            if time.monotonic() - began > LEAVES_AT_LATEST:
                self.result.bad_ends.append(f"a {victim.role} does not stop on SIGTERM")
                victim.kill()
        took = time.monotonic() - began
        self.result.slowest_leave = max(self.result.slowest_leave, took)
        if victim.role == "dispatcher" and took > GIVES_UP_AFTER:
            self.toll.left_in_flight |= self.in_flight()
        self._bury(victim)

    def freeze(self, victims: Sequence[Role], seconds: float) -> None:
        """Stop some for a while and let them go on, as zombies where it was long."""
        for one in victims:
            one.signal(signal.SIGSTOP)
        self.rest(seconds)
        for one in victims:
            one.signal(signal.SIGCONT)
        self.toll.freezes += sum(one.role == "dispatcher" for one in victims)

    def _bury(self, victim: Role) -> None:
        """Take it out of the list and note how it ended."""
        self.roles.remove(victim)
        code = victim.exit_code
        match code:
            case 0:
                self.result.leaves += 1
            case _ if code == -signal.SIGKILL:
                self.result.kills += 1
            case _ if code == -signal.SIGTERM and not victim.wait_ready(0):
                self.result.leaves += 1  # asked to go before it had begun to listen
            case _:
                self.result.bad_ends.append(f"a {victim.role} ended with {code}")
        if victim.role == "dispatcher" and code != 0:
            self.toll.left_in_flight |= self.in_flight()
        victim.close()

    def _bury_the_dead(self, leaving: Role | None = None) -> None:
        """Bury who died at a failpoint: soon, since what it left in flight is in flight only until its lease ends."""
        for one in [one for one in self.roles if one is not leaving and one.exit_code is not None]:
            self._bury(one)

    def fill_up(self) -> None:
        """Start what is missing; who died at a failpoint is buried first."""
        self._bury_the_dead()
        for role, count in self._wanted.items():
            for _ in range(count - len(self.of(role))):
                self.start(role)

    def start(self, role: RoleName, *, failpoint: str = "") -> None:
        """Let one more come."""
        self.roles.append(Role(self.field.ground.root, role, failpoint=failpoint, variant=self.orders.variant))
        self.result.joins += 1

    def in_flight(self) -> set[str]:
        """Return the touches that are in flight."""
        with suppress(StoreAway):
            return {
                row.touch.id for row in self.store.find_touches(TouchQuery(state=TouchState.IN_FLIGHT, limit=1_000))
            }
        return set()

    def hush(self, seconds: float) -> None:
        """Let clients be quiet for so long, and roles go on with what they have."""
        for clients in (self.feeder, self.walkers):
            clients.may.clear()
        self.rest(seconds)

    def speak(self) -> None:
        """Let clients go on."""
        for clients in (self.feeder, self.walkers):
            clients.may.set()

    def rest(self, seconds: float) -> None:
        """Let the traffic go on for so long."""
        self._pausing.wait(seconds)

    # --- draining

    def drain(self) -> None:
        """End the traffic, wait until everything is done, and stop everybody in order."""
        began = time.monotonic()
        self.speak()
        self.providers.clear()
        self.feeder.enough()
        self.walkers.enough()
        self.fill_up()
        for clients in self._clients:
            clients.finish(60)
        self._note_what_clients_heard()
        deadline = began + QUIET_AT_LATEST
        self._wait_until(self._is_applied(set_marks(self.field)), deadline)
        self._wait_until(self._is_quiet, deadline)
        self.result.drained_after = time.monotonic() - began
        self._leave_all("serve")
        self._leave_all("dispatcher")
        self._wait_until(self._is_applied(set_marks(self.field)), deadline)
        self._leave_all("worker")

    def _leave_all(self, role: RoleName) -> None:
        self._wanted[role] = 0
        for one in self.of(role):
            self.leave(one)

    def _note_what_clients_heard(self) -> None:
        result, walked = self.result, self.walkers.walked
        result.acknowledged, result.steps = len(self.feeder.acknowledged), sum(walked.steps.values())
        result.unanswered = len(self.feeder.unanswered) + len(walked.tried)
        result.repeats = self.feeder.repeats + walked.repeats
        result.published = self.operators.published
        result.refusals = [
            *self.feeder.refusals,
            *self.operators.refusals,
            *self.care.refusals,
            *walked.refusals,
        ]

    def _wait_until(self, is_so: Callable[[], bool], deadline: float) -> None:
        while not self._holds(is_so):
            assert time.monotonic() < deadline, f"it does not come to rest: {self._left()}"
            self.rest(0.3)
            self.fill_up()

    def _holds(self, is_so: Callable[[], bool]) -> bool:
        """Ask; a connection from before the database was restarted knows nothing."""
        with suppress(StoreAway):
            return is_so()
        return False

    def _is_applied(self, marks: Mapping[int, int]) -> Callable[[], bool]:
        """Return what asks whether every partition is applied up to its mark."""

        def ask() -> bool:
            positions = {row.partition: row.position for row in self.store.partitions()}
            return all(positions[partition] >= place for partition, place in marks.items())

        return ask

    def _is_quiet(self) -> bool:
        """Is no run under way and no touch open but the doubtful ones?"""
        store = self.store
        if store.jobs() or store.runs(RunQuery(active="yes", limit=1)):
            return False
        return not any(store.find_touches(TouchQuery(state=state.value, limit=1)) for state in _BUSY)

    def _left(self) -> str:
        store = self.store
        touches = {state: len(store.find_touches(TouchQuery(state=state.value, limit=1_000))) for state in _BUSY}
        runs = len(store.runs(RunQuery(active="yes")))
        return f"jobs {store.jobs()}, {runs} runs under way, touches {touches}, partitions {store.partitions()}"


_BUSY: Final = sorted(OPEN - {TouchState.UNCERTAIN})
